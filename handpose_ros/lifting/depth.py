"""Where a registered depth image says that a hand is.

The depth at a joint's pixel is that of its skin, of a thing before the hand, of what is behind it, or missing. One
camera already tells in which direction each joint lies and about how far. So each joint says by how much the hand must
be moved along its rays, and the largest group of joints that agree is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import DepthSource, HandPose
from handpose_ros.lifting.lift import covariance_about_rays

# [m] from the skin to the joint's centre, the mean of palm and back of the average hand's mesh.
FLESH = np.array([0.018, 0.015, 0.014, 0.008, 0.007] + 4 * [0.014, 0.0085, 0.007, 0.006])
_FLESH_SIGMA = 0.004  # [m] palm and back, thick and thin fingers
_PATCH = 0.004  # [m] half the side of the patch whose median depth is a joint's: inside a finger
_TOGETHER = 0.015  # [m] joints that agree differ by at most this from their median: errors of the hand's shape
_LEAST_JOINTS = 6
_FURTHEST_OFF = 0.35  # of the distance that one camera says; its error is 8 %, and children's hands are 30 % smaller
_SENSOR_SIGMA = 0.01  # of the distance; stereo and time-of-flight cameras are specified with 1 to 2 %


@dataclass(frozen=True)
class DepthFit:
    """How a depth image corrects a hand."""

    shift: float  # [m] by which its joints move along their rays
    sigma: float  # [m] standard deviation of a joint's distance after that
    stretch: float  # true over assumed distance; so is the hand's size, if the distance came from its size
    joints: int  # that agree on it


def fit_depth(joints: np.ndarray, camera: Camera, depth: np.ndarray) -> DepthFit | None:
    """The correction of `joints` (21, 3) [m], in the optical frame, by `depth` (H, W) [m] along z, NaN: not measured.

    None where too few joints have a depth that can be the hand's.
    """
    distance = np.linalg.norm(joints, axis=-1)
    measured = _depths(joints, camera, depth) * distance / joints[:, 2] + FLESH
    shifts = measured - distance
    known = np.abs(shifts) < _FURTHEST_OFF * distance  # false for NaN
    if known.sum() < _LEAST_JOINTS:
        return None
    close = known & known[:, None] & (np.abs(shifts - shifts[:, None]) < _TOGETHER)
    group = close[np.argmax(close.sum(axis=1))]
    if group.sum() < _LEAST_JOINTS:
        return None
    shift = float(np.median(shifts[group]))
    scatter = robust_deviation(shifts[group])
    sigma = float(np.sqrt(scatter**2 + (_SENSOR_SIGMA * distance.mean()) ** 2 + _FLESH_SIGMA**2))
    return DepthFit(shift, sigma, float(np.median((measured / distance)[group])), int(group.sum()))


def moved(hand: HandPose, fit: DepthFit) -> HandPose:
    """`hand` at the distance that the depth image gives it."""
    distance = np.linalg.norm(hand.joints_3d, axis=-1, keepdims=True)
    rays = hand.joints_3d / distance
    joints = rays * (distance + fit.shift)
    covariance, joint_sigma = covariance_about_rays(rays, np.full(len(joints), fit.sigma**2))
    return replace(
        hand,
        joints_3d=joints,
        depth_source=DepthSource.SENSOR,
        wrist_covariance=covariance,
        joint_sigma=joint_sigma,
    )


def robust_deviation(values: Sequence[float] | np.ndarray) -> float:
    """Standard deviation of normal `values` (N,), of which fewer than half may be anything.

    It is 1.4826 median absolute deviations, as half of a normal distribution lies within 0.6745 standard deviations.
    """
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _depths(joints, camera, depth):
    """(21,) [m] the median of what is measured around each joint; NaN outside of the image and in holes."""
    height, width = depth.shape
    pixels = camera.project(joints)
    reach = _PATCH * camera.K[0, 0] / np.linalg.norm(joints, axis=-1)
    found = np.full(len(joints), np.nan)
    for joint, (pixel, radius) in enumerate(zip(pixels, reach, strict=True)):
        if joints[joint, 2] <= 0 or not np.isfinite(pixel).all():
            continue
        (left, top), (right, bottom) = np.rint(pixel - radius).astype(int), np.rint(pixel + radius).astype(int) + 1
        patch = depth[max(top, 0) : min(max(bottom, 0), height), max(left, 0) : min(max(right, 0), width)]
        patch = patch[np.isfinite(patch)]
        if patch.size:
            found[joint] = np.median(patch)
    return found
