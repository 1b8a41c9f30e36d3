"""Crops: squares of an image that a network sees, and the way back from there to the image.

`Region` is a square of the image itself. `View` is a square that a virtual pinhole camera sees which is
aimed at the hand through the real, calibrated one: away from the axis and through a fisheye it shows the
hand as the networks know hands, undistorted and from its own direction.

Pixel coordinates are x right, y down. Pixel i of a crop of `size` pixels lies at (i / size - 0.5) of the
square's side from its centre: corners correspond, not pixel centres, as MediaPipe's networks were trained.

`Crop.span` is all that the way back needs, for the crops of an image together: `to_image`, `node_pixels`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.compiled import compiled, inlined, plain

BORDERS = {"black": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}
CELL = 8  # [px] of a crop between nodes whose place in the image is computed, linear in between
_I = np.eye(3)
_UNSEEN = -1e4  # [px] where nodes lie that no camera sees: far outside of every image


class Crop(ABC):
    """What a network sees of an image: a `Region`, a `View`, or what a mirror shows of these."""

    R_camera_from_crop: np.ndarray  # (3, 3) from the square's axes, z into it, to those of the image's camera
    lens: Camera | None  # what bends the rays of `span`; None: they are homogeneous pixels of the image already
    unit_span: np.ndarray  # (3, 3) the span of the square sampled with one pixel

    def span(self, size: int) -> np.ndarray:
        """(3, 3) such that span @ (x, y, 1) is the ray of pixel (x, y) of the square sampled with `size` pixels."""
        return self.unit_span * _of_pixels(size)

    @abstractmethod
    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        """The crop as an upright square: (size, size, 3) uint8 of `image` (H, W, 3) uint8, bilinear.

        border: what lies outside of the image, "black" or "replicate". out: an array to write it to.
        """

    def to_image(self, points: np.ndarray, size: int) -> np.ndarray:
        """Pixels of the sampled square (..., 2) -> pixels of the image (..., 2); NaN where its camera does not see."""
        points = np.asarray(points)
        return to_image([self], points.reshape(1, -1, 2), size).reshape(points.shape)

    def to_camera(self, joints: np.ndarray) -> np.ndarray:
        """Joints (..., 3) [m] in the axes of the sampled square -> in the axes of the camera that took the image."""
        return np.asarray(joints) @ self.R_camera_from_crop.T


@dataclass(frozen=True, eq=False)
class Region(Crop):
    """A square of an image, turned about its centre."""

    center: np.ndarray  # (2,) [px]
    size: float  # [px] length of a side
    angle: float = 0.0  # [rad] from the image's x axis to the region's, positive towards y (clockwise as seen)

    lens = None

    def __post_init__(self):
        numbers = [*self.center.tolist(), self.size, self.angle]
        if len(numbers) != 4 or not math.isfinite(sum(numbers)) or self.size <= 0:
            raise ValueError(f"not a region: center {self.center}, size {self.size}, angle {self.angle}")

    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        image_from_crop = self.span(size)[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, image_from_crop, (size, size), out, flags=flags, borderMode=BORDERS[border])

    @property
    def R_camera_from_crop(self) -> np.ndarray:
        return roll(self.angle)

    @cached_property
    def unit_span(self) -> np.ndarray:
        x, y = self.center.tolist()
        cos, sin = self.size * math.cos(self.angle), self.size * math.sin(self.angle)
        return np.array([[cos, -sin, x - (cos - sin) / 2], [sin, cos, y - (sin + cos) / 2], [0.0, 0.0, 1.0]])

    @property
    def box(self) -> np.ndarray:
        """(4,) low x, low y, high x, high y [px] of the region as if it were upright."""
        return np.concatenate([self.center - self.size / 2, self.center + self.size / 2])


@dataclass(frozen=True, eq=False)
class View(Crop):
    """A square that a virtual pinhole camera sees in the place of a real one."""

    camera: Camera  # the real one
    R_camera_from_crop: np.ndarray  # (3, 3) the view's z axis goes through the square's centre
    extent: float  # length of a side on the plane at distance 1: twice the tangent of half the field of view

    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        (nodes,) = node_pixels([self], size)
        pixels = cv2.resize(nodes, None, fx=CELL, fy=CELL)[CELL : CELL + size, CELL : CELL + size]
        return cv2.remap(image, pixels, None, cv2.INTER_LINEAR, out, borderMode=BORDERS[border])

    @property
    def lens(self) -> Camera | None:
        return self.camera if self.camera.is_distorted else None

    @cached_property
    def unit_span(self) -> np.ndarray:
        K = plain(self.camera.K) if self.lens is None else _I
        return _span_of_view(self.R_camera_from_crop, self.extent, K)

    @property
    def box(self) -> np.ndarray:
        """(4,) low x, low y, high x, high y [px] of an upright square around the view's centre, of its size there."""
        center, right, below = self.to_image(np.array([[0.5, 0.5], [0.6, 0.5], [0.5, 0.6]]), 1)
        half = 5 * np.sqrt(np.linalg.norm(right - center) * np.linalg.norm(below - center))
        return np.concatenate([center - half, center + half])


