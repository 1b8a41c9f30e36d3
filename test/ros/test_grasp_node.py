import re
import signal
import time
from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from builtin_interfaces.msg import Time
from numpy.testing import assert_allclose
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.time import Time as RosTime
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handpose_ros.evaluation.grasp_templates import TEMPLATES, posed_grasps
from handpose_ros.features import PAD_THICKNESS, PALM_SIZE, palm_size
from handpose_ros.grasps import taxonomy
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.hand import DepthSource, HandPoses, Side, TrackingState
from handpose_ros.msg import Grasp as GraspMsg
from handpose_ros.msg import GraspArray, HandPoseArray
from handpose_ros.ros.conversions import grasps_to_msg, hands_to_msg
from handpose_ros.ros.grasp_node import GraspNode, GraspParams
from handpose_ros.ros.params import ParameterError

ROOT = Path(__file__).resolve().parents[2]
NODE = ["-m", "handpose_ros.ros.grasp_node"]
THUMB_TIP, INDEX_TIP = 4, 8
OUTPUTS = {"grasps": GraspArray, "gripper_command": JointState, "markers": MarkerArray}
SOME_TIME = Time(sec=100)
PATIENCE = 20.0  # [s] for an answer, on a busy machine


class Listener:
    """A publisher of hands and all that the grasp node answers to them."""

    def __init__(self, context):
        self.node = Node("listener", context=context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.hands = self.node.create_publisher(HandPoseArray, "hands", 10)
        self.heard = defaultdict(list)
        for name, kind in OUTPUTS.items():
            self.node.create_subscription(kind, f"/grasp/{name}", self.heard[name].append, 10)

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE} s"
            self.executor.spin_once(timeout_sec=0.05)

    def connect(self):
        topics = [f"/grasp/{name}" for name in OUTPUTS]
        self.wait(
            lambda: self.hands.get_subscription_count() and all(map(self.node.count_publishers, topics)),
            "the node's topics",
        )
        return self

    def ask(self, *hands, stamp=SOME_TIME):
        """The answer to `hands` at `stamp`: the latest message of each output."""
        return self.send(hands_to_msg(HandPoses(hands, (640, 480)), Header(stamp=stamp, frame_id="camera")))

    def send(self, msg):
        count = len(self.heard["markers"])
        self.hands.publish(msg)
        self.wait(lambda: len(self.heard["markers"]) > count, "an answer")  # the markers are published last
        self.wait(lambda: self.heard["grasps"][-1].header == msg.header, "the grasps")
        return {name: self.heard[name][-1] for name in OUTPUTS if self.heard[name]}


@pytest.fixture
def listen(context):
    """listen(*overrides): a connected Listener to a GraspNode started with `-p` overrides. The classifier is the rule
    of distances, whose answer to a made-up hand can be told in advance."""
    started = []

    def start(*overrides):
        arguments = ["--ros-args"] + [
            word for override in ("classifier:=distance", *overrides) for word in ("-p", override)
        ]
        node = GraspNode(context=context, cli_args=arguments)
        listener = Listener(context)
        listener.executor.add_node(node)
        started.extend([node, listener.node])
        return listener.connect()

    yield start
    for node in started:
        node.destroy_node()


@pytest.fixture
def pinching(right_hand):
    """The right hand, its pads 10 mm apart: the thumb before the index."""
    joints = right_hand.joints_3d.copy()
    flesh = 2 * PAD_THICKNESS * palm_size(joints) / PALM_SIZE
    joints[THUMB_TIP] = joints[INDEX_TIP] - [0, 0, flesh + 0.010]
    return replace(right_hand, joints_3d=joints)


def at(seconds):
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def test_hands_are_answered_by_their_grasps_under_their_header(listen, pinching):
    answer = listen().ask(pinching, stamp=Time(sec=1_700_000_000, nanosec=123_456_789))
    grasps = answer["grasps"]
    assert (grasps.header.stamp, grasps.header.frame_id) == (Time(sec=1_700_000_000, nanosec=123_456_789), "camera")
    assert grasps.classifier == "distance@1"
    (grasp,) = grasps.grasps
    assert (grasp.track_id, grasp.handedness, grasp.name) == (7, int(Side.RIGHT), "palmar pinch")
    assert (grasp.phase, grasp.category, grasp.opposition) == (GraspMsg.HOLD, GraspMsg.PRECISION, GraspMsg.PAD)
    assert (grasp.feix_id, grasp.vf1, grasp.vf2) == (9, 0b01, 0b10)
    assert grasp.changed and grasp.since == grasps.header.stamp
    assert_allclose(grasp.aperture, 0.010, atol=1e-6)
    assert np.isnan(grasp.aperture_velocity)


