"""What is around a hand in a picture, what is in it, and what a camera makes of it all."""

import cv2
import numpy as np


def backdrop(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3) float linear RGB: a gradient, noise of several sizes, and things out of focus."""
    corners = (rng.uniform(0.02, 0.6) * (1 + rng.normal(0, 0.25, (2, 2, 3)))).astype(np.float32)
    image = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    for _ in range(rng.integers(0, 14)):
        _draw_thing(image, rng)
    for cells in (4, 12, 48):
        grain = rng.normal(0, 1, (cells, cells, 1 if rng.uniform() < 0.5 else 3)).astype(np.float32)
        grain = cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC).reshape(size, size, -1)
        image *= 1 + rng.uniform(0, 0.18) * grain
    blur = rng.uniform(0, 5)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.4 + blur), 0.005, 1.5)


def _draw_thing(image, rng):
    size = len(image)
    color = (rng.uniform(0.02, 0.9) * (1 + rng.normal(0, 0.3, 3))).tolist()
    place, reach = rng.uniform(0, size, 2), rng.uniform(0.03, 0.4) * size
    if rng.uniform() < 0.6:
        box = cv2.boxPoints((tuple(place), (reach, reach * rng.uniform(0.1, 1.5)), rng.uniform(0, 180)))
        cv2.fillConvexPoly(image, np.int32(box), color)
    else:
        axes = (int(reach / 2) + 1, int(reach * rng.uniform(0.2, 0.8)) + 1)
        cv2.ellipse(image, tuple(np.int32(place).tolist()), axes, rng.uniform(0, 180), 0, 360, color, -1)


def solid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) [m] and (F, 3) of something that a hand may hold: a bar, a ball, a bottle, corners clockwise."""
    around, along = 20, 9
    radius, half = rng.uniform(0.006, 0.035), rng.uniform(0.03, 0.09)
    power = rng.choice([0.0, 0.5, 0.15])  # a cylinder, a ball, a rounded one
    t = np.linspace(-1, 1, along)
    profile = np.maximum(1 - t**2, 0) ** power * radius
    profile[[0, -1]] = 0
    half = radius if power == 0.5 else half
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points = np.concatenate(
        [profile[:, None, None] * ring, np.broadcast_to(half * t[:, None, None], (along, around, 1))], axis=2
    ).reshape(-1, 3)[:, rng.permutation(3)]
    row, column = np.meshgrid(np.arange(along - 1), np.arange(around), indexing="ij")
    a, b = row * around + column, row * around + (column + 1) % around
    triangles = np.stack([a, a + around, b, b, a + around, b + around], axis=-1).reshape(-1, 3)
    first, second, third = (points[triangles[:, k]] for k in range(3))
    outwards = (np.cross(second - first, third - first) * (first + second + third)).sum() > 0
    return points, triangles[:, ::-1] if outwards else triangles


def degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`image` (H, W, 3) uint8 as a camera would have it: shadows, blur, motion, noise, few pixels, JPEG."""
    if rng.uniform() < 0.3:
        image = _shadowed(image, rng)
    if rng.uniform() < 0.25:
        image = cv2.filter2D(image, -1, _streak(rng.uniform(2, 11), rng.uniform(0, np.pi)))
    if rng.uniform() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.0))
    if rng.uniform() < 0.35:
        small = cv2.resize(image, None, fx=(scale := rng.uniform(0.25, 0.8)), fy=scale, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.uniform() < 0.5:
        noise = rng.normal(0, rng.uniform(1, 12), image.shape[:2] + (1 if rng.uniform() < 0.5 else 3,))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.uniform() < 0.08:
        image = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    if rng.uniform() < 0.5:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(20, 90))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


def _shadowed(image, rng):
    mask = np.ones(image.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.int32(rng.uniform(-0.3, 1.3, (3, 2)) * len(image)), float(rng.uniform(0.3, 0.75)))
    return (image * cv2.GaussianBlur(mask, (0, 0), rng.uniform(1, 12))[..., None]).astype(np.uint8)


def _streak(length, angle):
    """A kernel that smears by `length` [px]."""
    reach = int(length / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for along in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        column, row = np.rint(reach + along * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        kernel[row, column] += 1
    return kernel / kernel.sum()
