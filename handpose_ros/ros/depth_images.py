"""Depth images of the node `hand_pose`: the one that belongs to an image, in metres."""

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handpose_ros.messages.decoding import BadMessage, decode_depth, stamp_seconds
from handpose_ros.ros.health import Health
from handpose_ros.ros.stamp_buffer import StampBuffer

_TOLERANCE = 0.02  # [s] between the stamps of an image and its depth; a camera that registers them gives both the same
_PATIENCE = 0.05  # [s] for which an image waits for its depth


class DepthImages:
    """Subscribes to `depth`, and gives each image its own."""

    def __init__(self, node: Node, qos: QoSProfile, health: Health):
        self._health = health
        self._buffer = StampBuffer(_TOLERANCE, _PATIENCE)
        self._topic = node.create_subscription(Image, "depth", self._on_depth, qos).topic_name

    def of(self, header: Header, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W) float32 [m] registered to the image with `header` and `size` (width, height) [px]; None: not there.

        Waits shortly for one that is under way: not for the thread that spins.
        """
        msg = self._buffer.nearest(stamp_seconds(header.stamp))
        if msg is None:
            text = f"no depth on {self._topic} within {_TOLERANCE} s of the image: its hands are placed by their size"
            self._health.problem("no_depth", text)
            return None
        try:
            _check_registered(msg, header.frame_id, size)
            return decode_depth(msg)
        except BadMessage as error:
            self._health.problem(error.kind, f"{self._topic}: {error}")
            return None

    def _on_depth(self, msg):
        self._buffer.put(stamp_seconds(msg.header.stamp), msg)


def _check_registered(msg, frame_id, size):
    remedy = "subscribe to depth that is registered (aligned) to the image"
    if (msg.width, msg.height) != size:
        text = f"depth has {msg.width}x{msg.height} px but the image {size[0]}x{size[1]} px: {remedy}"
        raise BadMessage("depth_size", text)
    if msg.header.frame_id != frame_id:
        text = f"depth is in the frame '{msg.header.frame_id}' but the image in '{frame_id}': {remedy}"
        raise BadMessage("depth_frame", text)
