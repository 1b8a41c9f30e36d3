from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.hand import Observation
from handpose_ros.tracking.association import REACH, Outline, assign, distances, distinct, repeats, same_hand

RNG = np.random.default_rng(2)
SHAPE = np.random.default_rng(0).uniform(-50, 50, (21, 2))  # a hand of about 100 px


def hand(x, *, scale=1.0, score=0.9, right=0.9):
    return Observation(scale * SHAPE + [x, 240.0], np.zeros((21, 3)), score, right)


def test_a_finger_taken_for_a_hand_repeats_the_hand_whichever_is_first():
    assert repeats(hand(100, scale=0.3), hand(100))
    assert repeats(hand(100), hand(100, scale=0.3))


def test_a_small_hand_beside_a_large_one_is_another():
    assert not repeats(hand(180, scale=0.3), hand(100))


def test_two_hands_of_one_side_in_one_place_are_one_and_a_left_and_a_right_one_are_two():
    turned = Observation(-SHAPE + [105.0, 240.0], np.zeros((21, 3)), 0.9, 0.9)
    other_side = Observation(turned.joints_2d, turned.joints_local, 0.9, 0.1)
    assert repeats(turned, hand(100))
    assert not repeats(other_side, hand(100))


def test_of_repetitions_the_surest_is_kept():
    hands = [hand(100, score=0.7), hand(400, score=0.6), hand(102, score=0.9)]
    around = [Outline.of(each) for each in hands]
    assert distinct([0, 1, 2], hands, around) == [1, 2]
    assert distinct([0, 1], hands, around) == [0, 1]


def test_distance_is_in_hand_sizes_and_a_wrong_side_is_half_a_hand():
    size = np.ptp(SHAPE, axis=0).max()
    seen = [Outline.of(hand(100 + size)), Outline.of(hand(100))]
    assert_allclose(distances([Outline.of(hand(100))], [1.0], seen, [1.0, 0.0]), [[1.0, 0.5]])


def test_a_hand_as_large_as_the_one_expected_is_nearer_than_one_that_is_closer_in_the_image_only():
    def centred(x, scale):
        joints = scale * (SHAPE - SHAPE.mean(axis=0)) + [x, 240.0]
        return Outline.of(Observation(joints, np.zeros((21, 3)), 0.9, 0.9))

    seen = [centred(100, np.e), centred(100, 1 / np.e)]
    assert_allclose(distances([centred(100, 1)], [0.9], seen, [0.9, 0.9]), [[0.5, 0.5]])
    far, near = centred(296, 1), centred(304, 2)  # one behind the other, in the next image the other way round
    away = distances([far, near], [0.9, 0.9], [centred(300, 2), centred(304, 1)], [0.9, 0.9])
    assert assign(away, np.full((2, 2), REACH)) == {0: 1, 1: 0}


def test_an_outline_is_the_box_the_mean_and_the_spread_of_the_joints():
    joints = np.zeros((21, 2))
    joints[:10], joints[10:20] = [-3.0, 0.0], [3.0, 0.0]
    joints[20] = [0.0, 4.0]
    outline = Outline.of(Observation(joints + [7.0, 1.0], np.zeros((21, 3)), 0.9, 0.9))
    assert (outline.low, outline.high, outline.size) == ((4.0, 1.0), (10.0, 5.0), 6.0)
    assert outline.center == pytest.approx((7.0, 1 + 4 / 21))
    assert outline.radius == pytest.approx(np.sqrt((20 * 9 + 16) / 21 - (4 / 21) ** 2))
    moved = outline.moved(2.0, -1.0)
    assert (moved.low, moved.high, moved.radius) == ((6.0, 0.0), (12.0, 4.0), outline.radius)
    assert moved.center == pytest.approx((9.0, 4 / 21))


def test_outlines_touch_that_share_an_area_and_those_that_are_not_known_may():
    outline = Outline((0.0, 0.0), (10.0, 10.0), (5.0, 5.0), 3.0)
    assert outline.touches(outline.moved(9.0, 9.0)) and outline.moved(-9.0, 9.0).touches(outline)
    for aside in ((10.0, 0.0), (-10.0, 0.0), (0.0, 10.0), (0.0, -10.0)):
        assert not outline.touches(outline.moved(*aside))
    assert outline.touches(outline.moved(np.nan, np.nan))


def test_pairs_have_the_least_total_distance_and_none_is_out_of_reach():
    reach = np.full((2, 2), REACH)
    assert assign(np.array([[0.2, 0.3], [0.1, 0.9]]), reach) == {0: 1, 1: 0}
    assert assign(np.array([[0.2, 5.0], [3.0, 5.0]]), reach) == {0: 0}
    assert assign(np.zeros((0, 3)), np.zeros((0, 3))) == assign(np.zeros((2, 0)), np.zeros((2, 0))) == {}


def test_pairs_are_those_of_all_assignments_with_the_least_sum():
    rng = np.random.default_rng(1)
    for rows, columns in rng.integers(1, 5, (200, 2)).tolist():
        away = rng.uniform(0, 1.5, (rows, columns))
        cost = np.pad(np.where(away < REACH, away, 1e3), [(0, 0), (0, rows)], constant_values=1e3)  # or with nothing
        least = min(sum(cost[range(rows), chosen]) for chosen in permutations(range(columns + rows), rows))
        pairs = assign(away, np.full(away.shape, REACH))
        assert len(set(pairs.values())) == len(pairs)
        assert sum(away[pair] for pair in pairs.items()) + 1e3 * (rows - len(pairs)) == pytest.approx(least)


def joints() -> np.ndarray:
    """(21, 2) [px] a palm of 100 px."""
    points = RNG.uniform(0, 100, (21, 2))
    points[[0, 5, 17]] = [[50, 100], [50, 0], [80, 20]]
    return points


def test_a_hand_moved_by_less_than_a_fifth_of_its_palm_is_the_same_and_by_more_another():
    hand = joints()
    assert same_hand(hand, hand + [19, 0])
    assert not same_hand(hand, hand + [21, 0])


def test_ten_close_joints_make_the_same_hand_and_nine_do_not():
    hand = joints()
    for close, expected in ((10, True), (9, False)):
        other = hand + [0, 50.0]
        other[:close] = hand[:close]
        assert same_hand(hand, other) == expected
        assert same_hand(other, hand) == expected


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_an_outline_is_of_joints_of_any_type_and_layout(kind):
    joints = np.asfortranarray(np.arange(42).reshape(21, 2).astype(kind))
    joints.flags.writeable = False
    outline = Outline.of(Observation(joints, np.zeros((21, 3)), 0.9, 0.9))
    assert (outline.low, outline.high, outline.center) == ((0, 1), (40, 41), pytest.approx((20, 21)))
