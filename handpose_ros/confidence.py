"""How far each joint of an observation is to be believed. A heuristic: the networks say nothing about single joints."""

from dataclasses import replace

import numpy as np

from handpose_ros.hand import HandPose, Observation

# [m] disagreement of a joint's place in the image with its place in the hand-relative shape that halves the
# confidence: nine in ten joints of real photos agree better. It tells joints that are off by more than a tenth of the
# hand's box from the others with an AUROC of 0.67, by more than 0.15 of it with 0.86.
HALVING_DISAGREEMENT = 0.01


def joint_confidence(observation: Observation, size: tuple[int, int]) -> np.ndarray:
    """(21,) 0..1: the hand's score, less where image and shape disagree, 0 outside of the image of `size` [px]."""
    inside = ((observation.joints_2d >= -0.5) & (observation.joints_2d < np.array(size) - 0.5)).all(axis=-1)
    agreement = 1 / (1 + (disagreement(observation) / HALVING_DISAGREEMENT) ** 2)
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


def disagreement(observation: Observation) -> np.ndarray:
    """(21,) [m] distance of each joint in the image to the hand-relative shape, laid over it by scale and shift."""
    flat = observation.joints_local[:, :2] - observation.joints_local[:, :2].mean(axis=0)
    image = observation.joints_2d - observation.joints_2d.mean(axis=0)
    pixels_per_metre = np.maximum((flat * image).sum() / (flat * flat).sum(), 1e-6)
    return np.linalg.norm(image / pixels_per_metre - flat, axis=-1)
