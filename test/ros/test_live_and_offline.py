"""A bag answered by the live nodes and by `handpose bag`: the same hands and grasps."""

import numpy as np
import pytest
from bag_maker import CAMERA_INFO, IMAGE, demo_messages, write_bag
from builtin_interfaces.msg import Time
from numpy.testing import assert_allclose
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handpose_ros.cli import main
from handpose_ros.messages.decoding import hands_from_msg
from handpose_ros.msg import GraspArray, HandPoseArray
from handpose_ros.recordings.bags import read_messages, typestore
from handpose_ros.recordings.comparison import compare
from handpose_ros.recordings.node_outputs import GRASPS, HAND_MODEL, HANDS
from handpose_ros.ros.conversions import image_to_msg

COUNT = 30
DARK_TIME = Time(sec=2**31 - 1)  # after any bag
PATIENCE = 60.0  # [s] for one image, on a busy machine


@pytest.fixture(scope="module")
def bag(tmp_path_factory, need_weights):
    return write_bag(tmp_path_factory.mktemp("bag") / "demo", demo_messages(COUNT))


@pytest.fixture(scope="module")
def offline(bag, tmp_path_factory):
    """The messages of hands.mcap by topic and stamp."""
    out = tmp_path_factory.mktemp("out")
    assert main(["bag", str(bag), "--out", str(out), "--device", "cpu"]) == 0
    return {(each.topic, each.stamp): each.message for each in read_messages(out / "hands.mcap")}


@pytest.fixture(scope="module")
def live(bag, start, peer):
    """The messages that the two nodes published about the bag's images, by topic and stamp."""
    names = ("-r", "__ns:=/replay", "-r", f"image:={IMAGE}", "-r", f"camera_info:={CAMERA_INFO}")
    hand_pose = start("-m", "handpose_ros.ros.hand_pose_node", "--ros-args", *names, "-p", "device:=cpu")
    start("-m", "handpose_ros.ros.grasp_node", "--ros-args", *names[:2], "-r", "hands:=hand_pose/hands")
    hands, grasps = (
        peer.collect(kind, f"/replay{topic}", 50) for kind, topic in ((HandPoseArray, HANDS), (GraspArray, GRASPS))
    )
    kinds = {IMAGE: Image, CAMERA_INFO: CameraInfo}
    publishers = {topic: peer.node.create_publisher(kind, topic, 5) for topic, kind in kinds.items()}
    ends = [publisher.get_subscription_count for publisher in publishers.values()]
    peer.until(lambda: all(end() for end in ends) and peer.node.count_publishers(f"/replay{GRASPS}"), timeout=120)
    # That this side has found the nodes does not mean that all have found each other; an answer does. The bag, which
    # is earlier, then begins anew, as one that is played again.
    dark = image_to_msg(np.zeros((480, 640, 3), np.uint8), Header(stamp=DARK_TIME, frame_id="dark"))
    peer.until(lambda: grasps, timeout=PATIENCE, again=lambda: publishers[IMAGE].publish(dark))
    for each in read_messages(bag, IMAGE, CAMERA_INFO):
        wire = bytes(typestore().serialize_cdr(each.message, each.type))
        publishers[each.topic].publish(deserialize_message(wire, kinds[each.topic]))
        if each.topic == IMAGE:  # one after the other: the node would drop what comes faster than it works
            peer.until(lambda stamp=each.stamp: answered(stamp, hands) and answered(stamp, grasps), timeout=PATIENCE)
    warnings = [line for line in hand_pose.log.splitlines() if "WARN" in line]
    fine = ("no images on", "for the frame 'dark'")  # a busy machine sends the first one late
    assert not [line for line in warnings if not any(words in line for words in fine)]
    answers = {(HANDS, nanoseconds(msg)): msg for msg in hands} | {(GRASPS, nanoseconds(msg)): msg for msg in grasps}
    return {key: msg for key, msg in answers.items() if msg.header.frame_id != "dark"}


def nanoseconds(msg) -> int:
    return msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec


def answered(stamp, messages) -> bool:
    return any(nanoseconds(msg) == stamp for msg in messages)


def of_topic(messages, topic):
    return {stamp: message for (name, stamp), message in messages.items() if name == topic}


def test_every_image_has_both_hands_in_both_answers(live, offline):
    for answers in (live, offline):
        found = of_topic(answers, HANDS)
        assert len(found) == COUNT and all(len(msg.hands) == 2 and msg.calibrated for msg in found.values())


def test_hands_of_a_replayed_bag_are_those_of_the_offline_result(live, offline):
    live_hands, offline_hands = of_topic(live, HANDS), of_topic(offline, HANDS)
    for stamp, msg in live_hands.items():
        other = offline_hands[stamp]
        assert (msg.header.frame_id, msg.model) == (other.header.frame_id, other.model)
        for a, b in zip(hands_from_msg(msg), hands_from_msg(other), strict=True):
            assert (a.side, a.track_id, a.state, a.depth_source) == (b.side, b.track_id, b.state, b.depth_source)
            for field in ("joints_3d", "joints_2d", "joint_scores", "score", "side_score", "track_age"):
                assert_allclose(getattr(b, field), getattr(a, field), rtol=1e-6, err_msg=f"{field} at {stamp}")
            assert_allclose(b.joint_sigma, a.joint_sigma, rtol=1e-6)
            assert_allclose(b.wrist_covariance, a.wrist_covariance, rtol=1e-6)
        for a, b in zip(msg.hands, other.hands, strict=True):
            assert_allclose(b.joint_angles, a.joint_angles, rtol=1e-5, atol=1e-6)


def test_grasps_of_a_replayed_bag_are_those_of_the_offline_result(live, offline):
    live_grasps, offline_grasps = of_topic(live, GRASPS), of_topic(offline, GRASPS)
    assert live_grasps.keys() == offline_grasps.keys()
    for stamp, msg in live_grasps.items():
        for a, b in zip(msg.grasps, offline_grasps[stamp].grasps, strict=True):
            assert (a.track_id, a.phase, a.name, a.changed) == (b.track_id, b.phase, b.name, b.changed)
            assert (a.since.sec, a.since.nanosec) == (b.since.sec, b.since.nanosec)
            assert_allclose(b.aperture, a.aperture, rtol=1e-6)


def test_the_comparison_finds_nothing_between_them(live, offline):
    both = [{s: hands_from_msg(m) for s, m in of_topic(answers, HANDS).items()} for answers in (live, offline)]
    comparison = compare(*both)
    assert (comparison.only_live, comparison.only_offline) == (0, 0)
    assert np.max([each.relative for each in comparison.differences]) < 1e-6
    assert all(each.same_sides for each in comparison.differences)


def test_the_offline_bag_says_what_its_numbers_mean(offline):
    (model,) = of_topic(offline, HAND_MODEL).values()
    assert model.model.startswith("mediapipe") and model.joint_names[0] == "wrist"