def test_the_grasp_pose_is_between_the_tips_and_closes_along_its_y(listen, pinching):
    pose = listen().ask(pinching)["grasps"].grasps[0].grasp_pose.pose
    middle = pinching.joints_3d[[THUMB_TIP, INDEX_TIP]].mean(axis=0)
    assert_allclose([pose.position.x, pose.position.y, pose.position.z], middle, atol=1e-9)
    x, y, z, w = pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w
    y_axis = [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)]
    assert_allclose(y_axis, [0, 0, 1], atol=1e-6)  # from the thumb, nearer to the camera, to the index


def test_no_hands_are_answered_too(listen):
    listener = listen()
    answer = listener.ask(stamp=at(3))
    assert answer["grasps"].grasps == [] and answer["grasps"].header.stamp == at(3)
    assert not listener.heard["gripper_command"]


def test_since_is_to_the_nanosecond_the_stamp_of_the_image_it_began_in(listen, pinching):
    listener = listen()
    began = Time(sec=1_700_000_000, nanosec=123_456_789)
    listener.ask(pinching, stamp=began)
    grasp = listener.ask(pinching, stamp=Time(sec=1_700_000_000, nanosec=156_789_012))["grasps"].grasps[0]
    assert grasp.since == began and not grasp.changed


def test_a_hand_of_nan_is_unknown_and_the_node_goes_on(listen, pinching):
    listener = listen()
    unknown = replace(pinching, joints_3d=np.full((21, 3), np.nan), joints_2d=np.full((21, 2), np.nan))
    (grasp,) = listener.ask(unknown, stamp=at(1))["grasps"].grasps
    assert (grasp.phase, grasp.name) == (GraspMsg.UNKNOWN, "unknown")
    assert np.isnan(grasp.aperture) and np.isnan(grasp.grasp_pose.pose.position.x)
    assert listener.ask(pinching, stamp=at(2))["grasps"].grasps[0].phase == GraspMsg.HOLD


def test_a_message_of_nonsense_is_skipped_and_the_node_goes_on(listen, pinching):
    listener = listen()
    nonsense = hands_to_msg(HandPoses((pinching,), (640, 480)), Header(stamp=at(1)))
    nonsense.hands[0].handedness = 77
    listener.hands.publish(nonsense)
    listener.ask(pinching, stamp=at(2))
    assert [msg.header.stamp for msg in listener.heard["grasps"]] == [at(2)]


def test_a_bag_that_loops_starts_anew(listen, pinching):
    listener = listen()
    listener.ask(pinching, stamp=at(50.0))
    assert_allclose(listener.ask(pinching, stamp=at(50.1))["grasps"].grasps[0].aperture_velocity, 0.0, atol=1e-9)
    (grasp,) = listener.ask(pinching, stamp=at(10.0))["grasps"].grasps
    assert np.isnan(grasp.aperture_velocity) and grasp.changed and grasp.since == at(10.0)


def test_a_lost_hand_is_released_and_the_gripper_holds_its_width(listen, pinching):
    listener = listen()
    listener.ask(pinching, stamp=at(1.0))
    lost = replace(pinching, state=TrackingState.LOST, joints_3d=np.full((21, 3), np.nan))
    answer = listener.ask(lost, stamp=at(1.1))
    assert answer["grasps"].grasps[0].phase == GraspMsg.UNKNOWN and answer["grasps"].grasps[0].changed
    listener.ask(stamp=at(60.0))
    widths = [command.position[0] for command in listener.heard["gripper_command"]]
    assert_allclose(widths, [0.010, 0.010, 0.010], atol=1e-6)
    assert listener.heard["gripper_command"][-1].header.stamp == at(60.0)


