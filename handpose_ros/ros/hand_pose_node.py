"""The node `hand_pose`: images and camera_info in, hands out, stamped and framed like the image."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handpose_ros.camera import Camera, Frame
from handpose_ros.hand import HandPoses
from handpose_ros.messages.decoding import (
    BadMessage,
    ImageDecoder,
    check_order,
    check_stamp,
    decode_compressed,
    stamp_seconds,
)
from handpose_ros.msg import HandModel, HandPoseArray
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.ros.arrivals import Arrivals
from handpose_ros.ros.cameras import Cameras
from handpose_ros.ros.conversions import hand_markers, hand_model_msg, hands_to_msg, image_to_msg
from handpose_ros.ros.depth_images import DepthImages
from handpose_ros.ros.hand_pose_params import HandPoseParams, build_pipeline
from handpose_ros.ros.hand_size_service import HandSizeService
from handpose_ros.ros.health import Health
from handpose_ros.ros.params import declare
from handpose_ros.ros.running import run_node
from handpose_ros.ros.worker import LatestWorker
from handpose_ros.ros.wrist_frames import WristFrames

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OUTPUT_DEPTH = 5
STOP_TIMEOUT = 2.0  # [s] for the image in work when the node ends


class HandPoseNode(Node):
    """Publishes the hands of the newest image as soon as they are known, also if there are none."""

    def __init__(self, make_pipeline: Callable[[HandPoseParams], HandPosePipeline] = build_pipeline, **options):
        """`options` are those of rclpy's Node, such as namespace, context and parameter_overrides."""
        super().__init__("hand_pose", automatically_declare_parameters_from_overrides=True, **options)
        self._params = declare(self, HandPoseParams)
        self._pipeline = make_pipeline(self._params)
        backend = self._pipeline.backend
        self.get_logger().info(
            f"runs {backend.model} with {backend.runtime}; licence of the weights: {backend.license}"
        )

        self._health = Health(self.get_logger().warning)
        self._decode = decode_compressed if self._params.compressed else ImageDecoder()
        self._latest = float("-inf")  # [s] stamp of the last image
        self._calibrated = False
        self._shown = frozenset()
        self._failure: Exception | None = None
        self._failed = self.create_guard_condition(self._raise_failure)
        self._worker = LatestWorker(self._process, self._on_failure)

        self._hands = self.create_publisher(HandPoseArray, "~/hands", OUTPUT_DEPTH)
        self._markers = self.create_publisher(MarkerArray, "~/markers", OUTPUT_DEPTH)
        self._debug = self.create_publisher(Image, "~/debug_image", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_DEPTH)
        self._frames = WristFrames(self, self._params.publish_tf, self._params.tf_prefix)
        self._model = self.create_publisher(HandModel, "~/hand_model", LATCHED)
        self._model.publish(hand_model_msg(backend.model, backend.license, self._params.filter))

        self._arrivals = Arrivals(self.get_logger().warning)
        # Steady, so that a paused simulation or bag does not silence it.
        self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._sizes = HandSizeService(self, self._use_size)
        self._cameras = Cameras(self, NEWEST, self._health, rectified=self._params.rectified, fov=self._params.fov)
        self._depths = DepthImages(self, NEWEST, self._health) if self._params.depth else None
        self._image_topic = self._subscribe_images()

    def destroy_node(self):
        self._worker.stop(STOP_TIMEOUT)
        super().destroy_node()

    def _subscribe_images(self) -> str:
        kind, topic = Image, "image"
        if self._params.compressed:  # as image_transport: the suffix comes after the remapping of `image`
            kind = CompressedImage
            topic = self.resolve_topic_name("image").removesuffix("/compressed") + "/compressed"
        return self._arrivals.subscribe(self, kind, topic, self._worker.put, NEWEST).topic_name

    def _process(self, msg: Image | CompressedImage):
        """Runs in the worker."""
        if not (self._has_listeners or self._sizes.collects):
            return
        try:
            image = self._decode(msg)
            stamp = self._seconds(msg.header)
            check_order(stamp, self._latest)
        except BadMessage as error:
            self._health.problem(error.kind, f"{self._image_topic}: {error}")
            return
        self._latest = stamp
        size = (image.shape[1], image.shape[0])
        calibrated = self._cameras.of(msg.header.frame_id, size)
        camera = calibrated or (Camera.from_fov(size, np.deg2rad(self._params.fov)) if self._params.fov else None)
        depth = self._depths.of(msg.header, size) if self._depths else None
        start = time.perf_counter()
        hands = self._pipeline(Frame(image, camera, stamp, msg.header.frame_id, depth))
        inference_time = time.perf_counter() - start
        self._sizes.see(hands)
        self._publish(replace(hands, calibrated=calibrated is not None), msg.header, image, inference_time)

    def _seconds(self, header: Header) -> float:
        """The stamp [s] of an image; of one without, when the node takes it up. Raises BadMessage."""
        check_stamp(header.stamp)
        if header.stamp.sec or header.stamp.nanosec:
            return stamp_seconds(header.stamp)
        now = self.get_clock().now().nanoseconds  # 0: simulated time has not begun, for the driver neither
        self._health.problem(
            "no_stamp",
            f"{self._image_topic}: the images' stamps are 0, they count as taken when they arrive: "
            + ("let the driver stamp them" if now else "use_sim_time is true, but no time comes on /clock"),
            once=True,
        )
        return (now or time.time_ns()) * 1e-9

    @property
    def _has_listeners(self) -> bool:
        """Whether anyone subscribes to what an image gives."""
        outputs = (self._hands, self._markers, self._debug)
        return any(publisher.get_subscription_count() for publisher in outputs) or self._frames.has_listeners

    def _publish(self, hands: HandPoses, header: Header, image: np.ndarray, inference_time: float):
        latency = self._age(header)
        self._hands.publish(
            hands_to_msg(
                hands if self._params.mano else hands.without_mano(),
                header,
                model=self._pipeline.backend.model,
                inference_time=inference_time,
                latency=latency,
                frames_dropped=self._worker.dropped,
            )
        )
        markers, self._shown = hand_markers(hands, header, self._shown)
        self._markers.publish(markers)
        self._frames.publish(hands, header)
        if self._debug.get_subscription_count():
            from handpose_ros.drawing import draw_hands

            self._debug.publish(image_to_msg(draw_hands(image, hands), header))
        self._calibrated = hands.calibrated
        self._health.processed(latency)

    def _age(self, header: Header) -> float:
        """Now minus the stamp [s] on the node's clock; NaN for a stamp of 0."""
        stamp = Time.from_msg(header.stamp, clock_type=self.get_clock().clock_type)
        return (self.get_clock().now() - stamp).nanoseconds * 1e-9 if stamp.nanoseconds else np.nan

    def _diagnose(self):
        facts = {
            "frames dropped": self._worker.dropped,
            "images lost": self._arrivals.lost,
            "calibrated": self._calibrated,
            "runtime": self._pipeline.backend.runtime,
            "model": self._pipeline.backend.model,
            "image topic": self._image_topic,
        }
        name, idle, trouble = self.get_fully_qualified_name(), not self._has_listeners, self._arrivals.look()
        array = DiagnosticArray(status=[self._health.status(name, facts, idle, trouble)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _use_size(self, hand_scale: float):
        self._pipeline.hand_scale = hand_scale

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
