"""The calibration of the node `hand_pose`: of each image the camera that its frame's latest camera_info describes."""

import threading
import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from handpose_ros.camera import Camera
from handpose_ros.messages.calibration import camera_from_info, fold_warning, meaning
from handpose_ros.messages.decoding import BadMessage
from handpose_ros.ros.health import Health

_GRACE = 0.5  # [s] that the first image waits for the first camera_info
_FRAMES = 10  # whose camera_info may be latched on one topic
_LOOK_PERIOD = 1.0  # [s] between looks at who publishes camera_info, while it is missing


class Cameras:
    """Subscribes to `camera_info`; says once what is wrong with it, and what happens instead."""

    def __init__(self, node: Node, qos: QoSProfile, health: Health, *, rectified: bool, fov: float):
        """`rectified`: P holds, not K and D. `fov` [deg] is what the caller falls back to; 0: nothing."""
        self._health, self._rectified, self._fov = health, rectified, fov
        self._info = node.get_logger().info
        self._infos: dict[str, CameraInfo] = {}  # the latest that says something new, by frame_id
        self._made: dict[str, tuple[CameraInfo, tuple[int, int], Camera]] = {}  # of what, for which size
        self._grace_over = threading.Event()
        self._told = False  # that there is no calibration, where fov said so
        self._remedy = (
            f"distances are guessed from fov = {fov} deg"
            if fov
            else "joints are relative to the wrist; calibrate the camera, or set the parameter fov"
        )
        self._topic = node.create_subscription(CameraInfo, "camera_info", self._on_info, qos).topic_name
        self._node, self._latched, self._looked = node, False, float("-inf")

    def of(self, frame_id: str, size: tuple[int, int]) -> Camera | None:
        """The camera of an image of `size` (width, height) [px]; None: not calibrated.

        The first call waits shortly for a camera_info: not for the thread that spins.
        """
        if not self._grace_over.wait(_GRACE):
            self._grace_over.set()
        info = self._infos.get(frame_id)
        if info is None:
            self._look_for_latched()
            others = f" (there is one for {', '.join(map(repr, self._infos))})" if self._infos else ""
            text = f"no camera_info on {self._topic} for the frame '{frame_id}' of the image{others}: {self._remedy}"
            self._not_calibrated("no_camera_info", text, meant=not others)
            return None
        made_of, made_for, camera = self._made.get(frame_id, (None, None, None))
        if made_of is info and made_for == size:
            return camera
        try:
            camera = camera_from_info(info, size, self._rectified)
        except BadMessage as error:
            self._health.problem(error.kind, f"{self._topic}: {error}; until then {self._remedy}", once=True)
            return None
        if camera is None:
            text = f"{self._topic}: the camera is not calibrated, K is 0: {self._remedy}"
            self._not_calibrated("not_calibrated", text)
            return None
        if warning := fold_warning(camera):
            self._health.problem("distortion", f"{self._topic}: {warning}", once=True)
        self._made[frame_id] = info, size, camera
        return camera

    def _look_for_latched(self):
        """What was published once, latched, before this node started comes to a subscription that asks for it only.

        To ask where nobody latches would make each driver warn of it.
        """
        if self._latched or time.monotonic() - self._looked < _LOOK_PERIOD:
            return
        self._looked = time.monotonic()
        offers = self._node.get_publishers_info_by_topic(self._topic)
        if any(offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers):
            qos = QoSProfile(depth=_FRAMES, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._node.create_subscription(CameraInfo, "camera_info", self._on_info, qos)
            self._latched = True

    def _not_calibrated(self, kind: str, text: str, meant: bool = True):
        """A problem; where fov was set for it, and `meant`, only a line in the log."""
        if not (self._fov and meant):
            self._health.problem(kind, text, once=True)
        elif not self._told:
            self._told = True
            self._info(text)

    def _on_info(self, msg: CameraInfo):
        known = self._infos.get(msg.header.frame_id)
        if known is None or meaning(msg) != meaning(known):
            self._infos[msg.header.frame_id] = msg
        self._grace_over.set()
