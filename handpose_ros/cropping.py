"""Where to look for a hand: squares of an image, what a network sees there, and the way back.

`Region` is a square of the image itself. `View` is a square that a virtual pinhole camera sees which is
aimed at the hand through the real, calibrated one: away from the axis and through a fisheye it shows the
hand as the networks know hands, undistorted and from its own direction. Both are crops: they sample
pixels, and bring points and joints back. `place` makes the one or the other.

Pixel coordinates are x right, y down. Pixel i of a crop of `size` pixels lies at (i / size - 0.5) of the
square's side from its centre: corners correspond, not pixel centres, as MediaPipe's networks were trained.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np

from handpose_ros.camera import Camera

BORDERS = {"black": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}
_PLANE = Camera(np.eye(3), (1, 1))  # coordinates on the plane at distance 1 as if they were pixels
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # of a crop of one pixel
_ENDS = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # of a cross, its middle first
CELL = 8  # [px] of a crop between nodes whose place in the image is computed, linear in between


@dataclass(frozen=True)
class Region:
    """A square of an image, turned about its centre."""

    center: np.ndarray  # (2,) [px]
    size: float  # [px] length of a side
    angle: float = 0.0  # [rad] from the image's x axis to the region's, positive towards y (clockwise as seen)

    def __post_init__(self):
        values = np.array([*self.center, self.size, self.angle], float)
        if values.shape != (4,) or not np.isfinite(values).all() or self.size <= 0:
            raise ValueError(f"not a region: center {self.center}, size {self.size}, angle {self.angle}")

    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        """The region as an upright square: (size, size, 3) uint8 of `image` (H, W, 3) uint8, bilinear.

        border: what lies outside of the image, "black" or "replicate". out: an array to write it to.
        """
        step = rotation(self.angle) * (self.size / size)
        image_from_crop = np.column_stack([step, self.center - step @ np.full(2, size / 2)])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, image_from_crop, (size, size), out, flags=flags, borderMode=BORDERS[border])

    def to_image(self, points: np.ndarray, size: int) -> np.ndarray:
        """Pixels of the sampled square (..., 2) -> pixels of the image (..., 2)."""
        offsets = (np.asarray(points) / size - 0.5) * self.size
        return offsets @ rotation(self.angle).T + self.center

    def to_camera(self, joints: np.ndarray) -> np.ndarray:
        """Joints (..., 3) [m] in the axes of the sampled square -> in the axes of the camera that took the image."""
        turned = np.array(joints, float)
        turned[..., :2] = turned[..., :2] @ rotation(self.angle).T
        return turned

    @cached_property
    def corners(self) -> np.ndarray:
        """(4, 2) [px] of the image, row by row of the square."""
        return self.to_image(_CORNERS, 1)

    @property
    def box(self) -> np.ndarray:
        """(4,) low x, low y, high x, high y [px] of the region as if it were upright."""
        return np.concatenate([self.center - self.size / 2, self.center + self.size / 2])


@dataclass(frozen=True)
class View:
    """A square that a virtual pinhole camera sees in the place of a real one."""

    camera: Camera  # the real one
    R_camera_from_view: np.ndarray  # (3, 3) the view's z axis goes through the square's centre
    extent: float  # length of a side on the plane at distance 1: twice the tangent of half the field of view

    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        """As `Region.sample`."""
        pixels = cv2.resize(node_pixels(self, size), None, fx=CELL, fy=CELL)[CELL : CELL + size, CELL : CELL + size]
        return cv2.remap(image, pixels, None, cv2.INTER_LINEAR, out, borderMode=BORDERS[border])

    def to_image(self, points: np.ndarray, size: int) -> np.ndarray:
        """As `Region.to_image`; NaN where the real camera does not see."""
        plane = (np.asarray(points) / size - 0.5) * self.extent
        rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
        return self.camera.project(rays @ self.R_camera_from_view.T)

    def to_camera(self, joints: np.ndarray) -> np.ndarray:
        """As `Region.to_camera`."""
        return np.asarray(joints) @ self.R_camera_from_view.T

    @cached_property
    def corners(self) -> np.ndarray:
        """(4, 2) [px] of the image, row by row of the square."""
        return self.to_image(_CORNERS, 1)

    @property
    def box(self) -> np.ndarray:
        """(4,) low x, low y, high x, high y [px] of an upright square around the view's centre, of its size there."""
        center, right, below = self.to_image(np.array([[0.5, 0.5], [0.6, 0.5], [0.5, 0.6]]), 1)
        half = 5 * np.sqrt(np.linalg.norm(right - center) * np.linalg.norm(below - center))
        return np.concatenate([center - half, center + half])


Crop = Region | View


def place(rule: Callable[[np.ndarray], Region], points: np.ndarray, camera: Camera | None) -> Crop:
    """The square that `rule` draws around `points` (N, 2) [px]: in the image, or in a view aimed at them.

    The rule is given pixels, or coordinates on a plane that faces the points, and must not care which.
    """
    rays = None if camera is None else camera.unproject(points)
    if rays is None or not np.isfinite(rays).all():
        return aim(rule(points), camera)
    facing = _facing(rays.mean(axis=0))
    seen = rays @ facing
    if (seen[:, 2] < 0.1).any():  # points all around the camera have no such plane
        return aim(rule(points), camera)
    view = aim(rule(seen[:, :2] / seen[:, 2:]), _PLANE)
    return replace(view, camera=camera, R_camera_from_view=facing @ view.R_camera_from_view)


