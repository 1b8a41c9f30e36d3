"""Hands and grasps from the images of a camera that already runs.

ros2 launch handpose_ros hand_pose.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    EqualsSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
)
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetParametersFromFile
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare("handpose_ros"), "config"])
TRANSPORT = PathJoinSubstitution([CONFIG, "fastdds.xml"])
UNLESS_CHOSEN = IfCondition(EqualsSubstitution(EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value=""), ""))
NO_DEPTH = "depth"  # the node's own name of the topic: an empty one cannot be remapped to
WITH_DEPTH = NotEqualsSubstitution(LaunchConfiguration("depth"), NO_DEPTH)
OVERRIDES = {
    "backend": "networks that find the hands",
    "device": "where they run",
    "compressed": "true: subscribe to <image>/compressed",
}


def override(name: str) -> SetParameter:
    """The parameter as given on the command line; without it the one in params_file, then the node's default."""
    given = LaunchConfiguration(name)
    return SetParameter(name, given, condition=IfCondition(NotEqualsSubstitution(given, "")))


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="/camera/image_raw", description="topic of the images"),
            DeclareLaunchArgument("camera_info", default_value="/camera/camera_info", description="their calibration"),
            DeclareLaunchArgument(
                "depth", default_value=NO_DEPTH, description="topic of depth images registered to them; depth: none"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the nodes"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([CONFIG, "hand_pose.yaml"]),
                description="parameters of hand_pose",
            ),
            DeclareLaunchArgument(
                "grasp_params_file",
                default_value=PathJoinSubstitution([CONFIG, "grasp.yaml"]),
                description="parameters of grasp",
            ),
            *[
                DeclareLaunchArgument(name, default_value="", description=f"{text}; empty: as in params_file")
                for name, text in OVERRIDES.items()
            ],
            # Images do not fit Fast DDS's default shared-memory segment: best-effort ones would be lost.
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=TRANSPORT),
                condition=UNLESS_CHOSEN,
            ),
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration("namespace")),
                    SetParametersFromFile(LaunchConfiguration("params_file")),
                    *[override(name) for name in OVERRIDES],
                    SetParameter("depth", True, condition=IfCondition(WITH_DEPTH)),
                    Node(
                        package="handpose_ros",
                        executable="hand_pose",
                        name="hand_pose",
                        output="screen",
                        remappings=[
                            ("image", LaunchConfiguration("image")),
                            ("camera_info", LaunchConfiguration("camera_info")),
                            ("depth", LaunchConfiguration("depth")),
                        ],
                    ),
                ]
            ),
            Node(
                package="handpose_ros",
                executable="grasp",
                name="grasp",
                namespace=LaunchConfiguration("namespace"),
                output="screen",
                parameters=[LaunchConfiguration("grasp_params_file")],
                remappings=[("hands", "hand_pose/hands")],
            ),
        ]
    )
