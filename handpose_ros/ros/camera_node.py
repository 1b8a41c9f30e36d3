"""The node `camera`: publishes a clip, a video, a folder of images or a webcam as image and camera_info."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handpose_ros.camera import Camera
from handpose_ros.failures import sentence
from handpose_ros.messages.calibration import camera_from_yaml, fit_camera
from handpose_ros.msg import HandPoseArray
from handpose_ros.recordings.sources import ImageSource, open_source
from handpose_ros.ros.conversions import camera_to_info, image_to_msg
from handpose_ros.ros.params import declare, parameter
from handpose_ros.ros.running import NodeError, run_node

OUTPUT_DEPTH = 5
ANSWER_TIMEOUT = 5.0  # [s] after which a paced camera gives up waiting for the hands of an image
SETTLING = 0.5  # [s] between our side seeing a connection and the other side being sure to


@dataclass(frozen=True)
class CameraParams:
    """Parameters of camera."""

    source: str = parameter("demo", "demo, a video file, a folder of images, or a webcam (0, /dev/video0)")
    calibration: str = parameter("", "calibration file of ROS's camera_calibration; empty: the source's own, if any")
    frame_id: str = parameter("camera_optical_frame", "the camera's optical frame")
    rate: float = parameter(0.0, "[Hz] images per second; 0: the source's own", minimum=0.0, maximum=1000.0)
    loop: bool = parameter(True, "start again at the end; false: the node ends there")
    paced: bool = parameter(False, "publish the next image only after the hands of the last one arrived on `hands`")
    listeners: int = parameter(1, "number of image subscribers that a paced camera waits for", minimum=1, maximum=100)


class CameraNode(Node):
    """Publishes ~/image and ~/camera_info with equal stamps, the times of publication."""

    def __init__(self, **options):
        """`options` are those of rclpy's Node, such as namespace, context and parameter_overrides."""
        super().__init__("camera", automatically_declare_parameters_from_overrides=True, **options)
        self._params = declare(self, CameraParams)
        self._source = open_source(self._params.source, turned=not self._params.calibration)
        self._camera = _calibration(self._params.calibration, self._source)
        self._images = iter(self._source)
        rate = self._params.rate or self._source.fps
        calibrated = "calibrated" if self._camera else "not calibrated"
        width, height = self._source.size
        by_clock = " by the time on /clock" if self.get_parameter("use_sim_time").value else ""  # which may never begin
        self.get_logger().info(
            f"plays {self._source.name}: {width}x{height} px, {rate:.4g} images/s{by_clock}, {calibrated}"
        )

        self._image = self.create_publisher(Image, "~/image", OUTPUT_DEPTH)
        self._info = self.create_publisher(CameraInfo, "~/camera_info", OUTPUT_DEPTH)
        self._hands = None
        if self._params.paced:
            self._hands = self.create_subscription(HandPoseArray, "hands", self._on_hands, OUTPUT_DEPTH)
        self._connected = None  # when a paced camera first saw all its partners
        self._awaited = None  # stamp of the image whose hands are due
        self._published = 0.0
        self._late = False  # the hands did not arrive within the period
        self._timer = self.create_timer(1 / rate, self._on_time)

    def destroy_node(self):
        self._source.close()
        super().destroy_node()

    def _on_time(self):
        if self._hands and not self._partners_listen():
            return
        if self._awaited is not None:
            if time.monotonic() - self._published < ANSWER_TIMEOUT:
                self._late = True
                return
            self.get_logger().warning(f"no hands on {self._hands.topic_name} within {ANSWER_TIMEOUT} s, going on")
        self._publish_next()

    def _on_hands(self, msg: HandPoseArray):
        if msg.header.stamp != self._awaited:
            return
        self._awaited = None
        if self._late:
            self._timer.reset()
            self._publish_next()

    def _partners_listen(self) -> bool:
        listeners = min(self._image.get_subscription_count(), self._info.get_subscription_count())
        complete = listeners >= self._params.listeners and self._hands.get_publisher_count()
        now = time.monotonic()
        if not complete:
            self._connected = None
        elif self._connected is None:
            self._connected = now
        return self._connected is not None and now - self._connected >= SETTLING

    def _publish_next(self):
        image = self._next_image()
        if image is None:
            self._image.wait_for_all_acked(Duration(seconds=1))
            self.context.try_shutdown()
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._params.frame_id)
        # First the calibration, so that it is there when the image arrives.
        self._info.publish(self._camera_info(header))
        self._image.publish(image_to_msg(image, header))
        self._published, self._late = time.monotonic(), False
        self._awaited = header.stamp if self._hands else None

    def _next_image(self):
        """The next image; None: the end."""
        try:
            image = next(self._images, None)
            if image is None and self._params.loop:
                self._images = iter(self._source)
                image = next(self._images, None)
        except (ValueError, OSError) as error:  # a broken file, an unplugged webcam
            raise NodeError(str(error)) from error
        return image

    def _camera_info(self, header: Header) -> CameraInfo:
        if self._camera:
            return camera_to_info(self._camera, header)
        return CameraInfo(header=header, width=self._source.size[0], height=self._source.size[1])


def _calibration(path: str, source: ImageSource) -> Camera | None:
    if not path:
        return source.camera
    try:
        return fit_camera(camera_from_yaml(Path(path).expanduser().read_text()), source.size)
    except OSError as error:
        raise ValueError(f"parameter 'calibration': {sentence(error)}") from error
    except ValueError as error:
        raise ValueError(f"parameter 'calibration': {path}: {error}") from error


def main() -> int:
    """Exit code of the process."""
    return run_node(CameraNode)


if __name__ == "__main__":
    sys.exit(main())
