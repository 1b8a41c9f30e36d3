"""The background: a desk mat on a wooden table, as a camera that looks down at it sees them."""

import cv2
import numpy as np

from handpose_ros.camera import Camera
from tools.shading import noise

UP = np.array([0.0, -0.574, -0.819])  # of the table, in the camera's frame: it looks down by 55 degrees
DISTANCE = 0.66  # [m] from the camera to the table
MAT = np.array([0.135, 0.205, 0.235])  # linear RGB
STITCH = np.array([0.36, 0.44, 0.46])
WOOD = np.array([[0.20, 0.125, 0.075], [0.115, 0.066, 0.038]])  # light and dark grain
_BLUR = 1.1  # [px] the table is a little out of focus
_EDGE = 0.14  # [m] from the centre of the image to the far edge of the mat


def tabletop(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) linear RGB albedo of the table and (H, W, 3) [m] its points in the camera's frame."""
    width, height = camera.size
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = camera.unproject(np.stack([u, v], axis=-1))
    points = rays * (-DISTANCE / (rays @ UP))[..., None]
    along = np.cross([1.0, 0, 0], UP)  # the direction on the table that goes away from the camera
    along *= -np.sign(along[1])
    centre = np.array([0, 0, -DISTANCE / UP[2]])
    x, y = points[..., 0], (points - centre) @ along
    flat = np.stack([x, y, np.zeros_like(x)], axis=-1)
    inside = np.minimum(_EDGE - y, 0.46 - np.abs(x + 0.02))  # [m] from the mat's edge
    weave = 0.035 * noise(flat, 0.0016) + 0.03 * noise(flat, 0.012) + 0.03 * noise(flat + 3, 0.09)
    mat = MAT * (1 + weave[..., None])
    seam = np.exp(-(((inside - 0.012) / 0.0016) ** 2)) * (np.sin(2 * np.pi * (x + y) / 0.011) > -0.3)
    mat = mat + seam[..., None] * (STITCH - mat) * 0.7
    on_mat = np.clip(inside / 0.0015, 0, 1)[..., None]
    rim = 1 - 0.45 * np.exp(-np.maximum(-inside, 0) / 0.006)[..., None]  # the mat's contact shadow on the wood
    albedo = on_mat * mat + (1 - on_mat) * _wood(flat) * rim
    return cv2.GaussianBlur(albedo, (0, 0), _BLUR), points


def _wood(flat):
    """(H, W, 3) albedo: grain stretched along the table's x axis, in planks 12 cm wide."""
    plank = np.floor(flat[..., 1] / 0.12)
    stretched = flat * [0.06, 1, 1] + plank[..., None] * [0.37, 0.11, 0.53]
    rings = 0.5 + 0.5 * np.sin(noise(stretched, 0.05) * 3 + 90 * stretched[..., 1] * 2)
    grain = np.clip(0.32 * rings + 0.14 * noise(stretched, 0.002) + 0.12 * noise(stretched, 0.012) + 0.2, 0, 1)
    gap = np.exp(-((((flat[..., 1] / 0.12) % 1 - 0.5) ** 2 - 0.25) ** 2) / 1e-5)
    return (WOOD[0] + grain[..., None] * (WOOD[1] - WOOD[0])) * (1 - 0.5 * gap[..., None])