def test_the_gripper_command_names_the_joint_and_keeps_to_its_limits(listen, right_hand, pinching):
    listener = listen("gripper_joint:=jaw", "gripper_max_width:=0.05", "gripper_max_velocity:=0.1")
    command = listener.ask(right_hand, stamp=at(1.0))["gripper_command"]
    assert (command.name, list(command.velocity)) == (["jaw"], [0.1])
    assert_allclose(command.position, [0.05])
    assert_allclose(listener.ask(pinching, stamp=at(1.05))["gripper_command"].position, [0.045])
    assert not command.effort


def test_a_goal_of_the_gripper_limits_velocity_and_effort_and_a_state_tells_the_velocity(listen, right_hand, pinching):
    goal = listen("gripper_max_velocity:=0.1", "gripper_max_effort:=20.0")
    command = goal.ask(right_hand, stamp=at(1.0))["gripper_command"]
    assert (list(command.velocity), list(command.effort)) == ([0.1], [20.0])
    state = listen("gripper_command:=state", "gripper_max_velocity:=0.1", "gripper_max_effort:=20.0")
    state.ask(right_hand, stamp=at(1.0))
    command = state.ask(pinching, stamp=at(1.1))["gripper_command"]
    assert_allclose(command.velocity, [-0.1])
    assert not command.effort


@pytest.mark.parametrize("sim", ["false", "true"])  # a simulated time that never begins makes drivers stamp 0
def test_the_gripper_moves_also_where_the_camera_stamps_nothing(listen, right_hand, pinching, sim):
    listener = listen("gripper_max_width:=0.05", f"use_sim_time:={sim}")
    assert_allclose(listener.ask(right_hand, stamp=at(0))["gripper_command"].position, [0.05])
    time.sleep(0.05)
    answer = listener.ask(pinching, stamp=at(0))
    assert answer["gripper_command"].position[0] < 0.05 - 0.15 * 0.04
    assert answer["gripper_command"].header.stamp == at(0) == answer["grasps"].grasps[0].since


def test_hands_without_a_stamp_count_by_simulated_time_where_it_runs(listen, right_hand, pinching):
    listener = listen("gripper_max_width:=0.05", "use_sim_time:=true")
    (clock,) = (node.get_clock() for node in listener.executor.get_nodes() if node is not listener.node)
    for seconds, hand in ((5.0, right_hand), (5.1, pinching)):
        clock.set_ros_time_override(RosTime.from_msg(at(seconds)))
        answer = listener.ask(hand, stamp=at(0))
    assert_allclose(answer["gripper_command"].position, [0.05 - 0.15 * 0.1])


def test_the_gripper_follows_the_hand_of_the_wanted_side(listen, pinching):
    listener = listen("hand:=left")
    listener.ask(pinching, stamp=at(1.0))
    assert not listener.heard["gripper_command"]
    listener.ask(replace(pinching, side=Side.LEFT, track_id=8), stamp=at(1.1))
    assert len(listener.heard["gripper_command"]) == 1


def test_markers_show_the_grasp_and_go_with_the_hand(listen, pinching):
    listener = listen()
    shown = {marker.ns: marker for marker in listener.ask(pinching, stamp=at(1))["markers"].markers}
    assert shown["right_grasp"].text == "hold: palmar pinch, 10 mm"
    bar = np.array([[point.x, point.y, point.z] for point in shown["right_aperture"].points])
    assert_allclose(bar[1] - bar[0], [0, 0, 0.010], atol=1e-6)
    axes = np.array([[point.x, point.y, point.z] for point in shown["right_pose"].points]).reshape(3, 2, 3)
    x, y, z = (axes[:, 1] - axes[:, 0]) / 0.03
    assert_allclose(axes[:, 0], bar.mean(axis=0)[None].repeat(3, axis=0), atol=1e-6)
    assert_allclose(y, [0, 0, 1], atol=1e-6)  # along the bar, from the thumb to the index
    assert_allclose(np.cross(y, z), x, atol=1e-6)
    assert len(shown["right_pose"].colors) == 6
    assert {marker.id for marker in shown.values()} == {7}
    gone = listener.ask(stamp=at(2))["markers"].markers
    assert {(marker.ns, marker.id) for marker in gone} == {("right_grasp", 7), ("right_aperture", 7), ("right_pose", 7)}
    assert all(marker.action == Marker.DELETE for marker in gone)


