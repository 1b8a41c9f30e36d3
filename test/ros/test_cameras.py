"""Each image gets the camera that the latest camera_info of its frame describes."""

from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from wire import CAMERA, Wire

from handpose_ros.ros.cameras import Cameras
from handpose_ros.ros.conversions import camera_to_info
from handpose_ros.ros.health import Health


@pytest.fixture(scope="module")
def cameras(peer):
    return Cameras(peer.node, 10, Health(print), rectified=False, fov=0.0)


@pytest.fixture(scope="module")
def send(peer, cameras):
    """send(stamp, K) publishes the camera_info of the frame `eye`."""
    publisher = peer.node.create_publisher(CameraInfo, "camera_info", 10)
    peer.until(publisher.get_subscription_count)

    def send(seconds, K=CAMERA.K):
        info = camera_to_info(CAMERA, Wire.header(None, "eye"))
        info.header.stamp.sec, info.k = seconds, K.ravel()
        publisher.publish(info)

    return send


def test_a_camera_stays_the_same_object_while_camera_info_says_the_same(peer, cameras, send):
    received = peer.collect(CameraInfo, "camera_info")
    camera = peer.until(lambda: send(1) or (received and cameras.of("eye", (640, 480))))
    assert (camera.K == CAMERA.K).all()
    before = len(received)
    peer.until(lambda: send(len(received)) or len(received) > before + 3)
    assert cameras.of("eye", (640, 480)) is camera
    assert cameras.of("eye", (320, 240)).K[0, 0] == CAMERA.K[0, 0] / 2


def test_one_changed_number_makes_a_new_camera_also_where_messages_with_it_count_as_equal(
    peer, cameras, send, monkeypatch
):
    """rosidl_python 0.22.0 and 0.14.4 generate this __eq__: arrays differ where all their values do."""

    def equal(one, other):
        names = one.get_fields_and_field_types()
        return not any(np.all(getattr(one, name) != getattr(other, name)) for name in names)

    K = CAMERA.K.copy()
    K[0, 2] += 7.0
    peer.until(lambda: send(20) or cameras.of("eye", (640, 480)))
    monkeypatch.setattr(CameraInfo, "__eq__", equal)
    peer.until(lambda: send(21, K) or cameras.of("eye", (640, 480)).K[0, 2] == K[0, 2], timeout=5.0)


def test_a_new_calibration_makes_a_new_camera(peer, cameras, send):
    K = CAMERA.K.copy()
    K[0, 0] *= 1.5
    peer.until(lambda: send(9, K) or cameras.of("eye", (640, 480)).K[0, 0] == K[0, 0])


def test_camera_infos_that_were_latched_before_are_asked_for(peer):
    frames = [f"latched {index}" for index in range(6)]
    qos = QoSProfile(depth=len(frames), durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = peer.node.create_publisher(CameraInfo, "camera_info", qos)
    for frame in frames:
        publisher.publish(camera_to_info(CAMERA, Header(frame_id=frame)))
    cameras = Cameras(peer.node, 10, Health(print), rectified=False, fov=0.0)
    for frame in frames:
        assert (peer.until(lambda frame=frame: cameras.of(frame, (640, 480)), timeout=5.0).K == CAMERA.K).all()


@pytest.fixture
def health():
    """A `Health` whose clock is `health.now` [s], and its `lines`."""
    health = SimpleNamespace(now=0.0, lines=[])
    health.tells = Health(health.lines.append, lambda: health.now)
    return health


def test_each_wrong_number_of_a_bad_camera_info_is_not_a_line_of_the_log(health):
    for index in range(60):
        health.now = index / 30
        health.tells.problem("distortion", f"k1 is {index}", once=True)
    assert len(health.lines) == 3


def test_what_is_said_once_is_not_said_again_and_hides_nothing_else(health):
    for index in range(600):
        health.now = index / 30
        for frame in ("left", "right"):
            health.tells.problem("no_camera_info", f"none for {frame}", once=True)
    assert health.lines == ["none for left", "none for right"]


def test_other_problems_are_said_every_few_seconds(health):
    for index in range(330):
        health.now = index / 30
        health.tells.problem("empty", f"empty image {index}")
    assert len(health.lines) == 3