def to_image(crops: Sequence[Crop], points: np.ndarray, size: int) -> np.ndarray:
    """Pixels (M, N, 2) of squares sampled from M crops -> pixels of the image (M, N, 2); see `Crop.to_image`."""
    spans = np.array([crop.span(size) for crop in crops])
    return _where_rays_meet(crops, _rays(spans, plain(points)))


def to_camera(crops: Sequence[Crop], joints: np.ndarray) -> np.ndarray:
    """Joints (M, N, 3) [m] in the axes of squares sampled from M crops -> (M, N, 3); see `Crop.to_camera`."""
    return joints @ np.array([crop.R_camera_from_crop for crop in crops]).swapaxes(-1, -2)


def node_pixels(crops: Sequence[Crop], size: int) -> np.ndarray:
    """(M, n, n, 2) float32 [px] of the image: the nodes of M crops of `size`, the middles of cells and one row around.

    In between places are interpolated. What no camera sees lies far outside.
    """
    spans, count = np.array([crop.span(size) for crop in crops]), size // CELL + 2  # nodes in a row
    pixels = _where_rays_meet(crops, _rays(spans, np.array([_nodes(size)] * len(crops)))).astype(np.float32)
    if not math.isfinite(pixels.sum()):
        pixels[np.isnan(pixels)] = _UNSEEN
    return pixels.reshape(-1, count, count, 2)


def apart(crops: Sequence[Crop], others: Sequence[Crop]) -> list[float]:
    """How far the corners of each crop and of another one are apart, at most, in sides of the first; inf if unknown."""
    if not crops:
        return []
    away = _corners_apart(np.array([crop.unit_span for crop in crops]), np.array([crop.unit_span for crop in others]))
    same = [here.lens == there.lens for here, there in zip(crops, others, strict=True)]
    return [each if comparable else math.inf for each, comparable in zip(away.tolist(), same, strict=True)]


