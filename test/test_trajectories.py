from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.grasps.grasp import Grasp
from handpose_ros.hand import WRIST, DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend
from handpose_ros.recordings.comparison import compare
from handpose_ros.recordings.trajectories import stamp_warnings, stretches, trajectories


def hand(x=0.0, *, side=Side.LEFT, track=1, state=TrackingState.TRACKED, depth=DepthSource.MONO):
    joints = bend(np.zeros(20)) + [x, 0.0, 0.5]
    pixels = joints[:, :2] * 1000 + 300
    return HandPose(side, 0.9, 0.9, pixels, joints, track_id=track, state=state, depth_source=depth)


def recording(*frames, rate=30.0):
    return [HandPoses(tuple(hands), (640, 480), k / rate) for k, hands in enumerate(frames)]


def tracks_of(frames, grasps=None):
    return trajectories(frames, grasps or [()] * len(frames))


def test_tracks_are_told_apart_and_the_longest_comes_first():
    right = hand(0.3, side=Side.RIGHT, track=2)
    first, second = tracks_of(recording([right], [hand(), right], [right]))
    assert (first.name, first.frames.tolist()) == ("R 2", [0, 1, 2])
    assert (second.name, second.frames.tolist()) == ("L 1", [1])
    assert_allclose(first.wrist[:, 0], 0.3)


def test_a_predicted_hand_does_not_count():
    (track,) = tracks_of(recording([hand()], [hand(state=TrackingState.COASTING)], [hand()]))
    assert track.frames.tolist() == [0, 2]


def test_the_aperture_is_that_of_the_same_hands_grasp():
    grasps = [(Grasp(2, Side.RIGHT, aperture=0.07), Grasp(1, Side.LEFT, aperture=0.03))]
    (track,) = tracks_of(recording([hand()]), grasps)
    assert track.aperture.tolist() == [0.03]


def test_without_depth_the_wrists_place_is_not_known_but_its_angles_are():
    (track,) = tracks_of(recording([hand(depth=DepthSource.NONE)]))
    assert np.isnan(track.wrist).all() and np.isfinite(track.angles).all()


def test_a_hand_that_moves_evenly_has_no_jitter_and_one_that_shakes_by_a_millimetre_has_two():
    (even,) = tracks_of(recording(*[[hand(0.01 * k)] for k in range(10)]))
    (shaken,) = tracks_of(recording(*[[hand(0.001 * (-1) ** k)] for k in range(10)]))
    assert even.jitter == pytest.approx(0, abs=1e-9)
    assert shaken.jitter == pytest.approx(0.002)  # 1 mm to one side, both neighbours 1 mm to the other


def test_an_even_motion_has_no_jitter_however_uneven_the_stamps():
    stamps = [k / 30 for k in range(30) if k % 3 != 2]  # every third image is lost
    (track,) = tracks_of([HandPoses((hand(0.5 * stamp),), (640, 480), stamp) for stamp in stamps])
    assert track.jitter == pytest.approx(0, abs=1e-9)


def test_jitter_is_not_known_where_no_three_images_follow_each_other():
    (track,) = tracks_of(recording(*[[hand(0.001 * (-1) ** k)] if k % 5 < 2 else [] for k in range(20)]))
    assert np.isnan(track.jitter)
    (track,) = tracks_of(recording(*[[hand(0.0001 * k**2)] if k % 2 else [] for k in range(20)]))
    assert np.isnan(track.jitter)


def test_a_gap_is_not_jitter_and_parts_the_track():
    frames = recording(*[[hand(0.0 if k < 5 else 0.2)] if k not in (5, 6, 7) else [] for k in range(13)])
    (track,) = tracks_of(frames)
    assert track.jitter == pytest.approx(0, abs=1e-9)
    assert [(part.start, part.stop) for part in stretches(track, 1 / 30)] == [(0, 5), (5, 10)]


def test_gaps_and_stamps_out_of_order_are_said():
    assert stamp_warnings(np.arange(10) / 30) == []
    assert "1 of 4 images" in stamp_warnings(np.array([0.0, 0.1, 0.05, 0.2]))[0]
    assert "1 gap between images, the longest 0.90 s" in stamp_warnings(np.array([0, 0.1, 0.2, 1.1, 1.2, 1.3]))[0]


def test_a_comparison_pairs_hands_by_their_place_not_their_order():
    left, right = hand(), hand(0.3, side=Side.RIGHT, track=2)
    moved = hand(0.001)
    live = {5: HandPoses((left, right), (640, 480)), 6: HandPoses((), (640, 480))}
    offline = {5: HandPoses((right, moved), (640, 480)), 7: HandPoses((), (640, 480))}
    result = compare(live, offline)
    (row,) = result.differences
    assert (row.stamp, row.live_hands, row.offline_hands, row.same_sides) == (5, 2, 2, True)
    assert row.joints_3d_mm == pytest.approx(1.0) and row.joints_2d_px == pytest.approx(1.0)
    assert (result.only_live, result.only_offline) == (1, 1)


def test_joints_relative_to_the_wrist_are_not_compared_with_joints_in_the_cameras_frame():
    one, other = hand(), replace(hand(depth=DepthSource.NONE), joints_3d=hand().joints_3d - [0.0, 0.0, 0.5])
    live, offline = ({1: HandPoses((each,), (640, 480))} for each in (one, other))
    (row,) = compare(live, offline).differences
    assert np.isnan([row.joints_3d_mm, row.relative]).all() and row.joints_2d_px == 0
    assert compare(offline, offline).differences[0].joints_3d_mm == 0


def test_a_relative_difference_is_over_the_distance_of_the_very_joint():
    near = np.tile([0.0, 0.0, 1.0], (21, 1))
    near[20] = [0.0, 0.0, 0.5]
    moved = near + np.array([0.05, 0.0, 0.0]) * (np.arange(21) == 20)[:, None]
    hands = [HandPoses((replace(hand(), joints_3d=joints),), (640, 480)) for joints in (moved, near)]
    assert compare({1: hands[0]}, {1: hands[1]}).differences[0].relative == pytest.approx(0.05 / 0.5)


def test_a_wrist_that_joints_are_relative_to_has_no_relative_difference():
    alone = {1: HandPoses((replace(hand(), joints_3d=hand().joints_3d - hand().joints_3d[WRIST]),), (640, 480))}
    assert compare(alone, alone).differences[0].relative == 0


def test_a_swap_of_sides_is_seen():
    result = compare({1: HandPoses((hand(),), (640, 480))}, {1: HandPoses((hand(side=Side.RIGHT),), (640, 480))})
    assert not result.differences[0].same_sides


def test_a_hand_without_a_place_is_no_difference_and_does_not_hide_another_ones():
    nowhere = replace(hand(), joints_3d=np.full((21, 3), np.nan))
    first, second = HandPoses((hand(),), (640, 480)), HandPoses((nowhere,), (640, 480))
    (difference,) = compare({1: first}, {1: second}).differences
    assert difference.joints_2d_px == 0 and np.isnan([difference.joints_3d_mm, difference.relative]).all()
