"""2D keypoints, a hand-relative shape and a camera -> metric joints in the camera's optical frame.

1. Shape: a lifter gives the shape of a hand of average size and the rays on which its joints lie;
   it is scaled by the person's hand size where that is known.
2. Translation: robust Gauss-Newton on the viewing rays. A residual is the tangent of the angle
   between a joint and its ray, so any camera model will do, beyond 90 degrees too.
3. Rays: each joint is moved onto its own ray at the distance that the translated shape gives it.
"""

from dataclasses import dataclass

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import WRIST
from handpose_ros.lifters import Lifter, believe

_ITERATIONS = 8  # at most
_CONVERGED = 1e-4  # [m] a smaller step is the last one: hands are off by millimetres, their distance by 5 %
_HUBER = 1.345  # residuals beyond this many standard deviations count linearly (95 % efficiency on normal noise)
_MIN_RAYS = 3  # fewer leave the translation open
_I = np.eye(3)
_AHEAD = _I[2]
_RIDGE = 1e-9 * _I  # keeps a hand without rays from failing the batch; its result is NaN
_MIN_SIGMA = 1e-4  # [rad] no network places a joint better than this; keeps exact input from dividing by zero
# Relative standard deviation of the size of a hand that is not known: adults' hand lengths, 6 % (ANSUR: 5 % within a
# sex, 7 % between the two), and 6 % by which on photos the size that fits the distances differs from the shapes'.
_SIZE_SPREAD = float(np.hypot(0.06, 0.06))
# The errors of a hand's keypoints go together: the fit's variance is as if there were 21 / 16 of them. By maximum
# likelihood on renders, as are the standard deviations of the joints' depth in the hand: python -m tools.lifter.spread
GO_TOGETHER = 16.0
_DEPTH_SIGMA = np.array([0.003, 0.001, 0.007, 0.014, 0.020] + 4 * [0.001, 0.007, 0.012, 0.016])  # [m]
# [m] standard deviation of a keypoint in each direction across its ray: the mean error measured on real photos, taken
# back to the hand's distance, over 1.25 (Rayleigh). Wrist and thumb CMC are creases in the skin, not points: what is
# called so differs by nearly the whole error, which then is hardly less in the mean than in the square: over 1.41.
_ACROSS_SIGMA = np.full(21, 0.0045)
_ACROSS_SIGMA[[6, 7, 10, 11, 14, 15, 18, 19]] = 0.0028  # PIP, DIP
_ACROSS_SIGMA[[0, 1]] = 0.0076, 0.0064


@dataclass(frozen=True)
class LiftedHands:
    """Metric hands; the leading dimensions are those of the input."""

    joints: np.ndarray  # (..., 21, 3) [m] optical frame
    wrist_covariance: np.ndarray  # (..., 3, 3) [m^2] of the wrist's position, optical frame
    joint_sigma: np.ndarray  # (..., 21) [m] root mean square distance expected between each joint and the true one
    reprojection_error: np.ndarray  # (...) [px] mean distance of the projected shape, before step 3, to the keypoints


def lift(
    joints_2d: np.ndarray,
    joints_local: np.ndarray,
    camera: Camera,
    hand_scale: float | None = None,
    *,
    right: np.ndarray | bool = True,
    lifter: Lifter = believe,
) -> LiftedHands:
    """The hands of keypoints `joints_2d` (..., 21, 2) [px] and shapes `joints_local` (..., 21, 3) [m].

    The shapes are in the camera's axes with any origin and any size. `hand_scale` is the person's hand size over the
    average hand's; None: not known, taken as average. `right` (...) says which hands are right ones, for lifters that
    care. A joint outside the camera's model stays where the shape has it.
    """
    shaped = lifter(camera.unproject(joints_2d), joints_local, right)
    shape, rays = shaped.joints * (hand_scale or 1.0), shaped.rays
    translation, information = translate(shape, rays)
    rigid = shape + translation[..., None, :]
    distance = (rigid * rays).sum(axis=-1, keepdims=True)
    joints = np.where(np.isfinite(rays), rays * distance, rigid)
    spread = shaped.distance_spread if hand_scale else np.hypot(shaped.distance_spread, _SIZE_SPREAD)
    covariance, joint_sigma = covariance_about_rays(joints, _variance_along_rays(joints, information, spread))
    error = np.linalg.norm(camera.project(rigid) - joints_2d, axis=-1)
    return LiftedHands(joints, covariance, joint_sigma, _nanmean(error))