def test_a_hand_without_depth_has_a_grasp_but_no_markers(listen, pinching):
    answer = listen().ask(replace(pinching, depth_source=DepthSource.NONE))
    assert answer["grasps"].grasps[0].name == "palmar pinch"
    assert answer["grasps"].grasps[0].depth_source == 0
    assert answer["markers"].markers == []


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_the_taxonomy_tells_a_tripod_of_either_side_through_the_node(listen, right_hand, side):
    tripod = posed_grasps(1, 3, (TEMPLATES[14],), 0.0).joints[0] * [1.0, 1.0 if side is Side.RIGHT else -1.0, 1.0]
    answer = listen("classifier:=taxonomy").ask(replace(right_hand, joints_3d=tripod + [0, 0, 0.5], side=side))
    (grasp,) = answer["grasps"].grasps
    assert answer["grasps"].classifier == "taxonomy@1"
    assert (grasp.category, grasp.opposition, grasp.phase) == (GraspMsg.PRECISION, GraspMsg.PAD, GraspMsg.HOLD)


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("classifier:=magic", "parameter 'classifier' is 'magic', it must be one of distance"),
        ("hand:=both", "parameter 'hand' is 'both', it must be one of any, left, right"),
        ("min_confidence:=1.5", "parameter 'min_confidence' is 1.5, it must be a number at least 0.0 and at most 1.0"),
        ("gripper_max_width:=0.0", "parameter 'gripper_max_width' is 0.0"),
    ],
)
def test_a_wrong_parameter_stops_the_start_and_is_named(listen, override, sentence):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        listen(override)


def test_the_numbers_of_the_taxonomy_are_those_of_the_message():
    levels = [
        (taxonomy.Phase, ""),
        (taxonomy.Category, ""),
        (taxonomy.Opposition, ""),
        (taxonomy.CoarseType, "COARSE_"),
    ]
    for level, none in levels:
        for member in level:
            name = f"{none}{member.name}" if member.name == "NONE" else member.name
            assert getattr(GraspMsg, name) == member, member


def test_a_fresh_grasp_is_unknown_in_every_field_of_the_message():
    (msg,) = grasps_to_msg((Grasp(3, Side.LEFT),), [at(1)], Header(), "distance@1").grasps
    assert (msg.track_id, msg.handedness, msg.phase, msg.category, msg.feix_id) == (3, 1, 0, 0, 0)
    position, covariance = msg.grasp_pose.pose.position, msg.grasp_pose.covariance
    assert np.isnan([msg.confidence, msg.aperture, msg.aperture_velocity, position.x, *covariance]).all()
    assert len(msg.scores) == 0


def test_the_configuration_file_has_parameters_of_the_node_and_their_defaults():
    configured = yaml.safe_load((ROOT / "config" / "grasp.yaml").read_text())["/**"]["ros__parameters"]
    defaults = {field.name: field.default for field in fields(GraspParams)}
    assert configured.items() <= defaults.items()


def test_ctrl_c_ends_the_process_with_code_0(start, peer, pinching):
    node = start(*NODE)
    hands = peer.node.create_publisher(HandPoseArray, "hands", 10)
    answers = peer.collect(GraspArray, "/grasp/grasps")
    msg = hands_to_msg(HandPoses([pinching], (640, 480)), Header(stamp=SOME_TIME, frame_id="camera"))
    # Again and again: that this side has found the node does not mean that the node has found this side.
    answer = peer.until(lambda: answers and answers[0], again=lambda: hands.publish(msg))
    assert answer.classifier == "taxonomy@1" and answer.grasps[0].phase != GraspMsg.UNKNOWN
    assert node.end(signal.SIGINT) == 0 and "Traceback" not in node.log


def test_the_process_says_which_parameter_is_wrong_and_fails(start):
    node = start(*NODE, "--ros-args", "-p", "classifier:=magic")
    assert node.wait() == 1
    assert "parameter 'classifier' is 'magic', it must be one of distance" in node.log
    assert "Traceback" not in node.log
