"""ROS messages and calibration files -> values and back, without ROS."""
