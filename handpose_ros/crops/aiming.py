"""Which crop shows a hand: a square around its points, seen by a virtual camera where the real one is calibrated.

The arithmetic is compiled. What calls another function stands below it, for all is compiled in this order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.compiled import compiled, inlined, plain
from handpose_ros.crops.cropping import Crop, Region, View

# (M, N, 2) points of M hands -> (M, 4) the square around each: x and y of its centre, its side, and its angle [rad]
Rule = Callable[[np.ndarray], np.ndarray]

_IN_FRONT = 0.1  # least cosine between a point and the middle of all for a plane that faces them to hold it
_BEHIND = -0.999  # z of a direction nearly straight behind: any half turn leads there


@inlined
def _on_plane(ray, turn):
    """Where a ray meets the plane at distance 1 of a camera with this `turn`, and how far in front of it the ray is."""
    x = turn[0, 0] * ray[0] + turn[1, 0] * ray[1] + turn[2, 0] * ray[2]
    y = turn[0, 1] * ray[0] + turn[1, 1] * ray[1] + turn[2, 1] * ray[2]
    z = turn[0, 2] * ray[0] + turn[1, 2] * ray[1] + turn[2, 2] * ray[2]
    return x / z, y / z, z


@compiled("f8(f8, f8)")
def upright_angle(right, down):
    """Angle [rad] of the region in which a line of the image, so far to the right and down, goes straight up."""
    return math.atan2(right, -down)


@compiled("void(f8, f8, f8, f8[:,::1])")
def _write_turn_to(x, y, z, turn):
    """Writes the rotation (3, 3) by the smallest angle that turns the z axis to (x, y, z)."""
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    if z < _BEHIND:
        turn[0, 0], turn[0, 1], turn[0, 2] = 1.0, 0.0, 0.0
        turn[1, 0], turn[1, 1], turn[1, 2] = 0.0, -1.0, 0.0
        turn[2, 0], turn[2, 1], turn[2, 2] = 0.0, 0.0, -1.0
        return
    k = 1 / (1 + z)
    turn[0, 0], turn[0, 1], turn[0, 2] = 1 - k * x * x, -k * x * y, x
    turn[1, 0], turn[1, 1], turn[1, 2] = -k * x * y, 1 - k * y * y, y
    turn[2, 0], turn[2, 1], turn[2, 2] = -x, -y, z


@compiled("void(f8, f8, f8, f8, f8[:,::1])")
def _write_cross(x, y, side, angle, cross):
    """Writes into the first two columns of `cross` (5, 3) the points of a cross in the middle of a square, half as
    large: its middle, right, left, lower and upper end."""
    cos, sin = side / 4 * math.cos(angle), side / 4 * math.sin(angle)
    for point, right, down in ((0, 0.0, 0.0), (1, cos, sin), (2, -cos, -sin), (3, -sin, cos), (4, sin, -cos)):
        cross[point, 0], cross[point, 1] = x + right, y + down


@compiled("f8(f8[:,::1], f8[:,::1])")
def _write_aimed(cross, turn):
    """Writes how a view is turned, (3, 3), that shows a square whose cross lies on these rays (5, 3); its extent."""
    _write_turn_to(cross[0, 0], cross[0, 1], cross[0, 2], turn)
    right_x, right_y, _ = _on_plane(cross[1], turn)
    left_x, left_y, _ = _on_plane(cross[2], turn)
    lower_x, lower_y, _ = _on_plane(cross[3], turn)
    upper_x, upper_y, _ = _on_plane(cross[4], turn)
    roll = upright_angle(upper_x - lower_x, upper_y - lower_y)
    cos, sin = math.cos(roll), math.sin(roll)
    for row in range(3):
        a, b = turn[row, 0], turn[row, 1]
        turn[row, 0], turn[row, 1] = a * cos + b * sin, b * cos - a * sin
    across = math.hypot(right_x - left_x, right_y - left_y)
    along = math.hypot(lower_x - upper_x, lower_y - upper_y)
    return 2 * math.sqrt(across * along)


@compiled("Tuple((f8[:,:,::1], f8[:,:,::1], b1[::1]))(f8[:,:,::1])")
def faced(rays):
    """Cameras that face the `rays` (M, N, 3) of M hands, (M, 3, 3); where their planes at distance 1 have the rays,
    (M, N, 2); and whether they have them all, (M,), which they have not where a ray is NaN."""
    hands, points, _ = rays.shape
    facing, seen, all_seen = np.empty((hands, 3, 3)), np.empty((hands, points, 2)), np.ones(hands, np.bool_)
    for hand in range(hands):
        x = y = z = 0.0
        for point in range(points):
            x, y, z = x + rays[hand, point, 0], y + rays[hand, point, 1], z + rays[hand, point, 2]
        _write_turn_to(x, y, z, facing[hand])
        for point in range(points):
            seen[hand, point, 0], seen[hand, point, 1], ahead = _on_plane(rays[hand, point], facing[hand])
            if not ahead >= _IN_FRONT:
                all_seen[hand] = False
    return facing, seen, all_seen


@compiled("Tuple((f8[:,:,::1], f8[::1]))(f8[:,:,::1], f8[:,::1])")
def _views(facing, squares):
    """How views are turned, (M, 3, 3), and their extents (M,), that show `squares` (M, 4) on the planes at distance 1
    of cameras turned by `facing` (M, 3, 3)."""
    turns, extents = np.empty(facing.shape), np.empty(len(facing))
    turn, rays = np.empty((3, 3)), np.ones((5, 3))
    for hand in range(len(facing)):
        _write_cross(squares[hand, 0], squares[hand, 1], squares[hand, 2], squares[hand, 3], rays)
        extents[hand] = _write_aimed(rays, turn)
        for i in range(3):
            for j in range(3):
                turns[hand, i, j] = 0.0
                for k in range(3):
                    turns[hand, i, j] += facing[hand, i, k] * turn[k, j]
    return turns, extents


def place(rule: Rule, points: np.ndarray, camera: Camera | None) -> list[Crop]:
    """The squares that `rule` draws around each of M sets of `points` (M, N, 2) [px]: in the image, or in views aimed
    at them.

    The rule is given pixels, or coordinates on planes that face the points, and must not care which.
    """
    points = plain(points)
    if camera is None or not len(points):
        return [_region(*square) for square in rule(points).tolist()]
    facing, seen, all_seen = faced(camera.unproject(points))
    if all_seen.all():
        turns, extents = _views(facing, rule(seen))
        return [View(camera, turn, extent) for turn, extent in zip(turns, extents.tolist(), strict=True)]
    if len(points) > 1:
        return [crop for each in points for crop in place(rule, each[None], camera)]
    return [aim(_region(*square), camera) for square in rule(points).tolist()]


def aim(region: Region, camera: Camera | None) -> Crop:
    """The view of what a region of the image shows at its centre; the region itself where no camera is known."""
    if camera is None:
        return region
    cross, turn = np.empty((5, 3)), np.empty((3, 3))
    _write_cross(*region.center.tolist(), region.size, region.angle, cross)
    rays = camera.unproject(cross[:, :2])
    return View(camera, turn, _write_aimed(rays, turn)) if np.isfinite(rays).all() else region


def shifted(crop: Crop, offset: Sequence[float]) -> Crop:
    """`crop` moved by `offset` (2,) [px] of the image; where a view cannot be moved there, as it is."""
    if isinstance(crop, Region):
        return replace(crop, center=crop.center + offset)
    center = crop.to_image(np.array([0.5, 0.5]), 1)
    rays = crop.camera.unproject(np.array([center, center + offset]))
    if not np.isfinite(rays).all():
        return crop
    old, new = np.empty((3, 3)), np.empty((3, 3))
    for ray, turn in zip(rays.tolist(), (old, new), strict=True):
        _write_turn_to(*ray, turn)
    return replace(crop, R_camera_from_crop=new @ old.T @ crop.R_camera_from_crop)


def _region(x, y, side, angle):
    return Region(np.array([x, y]), side, angle)
