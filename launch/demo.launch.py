"""The whole chain: a camera (the demo clip by default), hands, grasps, and RViz where it is installed.

ros2 launch handpose_ros demo.launch.py source:=/dev/video0 device:=cuda
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    AndSubstitution,
    EnvironmentVariable,
    LaunchConfiguration,
    PathJoinSubstitution,
)
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