def aim(region: Region, camera: Camera | None) -> Crop:
    """The view of what a region of the image shows at its centre; the region itself where no camera is known."""
    if camera is None:
        return region
    rays = camera.unproject(region.center + _ENDS @ (rotation(region.angle).T * (region.size / 4)))
    if not np.isfinite(rays).all():
        return region
    facing = _facing(rays[0])
    seen = rays @ facing
    plane = seen[:, :2] / seen[:, 2:]
    across, down = (plane[1::2] - plane[2::2]).tolist()
    extent = 2 * math.sqrt(math.hypot(*across) * math.hypot(*down))
    turn = np.eye(3)
    turn[:2, :2] = rotation(math.atan2(-down[0], down[1]))
    return View(camera, facing @ turn, extent)


def node_pixels(crop: Crop, size: int) -> np.ndarray:
    """(n, n, 2) float32 [px] of the image: the nodes of a crop of `size`, the middles of its cells and one row around.

    In between places are interpolated. What no camera sees lies far outside.
    """
    pixels = np.float32(crop.to_image(_nodes(size), size))
    pixels[np.isnan(pixels)] = -1e4
    return pixels


def shifted(crop: Crop, offset: np.ndarray) -> Crop:
    """`crop` moved by `offset` (2,) [px] of the image; where a view cannot be moved there, as it is."""
    if isinstance(crop, Region):
        return replace(crop, center=crop.center + offset)
    center = crop.to_image(np.array([0.5, 0.5]), 1)
    old, new = crop.camera.unproject(np.stack([center, center + offset]))
    if not np.isfinite([old, new]).all():
        return crop
    return replace(crop, R_camera_from_view=_facing(new) @ _facing(old).T @ crop.R_camera_from_view)


def apart(a: Crop, b: Crop) -> float:
    """How far the corners of two crops of one image are from each other, at most, in sides of `a`; inf if unknown."""
    side = math.dist(a.corners[0], a.corners[1])
    away = math.sqrt(((b.corners - a.corners) ** 2).sum(axis=-1).max()) / side
    return away if math.isfinite(away) else math.inf


def whole(image: np.ndarray) -> Region:
    """The smallest upright region that holds all of the image (H, W, ...), in its middle."""
    height, width = image.shape[:2]
    return Region(np.array([width / 2, height / 2]), max(width, height))


def tiles(size: tuple[int, int], share: float, overlap: float = 0.35) -> list[Region]:
    """Upright squares that cover an image of `size` (width, height) [px], each `share` of the longer side long.

    Neighbours share at least `overlap` of their side, so that what is smaller than that is whole in one of them.
    """
    side = share * max(size)

    def centers(length):
        if length <= side:
            return [length / 2]
        count = int(np.ceil((length - side) / (side * (1 - overlap)) - 1e-9)) + 1
        return np.linspace(side / 2, length - side / 2, count)

    return [Region(np.array([x, y]), side) for y in centers(size[1]) for x in centers(size[0])]


def rotation(angle: float) -> np.ndarray:
    """(2, 2) matrix that turns the x axis towards the y axis by `angle` [rad]."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def upright_angle(bottom: np.ndarray, top: np.ndarray) -> float:
    """Angle [rad] of the region in which `top` (2,) lies straight above `bottom` (2,), both [px] in the image."""
    right, down = top - bottom
    return float(np.arctan2(right, -down))


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, (...) 0..1, of upright boxes (..., 4): x, y of the low corner, x, y of the high one."""
    a, b = np.asarray(a), np.asarray(b)
    overlap = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = np.clip(overlap, 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - intersection
    return intersection / np.maximum(union, np.finfo(float).tiny)


def region_iou(a: Crop, b: Crop) -> float:
    """Intersection over union, 0..1, of two squares of one image as if they were upright."""
    return float(box_iou(a.box, b.box))


def same_hand(joints_a: np.ndarray, joints_b: np.ndarray) -> bool:
    """Whether two sets of joints (21, 2) [px] are one hand found twice (the rule of MediaPipe's Tasks API)."""
    palm = max(np.linalg.norm(j[[0, 5, 17]] - j[[5, 17, 0]], axis=-1).max() for j in (joints_a, joints_b))
    close = np.linalg.norm(joints_a - joints_b, axis=-1) < 0.2 * palm
    boxes = (np.concatenate([j.min(axis=0), j.max(axis=0)]) for j in (joints_a, joints_b))
    return bool(close.sum() >= 10 and box_iou(*boxes) > 0.2)


@cache
def _nodes(size: int) -> np.ndarray:
    """(n, n, 2) [px] of a crop: the middles of its cells, between which OpenCV interpolates, and one around."""
    nodes = np.arange(-CELL, size + CELL, CELL) + (CELL - 1) / 2
    return np.stack(np.meshgrid(nodes, nodes), axis=-1)


def _facing(ray: np.ndarray) -> np.ndarray:
    """(3, 3) the rotation by the smallest angle that turns the z axis to `ray` (3,)."""
    length = math.sqrt(ray @ ray)
    x, y, z = (ray / length).tolist()
    if z < -0.999:  # nearly straight behind: any half turn will do
        return np.diag([1.0, -1.0, -1.0])
    k = 1 / (1 + z)
    return np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])