def roll(angle: float) -> np.ndarray:
    """(3, 3) rotation about the z axis that turns the x axis towards the y axis by `angle` [rad]."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, (...) 0..1, of upright boxes (..., 4): x, y of the low corner, x, y of the high one."""
    a, b = np.asarray(a), np.asarray(b)
    overlap = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = np.clip(overlap, 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - intersection
    return intersection / np.maximum(union, np.finfo(float).tiny)


def region_iou(a: Region | View, b: Region | View) -> float:
    """Intersection over union, 0..1, of two squares of one image as if they were upright."""
    return float(box_iou(a.box, b.box))


def _where_rays_meet(crops, rays):
    """(M, N, 2) [px] where `rays` (M, N, 3), as the spans of M crops have them, meet the image."""
    lens = crops[0].lens
    if any(crop.lens != lens for crop in crops):
        return np.concatenate([_where_rays_meet([crop], own[None]) for crop, own in zip(crops, rays, strict=True)])
    return _pixels(rays) if lens is None else lens.project(rays)


@compiled("f8[:,::1](f8[:,:], f8, f8[:,:])")
def _span_of_view(R, extent, K):
    """(3, 3) the unit span of a view turned by `R` (3, 3), whose side is `extent`, times `K` (3, 3)."""
    span = np.empty((3, 3))
    for row in range(3):
        for column in range(3):
            span[row, column] = K[row, 0] * R[0, column] + K[row, 1] * R[1, column] + K[row, 2] * R[2, column]
        span[row, 0], span[row, 1] = extent * span[row, 0], extent * span[row, 1]
        span[row, 2] -= (span[row, 0] + span[row, 1]) / 2
    return span


@compiled("f8[:,:,::1](f8[:,:,::1], f8[:,:,::1])")
def _rays(spans, points):
    """(M, N, 3) the rays of M `spans` (M, 3, 3) through `points` (M, N, 2) of their squares."""
    crops, count, _ = points.shape
    rays = np.empty((crops, count, 3))
    for crop in range(crops):
        for point in range(count):
            x, y = points[crop, point, 0], points[crop, point, 1]
            for i in range(3):
                rays[crop, point, i] = spans[crop, i, 0] * x + spans[crop, i, 1] * y + spans[crop, i, 2]
    return rays


@compiled("f8[:,:,::1](f8[:,:,::1])")
def _pixels(rays):
    """(M, N, 2) the homogeneous pixels `rays` (M, N, 3) as pixels; NaN behind the camera."""
    crops, count, _ = rays.shape
    pixels = np.full((crops, count, 2), np.nan)
    for crop in range(crops):
        for point in range(count):
            if rays[crop, point, 2] > 0:
                for i in range(2):
                    pixels[crop, point, i] = rays[crop, point, i] / rays[crop, point, 2]
    return pixels


@inlined
def _determinant(a, b, c):
    x = a[0] * (b[1] * c[2] - b[2] * c[1])
    return x + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])


@compiled("f8[::1](f8[:,:,::1], f8[:,:,::1])")
def _corners_apart(spans, others):
    """(M,) `apart`, of the unit spans (M, 3, 3) of M crops and of M others with the same lens."""
    away, ray = np.zeros(len(spans)), np.empty(3)
    for crop in range(len(spans)):
        a, b, c = spans[crop, :, 0], spans[crop, :, 1], spans[crop, :, 2]
        for corner in range(4):
            x, y = corner % 2, corner // 2
            for i in range(3):
                ray[i] = others[crop, i, 0] * x + others[crop, i, 1] * y + others[crop, i, 2]
            # Cramer's rule: where the other one's corner lies in this square, whose side is 1
            depth = _determinant(a, b, ray)
            way = math.hypot(_determinant(ray, b, c) / depth - x, _determinant(a, ray, c) / depth - y)
            if not (depth * _determinant(a, b, c) > 0 and way <= math.inf):  # behind, or not known
                way = math.inf
            away[crop] = max(away[crop], way)
    return away


@cache
def _nodes(size: int) -> np.ndarray:
    """(n * n, 2) [px] of a crop: the middles of its cells, between which OpenCV interpolates, and one around, row by
    row.
    """
    x, y = np.meshgrid(*[np.arange(-CELL, size + CELL, CELL) + (CELL - 1) / 2] * 2)
    return np.stack([x.ravel(), y.ravel()], axis=-1)


@cache
def _of_pixels(size: int) -> np.ndarray:
    """(3,) what makes the span of a square of `size` pixels of that of a square of one."""
    return np.array([1 / size, 1 / size, 1.0])
