"""A peer of one hand_pose node, and images for the backend of bright_hand_pose_node."""

import itertools
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handpose_ros.camera import Camera
from handpose_ros.msg import HandPoseArray
from handpose_ros.ros.conversions import camera_to_info

BRIGHT = str(Path(__file__).with_name("bright_hand_pose_node.py"))
CAMERA = Camera([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]], (640, 480))
DARK, WHITE, RED = (np.full((480, 640, 3), colour, np.uint8) for colour in (0, 255, [255, 0, 0]))
_seconds = itertools.count(1)


class Wire:
    """Talks to one hand_pose node: publishes images and camera_info, collects what comes back."""

    def __init__(self, peer, namespace, image_type=Image, image_topic="image"):
        self.peer, node = peer, peer.node
        self.images = node.create_publisher(image_type, f"{namespace}/{image_topic}", 5)
        self.infos = node.create_publisher(CameraInfo, f"{namespace}/camera_info", 5)
        self.hands = peer.collect(HandPoseArray, f"{namespace}/hand_pose/hands")
        self.markers = peer.collect(MarkerArray, f"{namespace}/hand_pose/markers")
        self.diagnostics = peer.collect(DiagnosticArray, "/diagnostics")
        self.name = f"{namespace}/hand_pose"
        ends = [self.images.get_subscription_count, self.infos.get_subscription_count]
        peer.until(lambda: all(end() for end in ends) and node.count_publishers(f"{self.name}/hands"), timeout=30)
        peer.until(lambda: self.status() is not None)  # by then the connections stand in both directions

    def header(self, frame_id):
        return Header(stamp=Time(sec=next(_seconds)), frame_id=frame_id)

    def calibrate(self, frame_id, info=None, **changes):
        """Sends a camera_info, and waits until the node uses or refuses it."""
        info = info or camera_to_info(CAMERA, Header())
        info.header.frame_id = frame_id
        for name, value in changes.items():
            setattr(info, name, value)
        self.infos.publish(info)
        return info

    def answer(self, msg) -> HandPoseArray:
        """The array that answers the image, which is sent again should it get lost."""
        self.images.publish(msg)
        return self.peer.until(
            lambda: next((array for array in self.hands if array.header.stamp == msg.header.stamp), None),
            again=lambda: self.images.publish(msg),
        )

    def markers_of(self, stamp: Time, track: int, action: int) -> list[Marker]:
        """The markers with the action that came for one image and track."""

        def found():
            markers = [marker for array in self.markers for marker in array.markers if marker.header.stamp == stamp]
            return [marker for marker in markers if (marker.id, marker.action) == (track, action)]

        return self.peer.until(found)

    def status(self) -> DiagnosticStatus | None:
        statuses = [status for array in self.diagnostics for status in array.status if status.name == self.name]
        return statuses[-1] if statuses else None

    def value(self, key: str) -> str:
        return {pair.key: pair.value for pair in self.status().values}.get(key, "0")
