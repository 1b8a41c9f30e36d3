"""Metric 3D hands from a calibrated camera, for ROS 2 and without it.

Kept import-light: the generated `handpose_ros.msg` imports this file.
"""

from pkgutil import extend_path

# In a source checkout the generated message modules lie in another directory.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
