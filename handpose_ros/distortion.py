"""How lenses distort, and back: normalised coordinates, those on the plane at distance 1. Formulas are OpenCV's.

`distort` and `undistort` are calib3d's, for D = k1 k2 p1 p2 k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]; those called fisheye
are of its fisheye module, for D = k1 k2 k3 k4 on the angle from the axis.
"""

from functools import lru_cache

import cv2
import numpy as np

_NEWTON_STEPS = 20
_NEWTON_TOLERANCE = 1e-12  # normalised image coordinates
_ACCEPTED_RESIDUAL = 1e-9
_COMPLEX_STEP = 1e-30
_COMPLEX_STEPS = 1j * _COMPLEX_STEP * np.eye(2)[:, None]
_ON_AXIS = 1e-12  # nearer to a fisheye's axis than this the direction from it does not matter
_BOTH = np.ones(2)  # x @ _BOTH is x.sum(axis=-1), in half of its time for few points
_I = np.eye(3)
# Most cameras need no more than these steps of OpenCV's fixed-point iteration, each a hundredth of one of Newton's.
_FIXED_POINT = (cv2.TERM_CRITERIA_COUNT, 20, 0.0)
_WIDEST = 4.0  # normalised image coordinates up to which distortions are searched for a fold: 76 degrees from the axis


def distort(xy, D):
    """Where OpenCV's rational model puts normalised coordinates `xy` (..., 2); NaN beyond its fold, from where it would
    put them upon others."""
    bent, beyond = _bent(xy, D), _length(xy) > _first_fold(D.tobytes())
    if beyond.any():
        bent[beyond] = np.nan
    return bent


def undistort(target, D):
    """The normalised coordinates (..., 2) that `distort` puts at `target` (..., 2); NaN beyond its fold."""
    if not target.size:
        return target
    with np.errstate(
        over="ignore", invalid="ignore", divide="ignore"
    ):  # beyond the fold it may run away; that is found out at the end
        points = np.ascontiguousarray(target).reshape(-1, 2)
        start = cv2.undistortPointsIter(points[:, None], _I, D, None, None, _FIXED_POINT)[:, 0]
        off = np.abs(_bent(start, D) - points)
        if off.max() < _NEWTON_TOLERANCE and _length(start).max() < _first_fold(D.tobytes()):
            return start.reshape(target.shape)
        xy, found = _newton(points, D, start)
        if not found.all():  # a strong distortion lets OpenCV's iteration diverge
            again, found_again = _newton(points, D, points)
            xy = np.where(found[:, None], xy, np.where(found_again[:, None], again, np.nan))
        return xy.reshape(target.shape)


def fisheye_distort(points, D):
    """(..., 2) where an equidistant lens with `D` (4,) puts `points` (..., 3), also beyond 90 degrees; NaN beyond its
    fold, and straight behind, which is everywhere on a circle."""
    radius = _length(points[..., :2])
    theta = np.arctan2(radius, points[..., 2])
    seen = (theta <= _theta_table(D.tobytes())[1][-1]) & (theta < np.pi)
    scale = np.where(seen, _theta_distorted(theta, D) / np.maximum(radius, _ON_AXIS), np.nan)
    return points[..., :2] * scale[..., None]


def fisheye_rays(distorted, D):
    """(..., 3) unit rays that an equidistant lens with `D` (4,) puts at `distorted` (..., 2); NaN beyond its fold."""
    radius = _length(distorted)
    k1, k2, k3, k4 = D.tolist()
    theta = np.interp(radius, *_theta_table(D.tobytes()), right=np.nan)
    for _ in range(_NEWTON_STEPS):
        residual = _theta_distorted(theta, D) - radius
        if not (np.abs(residual) > _NEWTON_TOLERANCE).any():
            break
        t2 = theta * theta
        theta = theta - residual / (1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))))
    theta = np.where(np.abs(residual) < _ACCEPTED_RESIDUAL, theta, np.nan)
    rays = np.empty((*theta.shape, 3))
    rays[..., :2] = distorted * (np.sin(theta) / np.maximum(radius, _ON_AXIS))[..., None]
    rays[..., 2] = np.cos(theta)
    return rays


