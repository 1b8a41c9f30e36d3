"""Light, skin, cloth and the table: colours of what a camera sees, in linear RGB."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from tools.rasterizer import rasterize

KEY = np.array([1.0, 0.95, 0.88]) * 1.62  # the lamp, from the upper left behind the camera
SKY = np.array([0.80, 0.90, 1.0]) * 0.42  # from above the table
BOUNCE = np.array([0.75, 0.72, 0.70]) * 0.26  # from the table
TO_KEY = np.array([-0.48, -0.62, -0.62]) / np.linalg.norm([-0.48, -0.62, -0.62])
SKIN_WRAP = np.array([0.42, 0.20, 0.14])  # light that goes through skin comes out red
CLOTH_WRAP = np.array([0.15, 0.15, 0.15])
_NOISE = np.random.default_rng(7).standard_normal((32, 32, 32)).astype(np.float32)
_SHADOW_SPAN = 1.3  # [m] edge of the shadow map
_SHADOW_SIZE = 900  # [px]
_SHADOW_BIAS = 0.005  # [m]


def noise(points: np.ndarray, wavelength: float) -> np.ndarray:
    """(...) smooth noise of unit deviation, roughly, at `points` (..., 3) [m]."""
    flat = points.reshape(-1, 3).T / wavelength % 32
    return map_coordinates(_NOISE, flat, order=1, mode="grid-wrap").reshape(points.shape[:-1]) * 1.5


@dataclass(frozen=True)
class Shadows:
    """What the lamp sees."""

    nearest: np.ndarray  # (S, S) [m] distance along the light of the first surface, infinite where there is none
    soft: np.ndarray  # (S, S) 0..1 how much of the lamp the hands hide from the table

    @classmethod
    def cast(cls, vertices: np.ndarray, triangles: np.ndarray) -> "Shadows":
        """The shadows of triangles (F, 3) with `vertices` (V, 3) [m]."""
        size = (_SHADOW_SIZE, _SHADOW_SIZE)
        seen = rasterize(_lamp_view(vertices), triangles, size)
        nearest = np.full(size, np.inf, np.float32)
        nearest[seen.rows, seen.columns] = seen.depths
        soft = np.zeros(size, np.float32)
        soft[seen.rows, seen.columns] = 1
        return cls(nearest, 0.6 * cv2.GaussianBlur(soft, (0, 0), 10) + 0.4 * cv2.GaussianBlur(soft, (0, 0), 26))

    def at(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(N,) 0 in the light .. 1 in the shadow at surface `points` (N, 3) [m]."""
        spot = _lamp_view(points + 0.002 * normals)
        hidden = np.zeros(len(points), np.float32)
        taps = [(0, 0)] + [
            (r * np.cos(t), r * np.sin(t)) for r, n in ((2.5, 6), (5.5, 10)) for t in 2 * np.pi * np.arange(n) / n
        ]
        for du, dv in taps:
            u, v = (spot[:, 0] + du).astype(np.float32), (spot[:, 1] + dv).astype(np.float32)
            u, v = (np.clip(np.rint(x), 0, _SHADOW_SIZE - 1).astype(int) for x in (u, v))
            hidden += self.nearest[v, u] < spot[:, 2] - _SHADOW_BIAS
        return hidden / len(taps)

    def on_table(self, points: np.ndarray) -> np.ndarray:
        """(H, W) 0 in the light .. 1 in the shadow at table `points` (H, W, 3) [m]."""
        spot = _lamp_view(points.reshape(-1, 3)).astype(np.float32).reshape(points.shape)
        return cv2.remap(self.soft, spot[..., 0], spot[..., 1], cv2.INTER_LINEAR)


def shade(albedo, normals, to_eye, shadow, skin, gloss):
    """(N, 3) colours of surfaces of `albedo` (N, 3); `skin` (N,) is 1 for skin and 0 for cloth."""
    wrap = skin[:, None] * SKIN_WRAP + (1 - skin[:, None]) * CLOTH_WRAP
    facing = (normals @ TO_KEY)[:, None]
    lit = np.clip((facing + wrap) / (1 + wrap), 0, 1) * (1 - shadow[:, None] * (1 - 0.5 * wrap))
    up = 0.5 - 0.5 * normals @ np.array([0.0, 0.55, 0.835])
    light = KEY * lit + up[:, None] * SKY + (1 - up[:, None]) * BOUNCE
    half = TO_KEY + to_eye
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip((normals * half).sum(axis=1), 0, 1)
    grazing = 1 - np.clip((normals * to_eye).sum(axis=1), 0, 1)
    highlight = (1 - shadow) * gloss * (shine**28 + 0.5 * shine**7) + gloss * 0.35 * grazing**4
    return albedo * light + highlight[:, None]


def table_light(shadow: np.ndarray) -> np.ndarray:
    """(H, W, 3) light on the table, given its `shadow` (H, W)."""
    return KEY * (0.80 * (1 - 0.85 * shadow[..., None])) + SKY * (1 - 0.35 * shadow[..., None])


def tone(colors: np.ndarray) -> np.ndarray:
    """uint8 sRGB of linear `colors`: Narkowicz's fit of the ACES film curve."""
    x = np.maximum(colors, 0) * 0.64
    mapped = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return (255 * np.clip(mapped, 0, 1) ** (1 / 2.2) + 0.5).astype(np.uint8)


def _lamp_view(points):
    """(..., 3) u, v [px] of the shadow map and distance [m] along the light."""
    z = -TO_KEY
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    local = (points - np.array([0.0, 0.05, 0.55])) @ np.stack([x, np.cross(z, x), z], axis=1)
    scale = _SHADOW_SIZE / _SHADOW_SPAN
    return local * [scale, scale, 1] + [_SHADOW_SIZE / 2, _SHADOW_SIZE / 2, 10.0]  # so far away that rays are parallel
