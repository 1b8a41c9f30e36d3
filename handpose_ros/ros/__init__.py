"""The ROS 2 nodes: adapters around the core, the only part of the package that imports ROS."""
