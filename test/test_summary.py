from dataclasses import replace

import numpy as np
import pytest

from handpose_ros.camera import Camera
from handpose_ros.hand import HandPose, HandPoses, Side, TrackingState
from handpose_ros.recordings.summary import Truth, load_truth, summarise, truth_errors

CAMERA = Camera.from_fov((640, 480), np.radians(60))
SHAPE = np.random.default_rng(3).normal(scale=0.04, size=(21, 3))
LEFT = SHAPE * [-1, 1, 1] + [-0.1, 0, 0.5]
RIGHT = SHAPE + [0.1, 0, 0.5]
TRUTH = Truth(np.stack([[LEFT, RIGHT]] * 3), (Side.LEFT, Side.RIGHT), CAMERA)


def make_hand(side, joints_3d, track_id=1, state=TrackingState.TRACKED):
    return HandPose(side, 1.0, 1.0, CAMERA.project(joints_3d), joints_3d, track_id=track_id, state=state)


def frame(*hands):
    return HandPoses(hands, (640, 480), calibrated=True)


BOTH = frame(make_hand(Side.LEFT, LEFT, 1), make_hand(Side.RIGHT, RIGHT, 2))


def test_frames_with_both_hands_have_a_left_and_a_right_one():
    two_lefts = frame(make_hand(Side.LEFT, LEFT, 1), make_hand(Side.LEFT, RIGHT, 2))
    summary = summarise([BOTH, two_lefts, frame(make_hand(Side.RIGHT, RIGHT, 2)), frame()])
    assert (summary.frames, summary.frames_with_a_hand, summary.frames_with_both_hands) == (4, 3, 1)
    assert summary.track_ids == (1, 2)
    assert summary.sides == {1: {"left": 2}, 2: {"left": 1, "right": 2}}


@pytest.mark.parametrize("state", [TrackingState.COASTING, TrackingState.LOST])
def test_a_hand_that_was_not_seen_in_the_frame_does_not_count(state):
    assert summarise([frame(make_hand(Side.LEFT, LEFT, 7, state))]).frames_with_a_hand == 0
    assert truth_errors([frame(make_hand(Side.LEFT, LEFT, 7, state))], TRUTH) is None


def test_the_truth_itself_has_no_error():
    errors = truth_errors([BOTH] * 3, TRUTH)
    assert (errors.hands, errors.hands_missed) == (6, 0)
    assert max(errors.absolute_mean_mm, errors.root_relative_mm, errors.pa_mm, errors.pixels_2d) < 1e-6


def test_ten_millimetres_to_the_right_are_ten_millimetres_absolute_and_none_relative():
    moved = frame(*(replace(hand, joints_3d=hand.joints_3d + [0.01, 0, 0]) for hand in BOTH))
    errors = truth_errors([moved] * 3, TRUTH)
    assert errors.absolute_mean_mm == pytest.approx(10) and errors.absolute_median_mm == pytest.approx(10)
    assert errors.root_relative_mm == pytest.approx(0, abs=1e-6)


def test_swapped_sides_are_an_error_of_the_distance_between_the_hands():
    swapped = frame(make_hand(Side.RIGHT, LEFT), make_hand(Side.LEFT, RIGHT))
    errors = truth_errors([swapped] * 3, TRUTH)
    assert errors.absolute_mean_mm > 150 and errors.pa_mm > 10 and errors.pixels_2d > 50


def test_a_hand_that_was_not_found_is_missed_not_wrong():
    errors = truth_errors([frame(make_hand(Side.LEFT, LEFT)), frame(), BOTH], TRUTH)
    assert (errors.hands, errors.hands_missed) == (3, 3)
    assert errors.absolute_mean_mm < 1e-6


def test_a_frame_is_compared_with_the_truth_of_its_index():
    moving = replace(TRUTH, joints_3d=TRUTH.joints_3d + np.array([0, 0.1, 0.2])[:, None, None, None])
    assert truth_errors([BOTH] * 3, moving).absolute_mean_mm == pytest.approx(np.sqrt(3) * 100)


def test_a_truth_file_comes_back_as_a_truth(tmp_path):
    sides = np.array([s.value for s in TRUTH.sides])
    np.savez(tmp_path / "a.npz", joints_3d=TRUTH.joints_3d, sides=sides, K=CAMERA.K, size=CAMERA.size, fps=30)
    truth = load_truth(tmp_path / "a.npz")
    assert truth.sides == TRUTH.sides and truth.camera.size == (640, 480)
    assert truth_errors([BOTH] * 3, truth).absolute_mean_mm < 1e-6
