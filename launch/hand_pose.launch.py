"""Hands and grasps from the images of a camera that already runs.

ros2 launch handpose_ros hand_pose.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    PathJoinSubstitution,
)
from launch_ros.actions import Node, PushRosNamespace
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


def check_files(context: LaunchContext):
    """Raises FileNotFoundError before anything runs: what launch started before an error, it leaves running."""
    for name in ("params_file", "grasp_params_file"):
        path = LaunchConfiguration(name).perform(context)
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{name}:={path}: there is no such file")


def given(context: LaunchContext, *names: str) -> dict:
    """The parameters among `names` that are given on the command line."""
    return {name: LaunchConfiguration(name) for name in names if LaunchConfiguration(name).perform(context)}


def nodes(context: LaunchContext) -> list[Node]:
    """Both nodes with the parameters of their files, and above these what is given on the command line.

    That becomes a file for each very node. As `-p fov:=72.5` it would be lost where a file for /** has `fov: 60`: of
    two types for one name rcl takes the one that it asks for first, and an integer before a number.
    """
    clock, own = given(context, "use_sim_time"), given(context, *OVERRIDES)
    if LaunchConfiguration("depth").perform(context) != NO_DEPTH:
        own["depth"] = True
    return [
        Node(
            package="handpose_ros",
            executable="grasp",
            name="grasp",
            output="screen",
            parameters=[LaunchConfiguration("grasp_params_file"), *filter(None, [clock])],
            remappings=[("hands", "hand_pose/hands")],
        ),
        Node(
            package="handpose_ros",
            executable="hand_pose",
            name="hand_pose",
            output="screen",
            parameters=[LaunchConfiguration("params_file"), *filter(None, [{**clock, **own}])],
            remappings=[(name, LaunchConfiguration(name)) for name in ("image", "camera_info", "depth")],
        ),
    ]


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
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                choices=["", "true", "false", "True", "False"],
                description="true: use the time on /clock",
            ),
            OpaqueFunction(function=check_files),
            # A group, so that nothing of this stays set in a launch file that includes this one.
            GroupAction(
                [
                    # Images do not fit Fast DDS's default shared-memory segment: best-effort ones would be lost.
                    SetEnvironmentVariable(PROFILES, TRANSPORT, condition=UNLESS_CHOSEN),
                    PushRosNamespace(LaunchConfiguration("namespace")),
                    OpaqueFunction(function=nodes),
                ]
            ),
        ]
    )