def _bent(xy, D):
    """`distort`, beyond the fold too; also takes complex coordinates."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tx, ty = D.tolist() + [0.0] * (14 - D.size)
    tangential = np.array([p2, p1])
    r2 = (xy * xy) @ _BOTH
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if D.size > 5:
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    bent = xy * (radial + xy @ (2 * tangential))[..., None] + r2[..., None] * tangential
    if D.size > 8:
        bent = bent + r2[..., None] * ([s1, s3] + r2[..., None] * [s2, s4])
    if tx or ty:
        tilted = bent @ _tilt(tx, ty)[:, :2].T + _tilt(tx, ty)[:, 2]
        bent = tilted[..., :2] / tilted[..., 2:]
    return bent


def _tilt(tx, ty):
    """(3, 3) homography of a sensor tilted by tx, ty [rad] (Scheimpflug)."""
    cx, sx, cy, sy = np.cos(tx), np.sin(tx), np.cos(ty), np.sin(ty)
    R = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    return np.array([[R[2, 2], 0, -R[0, 2]], [0, R[2, 2], -R[1, 2]], [0, 0, 1]]) @ R


@lru_cache(maxsize=16)
def _first_fold(D):
    """Distance from the axis at which the distortion, of the bytes of D, begins to fold; inf if not before _WIDEST."""
    radius, angle = np.linspace(0, _WIDEST, 401), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circles = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    _, dx, dy = _distort_with_jacobian(circles.reshape(-1, 2), np.frombuffer(D))
    rise = _cross(dx, dy).reshape(circles.shape[:2]).min(axis=1)
    if (rise > 0).all():
        return np.inf
    first = np.argmin(rise > 0)
    return radius[first] - (radius[1] - radius[0]) * rise[first] / (rise[first] - rise[first - 1])


def _newton(target, D, xy):
    """Newton's method on `distort`, from `xy` (N, 2) on: where it ends, and (N,) whether that is the place."""
    for _ in range(_NEWTON_STEPS):
        distorted, dx, dy = _distort_with_jacobian(xy, D)
        residual, det = distorted - target, _cross(dx, dy)
        if not (np.abs(residual) > _NEWTON_TOLERANCE).any():
            break
        xy = xy - np.stack([_cross(residual, dy) / det, _cross(dx, residual) / det], axis=-1)
    # Beyond the fold of a distortion no ray exists; Newton then ends nowhere, or on a far branch.
    close = (residual * residual) @ _BOTH < _ACCEPTED_RESIDUAL**2
    near = (det > 0) & (_length(xy) <= _first_fold(D.tobytes()))
    return xy, close & near & ((xy * target) @ _BOTH > -_ACCEPTED_RESIDUAL)


def _distort_with_jacobian(xy, D):
    """`_bent` of (N, 2) and its d/dx and d/dy, by complex steps: exact, and no second formula to keep right."""
    stepped = _bent(xy + _COMPLEX_STEPS, D)
    dx, dy = stepped.imag / _COMPLEX_STEP
    return stepped[0].real, dx, dy


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _theta_distorted(theta, D):
    k1, k2, k3, k4 = D.tolist()
    t2 = theta * theta
    return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


@lru_cache(maxsize=16)
def _theta_table(D):
    """`_theta_distorted`, by the bytes of D, from 0 to where it stops rising or pi is reached, and the angles there."""
    theta = np.linspace(0, np.pi, 1000)
    distorted = _theta_distorted(theta, np.frombuffer(D))
    rising = np.argmax(np.diff(distorted, append=-np.inf) <= 0) + 1
    return distorted[:rising], theta[:rising]


def _length(vectors):
    return np.sqrt((vectors * vectors) @ _BOTH)
