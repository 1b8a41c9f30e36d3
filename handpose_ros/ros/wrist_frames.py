"""TF of the node `hand_pose`: the wrists as frames, for whom asks for them."""

from rclpy.node import Node
from std_msgs.msg import Header

from handpose_ros.hand import HandPoses
from handpose_ros.ros.conversions import wrist_transforms

try:  # not among the wheels of PyPI
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

_DEPTH = 100  # messages, as tf2_ros publishes them


class WristFrames:
    """Publishes the frames <prefix>left_wrist and <prefix>right_wrist on /tf, if `wanted`."""

    def __init__(self, node: Node, wanted: bool, prefix: str):
        self._prefix, self._warn = prefix, node.get_logger().warning
        self._told = False  # that the camera is not calibrated
        self._publisher = node.create_publisher(TFMessage, "/tf", _DEPTH) if wanted and TFMessage else None
        if wanted and not TFMessage:
            node.get_logger().warning(
                "publish_tf is true but tf2_msgs is not installed, nothing is sent to /tf: "
                "sudo apt install ros-$ROS_DISTRO-tf2-msgs"
            )

    @property
    def has_listeners(self) -> bool:
        """Whether somebody may read them. Every TF listener counts, be it for other frames."""
        return self._publisher is not None and self._publisher.get_subscription_count() > 0

    def publish(self, hands: HandPoses, header: Header):
        """The frames of the `hands` of one image, those that are known; without calibration none are, which is said."""
        if self._publisher and not hands.calibrated and not self._told:
            self._told = True
            self._warn("publish_tf: nothing is sent to /tf while the camera is not calibrated")
        if self._publisher and (transforms := wrist_transforms(hands, header, self._prefix)):
            self._publisher.publish(TFMessage(transforms=transforms))
