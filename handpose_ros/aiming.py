"""Which crop shows a hand: a square around its points, seen by a virtual camera where the real one is calibrated."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.cropping import Crop, Region, View

_IN_FRONT = 0.1  # least cosine between a point and the middle of all for a plane that faces them to hold it


def place(rule: Callable[[np.ndarray], Region], points: np.ndarray, camera: Camera | None) -> list[Crop]:
    """The squares that `rule` draws around each of M sets of `points` (M, N, 2) [px]: in the image, or in views aimed
    at them.

    The rule is given pixels, or coordinates on planes that face the points, and must not care which.
    """
    if camera is None or not len(points):
        return [rule(each) for each in points]
    rays = camera.unproject(points)
    facing = np.array([_smallest_turn(*ray) for ray in rays.sum(axis=1).tolist()])
    seen = rays @ facing
    if seen[..., 2].min() >= _IN_FRONT:  # not so where a point has no ray
        regions = map(rule, seen[..., :2] / seen[..., 2:])
        views = [_aimed([(x, y, 1.0) for x, y in _cross(region)]) for region in regions]
        turns = facing @ np.array([turn for turn, _ in views])
        return [View(camera, turn, extent) for turn, (_, extent) in zip(turns, views, strict=True)]
    if len(points) > 1:
        return [crop for each in points for crop in place(rule, each[None], camera)]
    return [aim(rule(points[0]), camera)]


def aim(region: Region, camera: Camera | None) -> Crop:
    """The view of what a region of the image shows at its centre; the region itself where no camera is known."""
    if camera is None:
        return region
    rays = camera.unproject(np.array(_cross(region)))
    if not np.isfinite(rays).all():
        return region
    turn, extent = _aimed(rays.tolist())
    return View(camera, np.array(turn), extent)


def shifted(crop: Crop, offset: Sequence[float]) -> Crop:
    """`crop` moved by `offset` (2,) [px] of the image; where a view cannot be moved there, as it is."""
    if isinstance(crop, Region):
        return replace(crop, center=crop.center + offset)
    center = crop.to_image(np.array([0.5, 0.5]), 1)
    rays = crop.camera.unproject(np.array([center, center + offset]))
    if not np.isfinite(rays).all():
        return crop
    old, new = (np.array(_smallest_turn(*ray)) for ray in rays.tolist())
    return replace(crop, R_camera_from_crop=new @ old.T @ crop.R_camera_from_crop)


def upright_angle(right: float, down: float) -> float:
    """Angle [rad] of the region in which a line of the image, so far to the right and down, goes straight up."""
    return math.atan2(right, -down)


def _cross(region):
    """The points of a cross in the middle of a region, half as large: its middle, right, left, lower and upper end."""
    x, y = region.center.tolist()
    cos, sin = region.size / 4 * math.cos(region.angle), region.size / 4 * math.sin(region.angle)
    return (x, y), (x + cos, y + sin), (x - cos, y - sin), (x - sin, y + cos), (x + sin, y - cos)


def _aimed(cross):
    """How a view is turned, row by row, and its extent, that shows a region whose `_cross` lies on these five rays."""
    facing = _smallest_turn(*cross[0])
    right, left, lower, upper = (_on_plane(ray, facing) for ray in cross[1:])
    roll = upright_angle(upper[0] - lower[0], upper[1] - lower[1])
    cos, sin = math.cos(roll), math.sin(roll)
    turn = [(a * cos + b * sin, b * cos - a * sin, c) for a, b, c in facing]
    return turn, 2 * math.sqrt(math.dist(right, left) * math.dist(lower, upper))


def _on_plane(ray, turn):
    """Where a ray meets the plane at distance 1 of a camera with this `turn`."""
    (x, y, z), ((ax, bx, cx), (ay, by, cy), (az, bz, cz)) = ray, turn
    depth = cx * x + cy * y + cz * z
    return (ax * x + ay * y + az * z) / depth, (bx * x + by * y + bz * z) / depth


def _smallest_turn(x, y, z):
    """The rotation by the smallest angle that turns the z axis to (x, y, z), row by row."""
    length = math.hypot(x, y, z)
    x, y, z = x / length, y / length, z / length
    if z < -0.999:  # nearly straight behind: any half turn will do
        return (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
    k = 1 / (1 + z)
    return (1 - k * x * x, -k * x * y, x), (-k * x * y, 1 - k * y * y, y), (-x, -y, z)
