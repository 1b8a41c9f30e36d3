"""Where to look for a hand: square regions of an image, what a network sees there, and the way back.

Pixel coordinates are x right, y down. A sampled square of `size` pixels takes its pixel i from
center - region.size / 2 + i region.size / size along the region's axes: corners correspond, not pixel
centres, as MediaPipe's networks were trained.
"""

from dataclasses import dataclass

import cv2
import numpy as np

BORDERS = {"black": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}


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


def whole(image: np.ndarray) -> Region:
    """The smallest upright region that holds all of the image (H, W, ...), in its middle."""
    height, width = image.shape[:2]
    return Region(np.array([width / 2, height / 2]), max(width, height))


def sample(image: np.ndarray, region: Region, size: int, border: str) -> np.ndarray:
    """The region as an upright square: (size, size, 3) uint8 of `image` (H, W, 3) uint8, bilinear.

    border: what lies outside of the image, "black" or "replicate".
    """
    step = rotation(region.angle) * (region.size / size)
    image_from_crop = np.column_stack([step, region.center - step @ np.full(2, size / 2)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, image_from_crop, (size, size), flags=flags, borderMode=BORDERS[border])


def to_image(points: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Pixels of the sampled square (..., 2) -> pixels of the image (..., 2)."""
    offsets = (np.asarray(points) / size - 0.5) * region.size
    return offsets @ rotation(region.angle).T + region.center


def to_camera(joints: np.ndarray, region: Region) -> np.ndarray:
    """Joints (..., 3) [m] in the axes of the sampled square -> in the axes of the camera that took the image."""
    turned = np.array(joints, float)
    turned[..., :2] = turned[..., :2] @ rotation(region.angle).T
    return turned


def rotation(angle: float) -> np.ndarray:
    """(2, 2) matrix that turns the x axis towards the y axis by `angle` [rad]."""
    cos, sin = np.cos(angle), np.sin(angle)
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


def region_iou(a: Region, b: Region) -> float:
    """Intersection over union, 0..1, of two regions as if they were upright."""
    box_a, box_b = ([*(r.center - r.size / 2), *(r.center + r.size / 2)] for r in (a, b))
    return float(box_iou(box_a, box_b))


def same_hand(joints_a: np.ndarray, joints_b: np.ndarray) -> bool:
    """Whether two sets of joints (21, 2) [px] are one hand found twice (the rule of MediaPipe's Tasks API)."""
    palm = max(np.linalg.norm(j[[0, 5, 17]] - j[[5, 17, 0]], axis=-1).max() for j in (joints_a, joints_b))
    close = np.linalg.norm(joints_a - joints_b, axis=-1) < 0.2 * palm
    boxes = (np.concatenate([j.min(axis=0), j.max(axis=0)]) for j in (joints_a, joints_b))
    return bool(close.sum() >= 10 and box_iou(*boxes) > 0.2)
