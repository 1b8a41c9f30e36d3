"""Depth images of made-up hands: flesh of known thickness around the bones, by ray casting."""

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import BONES, MCPS

# [m] half the thickness of a wrist, of knuckles and fingers
FLESH = np.array([0.019, 0.015, 0.013, 0.009, 0.006] + 4 * [0.014, 0.009, 0.0075, 0.006])
_PER_BONE = 12  # balls


def hand_depth(joints: np.ndarray, camera: Camera, background: float = np.inf) -> np.ndarray:
    """(H, W) float32 [m] along z of the hand `joints` (21, 3) [m] and a wall at z = `background`; NaN at infinity."""
    width, height = camera.size
    depth = np.full((height, width), background)
    rays = camera.unproject(np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1))
    share = np.linspace(0, 1, _PER_BONE)[:, None]
    for start, end in (*BONES, *zip(MCPS, MCPS[1:], strict=False)):
        centers = joints[start] + share * (joints[end] - joints[start])
        radii = FLESH[start] + share[:, 0] * (FLESH[end] - FLESH[start])
        for center, radius in zip(centers, radii, strict=True):
            _draw_ball(depth, rays, camera, center, radius)
    return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)


def _draw_ball(depth, rays, camera, center, radius):
    height, width = depth.shape
    pixel = camera.project(center)
    reach = 1.6 * radius * camera.K[0, 0] / np.linalg.norm(center) + 2
    left, top = np.maximum(np.floor(pixel - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(pixel + reach), [width - 1, height - 1]).astype(int)
    if right < left or bottom < top:
        return
    here = slice(top, bottom + 1), slice(left, right + 1)
    middle = rays[here] @ center
    inside = radius**2 - (center @ center - middle**2)
    z = np.where(inside > 0, (middle - np.sqrt(np.maximum(inside, 0))) * rays[here][..., 2], np.inf)
    np.fmin(depth[here], z, out=depth[here])
