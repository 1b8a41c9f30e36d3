import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros import metrics
from handpose_ros.metrics import (
    align_scale,
    bootstrap_interval,
    box_size,
    ellipsoid_radius_squared,
    joint_errors,
    mahalanobis_squared,
    match_hands,
    mpjpe,
    pa_mpjpe,
    pck_auc,
    root_relative_mpjpe,
)

HAND = np.random.default_rng(7).normal(scale=0.05, size=(21, 3))


def scale_aligned(predicted, true):
    return mpjpe(align_scale(predicted, true), true)


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


@pytest.mark.parametrize("metric", [mpjpe, root_relative_mpjpe, scale_aligned, pa_mpjpe])
@pytest.mark.parametrize("batch", [(), (0,), (4,), (2, 3)])
def test_a_batch_is_measured_hand_by_hand(metric, batch):
    predicted = HAND + np.random.default_rng(2).normal(scale=0.01, size=(*batch, 21, 3))
    each = [metric(hand, HAND) for hand in predicted.reshape(-1, 21, 3)]
    assert_allclose(metric(predicted, HAND), np.reshape(each, batch))


@pytest.mark.parametrize("metric", [mpjpe, root_relative_mpjpe, scale_aligned, pa_mpjpe])
def test_an_unknown_joint_makes_its_hand_nan_and_no_other(metric):
    predicted = np.stack([HAND, HAND])
    predicted[1, 5, 0] = np.nan
    assert_allclose(metric(predicted, HAND), [0, np.nan], atol=1e-12)


def test_a_hand_of_another_size_elsewhere_has_no_scale_aligned_error_but_a_turned_one_has():
    assert_allclose(scale_aligned(0.8 * HAND + [0.1, 0, 0.5], HAND), 0, atol=1e-12)
    assert scale_aligned(HAND[:, [1, 0, 2]], HAND) > 0.01


def test_the_best_scale_of_two_and_one_on_one_and_two_is_four_fifths():
    predicted, true = np.zeros((21, 3)), np.zeros((21, 3))
    predicted[8], true[8] = [2, 1, 0], [1, 2, 0]  # s = (2 + 2) / (4 + 1); what is left is (0.6, -1.2)
    assert_allclose(scale_aligned(predicted, true), np.hypot(0.6, 1.2) / 21)


def test_errors_of_0_10_and_60_millimetres_have_0_6_of_the_area_up_to_50():
    assert_allclose(pck_auc([0.0, 10.0, 60.0], 50.0), (1 + 0.8 + 0) / 3)


def test_the_area_is_that_of_the_pck_curve():
    errors = np.random.default_rng(0).uniform(0, 0.08, 21)
    thresholds = np.linspace(0, 0.05, 20001)
    curve = (errors < thresholds[:, None]).mean(axis=-1)
    assert_allclose(pck_auc(errors, 0.05), curve.mean(), atol=1e-4)


def keypoints(x, y, size=40.0):
    """(21, 2) [px] with a box of `size` from (x, y) to the lower right."""
    joints = np.tile([x + size / 2, y + size / 2], (21, 1))
    joints[:2] = [x, y], [x + size, y + size / 4]
    return joints


def test_the_box_is_as_large_as_its_longer_side_and_ignores_unknown_joints():
    joints = keypoints(5, 7)
    joints[20] = np.nan
    assert box_size(joints) == 40
    assert box_size(np.stack([joints, 2 * joints])).tolist() == [40, 80]


def test_a_hand_just_under_half_its_box_away_is_detected_and_one_just_over_is_not():
    true = keypoints(100, 100)
    assert match_hands(true[None] + [19.9, 0], true[None]).tolist() == [0]
    assert match_hands(true[None] + [20.1, 0], true[None]).tolist() == [-1]


def test_each_found_hand_is_one_true_hand_and_the_nearest():
    a, b = keypoints(0, 0), keypoints(15, 0)
    assert match_hands(np.stack([b, a]), np.stack([a, b])).tolist() == [1, 0]
    assert match_hands(np.stack([a + 1]), np.stack([b, a])).tolist() == [-1, 0]


def test_as_many_hands_as_possible_are_matched():
    first, second = keypoints(0, 0), keypoints(18, 0)  # 12 is nearest to the second, but the first one's only match
    found = np.stack([keypoints(12, 0), keypoints(30, 0)])
    assert match_hands(found, np.stack([first, second])).tolist() == [0, 1]


def test_unknown_joints_do_not_keep_a_hand_from_being_matched():
    true = keypoints(0, 0)
    true[5:] = np.nan
    assert match_hands(keypoints(1, 0)[None], true[None]).tolist() == [0]


@pytest.mark.parametrize("found, true", [(0, 2), (2, 0), (0, 0)])
def test_without_hands_there_is_no_match(found, true):
    assert match_hands(np.zeros((found, 21, 2)), np.ones((true, 21, 2))).tolist() == [-1] * true


def test_three_sigmas_along_one_axis_are_nine():
    covariance = np.diag([1.0, 4.0, 9.0])
    assert_allclose(mahalanobis_squared(np.array([[0, 6.0, 0], [1.0, 0, 3.0]]), np.stack([covariance] * 2)), [9, 2])


def test_the_68_percent_ellipsoid_holds_68_percent_of_normal_errors():
    L = np.random.default_rng(0).normal(size=(3, 3))
    errors = np.random.default_rng(1).normal(size=(20000, 3)) @ L.T
    inside = mahalanobis_squared(errors, np.broadcast_to(L @ L.T, (20000, 3, 3))) < ellipsoid_radius_squared(0.68)
    assert_allclose(inside.mean(), 0.68, atol=0.01)


def test_the_interval_of_a_mean_is_two_standard_errors_to_each_side():
    values = np.random.default_rng(0).normal(10, 3, 400)
    low, high = bootstrap_interval(values)
    assert_allclose([low, high], values.mean() + np.array([-1.96, 1.96]) * values.std() / 20, atol=0.03)


def test_the_same_values_have_the_same_interval_and_too_few_have_none():
    values = np.arange(50.0) ** 2
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, np.median)[0] < np.median(values) < bootstrap_interval(values, np.median)[1]
    assert np.isnan(bootstrap_interval(values[:4])).all() and np.isnan(bootstrap_interval([])).all()


def test_auroc_is_the_share_of_pairs_in_order_and_ties_count_half():
    scores, good = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert metrics.auroc(scores, good) == (1 + 1 + 0.5 + 1) / 4
    assert metrics.auroc(-scores, good) == 0.5 / 4
    assert np.isnan(metrics.auroc(scores, np.ones(4, bool)))


def test_brier_is_the_squared_distance_of_a_probability_from_what_came():
    assert_allclose(metrics.brier(np.array([1.0, 0.5, 0.2]), np.array([True, False, False])), (0.25 + 0.04) / 3)


def test_scores_that_say_three_quarters_and_are_right_as_often_are_calibrated_and_others_are_off_by_the_gap():
    good = np.array([True, True, True, False])
    assert metrics.calibration_error(np.full(4, 0.75), good) == 0
    assert_allclose(metrics.calibration_error(np.full(4, 0.95), good), 0.2)
    assert_allclose(metrics.calibration_error(np.array([0.95, 0.95, 0.15, 0.15]), good), (2 * 0.05 + 0.7) / 4)
