import signal
import time
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from bright_hand_pose_node import make_pipeline
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray
from wire import BRIGHT, DARK, RED, WHITE, Wire

from handpose_ros.hand import WRIST, DepthSource, Side
from handpose_ros.messages.decoding import ImageDecoder, hands_from_msg
from handpose_ros.msg import HandModel, HandPose
from handpose_ros.ros.conversions import image_to_msg
from handpose_ros.ros.hand_pose_node import HandPoseNode
from handpose_ros.ros.hand_pose_params import HandPoseParams

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def node(start):
    return start(BRIGHT, "--ros-args", "-r", "__ns:=/plain", "-p", "coast_time:=0.0")


@pytest.fixture(scope="module")
def wire(node, peer):
    return Wire(peer, "/plain")


def test_an_image_without_hands_is_answered_under_its_own_header(wire):
    header = wire.header("eye")
    array = wire.answer(image_to_msg(DARK, header))
    assert array.header == header and len(array.hands) == 0
    assert (array.image_width, array.image_height, array.model) == (640, 480, "bright@1")


def test_the_log_names_what_was_chosen_to_run_the_networks(wire, node):
    assert "runs bright@1 with NumPy on the CPU; licence of the weights: Apache-2.0" in node.log


def show_hand(wire, frame_id):
    """The hands of the first answer with a hand to a white, calibrated image."""
    for _ in range(10):
        wire.calibrate(frame_id)
        array = wire.answer(image_to_msg(WHITE, wire.header(frame_id)))
        if array.hands and array.calibrated:
            return array
    raise AssertionError("ten white images and no calibrated hand")


def test_a_hand_is_metric_in_front_of_the_camera_and_on_its_side(wire):
    hands = hands_from_msg(show_hand(wire, "metric"))
    assert (hands.calibrated, hands.frame_id) == (True, "metric")
    (hand,) = hands
    assert (hand.side, hand.depth_source) == (Side.RIGHT, DepthSource.MONO)
    # 1000 px per metre of hand seen with 500 px: the hand as the network sees it is half a metre away,
    # the average hand a little nearer or farther.
    assert 0.3 < hand.joints_3d[WRIST, 2] < 0.8
    assert abs(hand.joints_3d[:, 0]).max() < 0.1


def test_markers_come_with_the_hand_and_are_deleted_when_it_leaves(wire):
    array = show_hand(wire, "marked")
    track = array.hands[0].track_id
    shown = wire.markers_of(array.header.stamp, track, Marker.ADD)
    assert {marker.ns for marker in shown} == {"right_joints", "right_bones"}
    assert shown[0].header.frame_id == "marked" and 0.3 < shown[0].points[0].z < 0.8
    dark = wire.answer(image_to_msg(DARK, wire.header("marked")))
    gone = wire.markers_of(dark.header.stamp, track, Marker.DELETE)
    assert {marker.ns for marker in gone} == {"right_joints", "right_bones"}


def broken_image(**changes):
    msg = image_to_msg(DARK, Header(frame_id="eye"))
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


