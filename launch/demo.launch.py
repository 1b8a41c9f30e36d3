"""The whole chain: a camera (the demo clip by default), hands, grasps, and RViz where it is installed.

ros2 launch handpose_ros demo.launch.py source:=/dev/video0 device:=cuda
"""

import shutil

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, EqualsSubstitution, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("handpose_ros")
TRANSPORT = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
UNLESS_CHOSEN = IfCondition(EqualsSubstitution(EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value=""), ""))


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "source", default_value="demo", description="demo, a video file, a folder of images or a webcam (0)"
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value=str(shutil.which("rviz2") is not None).lower(),
                description="open RViz; by default where rviz2 is installed",
            ),
            # As in hand_pose.launch.py: it must be set before the camera starts.
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=TRANSPORT),
                condition=UNLESS_CHOSEN,
            ),
            Node(
                package="handpose_ros",
                executable="camera",
                name="camera",
                output="screen",
                parameters=[{"source": LaunchConfiguration("source")}],
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([SHARE, "launch", "hand_pose.launch.py"]),
                launch_arguments={"image": "/camera/image", "camera_info": "/camera/camera_info"}.items(),
            ),
            ExecuteProcess(
                cmd=["rviz2", "-d", PathJoinSubstitution([SHARE, "config", "handpose.rviz"])],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )
