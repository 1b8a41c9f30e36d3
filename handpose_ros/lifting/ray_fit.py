"""Shapes of hands moved onto the viewing rays of their joints, and how far off these joints are then: compiled loops.

The translation is by robust Gauss-Newton. A residual is the way, on the plane that touches the unit sphere at the end
of a joint's ray, from there to where the joint is seen: as long as the tangent of the angle between the two.
"""

import math

import numpy as np

from handpose_ros.compiled import compiled, inlined
from handpose_ros.hand import WRIST

_ITERATIONS = 8  # at most
_CONVERGED = 1e-4  # [m] a smaller step is the last one: hands are off by millimetres, their distance by 5 %
_HUBER = 1.345  # residuals beyond this many standard deviations count linearly (95 % efficiency on normal noise)
_HUBER_OF_MEDIAN = _HUBER / 1.1774  # half of a 2D normal's radii lie within 1.1774 standard deviations
_MIN_RAYS = 3  # fewer leave the translation open
_RIDGE = 1e-9  # keeps a hand whose rays are all the same one from dividing by zero
_MIN_SIGMA = 1e-4  # [rad] no network places a joint better than this; keeps exact input from dividing by zero
# The errors of a hand's keypoints go together: the fit's variance is as if there were 21 / 16 of them. By maximum
# likelihood on renders, as are the standard deviations of the joints' depth in the hand: python -m tools.lifter.spread
_GO_TOGETHER = 16.0
_DEPTH_SIGMA = np.array([0.003, 0.001, 0.007, 0.014, 0.020] + 4 * [0.001, 0.007, 0.012, 0.016])  # [m]
# [m] standard deviation of a keypoint in each direction across its ray: the mean error measured on real photos, taken
# back to the hand's distance, over 1.25 (Rayleigh). Wrist and thumb CMC are creases in the skin, not points: what is
# called so differs by nearly the whole error, which then is hardly less in the mean than in the square: over 1.41.
_ACROSS_SIGMA = np.full(21, 0.0045)
_ACROSS_SIGMA[[6, 7, 10, 11, 14, 15, 18, 19]] = 0.0028  # PIP, DIP
_ACROSS_SIGMA[[0, 1]] = 0.0076, 0.0064
_DEPTH, _ACROSS = _DEPTH_SIGMA**2, _ACROSS_SIGMA**2  # [m^2] variances
# [rad^2] variances of the wrist's rotation about its viewing ray and about each direction across it: on real photos
# 4.6 and 7.4 degrees. What turns a hand in the image is seen, what tilts it is only inferred (docs/accuracy.md).
_TURN_ABOUT, _TURN_ACROSS = 0.08**2, 0.13**2


@inlined
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def _variance_along(ray, covariance):
    variance = 0.0
    for i in range(3):
        variance += ray[i] * _dot(covariance[i], ray)
    return _GO_TOGETHER * variance


@inlined
def _lower_median(values, ordered):
    """Of `values` (K,), by an insertion sort into `ordered` (K,)."""
    for k in range(len(values)):
        place = k
        while place > 0 and ordered[place - 1] > values[k]:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = values[k]
    return ordered[(len(values) - 1) // 2]


@inlined
def _move(translation, matrix, target, inverse):
    """Adds to `translation` (3,) what symmetric `matrix` (3, 3) takes to `target` (3,); also writes the `inverse`.

    Returns how much the coordinates change at most. The inverse is the cofactors over the determinant.
    """
    for i in range(3):
        for j in range(3):
            i1, i2, j1, j2 = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
            inverse[i, j] = matrix[i1, j1] * matrix[i2, j2] - matrix[i1, j2] * matrix[i2, j1]
    determinant, largest = _dot(matrix[0], inverse[0]), 0.0
    for i in range(3):
        for j in range(3):
            inverse[i, j] /= determinant
        step = _dot(inverse[i], target)
        translation[i] += step
        largest = max(largest, abs(step))
    return largest


@inlined
def _clear(matrix, target):
    for i in range(3):
        target[i] = 0.0
        for j in range(3):
            matrix[i, j] = _RIDGE if i == j else 0.0


@inlined
def _fit(shape, rays, translation, covariance):
    """Writes `translation` (3,) and `covariance` (3, 3), as in `fit`, of one hand whose K joints all have a ray."""
    residuals, along = np.empty(rays.shape), np.empty(len(rays))
    sizes, ordered = np.empty(len(rays)), np.empty(len(rays))
    matrix, target = np.empty((3, 3)), np.empty(3)
    # The start is linear, closest in space. What is across a ray r is I - r r^T of it.
    _clear(matrix, target)
    for k in range(len(rays)):
        ray = rays[k]
        distance = _dot(ray, shape[k])
        for i in range(3):
            target[i] += distance * ray[i] - shape[k, i]
            for j in range(3):
                matrix[i, j] += (1.0 if i == j else 0.0) - ray[i] * ray[j]
    translation[:] = 0.0
    _move(translation, matrix, target, covariance)
    for _ in range(_ITERATIONS):
        for k in range(len(rays)):
            distance = square = 0.0
            for i in range(3):
                distance += rays[k, i] * (shape[k, i] + translation[i])
            for i in range(3):
                residuals[k, i] = (shape[k, i] + translation[i]) / distance - rays[k, i]
                square += residuals[k, i] * residuals[k, i]
            along[k], sizes[k] = distance, math.sqrt(square)
        limit = max(_HUBER_OF_MEDIAN * _lower_median(sizes, ordered), _HUBER * _MIN_SIGMA)
        # The residual e has the derivatives (I - r (r + e)^T) / along, and r^T e = 0.
        _clear(matrix, target)
        for k in range(len(rays)):
            ray, residual, square = rays[k], residuals[k], sizes[k] * sizes[k]
            weight = limit / max(sizes[k], limit) / (along[k] * along[k])
            for i in range(3):
                target[i] -= weight * along[k] * (residual[i] - square * ray[i])
                for j in range(3):
                    both = ray[i] * residual[j] + residual[i] * ray[j]
                    matrix[i, j] += weight * ((1.0 if i == j else 0.0) + (square - 1) * ray[i] * ray[j] - both)
        if _move(translation, matrix, target, covariance) < _CONVERGED:
            break
    for i in range(3):
        for j in range(3):
            covariance[i, j] *= (limit / _HUBER) * (limit / _HUBER)
    if along.sum() <= 0:  # lines go both ways, rays do not: it fits best behind the camera
        translation[:], covariance[:] = np.nan, np.nan


@compiled("Tuple((f8[:,::1], f8[:,:,::1]))(f8[:,:,::1], f8[:,:,::1])")
def fit(shape, rays):
    """(N, 3) translation [m] of `shape` (N, K, 3) onto unit `rays` (N, K, 3), and its covariance (N, 3, 3) [m^2].

    Rays that are NaN do not count. Both are NaN where fewer than three are left, and of a shape that only fits behind
    the camera.
    """
    hands, joints, _ = rays.shape
    translation, covariance = np.empty((hands, 3)), np.empty((hands, 3, 3))
    known_shape, known_rays = np.empty((joints, 3)), np.empty((joints, 3))
    for hand in range(hands):
        count = 0
        for joint in range(joints):
            if np.isfinite(rays[hand, joint, 0]):
                for i in range(3):
                    known_shape[count, i], known_rays[count, i] = shape[hand, joint, i], rays[hand, joint, i]
                count += 1
        if count >= _MIN_RAYS:
            _fit(known_shape[:count], known_rays[:count], translation[hand], covariance[hand])
        else:
            translation[hand], covariance[hand] = np.nan, np.nan
    return translation, covariance


@compiled("f8[:,::1](f8[:,:,::1], f8[:,:,::1])")
def variances_along(rays, covariance):
    """(N, K) [m^2] that fits with this `covariance` (N, 3, 3) leave along each of unit `rays` (N, K, 3)."""
    hands, joints, _ = rays.shape
    variances = np.empty((hands, joints))
    for hand in range(hands):
        for joint in range(joints):
            variances[hand, joint] = _variance_along(rays[hand, joint], covariance[hand])
    return variances


@compiled("Tuple((f8[:,:,::1], f8[:,::1]))(f8[:,:,::1], f8[:,::1])")
def errors_about(rays, along):
    """Covariance of the wrists (N, 6, 6) [m^2, rad^2] and root mean square errors (N, 21) [m] to be expected of joints.

    They lie on unit `rays` (N, 21, 3); `along` (N, 21) [m^2] are the variances of their distances. Across its own ray
    only a joint's keypoint errs. Rotations are about the frame's axes and go their own way.
    """
    covariance, sigma = np.zeros((len(rays), 6, 6)), np.empty((len(rays), 21))
    for hand in range(len(rays)):
        ray, across = rays[hand, WRIST], _ACROSS[WRIST]
        for i in range(3):
            for j in range(3):
                covariance[hand, i, j] = (along[hand, WRIST] - across) * ray[i] * ray[j]
                covariance[hand, 3 + i, 3 + j] = (_TURN_ABOUT - _TURN_ACROSS) * ray[i] * ray[j]
            covariance[hand, i, i] += across
            covariance[hand, 3 + i, 3 + i] += _TURN_ACROSS
        if np.isnan(along[hand, WRIST]) or np.isnan(ray[0]):
            covariance[hand] = np.nan
        for joint in range(21):
            sigma[hand, joint] = math.sqrt(along[hand, joint] + 2 * _ACROSS[joint])
    return covariance, sigma


@compiled("Tuple((f8[:,:,::1], f8[:,:,::1], f8[:,:,::1], f8[:,::1]))(f8[:,:,::1], f8, f8[:,:,::1], f8[::1], f8)")
def place(shape, scale, rays, distance_spread, size_spread):
    """`scale` times `shape` (N, 21, 3) where it fits unit `rays` (N, 21, 3) best, of which some may be NaN.

    `distance_spread` (N,) and `size_spread` are relative standard deviations of the distance and of the `scale`.
    Returns joints (N, 21, 3) [m] on their rays, those of the shape as it is (N, 21, 3) [m], and `errors_about` them:
    the wrists' covariance (N, 6, 6) [m^2, rad^2] and the joints' root mean square errors (N, 21) [m].
    """
    shape, rays = shape.copy(), rays.copy()
    for hand in range(len(shape)):
        for joint in range(21):
            for i in range(3):
                shape[hand, joint, i] *= scale
    translation, covariance = fit(shape, rays)
    joints, along = np.empty_like(shape), np.empty(shape.shape[:2])
    for hand in range(len(shape)):
        spread = distance_spread[hand] * distance_spread[hand] + size_spread * size_spread
        for joint in range(21):
            point, ray = shape[hand, joint], rays[hand, joint]
            for i in range(3):
                point[i] += translation[hand, i]
            if not np.isfinite(ray[0]):
                length = math.sqrt(_dot(point, point))
                for i in range(3):
                    ray[i] = point[i] / length
            distance = _dot(ray, point)
            for i in range(3):
                joints[hand, joint, i] = ray[i] * distance
            along[hand, joint] = _variance_along(ray, covariance[hand]) + spread * distance * distance + _DEPTH[joint]
    wrist_covariance, joint_sigma = errors_about(rays, along)
    return joints, shape, wrist_covariance, joint_sigma


@compiled("f8[::1](f8[:,:,::1], f8[:,:,::1])")
def mean_distance(points, others):
    """(N,) between `points` (N, K, 2) and `others` (N, K, 2), without those that are NaN; NaN where all are."""
    mean = np.empty(len(points))
    for hand in range(len(points)):
        total, count = 0.0, 0
        for k in range(points.shape[1]):
            distance = math.hypot(points[hand, k, 0] - others[hand, k, 0], points[hand, k, 1] - others[hand, k, 1])
            if np.isfinite(distance):
                total, count = total + distance, count + 1
        mean[hand] = total / count
    return mean