def translate(shape: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., 3) translation [m] of `shape` (..., 21, 3) onto unit `rays`, and its (..., 3, 3) information [1/m^2].

    The information is by the residuals themselves, as if they were independent: it falls where they do not agree.
    """
    batch, shape, rays = shape.shape[:-2], shape.reshape(-1, 21, 3), rays.reshape(-1, 21, 3)
    seen = np.isfinite(rays).all(axis=-1)
    count = seen.sum(axis=-1)
    seen &= (count >= _MIN_RAYS)[:, None]
    rays = np.where(seen[..., None], rays, _AHEAD)
    median = np.arange(len(count)), np.maximum(count - 1, 0) // 2  # where it is among the sorted
    translation = _closest_to_rays(shape, rays, seen[..., None])
    for _ in range(_ITERATIONS):
        residual, jacobian = _residuals(shape + translation[:, None], rays)
        size = np.where(seen, np.sqrt((residual * residual).sum(axis=-1)), np.inf)
        # Median absolute deviation of a 2D normal: half of its radii lie within 1.1774 sigma.
        sigma = np.maximum(np.sort(size, axis=-1)[median] / 1.1774, _MIN_SIGMA)[:, None]
        weight = _HUBER / sigma / np.maximum(size, _HUBER * sigma)
        weighted = (weight[..., None, None] * jacobian).reshape(-1, 63, 3).swapaxes(-1, -2)
        information = weighted @ jacobian.reshape(-1, 63, 3) + _RIDGE
        step = np.linalg.solve(information, weighted @ residual.reshape(-1, 63, 1))[..., 0]
        translation -= step
        if (np.abs(step) < _CONVERGED).all():
            break
    translation[count < _MIN_RAYS] = np.nan
    return translation.reshape(*batch, 3), information.reshape(*batch, 3, 3)


def covariance_about_rays(joints: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the wrists (..., 3, 3) [m^2] and root mean square error (..., 21) [m] to be expected of `joints`.

    `along` (..., 21) [m^2] are the variances of their distances. A joint lies on its own ray: across it only its
    keypoint errs.
    """
    ray = joints[..., WRIST, :] / np.linalg.norm(joints[..., WRIST, :], axis=-1, keepdims=True)
    outer = ray[..., :, None] * ray[..., None, :]
    across = _ACROSS_SIGMA**2
    wrist = across[WRIST] * (_I - outer) + along[..., WRIST, None, None] * outer
    return wrist, np.sqrt(along + 2 * across)


def fit_variance(joints: np.ndarray, information: np.ndarray) -> np.ndarray:
    """(..., 21) [m^2] that the fit with this `information` leaves along the ray of each of `joints` (..., 21, 3)."""
    along = (joints @ np.linalg.inv(information) * joints).sum(axis=-1) / (joints * joints).sum(axis=-1)
    return GO_TOGETHER * along


def _variance_along_rays(joints, information, spread):
    """(..., 21) [m^2] of the joints' distances: the fit, the distance of the whole hand, by `spread`, and its shape."""
    distance = np.linalg.norm(joints, axis=-1)
    return fit_variance(joints, information) + (spread[..., None] * distance) ** 2 + _DEPTH_SIGMA**2


def _residuals(points, rays):
    """From the ends of `rays` (..., 3) to where `points` are seen on the planes that touch the unit sphere there, and
    the Jacobian (..., 3, 3) of that."""
    along = (points * rays).sum(axis=-1, keepdims=True)
    seen = points / along
    return seen - rays, (_I - seen[..., None] * rays[..., None, :]) / along[..., None]


def _closest_to_rays(shape, rays, seen):
    """(N, 3) translation that brings `shape` closest to `rays` in space: linear, a start for Gauss-Newton."""
    # What is across a ray is I - r r^T of it: the sum of these, and of these parts of the shape.
    rays, shape = seen * rays, seen * shape
    across = seen.sum(axis=1, keepdims=True) * _I - rays.swapaxes(1, 2) @ rays
    along = (shape * rays).sum(axis=-1, keepdims=True)
    target = (rays * along - shape).sum(axis=1)[..., None]
    return np.linalg.solve(across + _RIDGE, target)[..., 0]


def _nanmean(values):
    known = np.isfinite(values)
    return np.sum(values, axis=-1, where=known) / np.maximum(known.sum(axis=-1), 1)
