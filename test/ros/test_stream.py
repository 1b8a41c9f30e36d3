"""The default network behind the real nodes: a stream of images with hands, interrupted and taken up again."""

import signal

import pytest

from handpose_ros import weights
from handpose_ros.hand import WRIST, Side, TrackingState
from handpose_ros.messages.decoding import hands_from_msg
from handpose_ros.msg import HandPoseArray
from handpose_ros.recordings.sources import DEMO_CLIP

HANDS = "/stream/hand_pose/hands"


@pytest.fixture(scope="module")
def ready():
    if not DEMO_CLIP.exists():
        pytest.skip("the demo clip is not in this checkout")
    try:
        for name in ("palm_detection_lite", "hand_landmark_lite"):
            weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not there: {error}")


def start_camera(start):
    paced = ("-p", "paced:=true", "-r", f"hands:={HANDS}")
    return start("-m", "handpose_ros.ros.camera_node", "--ros-args", "-r", "__ns:=/stream", *paced)


def test_both_hands_are_seen_and_again_after_the_camera_was_killed_mid_stream(start, peer, ready):
    arrays = peer.collect(HandPoseArray, HANDS)
    inputs = [word for name in ("image", "camera_info") for word in ("-r", f"{name}:=/stream/camera/{name}")]
    names = ("-r", "__ns:=/stream", *inputs, "-p", "complexity:=lite", "-p", "device:=cpu")
    node = start("-m", "handpose_ros.ros.hand_pose_node", "--ros-args", *names)
    peer.until(lambda: "Apache-2.0" in node.log, timeout=60)  # the licence of what runs is said at the start

    def both_hands():
        answers = map(hands_from_msg, arrays)  # the first ones after the interruption may say that tracks are LOST
        return next((hands for hands in answers if [hand.state for hand in hands] == [TrackingState.TRACKED] * 2), None)

    for _ in range(2):
        camera = start_camera(start)
        hands = peer.until(both_hands, timeout=30)
        assert hands.calibrated and hands.frame_id == "camera_optical_frame"
        assert {hand.side for hand in hands} == {Side.LEFT, Side.RIGHT}
        assert all(0.2 < hand.joints_3d[WRIST, 2] < 1.5 for hand in hands)
        camera.end(signal.SIGKILL)
        arrays.clear()
    warnings = [line for line in node.log.splitlines() if "WARN" in line]
    assert not [line for line in warnings if "no images on" not in line]  # a busy machine starts the camera late
    assert node.end(signal.SIGINT, timeout=5) == 0 and "Traceback" not in node.log
