"""The whole chain: a camera (the demo clip by default), hands, grasps, and RViz if it is installed.

ros2 launch handpose_ros demo.launch.py source:=/dev/video0 fov:=60 device:=cuda
"""

import shutil

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.substitutions import (
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
)
from launch_ros.actions import Node, SetParameter
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("handpose_ros")
TRANSPORT = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
# Fast DDS 2 of Jazzy knows the old name only, Fast DDS 3 warns of it and, with both, loads the file twice.
PROFILES = IfElseSubstitution(
    EqualsSubstitution(EnvironmentVariable("ROS_DISTRO", default_value=""), "jazzy"),
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
)
CHOICES = ("FASTDDS_BUILTIN_TRANSPORTS", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
UNLESS_CHOSEN = IfCondition(EqualsSubstitution([EnvironmentVariable(name, default_value="") for name in CHOICES], ""))
# An argument of hand_pose.launch.py: stamps of the images are on the clock of what reads them.
WITH_SIM_TIME = IfCondition(NotEqualsSubstitution(LaunchConfiguration("use_sim_time"), ""))


def is_node(action: Action) -> bool:
    """Whether it is one of the nodes: RViz may be closed, or find no display."""
    return isinstance(action, Node)


def end(_event, context: LaunchContext) -> Shutdown | None:
    """Ends the rest, unless it ends already."""
    return None if context.is_shutdown else Shutdown(reason="a node ended")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "source", default_value="demo", description="demo, a video file, a folder of images or a webcam (0)"
            ),
            DeclareLaunchArgument(
                "calibration",
                default_value="",
                description="calibration file of ROS's camera_calibration; empty: the source's own, if any",
            ),
            DeclareLaunchArgument(
                "fov",
                default_value="",
                description="[deg] horizontal field of view, needed to show hands of a source without calibration",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value=str(shutil.which("rviz2") is not None).lower(),
                description="open RViz; default: true if rviz2 is installed",
            ),
            # As in hand_pose.launch.py: it must be set before the camera starts.
            SetEnvironmentVariable(PROFILES, TRANSPORT, condition=UNLESS_CHOSEN),
            # Without any one of its nodes there is nothing to see, and why it ended stays the last thing said.
            RegisterEventHandler(OnProcessExit(target_action=is_node, on_exit=end)),
            # First what can fail for a wrong argument: what launch started before an error, it leaves running.
            ExecuteProcess(
                cmd=["rviz2", "-d", PathJoinSubstitution([SHARE, "config", "handpose.rviz"])],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([SHARE, "launch", "hand_pose.launch.py"]),
                launch_arguments={"image": "/camera/image", "camera_info": "/camera/camera_info"}.items(),
            ),
            SetParameter("use_sim_time", LaunchConfiguration("use_sim_time"), condition=WITH_SIM_TIME),
            Node(
                package="handpose_ros",
                executable="camera",
                name="camera",
                output="screen",
                parameters=[{name: LaunchConfiguration(name) for name in ("source", "calibration")}],
            ),
        ]
    )
