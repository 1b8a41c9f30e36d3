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
_HUBER_OF_MEDIAN = _HUBER / 1.1774  # half of a 2D normal's radii lie within 1.1774 standard deviations
_MIN_RAYS = 3  # fewer leave the translation open
_I = np.eye(3)
_SUM = np.ones(3)  # x @ _SUM is x.sum(axis=-1), in half of its time for few numbers
_SUMS = np.ones((3, 3))  # _SUMS @ x is x.sum(axis=-2, keepdims=True) three times: no broadcasting after it, which costs
_MEAN = np.full(21, 1 / 21)
_RIDGE = 1e-9 * _I  # keeps a hand whose rays are all the same one from failing the batch
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
_DEPTH, _ACROSS = _DEPTH_SIGMA**2, _ACROSS_SIGMA**2  # [m^2] variances


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
    translation, fit = translate(shape, rays)
    points = shape + translation[..., None, :]
    unknown = np.isnan(rays[..., :1])
    if unknown.any():
        rays = np.where(unknown, points / np.sqrt((points * points) @ _SUM)[..., None], rays)
    distance = (points * rays) @ _SUM
    spread = shaped.distance_spread if hand_scale else np.hypot(shaped.distance_spread, _SIZE_SPREAD)
    along = fit_variance(rays, fit) + (spread[..., None] * distance) ** 2 + _DEPTH
    covariance, joint_sigma = covariance_about_rays(rays, along)
    error = camera.project(points) - joints_2d
    return LiftedHands(rays * distance[..., None], covariance, joint_sigma, _mean_length(error))


def translate(shape: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., 3) translation [m] of `shape` (..., 21, 3) onto unit `rays`, and its (..., 3, 3) covariance [m^2].

    The covariance is by the residuals themselves, as if they were independent: it rises where they do not agree.
    Rays that are NaN do not count; where hardly one is left, both are NaN.
    """
    seen = np.isfinite(rays[..., 0])
    if seen.all():
        return _fit(shape, rays)
    translation, covariance = np.full((*seen.shape[:-1], 3), np.nan), np.full((*seen.shape[:-1], 3, 3), np.nan)
    for hand in np.ndindex(seen.shape[:-1]):
        if seen[hand].sum() >= _MIN_RAYS:
            translation[hand], covariance[hand] = _fit(shape[hand][seen[hand]], rays[hand][seen[hand]])
    return translation, covariance


def covariance_about_rays(rays: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the wrists (..., 3, 3) [m^2] and root mean square error (..., 21) [m] to be expected of joints.

    They lie on unit `rays` (..., 21, 3); `along` (..., 21) [m^2] are the variances of their distances. Across its own
    ray only a joint's keypoint errs.
    """
    ray = rays[..., WRIST, :]
    outer = ray[..., :, None] * ray[..., None, :]
    across = _ACROSS[WRIST]
    wrist = across * _I + (along[..., WRIST, None, None] - across) * outer
    return wrist, np.sqrt(along + 2 * _ACROSS)


def fit_variance(rays: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(..., 21) [m^2] that a fit with this `covariance` (..., 3, 3) leaves along each of unit `rays` (..., 21, 3)."""
    return GO_TOGETHER * ((rays @ covariance * rays) @ _SUM)


def _fit(shape, rays):
    """`translate` of any number of joints, (..., K, 3) each, that all have a ray."""
    # Joints last, (..., 3, K): numpy is slow where its innermost loop is over three numbers.
    shape, rays = np.ascontiguousarray(shape.swapaxes(-1, -2)), np.ascontiguousarray(rays.swapaxes(-1, -2))
    *batch, _, count = rays.shape
    middle = slice((count - 1) // 2, (count + 1) // 2)
    translation = _closest_to_rays(shape, rays)
    # Residuals lead from the rays' ends to where the points are seen on the planes that touch the unit sphere there.
    for _ in range(_ITERATIONS):
        points = shape + translation
        along = _SUMS @ (points * rays)
        seen = points / along
        residual = seen - rays
        size = np.sqrt(_SUMS @ (residual * residual))
        limit = np.maximum(_HUBER_OF_MEDIAN * np.sort(size[..., :1, :])[..., middle], _HUBER * _MIN_SIGMA)
        root = np.sqrt(limit / np.maximum(size, limit))
        jacobian = (root / along)[..., None, :, :] * (_I[..., None] - rays[..., None, :] * seen[..., None, :, :])
        jacobian = jacobian.reshape(*batch, 3, 3 * count)
        covariance = np.linalg.inv(jacobian @ jacobian.swapaxes(-1, -2) + _RIDGE)
        step = covariance @ (jacobian @ (root * residual).reshape(*batch, 3 * count, 1))
        translation = translation - step
        if np.abs(step).max(initial=0.0) < _CONVERGED:
            break
    return translation[..., 0], covariance * (limit / _HUBER) ** 2


def _closest_to_rays(shape, rays):
    """(..., 3, 1) translation that brings `shape` closest to `rays` in space: linear, a start for Gauss-Newton."""
    # What is across a ray is I - r r^T of it: the sum of these, and of these parts of the shape.
    across = rays.shape[-1] * _I - rays @ rays.swapaxes(-1, -2)
    target = (_SUMS @ (shape * rays) * rays - shape).sum(axis=-1, keepdims=True)
    return np.linalg.inv(across + _RIDGE) @ target


def _mean_length(vectors):
    """(...) of `vectors` (..., 21, 2), without those that are NaN."""
    lengths = np.sqrt((vectors * vectors) @ _SUM[:2])
    mean = lengths @ _MEAN
    if np.isfinite(mean).all():
        return mean
    known = np.isfinite(lengths)
    return np.sum(lengths, axis=-1, where=known) / np.maximum(known.sum(axis=-1), 1)
