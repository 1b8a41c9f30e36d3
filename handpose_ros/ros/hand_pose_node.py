"""The node `hand_pose`: images and camera_info in, hands out, stamped and framed like the image."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handpose_ros.backends import BACKENDS, make_backend
from handpose_ros.calibration import camera_from_info
from handpose_ros.camera import Camera, Frame
from handpose_ros.decoding import BadMessage, decode_compressed, decode_image, stamp_seconds
from handpose_ros.filtering import FILTERS
from handpose_ros.hand import HandPoses
from handpose_ros.lifters import LIFTERS
from handpose_ros.msg import HandModel, HandPoseArray
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.ros.conversions import hand_markers, hand_model_msg, hands_to_msg, image_to_msg, wrist_transforms
from handpose_ros.ros.health import Health
from handpose_ros.ros.params import declare, parameter
from handpose_ros.ros.running import run_node
from handpose_ros.ros.worker import LatestWorker
from handpose_ros.runtimes import RUNTIMES

try:  # not among the wheels of PyPI
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OUTPUT_DEPTH = 5
CAMERA_INFO_GRACE = 0.5  # [s] that the first image waits for the first camera_info
STOP_TIMEOUT = 2.0  # [s] for the image in work when the node ends


@dataclass(frozen=True)
class HandPoseParams:
    """Parameters of hand_pose."""

    backend: str = parameter("mediapipe", "network that sees the hands", choices=tuple(BACKENDS))
    device: str = parameter("auto", "where it runs: auto, cpu, cuda or cuda:N")
    runtime: str = parameter("auto", "what runs it; auto: OpenVINO on a CPU, where it is installed", choices=RUNTIMES)
    num_threads: int = parameter(0, "of the networks, on a CPU; 0: its cores, at most 4", minimum=0, maximum=64)
    complexity: str = parameter("full", "size of the network", choices=("full", "lite"))
    weights: str = parameter("", "directory or wheel with MediaPipe's weights; empty: the cache, or fetched once")
    checkpoint: str = parameter("", "wildhands.ckpt, which the backend wildhands needs")
    max_hands: int = parameter(2, "hands that are followed at once", minimum=1, maximum=8)
    min_score: float = parameter(0.5, "score above which something is a hand", minimum=0.0, maximum=1.0)
    coast_time: float = parameter(0.25, "[s] for which an unseen hand is predicted", minimum=0.0, maximum=5.0)
    hand_scale: float = parameter(
        0.0, "the person's hand size over the average hand's; 0: not known", minimum=0.0, maximum=2.0
    )
    lifter: str = parameter(
        "learned", "how shapes are made of what the network saw; mediapipe: as it saw them", choices=tuple(LIFTERS)
    )
    filter: str = parameter(
        "one_euro",
        "smoothing of joints and wrist, and what wrist_velocity comes from; none: as measured",
        choices=FILTERS,
    )
    compressed: bool = parameter(False, "subscribe to <image>/compressed (JPEG, PNG)")
    rectified: bool = parameter(False, "the image is rectified: P of camera_info holds, not K and D")
    fov: float = parameter(
        0.0, "[deg] horizontal field of view, for a camera without calibration; 0: none", minimum=0.0, maximum=179.0
    )


def build_pipeline(params: HandPoseParams) -> HandPosePipeline:
    """The pipeline that the parameters ask for; loads the weights."""
    backend = make_backend(
        params.backend,
        device=params.device,
        runtime=params.runtime,
        num_threads=params.num_threads,
        complexity=params.complexity,
        weights_path=params.weights or None,
        checkpoint=params.checkpoint,
        max_hands=params.max_hands,
    )
    return HandPosePipeline(
        backend,
        max_hands=params.max_hands,
        min_score=params.min_score,
        coast_time=params.coast_time,
        hand_scale=params.hand_scale or None,
        filter=params.filter,
        lifter=params.lifter,
    )


class HandPoseNode(Node):
    """Publishes the hands of the newest image as soon as they are known, also when there are none."""

    def __init__(self, make_pipeline: Callable[[HandPoseParams], HandPosePipeline] = build_pipeline):
        super().__init__("hand_pose")
        self._params = declare(self, HandPoseParams)
        self._pipeline = make_pipeline(self._params)
        backend = self._pipeline.backend
        self.get_logger().info(
            f"runs {backend.model} on {self._params.device}, licence of the weights: {backend.license}"
        )

        self._health = Health(self.get_logger().warning)
        self._infos: dict[str, CameraInfo] = {}  # the latest, by frame_id
        self._grace_over = threading.Event()
        self._calibrated = False
        self._shown = frozenset()
        self._failure: Exception | None = None
        self._failed = self.create_guard_condition(self._raise_failure)
        self._worker = LatestWorker(self._process, self._on_failure)

        self._hands = self.create_publisher(HandPoseArray, "~/hands", OUTPUT_DEPTH)
        self._markers = self.create_publisher(MarkerArray, "~/markers", OUTPUT_DEPTH)
        self._debug = self.create_publisher(Image, "~/debug_image", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_DEPTH)
        self._tf = self.create_publisher(TFMessage, "/tf", 100) if TFMessage else None
        self._model = self.create_publisher(HandModel, "~/hand_model", LATCHED)
        self._model.publish(hand_model_msg(backend.model, backend.license, self._params.filter))

        # Steady, so that a paused simulation or bag does not silence it.
        self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._info_topic = self.create_subscription(CameraInfo, "camera_info", self._on_info, NEWEST).topic_name
        self._image_topic = self._subscribe_images()

    def destroy_node(self):
        self._worker.stop(STOP_TIMEOUT)
        super().destroy_node()

    def _subscribe_images(self) -> str:
        if not self._params.compressed:
            return self.create_subscription(Image, "image", self._worker.put, NEWEST).topic_name
        # As image_transport: the suffix comes after the remapping of `image`.
        topic = self.resolve_topic_name("image").removesuffix("/compressed") + "/compressed"
        return self.create_subscription(CompressedImage, topic, self._worker.put, NEWEST).topic_name

    def _on_info(self, msg: CameraInfo):
        self._infos[msg.header.frame_id] = msg
        self._grace_over.set()

    def _process(self, msg: Image | CompressedImage):
        """Runs in the worker."""
        if not self._has_listeners:
            return
        try:
            image = decode_compressed(msg) if self._params.compressed else decode_image(msg)
        except BadMessage as error:
            self._health.problem(error.kind, f"{self._image_topic}: {error}")
            return
        size = (image.shape[1], image.shape[0])
        calibrated = self._calibrated_camera(msg.header.frame_id, size)
        camera = calibrated or (Camera.from_fov(size, np.deg2rad(self._params.fov)) if self._params.fov else None)
        start = time.perf_counter()
        hands = self._pipeline(Frame(image, camera, stamp_seconds(msg.header.stamp), msg.header.frame_id))
        inference_time = time.perf_counter() - start
        self._publish(replace(hands, calibrated=calibrated is not None), msg.header, image, inference_time)

    @property
    def _has_listeners(self) -> bool:
        """Whether anyone subscribes to what an image gives."""
        outputs = filter(None, (self._hands, self._markers, self._debug, self._tf))
        return any(publisher.get_subscription_count() for publisher in outputs)

    def _publish(self, hands: HandPoses, header: Header, image: np.ndarray, inference_time: float):
        latency = self._age(header)
        self._hands.publish(
            hands_to_msg(
                hands,
                header,
                model=self._pipeline.backend.model,
                inference_time=inference_time,
                latency=latency,
                frames_dropped=self._worker.dropped,
            )
        )
        markers, self._shown = hand_markers(hands, header, self._shown)
        self._markers.publish(markers)
        if self._tf and (transforms := wrist_transforms(hands, header)):
            self._tf.publish(TFMessage(transforms=transforms))
        if self._debug.get_subscription_count():
            from handpose_ros.drawing import draw_hands

            self._debug.publish(image_to_msg(draw_hands(image, hands), header))
        self._calibrated = hands.calibrated
        self._health.processed(latency)

    def _calibrated_camera(self, frame_id: str, size: tuple[int, int]) -> Camera | None:
        remedy = (
            f"distances are guessed from fov = {self._params.fov} deg"
            if self._params.fov
            else "joints are relative to the wrist; calibrate the camera, or set the parameter fov"
        )
        if not self._grace_over.wait(CAMERA_INFO_GRACE):
            self._grace_over.set()
        info = self._infos.get(frame_id)
        if info is None:
            others = f" (there is one for {', '.join(map(repr, self._infos))})" if self._infos else ""
            text = f"no camera_info on {self._info_topic} for the frame '{frame_id}' of the image{others}: {remedy}"
            self._health.problem("no_camera_info", text, once=True)
            return None
        try:
            camera = camera_from_info(info, size, self._params.rectified)
        except BadMessage as error:
            self._health.problem(error.kind, f"{self._info_topic}: {error}; until then {remedy}", once=True)
            return None
        if camera is None:
            text = f"{self._info_topic}: the camera is not calibrated, K is 0: {remedy}"
            self._health.problem("not_calibrated", text, once=True)
        return camera

    def _age(self, header: Header) -> float:
        """Now minus the stamp [s] on the node's clock; NaN for a stamp of 0."""
        stamp = Time.from_msg(header.stamp, clock_type=self.get_clock().clock_type)
        return (self.get_clock().now() - stamp).nanoseconds * 1e-9 if stamp.nanoseconds else np.nan

    def _diagnose(self):
        facts = {
            "frames dropped": self._worker.dropped,
            "calibrated": self._calibrated,
            "device": self._params.device,
            "model": self._pipeline.backend.model,
            "image topic": self._image_topic,
        }
        array = DiagnosticArray(
            status=[self._health.status(self.get_fully_qualified_name(), facts, idle=not self._has_listeners)]
        )
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _on_failure(self, error: Exception):
        """Runs in the worker: hands the error to the thread that spins."""
        if self.context.ok():  # else it only found the publishers gone at the end
            self._failure = error
            self._failed.trigger()

    def _raise_failure(self):
        raise self._failure


def main() -> int:
    """Exit code of the process."""
    return run_node(HandPoseNode)


if __name__ == "__main__":
    sys.exit(main())
