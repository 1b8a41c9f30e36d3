import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.evaluation.sequence_metrics import (
    acceleration_error,
    fragments,
    jitter,
    lag,
    switches,
    time_to_detection,
)

STAMPS = np.arange(8) * 0.1


def test_a_switch_is_a_change_of_a_known_label_also_across_a_gap():
    assert switches([1, 1, 0, 1, 1]) == 0
    assert switches([1, 1, 0, 2, 2]) == 1
    assert switches([1, 2, 1]) == 2
    assert switches([0, 0]) == 0


def test_a_fragment_ends_where_a_visible_hand_is_no_longer_followed():
    assert fragments([1, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]) == 2
    assert fragments([1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]) == 0


def test_times_to_detection_count_from_each_coming_into_view():
    visible = [0, 1, 1, 1, 0, 1, 1, 0]
    assert_allclose(time_to_detection([0, 0, 1, 1, 0, 1, 1, 0], visible, STAMPS), [0.1, 0.0], atol=1e-9)
    assert time_to_detection([0] * 8, visible, STAMPS) == [np.inf, np.inf]


def test_jitter_is_the_rms_distance_from_the_mean():
    joints = np.array([[[0.0, 0.003, 0.004]], [[0.0, -0.003, -0.004]]])
    assert jitter(joints) == pytest.approx(0.005)
    assert jitter(joints + 3.0) == pytest.approx(0.005)


def test_acceleration_error_is_metres_a_second_squared():
    seconds = np.arange(10)[:, None, None] * 0.1
    accelerated = 0.5 * 2.0 * seconds**2 * [1.0, 0.0, 0.0]
    assert acceleration_error(accelerated, np.zeros((10, 1, 3)), 0.1) == pytest.approx(2.0)
    assert acceleration_error(accelerated + 1.0, accelerated, 0.1) == pytest.approx(0.0, abs=1e-9)


def test_lag_is_the_time_by_which_a_motion_comes_late():
    seconds = np.arange(30)[:, None] / 30
    assert lag((seconds - 0.02) * [0.5, 0, 0], seconds * [0.5, 0, 0], 1 / 30) == pytest.approx(0.02)
    assert lag((seconds + 0.01) * [0, 0, -2], seconds * [0, 0, -2], 1 / 30) == pytest.approx(-0.01)
