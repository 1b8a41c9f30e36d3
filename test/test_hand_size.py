from dataclasses import replace

import numpy as np
import pytest
from made_up_hands import bent_hand

from handpose_ros.camera import Camera
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.lifting.hand_size import WRIST_FLESH, CalibrationError, HandSize, SizeFromDepth, SizeFromDistance

CAMERA = Camera([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]], (640, 480))


def open_hand(distance=0.5, curl=0.0):
    """A right hand whose wrist is on the optical axis at `distance` [m]; `curl` [rad] bends each finger joint."""
    joints = bent_hand(curl, 0.025, 0.09)
    joints += [0, 0, distance]
    return HandPose(
        side=Side.RIGHT,
        side_score=1.0,
        score=1.0,
        joints_2d=CAMERA.project(joints),
        joints_3d=joints,
        depth_source=DepthSource.MONO,
        reprojection_error=3.0,
    )


def image(*hands):
    return HandPoses(hands, (640, 480))


def learn(hands, distance=0.55):
    size = SizeFromDistance(distance)
    for hand in hands:
        size.add(image(hand))
    return size.size


def test_a_hand_that_is_placed_at_half_of_its_distance_is_twice_as_large_as_was_thought():
    # From the lens to the skin; the wrist's joint lies behind it.
    size = learn([open_hand(0.5)] * 10, distance=0.6 - WRIST_FLESH)
    assert size.scale == pytest.approx(1.2)
    assert (size.spread, size.looks) == (0.0, 10)


def test_it_does_not_matter_which_size_was_assumed_meanwhile():
    scaled = replace(open_hand(0.5), depth_source=DepthSource.MONO_SCALED, hand_scale=0.8)
    assert learn([scaled] * 10, distance=0.6 - WRIST_FLESH).scale == pytest.approx(0.8 * 1.2)


def test_the_spread_is_the_standard_deviation_of_single_images_and_outliers_do_not_move_the_size():
    rng = np.random.default_rng(0)
    hands = [open_hand(0.5 * (1 + 0.01 * error)) for error in rng.normal(size=200)]
    size = learn([*hands, *[open_hand(0.9)] * 5], distance=0.5 - WRIST_FLESH)
    assert size.scale == pytest.approx(1.0, abs=0.005)
    assert size.spread == pytest.approx(0.01, rel=0.2)


def test_the_palm_of_the_average_hand_is_eleven_centimetres_long():
    assert HandSize.from_palm(0.110).scale == pytest.approx(1.0)
    size = HandSize.from_palm(0.0990)
    assert size.scale == pytest.approx(0.9)
    assert np.isnan(size.spread)
    assert size.looks == 0


@pytest.mark.parametrize("length", [110.0, 11.0, -0.11, 0.0, float("nan"), float("inf")])
def test_a_palm_in_another_unit_is_refused(length):
    with pytest.raises(CalibrationError, match="metres"):
        HandSize.from_palm(length)


@pytest.mark.parametrize("distance", [500.0, 50.0, 0.0, -0.5, float("nan")])
def test_a_distance_in_another_unit_is_refused_before_anyone_holds_a_hand(distance):
    with pytest.raises(CalibrationError, match="between 0.15 and 3.*metres"):
        SizeFromDistance(distance)


def test_a_size_that_no_person_has_is_refused():
    with pytest.raises(CalibrationError, match=r"3\.0\d times as large"):
        learn([open_hand(0.5)] * 20, distance=1.5)


def outside():
    hand = open_hand()
    return replace(hand, joints_2d=hand.joints_2d + [0, -200])


REFUSED = {
    "not calibrated": lambda: replace(open_hand(), depth_source=DepthSource.NONE),
    "no hand is seen": lambda: replace(open_hand(), state=TrackingState.COASTING),
    "not wholly in the image": outside,
    "not open": lambda: open_hand(curl=1.2),
    "not certain": lambda: replace(open_hand(), reprojection_error=40.0),
    "a depth image places the hand": lambda: replace(open_hand(), depth_source=DepthSource.SENSOR),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_look_that_says_nothing_about_the_size_is_refused_with_the_reason(words):
    with pytest.raises(CalibrationError, match=f"9 of 12 images.*{words}"):
        learn([open_hand()] * 9 + [REFUSED[words]()] * 3)


def test_two_hands_and_no_hand_are_refused_with_the_reason():
    for hands, words in [((open_hand(), open_hand(0.7)), "2 hands are seen; show only one"), ((), "no hand is seen")]:
        size = SizeFromDistance(0.5)
        size.add(image(*hands))
        with pytest.raises(CalibrationError, match=words):
            _ = size.size


def test_the_last_word_on_a_hand_that_was_there_before_is_no_second_hand():
    size = SizeFromDistance(0.6 - WRIST_FLESH)
    lost = replace(open_hand(0.5), state=TrackingState.LOST, joints_2d=np.full((21, 2), np.nan))
    for _ in range(10):
        size.add(HandPoses((open_hand(0.5), lost), CAMERA.size))
    assert size.size.scale == pytest.approx(1.2)


def test_no_image_and_too_few_images_are_told_apart():
    with pytest.raises(CalibrationError, match="no image came"):
        learn([])
    with pytest.raises(CalibrationError, match="3 of 3 images, .* for longer"):
        learn([open_hand()] * 3)


def test_a_hand_that_is_not_held_still_is_refused():
    with pytest.raises(CalibrationError, match="hold the hand still"):
        learn([open_hand(z) for z in np.linspace(0.4, 0.6, 30)])


def test_a_running_estimate_is_the_median_of_the_latest_looks_and_none_before_there_are_ten():
    size = SizeFromDepth()
    for _ in range(9):
        size.add(1.1)
    assert size.scale is None
    size.add(5.0)
    assert size.scale == pytest.approx(1.1)
    for _ in range(60):
        size.add(0.9)
    assert size.scale == pytest.approx(0.9)
