"""The service ~/calibrate_hand of a node that sees a hand of known distance, while its images stream."""

import numpy as np
import pytest
from wire import BRIGHT, DARK, WHITE, Wire

from handpose_ros.hand import WRIST
from handpose_ros.lifting.hand_size import WRIST_FLESH
from handpose_ros.msg import HandPose
from handpose_ros.ros.conversions import image_to_msg
from handpose_ros.srv import CalibrateHand


class Calibration:
    """A client that holds a hand before the camera."""

    def __init__(self, wire):
        self.wire = wire
        self._client = wire.peer.node.create_client(CalibrateHand, f"{wire.name}/calibrate_hand")
        wire.peer.until(self._client.service_is_ready)

    def call(self, **request):
        return self._client.call_async(CalibrateHand.Request(**request))

    def answer(self, image=None, **request):
        """The response to a request; `image` streams meanwhile."""
        future = self.call(**request)
        return self.wire.peer.until(lambda: self.shown(image) and future.done() and future.result())

    def shown(self, image):
        """Sends `image`, if any; True."""
        if image is not None:
            self.wire.calibrate("eye")
            self.wire.images.publish(image_to_msg(image, self.wire.header("eye")))
        return True

    def hand(self) -> HandPose:
        """The hand in the answer to one more image."""
        self.wire.calibrate("eye")
        arrays = (self.wire.answer(image_to_msg(WHITE, self.wire.header("eye"))) for _ in range(10))
        return next(array.hands[0] for array in arrays if array.hands and array.calibrated)


@pytest.fixture(scope="module")
def calibration(start, peer):
    start(BRIGHT, "--ros-args", "-r", "__ns:=/sized")
    return Calibration(Wire(peer, "/sized"))


def distance_of(hand):
    """[m] from the camera to the wrist's joint."""
    wrist = hand.joints[WRIST]
    return float(np.linalg.norm([wrist.x, wrist.y, wrist.z]))


def test_a_hand_at_a_known_distance_tells_its_size_while_the_node_goes_on_answering(calibration):
    before = calibration.hand()
    assert before.depth_source == HandPose.DEPTH_MONO
    assert np.isnan(before.hand_scale)
    answered = len(calibration.wire.hands)
    true = 1.1 * distance_of(before)
    response = calibration.answer(WHITE, distance=true - WRIST_FLESH, duration=1.5)
    assert response.success, response.message
    assert response.hand_scale == pytest.approx(1.1, rel=0.002)
    assert response.spread < 0.01
    assert response.images >= 10
    assert len(calibration.wire.hands) >= answered + 10
    assert "1.1" in response.message
    after = calibration.hand()
    assert after.depth_source == HandPose.DEPTH_MONO_SCALED
    assert after.hand_scale == pytest.approx(1.1, rel=0.002)
    assert distance_of(after) == pytest.approx(true, rel=0.002)


def test_a_palms_length_tells_the_size_at_once(calibration):
    response = calibration.answer(palm_length=0.099)
    assert response.success
    assert response.hand_scale == pytest.approx(0.9)
    assert np.isnan(response.spread)
    assert calibration.hand().hand_scale == pytest.approx(0.9)


REFUSED = {
    "no image came": (None, {"distance": 0.5, "duration": 0.3}),
    "no hand is seen": (DARK, {"distance": 0.5, "duration": 0.5}),
    "10 are needed": (WHITE, {"distance": 0.5, "duration": 0.02}),
    "between 0.15 and 3: in metres": (None, {"distance": 50.0}),
    "give metres": (None, {"palm_length": 110.0}),
    "either palm_length or distance": (None, {"palm_length": 0.1, "distance": 0.5}),
    "either palm_length or distance, in": (None, {}),
    "at most 60": (None, {"distance": 0.5, "duration": 3600.0}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_call_that_cannot_succeed_says_why_and_changes_nothing(calibration, words):
    image, request = REFUSED[words]
    before = calibration.hand().hand_scale
    response = calibration.answer(image, **request)
    assert not response.success
    assert words in response.message
    assert np.isnan(response.hand_scale)
    assert np.isnan(response.spread)
    assert calibration.hand().hand_scale == pytest.approx(before, nan_ok=True)


def test_a_second_call_is_refused_while_the_first_one_collects(calibration):
    first = calibration.call(distance=0.5, duration=1.0)
    second = calibration.answer(distance=0.5, duration=1.0)
    assert not first.done()
    assert "another calibration is under way" in second.message
    calibration.wire.peer.until(first.done)


def test_images_are_looked_at_for_a_calibration_although_nobody_listens_to_the_hands(start, peer):
    from sensor_msgs.msg import Image

    start(BRIGHT, "--ros-args", "-r", "__ns:=/unheard", "-p", "fov:=60")
    images = peer.node.create_publisher(Image, "/unheard/image", 5)
    client = peer.node.create_client(CalibrateHand, "/unheard/hand_pose/calibrate_hand")
    peer.until(lambda: client.service_is_ready() and images.get_subscription_count(), timeout=30)
    future = client.call_async(CalibrateHand.Request(distance=0.5, duration=1.0))
    stamps = iter(range(1, 1000))

    def show():
        msg = image_to_msg(WHITE, Wire.header(None, "eye"))
        msg.header.stamp.sec = next(stamps)
        images.publish(msg)
        return future.done()

    peer.until(show)
    assert future.result().success, future.result().message
