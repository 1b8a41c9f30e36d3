import numpy as np
from numpy.testing import assert_allclose

from handpose_ros.association import REACH, assign, distances, distinct, repeats
from handpose_ros.hand import Observation

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
    assert distinct([0, 1, 2], hands) == [1, 2]
    assert distinct([0, 1], hands) == [0, 1]


def test_distance_is_in_hand_sizes_and_a_wrong_side_is_half_a_hand():
    size = np.ptp(SHAPE, axis=0).max()
    seen = [hand(100 + size, right=1.0), hand(100, right=0.0)]
    assert_allclose(distances(hand(100).joints_2d[None], np.array([1.0]), seen), [[1.0, 0.5]])


def test_a_hand_as_large_as_the_one_expected_is_nearer_than_one_that_is_closer_in_the_image_only():
    def centred(x, scale):
        return Observation(scale * (SHAPE - SHAPE.mean(axis=0)) + [x, 240.0], np.zeros((21, 3)), 0.9, 0.9)

    expected = centred(100, 1).joints_2d[None]
    assert_allclose(distances(expected, np.array([0.9]), [centred(100, np.e), centred(100, 1 / np.e)]), [[0.5, 0.5]])
    far, near = centred(296, 1), centred(304, 2)  # one behind the other, in the next image the other way round
    seen = [centred(300, 2), centred(304, 1)]
    away = distances(np.stack([far.joints_2d, near.joints_2d]), np.array([0.9, 0.9]), seen)
    assert assign(away, np.full((2, 2), REACH)) == {0: 1, 1: 0}


def test_pairs_have_the_least_total_distance_and_none_is_out_of_reach():
    reach = np.full((2, 2), REACH)
    assert assign(np.array([[0.2, 0.3], [0.1, 0.9]]), reach) == {0: 1, 1: 0}
    assert assign(np.array([[0.2, 5.0], [3.0, 5.0]]), reach) == {0: 0}
    assert assign(np.zeros((0, 3)), np.zeros((0, 3))) == {}
