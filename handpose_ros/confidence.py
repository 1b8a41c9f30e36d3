"""How far each joint of an observation is to be believed. A heuristic: the networks say nothing about single joints."""

from dataclasses import replace

import numpy as np

from handpose_ros.hand import HandPose, Observation

# [m] disagreement of a joint's place in the image with its place in the hand-relative shape that halves the
# confidence: nine in ten joints of real photos agree better. It tells joints that are off by more than a tenth of the
# hand's box from the others with an AUROC of 0.67, by more than 0.15 of it with 0.86.
HALVING_DISAGREEMENT = 0.01
# Several looks at a hand agree better with each other than each agrees with the truth (docs/tracking.md).
_LOOKS_AGREE = 3.0


def joint_confidence(observation: Observation, size: tuple[int, int]) -> np.ndarray:
    """(21,) 0..1: the hand's score, less where image and shape disagree, or several looks at the hand do.

    0 outside of the image of `size` (width, height) [px].
    """
    inside = ((observation.joints_2d >= -0.5) & (observation.joints_2d < np.array(size) - 0.5)).all(axis=-1)
    apart, scale = disagreement(observation)
    doubt = apart**2
    if observation.spread is not None:
        doubt = doubt + (_LOOKS_AGREE * observation.spread / scale) ** 2
    agreement = 1 / (1 + doubt / HALVING_DISAGREEMENT**2)
    return observation.score * agreement * inside


def filter_low_confidence(hand: HandPose, threshold: float) -> HandPose:
    """`hand` without the joints whose score is below `threshold`: NaN in the image and in space, never 0.

    The scores stay. A joint whose score is not known stays too.
    """
    doubtful = hand.joint_scores < threshold
    return replace(
        hand,
        joints_2d=np.where(doubtful[:, None], np.nan, hand.joints_2d),
        joints_3d=np.where(doubtful[:, None], np.nan, hand.joints_3d),
        joint_sigma=np.where(doubtful, np.nan, hand.joint_sigma),
    )


def disagreement(observation: Observation) -> tuple[np.ndarray, float]:
    """(21,) [m] distance of each joint in the image to the hand-relative shape, laid over it by shift and scale, and
    that scale [px/m]."""
    flat, image = _centred(observation.joints_local[:, :2]), _centred(observation.joints_2d)
    scale = max(float(np.vdot(flat, image) / np.vdot(flat, flat)), 1e-6)
    return np.linalg.norm(image / scale - flat, axis=-1), scale


def _centred(points):
    return points - points.sum(axis=0) / len(points)
