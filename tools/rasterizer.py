"""Triangles to pixels: which triangle every pixel sees, and where in it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fragments:
    """The pixels of an image that see a triangle, N of them."""

    rows: np.ndarray  # (N,) int
    columns: np.ndarray  # (N,) int
    triangles: np.ndarray  # (N,) int, index of the triangle seen
    weights: np.ndarray  # (N, 3) of its corners; sum to 1, correct in perspective
    depths: np.ndarray  # (N,) of the corners' own unit

    def interpolate(self, values: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """(N, C) values at the fragments, of `values` (V, C) at the vertices of triangles `corners` (F, 3)."""
        return np.einsum("nc,ncd->nd", self.weights, values[corners[self.triangles]])


def rasterize(points: np.ndarray, triangles: np.ndarray, size: tuple[int, int]) -> Fragments:
    """The nearest triangle at every pixel of an image of `size` (width, height).

    points     (V, 3): u, v [px], pixel centres at integers, and depth > 0
    triangles  (F, 3): corners that turn clockwise on the image face the camera; the others are not drawn
    """
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    area = _cross(b - a, c - a)
    low = np.clip(np.ceil(np.minimum(np.minimum(a, b), c)), 0, size).astype(int)
    high = np.clip(np.floor(np.maximum(np.maximum(a, b), c)) + 1, 0, size).astype(int)
    spans = np.where(area[:, None] > 0, np.maximum(high - low, 0), 0)
    counts = spans.prod(axis=1)
    index = np.repeat(np.arange(len(triangles)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(within, spans[index, 0])
    pixel = low[index] + np.stack([column, row], axis=1)
    a, b, c = a[index], b[index], c[index]
    weights = np.stack(
        [_cross(b - pixel, c - pixel), _cross(c - pixel, a - pixel), _cross(a - pixel, b - pixel)], axis=1
    )
    inside = (weights >= 0).all(axis=1)
    index, pixel = index[inside], pixel[inside]
    # 1 / depth is linear on the image.
    inverse = weights[inside] / area[index, None] / points[triangles[index], 2]
    nearness = inverse.sum(axis=1)
    order = np.argsort(nearness, kind="stable")
    seen = np.full(size[0] * size[1], -1)
    seen[pixel[order, 1] * size[0] + pixel[order, 0]] = order  # of several the last, the nearest, stays
    seen = seen[seen >= 0]
    return Fragments(
        rows=pixel[seen, 1],
        columns=pixel[seen, 0],
        triangles=index[seen],
        weights=inverse[seen] / nearness[seen, None],
        depths=1 / nearness[seen],
    )


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