BROKEN = {
    "empty": (Image(), "0x0 px, 0 bytes"),
    "truncated": (broken_image(data=b"\x00" * 1000), "1000 bytes, but 480 rows"),
    "encoding": (broken_image(encoding="hsv8"), "'hsv8'"),
    "step": (broken_image(step=100), "step is 100"),
    "stamp": (broken_image(header=Header(stamp=Time(sec=-5))), "stamp is -5 s, before 1970"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_image_is_logged_once_and_counted_and_the_node_goes_on(wire, node, kind):
    msg, words = BROKEN[kind]
    wire.peer.until(lambda: int(wire.value(f"bad {kind}")) >= 3, again=lambda: wire.images.publish(msg))
    assert node.log.count(words) == 1  # in less than the 5 s between two lines of a kind
    assert words in wire.value(f"last {kind}")
    assert wire.answer(image_to_msg(DARK, wire.header("eye"))).header.frame_id == "eye"


NAN = float("nan")
BAD_INFOS = [
    ("not_calibrated", {"k": np.zeros(9), "p": np.zeros(12)}, "K is 0"),
    ("camera_size", {"width": 640, "height": 360}, "calibrated for 640x360 px but the image has 640x480"),
    ("camera_info", {"k": np.full(9, NAN)}, "not finite"),
    ("camera_info", {"k": np.array([1.0, 1, 0, 1, 1, 0, 0, 0, 1])}, "K takes all rays to one line"),
    ("camera_info", {"binning_x": 1000}, "bins of 1000x1 px leave nothing of 640x480 px"),
    ("camera_model", {"distortion_model": "kannala"}, "'kannala'"),
]


@pytest.mark.parametrize("kind, changes, words", BAD_INFOS)
def test_a_bad_camera_info_is_logged_once_and_counted_and_its_hands_are_relative(wire, node, kind, changes, words):
    before = int(wire.value(f"bad {kind}"))

    def send():
        wire.calibrate(words, **changes)
        return wire.answer(image_to_msg(WHITE, wire.header(words)))

    wire.peer.until(lambda: int(wire.value(f"bad {kind}")) >= before + 2, again=send)
    array = send()
    assert not array.calibrated
    assert all(hand.depth_source == hand.DEPTH_NONE and hand.joints[0].z == 0 for hand in array.hands)
    assert node.log.count(words) == 1
    assert wire.status().level == DiagnosticStatus.WARN


def test_a_frame_without_camera_info_is_told_where_one_is_missing(wire, node):
    assert not wire.answer(image_to_msg(DARK, wire.header("elsewhere"))).calibrated
    assert node.log.count("no camera_info on /plain/camera_info for the frame 'elsewhere'") == 1


def test_half_the_calibrated_size_is_as_far_away(wire):
    whole = show_hand(wire, "scaled").hands[0].joints[WRIST].z
    half = wire.answer(image_to_msg(np.ascontiguousarray(WHITE[::2, ::2]), wire.header("scaled")))
    assert half.calibrated and half.image_width == 320
    # This backend draws its hand with as many pixels in any image: half the focal length, half the distance.
    assert half.hands[0].joints[WRIST].z == pytest.approx(whole / 2, rel=0.05)


def test_the_hand_model_is_there_for_who_comes_late(wire, peer):
    models = peer.collect(
        HandModel, "/plain/hand_pose/hand_model", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    peer.until(lambda: models)
    assert (models[0].model, models[0].license) == ("bright@1", "Apache-2.0")


def test_the_debug_image_shows_the_hand_to_who_subscribes(wire, peer):
    pictures = peer.collect(Image, "/plain/hand_pose/debug_image")

    def show():
        return show_hand(wire, "debug")

    picture = peer.until(lambda: pictures and pictures[-1], again=show)
    assert picture.header.frame_id == "debug"
    assert (ImageDecoder()(picture) != WHITE).any()


def test_diagnostics_are_ok_while_images_come_and_warn_when_they_stop(wire):

    def send():
        return wire.answer(image_to_msg(DARK, wire.header("fine")))

    wire.calibrate("fine")
    wire.peer.until(lambda: wire.status().level == DiagnosticStatus.OK, again=send)
    assert float(wire.value("rate [Hz]")) > 0 and wire.value("model") == "bright@1"
    assert wire.value("runtime") == "NumPy on the CPU"  # what was chosen, not the parameter
    wire.peer.until(lambda: wire.status().message == "no image answered since the last status")
    assert wire.status().level == DiagnosticStatus.WARN


def test_ctrl_c_ends_the_node_in_time_with_code_0_and_without_traceback(node, wire):
    begin = time.monotonic()
    assert node.end(signal.SIGINT) == 0
    assert time.monotonic() - begin < 3
    assert "Traceback" not in node.log


def test_a_node_that_nobody_listens_to_looks_at_no_image_and_drops_none(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/idle")
    images = peer.node.create_publisher(Image, "/idle/image", 5)
    diagnostics = peer.collect(DiagnosticArray, "/diagnostics")

    def status():
        found = [each for array in diagnostics for each in array.status if each.name == "/idle/hand_pose"]
        return found[-1] if found and images.get_subscription_count() else None

    peer.until(status, timeout=30)
    seen = len(diagnostics)
    # A red image brings the backend down as soon as it is given to it.
    red = image_to_msg(RED, Header(stamp=Time(sec=1), frame_id="eye"))
    peer.until(lambda: len(diagnostics) > seen + 4, again=lambda: images.publish(red))
    values = {pair.key: pair.value for pair in status().values}
    assert node.running and status().level == DiagnosticStatus.OK and "nobody subscribes" in status().message
    assert (values["frames processed"], values["frames dropped"]) == ("0", "0")
    markers = peer.collect(MarkerArray, "/idle/hand_pose/markers")  # any output counts
    white = image_to_msg(WHITE, Header(stamp=Time(sec=2), frame_id="eye"))
    peer.until(lambda: markers, again=lambda: images.publish(white))


def test_compressed_images_are_taken_and_a_truncated_jpeg_is_counted(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/packed", "-p", "compressed:=true")
    wire = Wire(peer, "/packed", CompressedImage, "image/compressed")
    jpeg = cv2.imencode(".jpg", DARK)[1].tobytes()
    cut = CompressedImage(header=wire.header("eye"), format="jpeg", data=jpeg[: len(jpeg) // 2])
    wire.images.publish(cut)
    peer.until(lambda: int(wire.value("bad truncated")) > 0, again=lambda: wire.images.publish(cut))
    assert node.log.count("has no end") == 1
    array = wire.answer(CompressedImage(header=wire.header("eye"), format="jpeg", data=jpeg))
    assert (array.image_width, array.image_height) == (640, 480)


def test_a_field_of_view_gives_an_uncalibrated_camera_distances_that_are_marked_as_guessed(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/guessed", "-p", "fov:=60")
    wire = Wire(peer, "/guessed")
    for _ in range(10):
        array = wire.answer(image_to_msg(WHITE, wire.header("eye")))
        if array.hands:
            break
    assert not array.calibrated
    assert array.hands[0].depth_source == HandPose.DEPTH_MONO
    assert array.hands[0].joints[WRIST].z > 0.1
    peer.until(lambda: wire.value("frames processed") != "0")
    assert wire.status().level == DiagnosticStatus.OK  # it was asked for
    lines = [line for line in node.log.splitlines() if "guessed from fov = 60.0 deg" in line]
    assert len(lines) == 1 and "INFO" in lines[0]


def test_a_camera_info_of_another_frame_is_a_problem_also_with_a_field_of_view(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/misnamed", "-p", "fov:=60")
    wire = Wire(peer, "/misnamed")
    wire.calibrate("left_eye")
    wire.answer(image_to_msg(DARK, wire.header("eye")))
    peer.until(
        lambda: int(wire.value("bad no_camera_info")) > 0,
        again=lambda: wire.answer(image_to_msg(DARK, wire.header("eye"))),
    )
    assert "for the frame 'eye' of the image (there is one for 'left_eye')" in node.log


def test_an_image_out_of_order_is_skipped_and_the_hand_goes_on_but_a_jump_back_is_a_new_beginning(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/order")
    wire = Wire(peer, "/order")

    def answer(seconds):
        stamp = Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
        return wire.answer(image_to_msg(WHITE, Header(frame_id="eye", stamp=stamp))).hands

    (first,) = answer(10.0)
    early = image_to_msg(WHITE, Header(frame_id="eye", stamp=Time(sec=9, nanosec=960_000_000)))
    words = "an image is 40 ms earlier than the one before it"
    peer.until(lambda: words in node.log, again=lambda: wire.images.publish(early))  # one may be lost
    (later,) = answer(10.04)
    assert later.track_id == first.track_id
    assert {hand.tracking_state: hand.track_id - first.track_id for hand in answer(5.0)} == {1: 1, 3: 0}


@pytest.mark.parametrize(
    "sim, remedy",
    [("false", "let the driver stamp them"), ("true", "use_sim_time is true, but no time comes on /clock")],
)
def test_an_unstamped_image_counts_as_taken_now_so_that_a_hand_that_left_is_lost(start, peer, sim, remedy):
    node = start(BRIGHT, "--ros-args", "-r", f"__ns:=/unstamped_{sim}", "-p", f"use_sim_time:={sim}")
    wire = Wire(peer, f"/unstamped_{sim}")

    def until(image, condition):
        msg = image_to_msg(image, Header(frame_id="eye"))
        peer.until(lambda: wire.hands and condition(wire.hands[-1].hands), again=lambda: wire.images.publish(msg))

    until(WHITE, lambda hands: len(hands) == 1)
    until(DARK, lambda hands: not hands)  # it coasts for a quarter of a second
    assert wire.hands[-1].header.stamp == Time() and np.isnan(wire.hands[-1].latency)
    peer.until(lambda: int(wire.value("bad no_stamp")) > 1)
    assert node.log.count("the images' stamps are 0") == 1 and remedy in node.log


def test_unstamped_images_count_by_simulated_time_where_it_runs(start, peer):
    start(BRIGHT, "--ros-args", "-r", "__ns:=/slow", "-p", "use_sim_time:=true")
    wire, clock = Wire(peer, "/slow"), peer.node.create_publisher(Clock, "/clock", 5)

    def send():
        clock.publish(Clock(clock=Time(sec=5)))
        wire.images.publish(image_to_msg(WHITE, Header(frame_id="eye")))

    def ages():
        return [array.hands[-1].track_age for array in wire.hands[-2:] if array.hands]

    peer.until(lambda: ages() == [0.0, 0.0], again=send)  # by the machine's clock they are half a second apart


def test_two_cameras_have_two_nodes_in_one_process(context):
    nodes = [HandPoseNode(make_pipeline, context=context, namespace=name) for name in ("left", "right")]
    try:
        topics = [node.resolve_topic_name("~/hands") for node in nodes]
        assert topics == ["/left/hand_pose/hands", "/right/hand_pose/hands"]
    finally:
        for node in nodes:
            node.destroy_node()


def test_a_bug_in_the_backend_ends_the_node_with_a_traceback(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/doomed")
    wire = Wire(peer, "/doomed")
    peer.until(lambda: not node.running, again=lambda: wire.images.publish(image_to_msg(RED, wire.header("eye"))))
    assert node.wait() != 0
    assert "Traceback" in node.log and "a bug in the backend" in node.log


@pytest.mark.parametrize(
    "override, words",
    [("max_hands:=99", "parameter 'max_hands' is 99"), ("backend:=oracle", "parameter 'backend' is 'oracle'")]
    + [("hand_scale:=0.2", "parameter 'hand_scale' is 0.2, it must be 0.0, or a number at least 0.6")],
)
def test_a_wrong_parameter_stops_the_start_by_its_name(start, override, words):
    node = start("-m", "handpose_ros.ros.hand_pose_node", "--ros-args", "-p", override)
    assert node.wait() == 1
    assert words in node.log and "Traceback" not in node.log


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--params-file", "no.yaml"], "Couldn't parse params file: '--params-file no.yaml'"),
        (["-p", "fov"], "'-p fov'"),
        (["--bogus"], "--bogus"),
    ],
)
def test_ros_arguments_that_cannot_be_read_stop_the_start_with_a_line(start, arguments, words):
    node = start("-m", "handpose_ros.ros.hand_pose_node", "--ros-args", *arguments)
    assert node.wait() == 1
    assert words in node.log and "Traceback" not in node.log


def test_the_yaml_file_holds_the_nodes_parameters_with_their_defaults():
    configured = yaml.safe_load((ROOT / "config" / "hand_pose.yaml").read_text())["/**"]["ros__parameters"]
    defaults = {rule.name: rule.default for rule in fields(HandPoseParams)}
    assert configured and configured.items() <= defaults.items()
