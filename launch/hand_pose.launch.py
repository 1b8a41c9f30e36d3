"""Hands and grasps from the images of a camera that already runs.

ros2 launch handpose_ros hand_pose.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
)
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetParametersFromFile
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare("handpose_ros"), "config"])
TRANSPORT = PathJoinSubstitution([CONFIG, "fastdds.xml"])
# Fast DDS 2 of Jazzy knows the old name only, Fast DDS 3 warns of it and, with both, loads the file twice.
PROFILES = IfElseSubstitution(
    EqualsSubstitution(EnvironmentVariable("ROS_DISTRO", default_value=""), "jazzy"),
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
)
CHOICES = ("FASTDDS_BUILTIN_TRANSPORTS", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
UNLESS_CHOSEN = IfCondition(EqualsSubstitution([EnvironmentVariable(name, default_value="") for name in CHOICES], ""))
NO_DEPTH = "depth"  # the node's own name of the topic: an empty one cannot be remapped to
WITH_DEPTH = NotEqualsSubstitution(LaunchConfiguration("depth"), NO_DEPTH)
OVERRIDES = {
    "backend": "networks that find the hands",
    "device": "where they run",
    "compressed": "true: subscribe to <image>/compressed",
    "rectified": "true: the image is rectified, use P of camera_info",
    "fov": "[deg] horizontal field of view of a camera without calibration",
    "hand_scale": "ratio of the person's hand size to the average hand's",
    "publish_tf": "true: publish wrist frames on /tf",
    "tf_prefix": "prefix of the names of these frames",
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
                "depth", default_value=NO_DEPTH, description="topic of registered depth images; depth: none"
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
            DeclareLaunchArgument("use_sim_time", default_value="", description="true: use the time on /clock"),
            # A group, so that nothing of this stays set in a launch file that includes this one (but its parameters, if
            # that one used SetParameter before: launch_ros keeps these in one list).
            GroupAction(
                [
                    # Images do not fit Fast DDS's default shared-memory segment: best-effort ones would be lost.
                    SetEnvironmentVariable(PROFILES, TRANSPORT, condition=UNLESS_CHOSEN),
                    PushRosNamespace(LaunchConfiguration("namespace")),
                    override("use_sim_time"),
                    # First, because what is set from here on is for hand_pose only.
                    Node(
                        package="handpose_ros",
                        executable="grasp",
                        name="grasp",
                        output="screen",
                        parameters=[LaunchConfiguration("grasp_params_file")],
                        remappings=[("hands", "hand_pose/hands")],
                    ),
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
        ]
    )
