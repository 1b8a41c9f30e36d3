"""Trains the network of the grasp cascade on posed hands and writes handpose_ros/data/grasp_cascade.npz.

Deterministic: the same numpy writes the same weights. A few minutes on one core. The arguments are written with them.
    python -m tools.train_grasp_cascade [--hands N] [--steps N] [--gestures N]
"""

import argparse
from pathlib import Path

import numpy as np

from handpose_ros.evaluation.gestures import posed_gestures
from handpose_ros.evaluation.grasp_templates import OTHER_PINCHES, posed_grasps
from handpose_ros.grasps.cascade import WEIGHTS, shape_features
from handpose_ros.grasps.grasp_types import TYPES

DATA = Path(__file__).parents[1] / "handpose_ros" / "data" / WEIGHTS
SEED = 1  # of the people; the proof has others
HIDDEN = (128, 96)
BATCH, RATE, DECAY = 512, 2e-3, 1e-4
NOISE = 0.015  # [m] standard deviation of each coordinate, at most
OPEN_SHARE, GESTURE_SHARE = 4, 8  # open hands and gestures are as frequent as so many types
COMMON = {9: 3, 24: 3, 33: 3, **dict.fromkeys(OTHER_PINCHES, 1.5)}  # so are the pinches that everyone does
# A flat hand whose fingers lie side by side seldom has anything between them (23). A prior of a class is a summand of
# its output, and so needs no other training.
PRIORS = {0: 2.0, 23: 0.1}
DEFAULTS = {"hands": 800, "steps": 9000, "gestures": 10000}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hands", type=int, default=DEFAULTS["hands"], help="per type")
    parser.add_argument("--steps", type=int, default=DEFAULTS["steps"])
    parser.add_argument("--gestures", type=int, default=DEFAULTS["gestures"], help="hands that hold nothing")
    parser.add_argument("--out", type=Path, default=DATA, metavar="FILE", help="default: the file of the package")
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    joints, leaf, shares = examples(args.hands, args.gestures)
    mean, scale = _standard(noisy(joints, rng))
    layers = train(joints, leaf, mean, scale, shares, args.steps, rng)
    for leaf_number, factor in PRIORS.items():
        layers[-1]["bias"][leaf_number] += np.log(factor)
    arrays = {f"{part}{i}": value.astype(np.float16) for i, layer in enumerate(layers) for part, value in layer.items()}
    made_with = {name: getattr(args, name) for name in DEFAULTS}
    np.savez_compressed(args.out, mean=mean, scale=scale, **arrays, **made_with)


def examples(hands, gestures):
    """Joints (n, 21, 3), their leaves (n,), and how often to draw each (n,)."""
    grasps = posed_grasps(hands, SEED)
    others, leaves = posed_gestures(gestures, SEED)
    joints, leaf = np.concatenate([grasps.joints, others]), np.concatenate([grasps.leaf, leaves])
    share = {0: OPEN_SHARE, **COMMON}
    weights = np.array([share.get(each, 1.0) for each in grasps.leaf.tolist()])
    weights = np.concatenate([weights, np.full(gestures, GESTURE_SHARE * hands / max(gestures, 1))])
    return joints, leaf, weights / weights.sum()


def noisy(joints, rng):
    """`joints` (n, 21, 3) with an error of its own for each coordinate; each hand as noisy as it happens."""
    sigma = rng.uniform(0, NOISE, (len(joints), 1, 1))
    return joints + sigma * rng.standard_normal(joints.shape)


def _standard(joints):
    features = shape_features(joints, True)
    return features.mean(axis=0), features.std(axis=0)


def train(joints, leaf, mean, scale, shares, steps, rng):
    """The layers after `steps` of Adam on the cross-entropy."""
    widths = [len(mean), *HIDDEN, len(TYPES)]
    layers = [
        {"weights": rng.standard_normal((a, b)) * np.sqrt(2 / a), "bias": np.zeros(b)}
        for a, b in zip(widths[:-1], widths[1:], strict=True)
    ]
    moments = [{k: [np.zeros_like(v), np.zeros_like(v)] for k, v in layer.items()} for layer in layers]
    for step in range(steps):
        pick = rng.choice(len(shares), BATCH, p=shares)
        x = (shape_features(noisy(joints[pick], rng), True) - mean) / scale
        loss, slopes = backward(layers, x, leaf[pick])
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
        for layer, slope, moment in zip(layers, slopes, moments, strict=True):
            for part in layer:
                adam(layer, part, slope[part], moment[part], step + 1, rate)
        if step % 500 == 0:
            print(f"{step:6d}  loss {loss:.3f}", flush=True)
    return layers


def backward(layers, x, leaf):
    """Mean cross-entropy of a batch and its slope for each layer."""
    inputs = [x]
    for layer in layers[:-1]:
        inputs.append(np.maximum(inputs[-1] @ layer["weights"] + layer["bias"], 0.0))
    logits = inputs[-1] @ layers[-1]["weights"] + layers[-1]["bias"]
    logits -= logits.max(axis=1, keepdims=True)
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = np.arange(len(leaf))
    loss = -np.log(likely[rows, leaf]).mean()
    likely[rows, leaf] -= 1
    back, slopes = likely / len(leaf), []
    for layer, value in zip(layers[::-1], inputs[::-1], strict=True):
        slopes.append({"weights": value.T @ back + DECAY * layer["weights"], "bias": back.sum(axis=0)})
        back = (back @ layer["weights"].T) * (value > 0)
    return loss, slopes[::-1]


def adam(layer, part, slope, moment, step, rate):
    """One step of Adam (Kingma and Ba, 2015), in place."""
    moment[0] += 0.1 * (slope - moment[0])
    moment[1] += 0.001 * (slope**2 - moment[1])
    first, second = moment[0] / (1 - 0.9**step), moment[1] / (1 - 0.999**step)
    layer[part] -= rate * first / (np.sqrt(second) + 1e-8)


if __name__ == "__main__":
    main()
