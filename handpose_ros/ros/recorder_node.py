"""Records a run of camera, hand_pose and grasp into a bag, and says how it is going while it runs."""

import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import MarkerArray

from handpose_ros.hand import HandPoses
from handpose_ros.messages.decoding import BadMessage, ImageDecoder, hands_from_msg, stamp_nanoseconds
from handpose_ros.msg import GraspArray, HandModel, HandPoseArray
from handpose_ros.recordings.bags import BagWriter
from handpose_ros.recordings.node_outputs import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    GRASP_MARKERS,
    GRASPS,
    HAND_MODEL,
    HANDS,
    IMAGE,
    MARKERS,
    GraspSeen,
    grasps_seen,
)
from handpose_ros.ros.running import receive

_KEPT = 200  # messages a subscription holds while the recorder is busy: seconds of a camera
_HELD_IMAGES = 8  # images that wait for their hands before they are encoded all the same
_QUEUED = 100  # messages to be written; then receiving waits, and what it misses is counted


@dataclass(frozen=True)
class Progress:
    """How a run is going."""

    frames: int  # images published so far
    answered: int  # of which hands have arrived
    hands: HandPoses | None  # the newest
    grasps: tuple[GraspSeen, ...]  # the newest
    latency: float  # [s] of the newest hands
    model: object | None  # the HandModel; None: hand_pose has not started


class Recorder:
    """Subscribes to everything, writes it into `bag`; `spin` and look at `progress`."""

    def __init__(self, bag: BagWriter):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # a Ctrl-C is the caller's KeyboardInterrupt
        self._node = Node("handpose_recorder")
        self._bag, self._decode = bag, ImageDecoder()
        self._queue = queue.Queue(_QUEUED)
        self._error = None
        self._published: dict[
            int, int | None
        ] = {}  # stamp -> when the image came in; None: only what belongs to it did
        self._begun: dict[int, int] = {}  # stamp -> when hand_pose took up the image
        self._held: OrderedDict[int, Image] = OrderedDict()
        self._hands = self._grasps = self._model = None
        self._subscribe()
        self._writer = threading.Thread(target=self._write_all, name="bag writer", daemon=True)
        self._writer.start()

    def spin(self, seconds: float):
        """Receives for `seconds`. Raises OSError when the bag can no longer be written."""
        receive(self._node, seconds)
        if self._error is not None:
            raise self._error

    @property
    def chain_is_ready(self) -> bool:
        """Whether hand_pose and grasp are connected and the networks are loaded, so that a camera can start."""
        subscribers = {IMAGE: 2, CAMERA_INFO: 2, HANDS: 2}  # this recorder and the node
        publishers = (HANDS, MARKERS, GRASPS)
        return (
            self._model is not None
            and all(self._node.count_subscribers(topic) >= count for topic, count in subscribers.items())
            and all(self._node.count_publishers(topic) for topic in publishers)
        )

    @property
    def progress(self) -> Progress:
        """The state of the run as far as it was received."""
        return Progress(
            frames=len(self._published),
            answered=len(self._begun),
            hands=None if self._hands is None else hands_from_msg(self._hands),
            grasps=() if self._grasps is None else grasps_seen(self._grasps),
            latency=float("nan") if self._hands is None else self._hands.latency,
            model=self._model,
        )

    @property
    def stamps(self) -> list[int]:
        """[ns] of every image that is known to have been published, in order."""
        return sorted(self._published)

    @property
    def images_missed(self) -> int:
        """Images that were published but did not reach this recorder."""
        return sum(received is None for received in self._published.values())

    @property
    def stale_frames(self) -> int:
        """Images that hand_pose took up although a newer one had already arrived here."""
        received = sorted((stamp, time) for stamp, time in self._published.items() if time is not None)
        newer = {stamp: time for (stamp, _), (_, time) in pairwise(received)}
        return sum(newer.get(stamp, begun) < begun for stamp, begun in self._begun.items())

    def close(self):
        """Stops receiving and waits until everything is written; the bag stays open."""
        for stamp in list(self._held):
            self._release(stamp)
        self._queue.put(None)
        self._writer.join()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _subscribe(self):
        reliable = QoSProfile(depth=_KEPT, reliability=ReliabilityPolicy.RELIABLE)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        subscribe = self._node.create_subscription
        subscribe(Image, IMAGE, self._on_image, reliable)
        subscribe(CameraInfo, CAMERA_INFO, self._on_camera_info, reliable)
        subscribe(HandPoseArray, HANDS, self._on_hands, reliable)
        subscribe(GraspArray, GRASPS, self._on_grasps, reliable)
        subscribe(HandModel, HAND_MODEL, self._on_model, latched)
        for topic in (MARKERS, GRASP_MARKERS):
            subscribe(MarkerArray, topic, lambda msg, topic=topic: self._on_markers(topic, msg), reliable)

    def _on_image(self, msg, info):
        stamp = stamp_nanoseconds(msg.header.stamp)
        self._published[stamp] = info["received_timestamp"]
        self._held[stamp] = msg
        # Encoding takes a core. It waits for the hands, so that it does not slow down what finds them.
        if len(self._held) > _HELD_IMAGES or stamp in self._begun:
            self._release(min(self._held))

    def _on_camera_info(self, msg):
        stamp = stamp_nanoseconds(msg.header.stamp)
        self._published.setdefault(stamp, None)
        self._put(CAMERA_INFO, stamp, msg)

    def _on_hands(self, msg, info):
        stamp = stamp_nanoseconds(msg.header.stamp)
        self._published.setdefault(stamp, None)
        self._begun[stamp] = info["source_timestamp"] - int(msg.inference_time * 1e9)
        self._hands = msg
        self._put(HANDS, stamp, msg)
        self._release(stamp)

    def _on_grasps(self, msg):
        self._grasps = msg
        self._put(GRASPS, stamp_nanoseconds(msg.header.stamp), msg)

    def _on_markers(self, topic, msg):
        if msg.markers:
            self._put(topic, max(stamp_nanoseconds(marker.header.stamp) for marker in msg.markers), msg)

    def _on_model(self, msg):
        self._model = msg

    def _release(self, stamp):
        image = self._held.pop(stamp, None)
        if image is not None:
            self._put(IMAGE, stamp, image)

    def _put(self, topic, stamp, msg):
        self._queue.put((topic, stamp, msg))

    def _write_all(self):
        """The writing thread. It goes on taking after an error, so that receiving never blocks for good."""
        model_written = False
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue
            topic, stamp, msg = item
            try:
                if self._model is not None and not model_written:  # has no stamp of its own: the first image's
                    self._write(HAND_MODEL, stamp, self._model, latched=True)
                    model_written = True
                self._write(topic, stamp, msg)
            except OSError as error:
                self._error = error

    def _write(self, topic, stamp, msg, **options):
        if topic != IMAGE:
            self._bag.write(topic, _type_name(msg), stamp, serialize_message(msg), **options)
            return
        try:
            self._bag.write_image(COMPRESSED_IMAGE, self._decode(msg), stamp, msg.header.frame_id)
        except BadMessage as error:  # the camera's fault; hand_pose says so as well
            self._node.get_logger().warning(str(error), throttle_duration_sec=5.0)


def _type_name(msg):
    """ "handpose_ros/msg/GraspArray" of an instance."""
    package, _, _ = type(msg).__module__.partition(".")
    return f"{package}/msg/{type(msg).__name__}"
