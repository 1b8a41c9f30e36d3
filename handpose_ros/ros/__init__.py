"""The ROS 2 nodes: adapters around the core, the only part of the package that imports ROS."""

try:
    import rclpy  # noqa: F401

    import handpose_ros.msg  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the nodes need the ROS 2 client library and this package's messages ({error}): run `make demo`, or source a "
        "ROS 2 workspace with handpose_ros in it; `handpose video` needs neither"
    ) from error
