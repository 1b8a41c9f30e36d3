"""Each image gets the camera that the latest camera_info of its frame describes."""

import pytest
from sensor_msgs.msg import CameraInfo
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


def test_a_new_calibration_makes_a_new_camera(peer, cameras, send):
    K = CAMERA.K.copy()
    K[0, 0] *= 1.5
    peer.until(lambda: send(9, K) or cameras.of("eye", (640, 480)).K[0, 0] == K[0, 0])
