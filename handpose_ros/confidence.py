"""How far each joint of an observation is to be believed. A heuristic: the networks say nothing about single joints."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.hand import HandPose, Observation

# [m] disagreement of a joint's place in the image with its place in the hand-relative shape that halves the
# confidence: nine in ten joints of real photos agree better. It tells joints that are off by more than a tenth of the
# hand's box from the others with an AUROC of 0.67, by more than 0.15 of it with 0.86.
HALVING_DISAGREEMENT = 0.01
# Several looks at a hand agree better with each other than each agrees with the truth (docs/tracking.md).
_LOOKS_AGREE = 3.0
_ABOUT_MEAN = np.eye(21) - 1 / 21  # of joints
_BOTH = np.ones(2)  # x @ _BOTH is x.sum(axis=-1), in half of its time for few numbers


def joint_confidence(observations: Sequence[Observation], size: tuple[int, int]) -> np.ndarray:
    """(N, 21) 0..1: the hands' scores, less where image and shape disagree, or several looks at the hand do.

    0 outside of the image of `size` (width, height) [px].
    """
    joints_2d = np.array([each.joints_2d for each in observations])
    inside = (joints_2d >= -0.5) & (joints_2d < np.array(size) - 0.5)
    apart, scale = disagreement(joints_2d, np.array([each.joints_local for each in observations]))
    doubt = (apart / HALVING_DISAGREEMENT) ** 2
    for index, each in enumerate(observations):
        if each.spread is not None:
            doubt[index] += (_LOOKS_AGREE / HALVING_DISAGREEMENT * each.spread / scale[index]) ** 2
    score = np.array([[each.score] for each in observations])
    return score / (1 + doubt) * (inside[..., 0] & inside[..., 1])


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


def disagreement(joints_2d: np.ndarray, joints_local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., 21) [m] distance of each joint in the image to the hand-relative shape, laid over it by shift and scale,
    and (...) that scale [px/m]."""
    flat, image = _ABOUT_MEAN @ joints_local[..., :2], _ABOUT_MEAN @ joints_2d
    scale = np.maximum((flat * image).sum(axis=(-1, -2)) / (flat * flat).sum(axis=(-1, -2)), 1e-6)
    off = image / scale[..., None, None] - flat
    return np.sqrt((off * off) @ _BOTH), scale
