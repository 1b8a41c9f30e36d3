import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.grasps.motion import Motion, Trend

FRAME = 1 / 30  # [s]


def measured(lengths, frame=FRAME):
    motion = Motion(lengths[0], measured=(lengths[0],))
    for length in lengths[1:]:
        motion = motion.updated(length, frame)
    return motion


def trend(lengths, frame=FRAME):
    state = Trend()
    for number, length in enumerate(lengths):
        state = state.updated(length, number * frame)
    return state


@pytest.mark.parametrize("frame", [1 / 15, 1 / 30, 1 / 60])
def test_a_steady_closing_has_its_velocity_at_any_rate(frame):
    lengths = 0.2 - 0.1 * frame * np.arange(round(1 / frame))
    motion = measured(lengths, frame)
    assert_allclose(motion.velocity, -0.1, atol=1e-3)
    assert_allclose(motion.aperture, lengths[-1], atol=1e-4)


@pytest.mark.parametrize("frame", [1 / 15, 1 / 30, 1 / 60])
def test_a_steady_closing_is_as_plain_as_it_is_fast_and_plainer_over_a_longer_past(frame):
    still = trend(0.2 - 0.1 * frame * np.arange(round(2 / frame)), frame)  # its noise is learnt to be next to none
    recent, lasting = still.plainness(0.02)
    assert_allclose([recent, lasting], [-0.1 / (0.02 / 0.1), -0.1 / (0.02 / 0.3)], rtol=0.05)


def test_a_motion_that_has_ended_is_over_in_the_recent_past_and_not_in_the_longer_one():
    recent, lasting = trend([*np.linspace(0.2, 0.15, 10), *[0.15] * 4]).plainness(0.002)
    assert abs(recent) < 0.5 and lasting < -5


def test_noise_shrinks_by_a_quarter_at_least():
    rng = np.random.default_rng(0)
    apertures = [measured(0.05 + 0.01 * rng.standard_normal(60)).aperture for _ in range(50)]
    assert np.std(apertures) < 0.0075


def test_the_plainness_of_a_hand_at_rest_is_about_one_whatever_the_noise():
    rng = np.random.default_rng(1)
    for noise in (0.002, 0.008):
        states = [trend(0.05 + noise * rng.standard_normal(90)) for _ in range(80)]
        assert_allclose(np.mean([state.noise for state in states]), noise, rtol=0.3)
        assert 0.7 < np.std([state.plainness(0.0)[0] for state in states]) < 1.4


def test_another_way_to_measure_is_no_motion():
    still = measured(np.full(30, 0.03))
    moved = still.shifted(0.02).updated(0.05, FRAME)
    assert_allclose([moved.aperture, moved.velocity], [0.05, 0.0], atol=1e-9)


def test_an_image_that_comes_twice_changes_nothing():
    still = measured(np.full(5, 0.03))
    assert still.updated(0.08, 0.0) is still
    state = trend([0.03] * 5)
    assert state.updated(0.08, 4 * FRAME) is state


def test_one_measurement_has_no_velocity():
    assert np.isnan(Motion(0.03).velocity)
    assert np.isnan(trend([0.03]).plainness(0.002)).all()
