"""TF of the wrists over DDS. tf2_msgs comes with a ROS distribution; without it only its absence can be tested."""

from importlib.util import find_spec

import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray
from wire import BRIGHT, CAMERA, WHITE

from handpose_ros.hand import HandPoses
from handpose_ros.ros import wrist_frames
from handpose_ros.ros.conversions import camera_to_info, image_to_msg

WITH_TF = pytest.mark.skipif(find_spec("tf2_msgs") is None, reason="tf2_msgs is not installed")
WITHOUT_TF = pytest.mark.skipif(find_spec("tf2_msgs") is not None, reason="tf2_msgs is installed")


class Show:
    """Shows a white image, calibrated, to the node of a namespace whenever it is called."""

    def __init__(self, peer, namespace):
        self.images = peer.node.create_publisher(Image, f"{namespace}/image", 5)
        self._infos = peer.node.create_publisher(CameraInfo, f"{namespace}/camera_info", 5)
        self._seconds = 0
        peer.until(lambda: self.images.get_subscription_count() and self._infos.get_subscription_count(), timeout=30)

    def __call__(self):
        self._seconds += 1
        header = Header(stamp=Time(sec=self._seconds), frame_id="eye")
        self._infos.publish(camera_to_info(CAMERA, header))
        self.images.publish(image_to_msg(WHITE, header))


def processed(peer, namespace):
    """Grows with the images that the node took up, as /diagnostics says."""
    from diagnostic_msgs.msg import DiagnosticArray

    counts = []

    def on_diagnostics(array):
        for status in array.status:
            if status.name == f"{namespace}/hand_pose":
                counts.append(next(int(pair.value) for pair in status.values if pair.key == "frames processed"))

    peer.node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
    return counts


@WITHOUT_TF
def test_who_asks_for_tf_where_there_is_none_is_told_so_and_what_to_install(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/tfless", "-p", "publish_tf:=true")
    Show(peer, "/tfless")
    assert node.log.count("tf2_msgs is not installed") == 1 and "tf2-msgs" in node.log
    assert node.running


def test_who_does_not_ask_for_tf_hears_nothing_of_it(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/quiet")
    Show(peer, "/quiet")
    assert "tf2_msgs" not in node.log


@WITH_TF
def test_a_listener_of_tf_alone_makes_a_node_without_tf_neither_work_nor_publish_frames(start, peer):
    from tf2_msgs.msg import TFMessage

    start(BRIGHT, "--ros-args", "-r", "__ns:=/off")
    frames, counts, show = peer.collect(TFMessage, "/tf"), processed(peer, "/off"), Show(peer, "/off")
    peer.until(lambda: len(counts) > 4, again=show)
    assert not frames and counts[-1] == 0


@WITH_TF
def test_who_asks_for_tf_gets_the_wrist_under_the_prefix_in_the_cameras_frame(start, peer):
    from tf2_msgs.msg import TFMessage

    start(BRIGHT, "--ros-args", "-r", "__ns:=/on", "-p", "publish_tf:=true", "-p", "tf_prefix:=head_")
    frames, show = peer.collect(TFMessage, "/tf"), Show(peer, "/on")
    peer.until(lambda: frames, again=show)
    (transform,) = frames[0].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("eye", "head_right_wrist")
    assert 0.3 < transform.transform.translation.z < 0.8


def test_frames_that_an_uncalibrated_camera_keeps_back_are_warned_of_once(peer, right_hand, monkeypatch, capfd):
    monkeypatch.setattr(wrist_frames, "TFMessage", MarkerArray)  # is not asked to hold a frame here
    for wanted, lines in ((False, 0), (True, 1)):
        frames = wrist_frames.WristFrames(peer.node, wanted, "")
        for calibrated in (True, False, False):
            hands = [right_hand] if not calibrated else []
            frames.publish(HandPoses(hands, size=(640, 480), frame_id="eye", calibrated=calibrated), Header())
        log = capfd.readouterr()
        assert (log.out + log.err).count("nothing is sent to /tf while the camera is not calibrated") == lines
