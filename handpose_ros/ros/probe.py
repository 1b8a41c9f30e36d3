"""Listens to a camera and to hand_pose, and says how late and how complete the answers are."""

from dataclasses import dataclass
from itertools import pairwise

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from handpose_ros.messages.decoding import stamp_seconds
from handpose_ros.msg import HandPoseArray
from handpose_ros.recordings.node_outputs import HANDS, IMAGE
from handpose_ros.ros.running import receive

_KEPT = QoSProfile(depth=100)  # messages that wait while this process is busy


@dataclass(frozen=True)
class TimedAnswer:
    """What hand_pose said about one image."""

    latency: float  # [s] from the image's stamp to the publication
    inference_time: float  # [s] of it in the pipeline
    begun: float  # [s] when the pipeline began
    hands: int


class Probe:
    """A node of this process; `spin` it and look at what came."""

    def __init__(self):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # a Ctrl-C is the caller's KeyboardInterrupt
        self._node = Node("handpose_probe")
        self.images: dict[float, float] = {}  # stamp [s] -> when the image came [s]
        self.answers: dict[float, TimedAnswer] = {}  # by stamp [s]
        self.dropped = 0  # images that hand_pose left for newer ones, since its start
        self._node.create_subscription(Image, IMAGE, self._on_image, _KEPT)
        self._node.create_subscription(HandPoseArray, HANDS, self._on_hands, _KEPT)

    def spin(self, seconds: float):
        """Receives for `seconds`."""
        receive(self._node, seconds)

    def forget(self):
        """Starts to count anew."""
        self.images.clear()
        self.answers.clear()

    @property
    def hand_pose_listens(self) -> bool:
        """Whether hand_pose is connected in both directions."""
        return self._node.count_subscribers(IMAGE) > 1 and self._node.count_publishers(HANDS) > 0

    @property
    def stale(self) -> int:
        """Images whose processing began although a newer one had already come."""
        newer = {stamp: self.images[after] for stamp, after in pairwise(sorted(self.images))}
        return sum(newer.get(stamp, answer.begun) < answer.begun for stamp, answer in self.answers.items())

    def close(self):
        """Leaves the network."""
        self._node.destroy_node()
        rclpy.try_shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _on_image(self, msg, info):
        self.images[stamp_seconds(msg.header.stamp)] = info["received_timestamp"] * 1e-9

    def _on_hands(self, msg, info):
        begun = info["source_timestamp"] * 1e-9 - msg.inference_time
        answer = TimedAnswer(msg.latency, msg.inference_time, begun, len(msg.hands))
        self.answers[stamp_seconds(msg.header.stamp)] = answer
        self.dropped = msg.frames_dropped
