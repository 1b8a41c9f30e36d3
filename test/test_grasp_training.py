"""The weights of the grasp cascade are what the one command makes of its defaults."""

import numpy as np
import pytest

from handpose_ros.features import palm_size
from handpose_ros.grasps.cascade import load_network
from handpose_ros.grasps.grasp_types import TYPES
from tools.train_grasp_cascade import DATA, DEFAULTS, backward, examples


def test_the_shipped_weights_were_trained_with_the_defaults_of_the_command():
    with np.load(DATA) as data:
        assert {name: int(data[name]) for name in DEFAULTS} == DEFAULTS


def test_the_shipped_weights_are_small_and_have_an_output_for_every_leaf():
    assert DATA.stat().st_size < 60_000
    assert load_network().biases[-1].shape == (len(TYPES),)


def test_the_examples_have_every_leaf_and_hands_in_metres():
    joints, leaf, shares = examples(2, 40)
    assert set(leaf) == set(range(len(TYPES)))
    assert len(joints) == len(leaf) == len(shares) == 2 * len(TYPES) + 40
    assert shares.sum() == pytest.approx(1.0)
    assert (palm_size(joints) > 0.06).all() and (palm_size(joints) < 0.11).all()


def test_the_slopes_of_the_training_are_those_of_the_loss():
    rng = np.random.default_rng(0)
    layers = [
        {"weights": rng.standard_normal((a, b)) * 0.3, "bias": rng.standard_normal(b) * 0.1}
        for a, b in ((5, 4), (4, 3))
    ]
    x, leaf = rng.standard_normal((6, 5)), rng.integers(0, 3, 6)
    _, slopes = backward(layers, x, leaf)
    for layer, slope in zip(layers, slopes, strict=True):
        bias = layer["bias"]
        before = bias[0]
        losses = []
        for bias[0] in (before - 1e-6, before + 1e-6):
            losses.append(backward(layers, x, leaf)[0])
        bias[0] = before
        assert slope["bias"][0] == pytest.approx((losses[1] - losses[0]) / 2e-6, abs=1e-6)
