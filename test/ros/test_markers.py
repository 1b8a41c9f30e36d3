from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from handpose_ros.hand import BONES, DepthSource, HandPoses, Side, TrackingState
from handpose_ros.ros.conversions import hand_markers

HEADER = Header(frame_id="head_optical_frame")


def poses(*hands):
    return HandPoses(hands, (640, 480), calibrated=True)


def xyz(points):
    return np.array([[point.x, point.y, point.z] for point in points])


def by_name(markers):
    return {marker.ns: marker for marker in markers.markers}


def test_a_hand_is_21_spheres_and_20_bones_where_its_joints_are(right_hand):
    markers, shown = hand_markers(poses(right_hand), HEADER)
    joints, bones = by_name(markers)["right_joints"], by_name(markers)["right_bones"]
    assert (joints.type, bones.type) == (Marker.SPHERE_LIST, Marker.LINE_LIST)
    assert_allclose(xyz(joints.points), right_hand.joints_3d)
    assert_allclose(xyz(bones.points)[::2], right_hand.joints_3d[[parent for parent, _ in BONES]])
    assert_allclose(xyz(bones.points)[1::2], right_hand.joints_3d[[child for _, child in BONES]])
    assert shown == {("right_joints", 7), ("right_bones", 7)}


def test_markers_stand_in_the_cameras_frame_are_visible_and_do_not_outlive_the_node(right_hand):
    for marker in hand_markers(poses(right_hand), HEADER)[0].markers:
        assert marker.header == HEADER and marker.action == Marker.ADD
        assert 0.001 < marker.scale.x < 0.05  # a finger, not a room
        assert marker.color.a > 0 and marker.pose.orientation.w == 1.0
        assert 0.0 < marker.lifetime.sec + marker.lifetime.nanosec * 1e-9 <= 2.0


def test_left_and_right_differ_in_name_and_colour(right_hand):
    left_hand = replace(right_hand, side=Side.LEFT, track_id=8)
    names = by_name(hand_markers(poses(right_hand, left_hand), HEADER)[0])
    left, right = names["left_joints"], names["right_joints"]
    assert (left.id, right.id) == (8, 7) and left.color != right.color


def test_a_hand_that_left_is_deleted_once(right_hand):
    _, shown = hand_markers(poses(right_hand), HEADER)
    markers, shown = hand_markers(poses(), HEADER, shown)
    assert {(marker.ns, marker.id, marker.action) for marker in markers.markers} == {
        ("right_joints", 7, Marker.DELETE),
        ("right_bones", 7, Marker.DELETE),
    }
    assert hand_markers(poses(), HEADER, shown)[0].markers == []


def test_a_hand_that_changes_its_side_leaves_nothing_under_the_old_name(right_hand):
    _, shown = hand_markers(poses(right_hand), HEADER)
    markers, _ = hand_markers(poses(replace(right_hand, side=Side.LEFT)), HEADER, shown)
    actions = {marker.ns: marker.action for marker in markers.markers}
    assert actions["right_joints"] == Marker.DELETE and actions["left_joints"] == Marker.ADD


def test_a_predicted_hand_is_fainter(right_hand):
    coasting = replace(right_hand, state=TrackingState.COASTING)
    assert hand_markers(poses(coasting), HEADER)[0].markers[0].color.a < 1.0


def test_a_hand_with_an_unknown_joint_is_drawn_without_it_and_its_bones(right_hand):
    joints = right_hand.joints_3d.copy()
    joints[[6, 8]] = np.nan  # the index's PIP and tip: its MCP has no bone further on, its DIP none at all
    names = by_name(hand_markers(poses(replace(right_hand, joints_3d=joints)), HEADER)[0])
    known = [joint for joint in range(21) if joint not in (6, 8)]
    assert_allclose(xyz(names["right_joints"].points), joints[known])
    ends = [end for bone in BONES if not {6, 8} & set(bone) for end in bone]
    assert len(ends) == 2 * 17
    assert_allclose(xyz(names["right_bones"].points), joints[ends])


def test_a_hand_without_any_whole_bone_leaves_none_standing(right_hand):
    _, shown = hand_markers(poses(right_hand), HEADER)
    joints = np.full((21, 3), np.nan)
    joints[8] = [0.0, 0.0, 0.5]
    actions = {
        m.ns: m.action for m in hand_markers(poses(replace(right_hand, joints_3d=joints)), HEADER, shown)[0].markers
    }
    assert actions == {"right_joints": Marker.ADD, "right_bones": Marker.DELETE}


@pytest.mark.parametrize(
    "changes", [{"depth_source": DepthSource.NONE}, {"joints_3d": np.full((21, 3), np.nan)}], ids=["relative", "lost"]
)
def test_a_hand_without_a_place_in_space_has_no_markers(right_hand, changes):
    markers, shown = hand_markers(poses(replace(right_hand, **changes)), HEADER)
    assert markers.markers == [] and not shown
