"""The node `grasp`: hands in; grasps, the width of a gripper and markers out, stamped and framed like the hands."""

import sys
import time
from dataclasses import dataclass, replace

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handpose_ros.grasps.grasp import CLASSIFIERS, DEFAULT_CLASSIFIER, Grasp, GraspTracker, make_classifier
from handpose_ros.grasps.gripper import GripperFollower
from handpose_ros.hand import Side
from handpose_ros.messages.decoding import hands_from_msg
from handpose_ros.msg import GraspArray, HandPoseArray
from handpose_ros.ros.conversions import grasp_markers, grasps_to_msg, gripper_msg
from handpose_ros.ros.params import declare, parameter
from handpose_ros.ros.running import run_node

QUEUE_DEPTH = 10  # arrays; every one is answered, and an answer takes about a millisecond
SIDES = {"any": Side.UNKNOWN, "left": Side.LEFT, "right": Side.RIGHT}
WARNING_PERIOD = 5.0  # [s]


@dataclass(frozen=True)
class GraspParams:
    """Parameters of grasp."""

    classifier: str = parameter(DEFAULT_CLASSIFIER, "grasp classifier", choices=tuple(CLASSIFIERS))
    min_confidence: float = parameter(
        0.5, "a hand or a grasp below it is UNKNOWN, and the gripper does not move", minimum=0.0, maximum=1.0
    )
    hand: str = parameter("any", "hand that controls the gripper; any: the one tracked longest", choices=tuple(SIDES))
    gripper_command: str = parameter(
        "goal",
        "meaning of velocity and effort in ~/gripper_command; goal: the allowed maximum, as in a goal of "
        "control_msgs/ParallelGripperCommand; state: velocity of the width, no effort",
        choices=("goal", "state"),
    )
    gripper_joint: str = parameter("finger_joint", "name of the gripper's joint in ~/gripper_command")
    gripper_max_width: float = parameter(
        0.085, "[m] distance between the gripper's fingers, fully open", minimum=0.001, maximum=1.0
    )
    gripper_max_velocity: float = parameter(0.15, "[m/s] maximum speed of that width", minimum=0.001, maximum=10.0)
    gripper_max_effort: float = parameter(0.0, "[N] maximum grip force, in a goal; 0: none", minimum=0.0, maximum=1e4)


class GraspNode(Node):
    """Publishes one GraspArray, the grasps of its hands, for every HandPoseArray."""

    def __init__(self, **options):
        """`options` are those of rclpy's Node, such as namespace, context and parameter_overrides."""
        super().__init__("grasp", automatically_declare_parameters_from_overrides=True, **options)
        self._params = params = declare(self, GraspParams)
        self._tracker = GraspTracker(make_classifier(params.classifier), params.min_confidence)
        self._gripper = GripperFollower(params.gripper_max_width, params.gripper_max_velocity, SIDES[params.hand])
        self._since: dict[float, Time] = {}  # exact stamps: a float of seconds is off by 0.1 us
        self._shown = frozenset()
        self._grasps = self.create_publisher(GraspArray, "~/grasps", QUEUE_DEPTH)
        self._commands = self.create_publisher(JointState, "~/gripper_command", QUEUE_DEPTH)
        self._markers = self.create_publisher(MarkerArray, "~/markers", QUEUE_DEPTH)
        self._topic = self.create_subscription(HandPoseArray, "hands", self._on_hands, QUEUE_DEPTH).topic_name
        self.get_logger().info(f"reads hands from {self._topic}, classifier {self._tracker.classifier.name}")

    def _on_hands(self, msg: HandPoseArray):
        try:
            hands = hands_from_msg(msg)
        except ValueError as error:  # of another version or a faulty publisher
            self.get_logger().warning(
                f"{self._topic}: {error}; nothing is answered", throttle_duration_sec=WARNING_PERIOD
            )
            return
        if not hands.stamp:  # the camera's driver stamps nothing, and hand_pose says so
            now = self.get_clock().now().nanoseconds or time.time_ns()  # 0: simulated time has not begun
            hands = replace(hands, stamp=now * 1e-9)
        grasps = self._tracker.update(hands)
        since = self._exact_since(grasps, msg.header.stamp)
        self._grasps.publish(grasps_to_msg(grasps, since, msg.header, self._tracker.classifier.name))
        width = self._gripper.update(grasps, hands.stamp)
        if width is not None:
            self._commands.publish(self._command(width, msg.header))
        markers, self._shown = grasp_markers(grasps, msg.header, self._shown)
        self._markers.publish(markers)

    def _command(self, width: float, header: Header) -> JointState:
        params, velocity, effort = self._params, self._gripper.velocity, 0.0
        if params.gripper_command == "goal":
            velocity, effort = params.gripper_max_velocity, params.gripper_max_effort
        return gripper_msg(width, velocity, effort, params.gripper_joint, header)

    def _exact_since(self, grasps: tuple[Grasp, ...], stamp: Time) -> list[Time]:
        """The stamps, to the nanosecond, of the images in which the grasps began."""
        stamps = [self._since.get(grasp.since, stamp) for grasp in grasps]
        self._since = dict(zip((grasp.since for grasp in grasps), stamps, strict=True))
        return stamps


def main() -> int:
    """Exit code of the process."""
    return run_node(GraspNode)


if __name__ == "__main__":
    sys.exit(main())
