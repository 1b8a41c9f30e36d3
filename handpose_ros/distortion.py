"""How lenses distort, and back: normalised coordinates, those on the plane at distance 1. Formulas are OpenCV's.

`distort` and `undistort` are calib3d's, for D = k1 k2 p1 p2 k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]; those called fisheye
are of its fisheye module, for D = k1 k2 k3 k4 on the angle from the axis. Compiled loops over the points.

A distortion only tells points apart up to where it folds: beyond, it would put them upon others. There is NaN.
"""

import math
from functools import lru_cache

import numpy as np

from handpose_ros.compiled import compiled, inlined, plain

_NEWTON_STEPS = 50
_NEWTON_TOLERANCE = 1e-12  # normalised image coordinates, or [rad]
_ACCEPTED_RESIDUAL = 1e-9
_COMPLEX_STEP = 1e-30
_ON_AXIS = 1e-12  # nearer to a fisheye's axis than this the direction from it does not matter
_WELL_WITHIN = 0.9  # of the distance of a fold
_WIDEST = np.radians(89.9)  # [rad] from the axis up to which distortions are searched for a fold


def distort(xy: np.ndarray, D: np.ndarray) -> np.ndarray:
    """(..., 2) where OpenCV's rational model puts normalised coordinates `xy` (..., 2); NaN beyond its fold."""
    return _distort(plain(xy).reshape(-1, 2), *_lens(D.tobytes())).reshape(xy.shape)


def undistort(target: np.ndarray, D: np.ndarray) -> np.ndarray:
    """(..., 2) the normalised coordinates that `distort` puts at `target` (..., 2); NaN where there are none."""
    return _undistort(plain(target).reshape(-1, 2), *_lens(D.tobytes())).reshape(target.shape)


def fisheye_distort(points: np.ndarray, D: np.ndarray) -> np.ndarray:
    """(..., 2) where an equidistant lens with `D` (4,) puts `points` (..., 3), also beyond 90 degrees.

    NaN beyond its fold, and straight behind, which is everywhere on a circle.
    """
    coefficients, last_angle, _ = _fisheye(D.tobytes())
    return _fisheye_distort(plain(points).reshape(-1, 3), coefficients, last_angle).reshape(*points.shape[:-1], 2)


def fisheye_rays(distorted: np.ndarray, D: np.ndarray) -> np.ndarray:
    """(..., 3) unit rays that an equidistant lens with `D` (4,) puts at `distorted` (..., 2); NaN beyond its fold."""
    return _fisheye_rays(plain(distorted).reshape(-1, 2), *_fisheye(D.tobytes())).reshape(*distorted.shape[:-1], 3)


@inlined
def _bent(x, y, D, tilt):
    """Where the rational model with all 14 coefficients puts (x, y), beyond its fold too; takes complex numbers."""
    r2, xy = x * x + y * y, 2 * x * y
    radial = (1 + r2 * (D[0] + r2 * (D[1] + r2 * D[4]))) / (1 + r2 * (D[5] + r2 * (D[6] + r2 * D[7])))
    u = x * radial + D[2] * xy + D[3] * (r2 + 2 * x * x) + r2 * (D[8] + r2 * D[9])
    v = y * radial + D[3] * xy + D[2] * (r2 + 2 * y * y) + r2 * (D[10] + r2 * D[11])
    w = tilt[2, 0] * u + tilt[2, 1] * v + tilt[2, 2]
    return (tilt[0, 0] * u + tilt[0, 1] * v + tilt[0, 2]) / w, (tilt[1, 0] * u + tilt[1, 1] * v + tilt[1, 2]) / w


@compiled("UniTuple(f8, 6)(f8, f8, f8[::1], f8[:,::1])")
def _with_jacobian(x, y, D, tilt):
    """`_bent` (u, v), its du/dx, dv/dx, du/dy, dv/dy, by complex steps: exact, and no second formula to keep right."""
    step = complex(0.0, _COMPLEX_STEP)
    u_x, v_x = _bent(x + step, y + 0 * step, D, tilt)
    u_y, v_y = _bent(x + 0 * step, y + step, D, tilt)
    along = 1 / _COMPLEX_STEP
    return u_x.real, v_x.real, u_x.imag * along, v_x.imag * along, u_y.imag * along, v_y.imag * along


@compiled("f8[:,::1](f8[:,::1], f8[::1], f8[:,::1], f8)")
def _distort(points, D, tilt, fold):
    distorted = np.full(points.shape, np.nan)
    for k in range(len(points)):
        x, y = points[k, 0], points[k, 1]
        if math.hypot(x, y) <= fold:
            distorted[k, 0], distorted[k, 1] = _bent(x, y, D, tilt)
    return distorted


@compiled("f8[:,::1](f8[:,::1], f8[::1], f8[:,::1], f8)")
def _undistort(points, D, tilt, fold):
    """By Newton's method, from the distorted point on, or from before the fold where that lies beyond.

    Of a point that has no ray it ends nowhere, or on a far branch.
    """
    straight = np.full(points.shape, np.nan)
    for k in range(len(points)):
        within = min(1.0, _WELL_WITHIN * fold / max(math.hypot(points[k, 0], points[k, 1]), _ON_AXIS))
        x, y = within * points[k, 0], within * points[k, 1]
        off_u = off_v = np.nan
        for _ in range(_NEWTON_STEPS):
            u, v, u_x, v_x, u_y, v_y = _with_jacobian(x, y, D, tilt)
            off_u, off_v, determinant = u - points[k, 0], v - points[k, 1], u_x * v_y - u_y * v_x
            if not max(abs(off_u), abs(off_v)) > _NEWTON_TOLERANCE:
                break
            x, y = x - (off_u * v_y - off_v * u_y) / determinant, y - (off_v * u_x - off_u * v_x) / determinant
        if math.hypot(x, y) <= fold and math.hypot(off_u, off_v) < _ACCEPTED_RESIDUAL:
            straight[k, 0], straight[k, 1] = x, y
    return straight


