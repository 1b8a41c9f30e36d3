from dataclasses import replace

import numpy as np
import pytest

from handpose_ros.drawing import COLORS, contact_sheet, draw_hands, grasp_label, hand_label
from handpose_ros.grasps.taxonomy import Phase, grasp_name
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState

VGA = 640, 480


def make_hand(side=Side.LEFT, at=(320.0, 240.0), **changes):
    """A hand whose 21 joints lie on a 5 x 5 grid, 20 px apart, centred at `at`."""
    k = np.arange(21)
    joints_2d = np.stack([k % 5, k // 5], axis=-1) * 20.0 - 40 + at
    joints_3d = np.tile([0.3, 0.0, 0.4], (21, 1))
    values = {"side": side, "side_score": 1.0, "score": 1.0, "joints_2d": joints_2d, "joints_3d": joints_3d}
    return HandPose(**{**values, "depth_source": DepthSource.MONO, "track_id": 3, **changes})


def draw(*hands, size=VGA, captions=None, background=128):
    image = np.full((size[1], size[0], 3), background, np.uint8)
    return draw_hands(image, HandPoses(hands, size), captions or {})


def changed(image, background=128):
    return (image != background).any(axis=-1)


def test_the_input_image_is_left_as_it_was():
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw_hands(image, HandPoses((make_hand(),), VGA))
    assert (image == 128).all() and changed(drawn).any()


def test_no_hands_draw_nothing():
    assert not changed(draw()).any()


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_a_joint_has_the_colour_of_its_side_at_its_pixel(side):
    assert np.abs(draw(make_hand(side))[240, 320].astype(int) - COLORS[side]).max() <= 3


def test_left_and_right_joints_differ_in_shape_not_only_in_colour():
    left, right = (draw(make_hand(side), size=VGA) for side in (Side.LEFT, Side.RIGHT))
    corner = np.s_[196:206, 276:286]  # around the first joint, at (280, 200)
    shape_left, shape_right = changed(left)[corner], changed(right)[corner]
    assert (shape_left != shape_right).sum() >= 4


def test_a_label_reads_side_id_and_distance():
    assert hand_label(make_hand(Side.LEFT)) == "L 3  0.50 m"
    assert hand_label(make_hand(Side.RIGHT, track_id=12)) == "R 12  0.50 m"
    assert hand_label(make_hand(Side.UNKNOWN)) == "? 3  0.50 m"


def test_a_label_names_no_distance_that_is_not_known():
    assert hand_label(make_hand(depth_source=DepthSource.NONE)) == "L 3"
    assert hand_label(make_hand(joints_3d=np.full((21, 3), np.nan))) == "L 3"


def test_a_caption_makes_the_label_of_its_own_hand_taller():
    plain, other, captioned = (draw(make_hand(), captions=c) for c in (None, {4: "tripod"}, {3: "tripod"}))
    assert (plain == other).all()
    assert changed(captioned).sum() > changed(plain).sum() + 500


def test_joints_that_are_not_known_are_skipped():
    joints = make_hand().joints_2d.copy()
    joints[20] = np.nan
    assert not changed(draw(make_hand(joints_2d=joints)))[275:285, 275:285].any()
    assert changed(draw(make_hand()))[275:285, 275:285].any()


def test_a_lost_hand_draws_nothing():
    lost = make_hand(joints_2d=np.full((21, 2), np.nan), joints_3d=np.full((21, 3), np.nan), state=TrackingState.LOST)
    assert not changed(draw(lost)).any()


@pytest.mark.parametrize("at", [(0, 0), (639, 479), (-5000, 240), (320, 9000), (1e9, 1e9), (np.inf, 0)])
def test_a_hand_outside_of_the_image_is_no_error(at):
    assert draw(make_hand(at=np.array(at))).shape == (480, 640, 3)


@pytest.mark.parametrize("size", [(1, 1), (16, 12), (120, 2000)])
def test_an_image_smaller_than_a_label_is_no_error(size):
    assert draw(make_hand(at=(5.0, 5.0)), size=size, captions={3: "tripod"}).shape == (size[1], size[0], 3)


def test_a_hand_fades_with_its_score():
    def strength(score):
        return np.abs(draw(make_hand(score=score))[240, 320].astype(int) - 128).sum()

    assert strength(1.0) > strength(0.5) > strength(0.0) > 10


def test_an_uncertain_joint_is_greyer_than_a_certain_one():
    scores = np.ones(21)
    scores[12] = 0.0  # the joint at (320, 240)
    r, g, b = draw(make_hand(joint_scores=scores), background=0)[240, 320].astype(int)
    assert max(r, g, b) - min(r, g, b) < 5


def test_a_predicted_hand_has_hollow_joints():
    assert draw(make_hand(state=TrackingState.COASTING))[240, 320].max() < 40


def test_lines_in_a_4k_image_are_as_wide_relative_to_it_as_in_vga():
    hand = make_hand()
    small = changed(draw(hand)).mean()
    large = changed(draw(replace(hand, joints_2d=hand.joints_2d * 6), size=(3840, 2880))).mean()
    assert large == pytest.approx(small, rel=0.3)


def test_labels_of_two_hands_at_one_place_do_not_cover_each_other():
    left, right = make_hand(Side.LEFT, at=(320.0, 240.0)), make_hand(Side.RIGHT, at=(325.0, 245.0), track_id=4)
    boxed = changed(draw(left, right)) & ~changed(draw(left))
    assert boxed[295:340].sum() > 500  # the second label is below the hands


def test_a_contact_sheet_shows_the_images_row_by_row():
    values = [0, 50, 100, 150, 200]
    sheet = contact_sheet([np.full((30, 40, 3), v, np.uint8) for v in values], columns=3, width=80)
    assert sheet.shape == (2 * (60 + 6) + 6, 3 * (80 + 6) + 6, 3)
    assert [int(sheet[6 + 30 + r * 66, 6 + 40 + c * 86, 0]) for r in (0, 1) for c in (0, 1, 2)] == values + [255]


def test_a_contact_sheet_keeps_the_aspect_ratio_of_an_odd_image():
    tall = np.full((100, 10, 3), 7, np.uint8)
    sheet = contact_sheet([np.zeros((30, 40, 3), np.uint8), tall], columns=2, width=80)
    assert (sheet == 7).all(axis=-1).sum() == 60 * 6


def test_a_contact_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_what_is_written_at_a_grasp_names_phase_and_type_once_and_the_aperture_where_it_is_known():
    assert grasp_label(grasp_name(Phase.HOLD, "tripod"), 0.0312) == "hold tripod  3.1 cm"
    assert grasp_label(grasp_name(Phase.OPEN, "open"), np.nan) == "open"
    assert grasp_name(Phase.UNKNOWN, "") == "unknown"
