"""What the WildHands network is shown: the whole frame at 224 px, and the hands cut out of that small frame.

The arithmetic, truncations included, is that of the network's training. Coordinates are taken as they are, without
half a pixel's shift; the small frame is the smallest square about the middle of the image.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from handpose_ros.backends.wildhands_network import SIZE

BOX_SCALE = 1.75  # side of a crop over the longer side of the box of the hand's keypoints
_MEAN = np.float32([0.485, 0.456, 0.406])
_STD = np.float32([0.229, 0.224, 0.225])
_BLUR = (5, 8.0)  # size [px] and sigma [px] of the Gaussian before the frame shrinks: nearly a box


@dataclass(frozen=True, eq=False)
class SmallFrame:
    """The frame as the network sees it."""

    image: np.ndarray  # (224, 224, 3) float32 RGB, 0..1
    K: np.ndarray  # (3, 3) float32 [px] of this image
    size: tuple[int, int]  # (width, height) [px] of the image it was made from


@dataclass(frozen=True, eq=False)
class HandCrop:
    """One hand as the network sees it."""

    image: np.ndarray  # (224, 224, 3) float32 RGB, 0..1
    box: np.ndarray  # (4,) int16 [px] x0 y0 x1 y1 in the small frame
    angles: np.ndarray  # (10,) float32 [rad] of the box, see `box_angles`


def small_frame(image: np.ndarray, K: np.ndarray) -> SmallFrame:
    """The whole of `image` (H, W, 3) uint8 RGB, taken without distortion by a camera with `K` (3, 3) [px]."""
    height, width = image.shape[:2]
    longer = max(width, height)
    kernel, sigma = _BLUR
    blurred = cv2.GaussianBlur(image, (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101)
    side = int(longer / 200 * 200)  # as in training: one less than `longer` for some sizes, by rounding
    small = _square(blurred, (width / 2, height / 2), side).astype(np.float32) / 255
    scale = SIZE / longer
    K_small = np.array(K, dtype=float)
    K_small[:2] *= scale
    K_small[:2, 2] -= scale * (np.array([width, height]) - longer) / 2
    return SmallFrame(small, K_small.astype(np.float32), (width, height))


def hand_crop(frame: SmallFrame, box: np.ndarray, scale: float = BOX_SCALE) -> HandCrop | None:
    """The hand in `box` (4,) x0 y0 x1 y1 [px] of the image; None where it has no extent in the image."""
    box = np.asarray(box, dtype=np.float32)
    low_x, low_y, high_x, high_y = _to_small(box, frame.size)
    # As in training, by way of width and height in float32, which can lose a pixel.
    x0, y0, x1, y1 = int(low_x), int(low_y), int(low_x + (high_x - low_x)), int(low_y + (high_y - low_y))
    if min(x1 - x0, y1 - y0) < 1 or (box[2:] < 0).any() or (box[:2] >= frame.size).any():
        return None
    center, side = ((x0 + x1) // 2, (y0 + y1) // 2), max(x1 - x0, y1 - y0) * scale
    image = np.clip(_square(frame.image, center, side), 0, 1)
    half = side // 2
    corners = [center[0] - half, center[1] - half, center[0] + half, center[1] + half]
    recorded = np.clip(corners, 0, SIZE - 1).astype(np.int16)
    return HandCrop(image, recorded, box_angles(recorded, frame.K))


def box_angles(box: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(10,) float32 [rad] angles of x and y from the optical axis: the middle of `box`, then its corners, x0 first."""
    x0, y0, x1, y1 = (np.float32(c) for c in box)
    points = np.array([((x0 + x1) / 2, (y0 + y1) / 2), (x0, y0), (x0, y1), (x1, y0), (x1, y1)], dtype=np.float32)
    return np.arctan2(points - K[:2, 2], np.diag(K)[:2]).astype(np.float32).ravel()


def normalised(images: np.ndarray) -> np.ndarray:
    """(..., 3, 224, 224) float32, the network's input, of `images` (..., 224, 224, 3) 0..1."""
    return np.moveaxis((images - _MEAN) / _STD, -1, -3)


def _square(image, center, side):
    """The upright square of `image` about `center` with the given side [px], at 224 px, black outside."""
    scale = SIZE / side
    offset = SIZE / 2 - scale * np.asarray(center, dtype=float)
    matrix = np.float32([[scale, 0, offset[0]], [0, scale, offset[1]]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)


def _to_small(box, size):
    """The corners of `box` (4,) float32 [px] of an image of `size` in its small frame, float32, within 0 .. 223."""
    longer = max(size)
    middle = np.array([*size, *size]) / 2
    pixels = np.trunc(SIZE / longer * box.astype(float) + SIZE * (-middle / longer + 0.5)) + 1
    unit = (2 * pixels / SIZE - 1).astype(np.float32)
    return np.clip((unit + np.float32(1)) / np.float32(2) * np.float32(SIZE), 0, SIZE - 1).astype(np.float32)