@compiled("f8[::1](f8[:,::1], f8[::1], f8[:,::1])")
def _growth(points, D, tilt):
    """(N,) how much larger a small area at each of `points` (N, 2) gets; negative where it is turned over."""
    growth = np.empty(len(points))
    for k in range(len(points)):
        _, _, u_x, v_x, u_y, v_y = _with_jacobian(points[k, 0], points[k, 1], D, tilt)
        growth[k] = u_x * v_y - u_y * v_x
    return growth


@inlined
def _bent_angle(theta, D):
    """[rad] of the angle `theta` [rad] as a fisheye shows it."""
    t2 = theta * theta
    return theta * (1 + t2 * (D[0] + t2 * (D[1] + t2 * (D[2] + t2 * D[3]))))


@inlined
def _slope(theta, D):
    """d/dtheta of `_bent_angle`."""
    t2 = theta * theta
    return 1 + t2 * (3 * D[0] + t2 * (5 * D[1] + t2 * (7 * D[2] + t2 * 9 * D[3])))


@compiled("UniTuple(f8[::1], 2)(f8[::1], f8[::1])")
def _fisheye_curve(theta, D):
    """(N,) the pictures of angles `theta` (N,) [rad], and (N,) how they grow."""
    pictures, slopes = np.empty(len(theta)), np.empty(len(theta))
    for k in range(len(theta)):
        pictures[k], slopes[k] = _bent_angle(theta[k], D), _slope(theta[k], D)
    return pictures, slopes


@compiled("f8[:,::1](f8[:,::1], f8[::1], f8)")
def _fisheye_distort(points, D, last_angle):
    distorted = np.full((len(points), 2), np.nan)
    for k in range(len(points)):
        radius = math.hypot(points[k, 0], points[k, 1])
        theta = math.atan2(radius, points[k, 2])
        if theta <= last_angle and theta < math.pi:
            scale = _bent_angle(theta, D) / max(radius, _ON_AXIS)
            distorted[k, 0], distorted[k, 1] = points[k, 0] * scale, points[k, 1] * scale
    return distorted


@compiled("f8[:,::1](f8[:,::1], f8[::1], f8, f8)")
def _fisheye_rays(distorted, D, last_angle, last_radius):
    """By Newton's method, or by halving where that does not halve what is left."""
    rays = np.full((len(distorted), 3), np.nan)
    for k in range(len(distorted)):
        radius = math.hypot(distorted[k, 0], distorted[k, 1])
        if not radius <= last_radius:
            continue
        low, high, theta, step = 0.0, last_angle, min(radius, last_angle), last_angle
        for _ in range(_NEWTON_STEPS):
            off = _bent_angle(theta, D) - radius
            if abs(off) <= _NEWTON_TOLERANCE:
                break
            low, high = (low, theta) if off > 0 else (theta, high)
            last_step, step = step, off / _slope(theta, D)
            if not (low < theta - step < high and abs(step) < abs(last_step) / 2):
                step = theta - (low + high) / 2
            theta -= step
        across = math.sin(theta) / max(radius, _ON_AXIS)
        rays[k, 0], rays[k, 1], rays[k, 2] = distorted[k, 0] * across, distorted[k, 1] * across, math.cos(theta)
    return rays


@lru_cache(maxsize=16)
def _lens(D):
    """Of the bytes of D: all 14 coefficients, the homography (3, 3) of the tilted sensor, and where it folds."""
    coefficients = np.zeros(14)
    coefficients[: len(D) // 8] = np.frombuffer(D)
    tilt = _tilt(*coefficients[12:].tolist())
    return coefficients, tilt, _first_fold(coefficients, tilt)


def _tilt(tx, ty):
    """(3, 3) homography of a sensor tilted by tx, ty [rad] (Scheimpflug)."""
    cx, sx, cy, sy = np.cos(tx), np.sin(tx), np.cos(ty), np.sin(ty)
    R = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    return np.array([[R[2, 2], 0, -R[0, 2]], [0, R[2, 2], -R[1, 2]], [0, 0, 1]]) @ R


def _first_fold(coefficients, tilt):
    """Distance from the axis at which the distortion begins to fold; inf if not before _WIDEST."""
    radius, angle = np.tan(np.linspace(0, _WIDEST, 401)), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circles = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    growth = _growth(circles.reshape(-1, 2), coefficients, tilt).reshape(circles.shape[:2]).min(axis=1)
    if (growth > 0).all():
        return np.inf
    first = np.argmin(growth > 0)
    step = radius[first] - radius[first - 1]
    return float(radius[first] - step * growth[first] / (growth[first] - growth[first - 1]))


@lru_cache(maxsize=16)
def _fisheye(D):
    """Of the bytes of D: the coefficients, the angle [rad] up to which a fisheye's picture of it grows, at most pi, and
    that picture."""
    D, theta = np.frombuffer(D).copy(), np.linspace(0, np.pi, 1000)
    pictures, slopes = _fisheye_curve(theta, D)
    last = np.argmin(slopes > 0) - 1  # the last one where all rise
    return D, float(theta[last]), float(pictures[last])
