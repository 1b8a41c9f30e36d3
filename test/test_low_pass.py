import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.filtering.low_pass import OneEuro, Rates, low_pass

DT = 1 / 30
CONSTANTS = OneEuro(min_cutoff=1.0, beta=2.0)


def share(cutoff):
    """Of a new value in a first-order low-pass after DT."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * DT))


def run(moves, constants=None):
    """(N, K) the share of its way that the filter goes with each of the `moves` (N, K, 3)."""
    constants = np.tile(CONSTANTS, (moves.shape[1], 1)) if constants is None else constants
    rates, shares = Rates.unknown(moves.shape[1]), []
    for count, moved in enumerate(moves, start=1):
        step = np.ones_like(moved)
        low_pass(*rates, constants, moved.copy(), DT, count, step)
        assert (step == step[:, :1]).all()
        shares.append(step[:, 0])
    return np.array(shares)


def test_what_rests_is_filtered_with_the_lowest_cutoff():
    assert_allclose(run(np.zeros((5, 2, 3))), share(1.0))


@pytest.mark.parametrize("speed", [0.5, 3.0])
def test_a_steady_motion_opens_the_filter_by_its_speed(speed):
    moves = np.broadcast_to(speed * DT * np.array([0.6, 0.0, -0.8]), (600, 1, 3))
    assert_allclose(run(moves)[-1], share(CONSTANTS.cutoff(speed)), rtol=1e-6)


def test_noise_hardly_opens_the_filter():
    places = np.random.default_rng(0).normal(0, 0.01, (600, 10, 3))
    quiet, as_fast = run(np.diff(places, axis=0))[100:], run(np.full((600, 1, 3), 0.01 * np.sqrt(2)))[-1]
    assert quiet.mean() < 1.2 * share(1.0) < as_fast


def test_each_vector_has_its_own_constants_and_is_what_it_is_alone():
    moves = np.random.default_rng(1).normal(size=(20, 3, 3)) * 0.1 + 0.1
    constants = np.array([OneEuro(0.5, 1.0), OneEuro(1.0, 20.0), OneEuro(3.0, 0.0)])
    both = run(moves, constants)
    for row in range(3):
        assert_allclose(both[:, row], run(moves[:, row : row + 1], constants[row : row + 1])[:, 0], rtol=1e-14)
    assert_allclose(both[:, 2], share(3.0))
