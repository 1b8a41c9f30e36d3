import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.metrics import joint_errors, mpjpe, pa_mpjpe, pck, root_relative_mpjpe

HAND = np.random.default_rng(7).normal(scale=0.05, size=(21, 3))


def test_a_shift_by_3_4_0_centimetres_is_an_error_of_5_centimetres_at_every_joint():
    assert_allclose(joint_errors(HAND + [0.03, 0.04, 0], HAND), np.full(21, 0.05))
    assert_allclose(mpjpe(HAND + [0.03, 0.04, 0], HAND), 0.05)


def test_one_joint_off_by_21_centimetres_is_a_mean_error_of_one():
    moved = HAND.copy()
    moved[8, 2] += 0.21
    assert_allclose(mpjpe(moved, HAND), 0.01)


def test_pixels_are_measured_in_pixels():
    assert_allclose(mpjpe(np.zeros((21, 2)), np.tile([6.0, 8.0], (21, 1))), 10.0)


def test_a_shift_is_no_root_relative_error():
    assert_allclose(root_relative_mpjpe(HAND + [1, 2, 3], HAND), 0, atol=1e-12)


def test_a_wrong_wrist_is_a_root_relative_error_of_the_twenty_other_joints():
    moved = HAND.copy()
    moved[0, 0] += 0.021
    assert_allclose(root_relative_mpjpe(moved, HAND), 0.021 * 20 / 21)


def test_pa_mpjpe_is_blind_to_rotation_translation_and_scale():
    R = Rotation.from_rotvec([0.3, -2.0, 0.7]).as_matrix()
    assert_allclose(pa_mpjpe(1.7 * HAND @ R.T + [0.1, -0.2, 0.9], HAND), 0, atol=1e-12)


@pytest.mark.parametrize("mirror", [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
def test_pa_mpjpe_does_not_turn_a_left_hand_into_a_right_one(mirror):
    assert pa_mpjpe(HAND * mirror, HAND) > 0.02


def test_pa_mpjpe_is_at_most_the_error_before_alignment():
    noisy = HAND + np.random.default_rng(1).normal(scale=0.01, size=(50, 21, 3))
    assert (pa_mpjpe(noisy, HAND) <= mpjpe(noisy, HAND)).all()


@pytest.mark.parametrize("metric", [mpjpe, root_relative_mpjpe, pa_mpjpe])
@pytest.mark.parametrize("batch", [(), (0,), (4,), (2, 3)])
def test_a_batch_is_measured_hand_by_hand(metric, batch):
    predicted = HAND + np.random.default_rng(2).normal(scale=0.01, size=(*batch, 21, 3))
    each = [metric(hand, HAND) for hand in predicted.reshape(-1, 21, 3)]
    assert_allclose(metric(predicted, HAND), np.reshape(each, batch))


@pytest.mark.parametrize("metric", [mpjpe, root_relative_mpjpe, pa_mpjpe])
def test_an_unknown_joint_makes_its_hand_nan_and_no_other(metric):
    predicted = np.stack([HAND, HAND])
    predicted[1, 5, 0] = np.nan
    assert_allclose(metric(predicted, HAND), [0, np.nan], atol=1e-12)


def test_pck_counts_the_joints_within_the_threshold():
    predicted = np.zeros((21, 2))
    predicted[:7, 0] = 5.0
    predicted[7] = np.nan
    assert_allclose(pck(predicted, np.zeros((21, 2)), 3.0), 13 / 21)
    assert_allclose(pck(np.stack([predicted] * 2), np.zeros((21, 2)), np.array([3.0, 6.0])), [13 / 21, 20 / 21])
