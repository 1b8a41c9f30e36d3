"""Turns the palm network's output into palms, and palms into regions to observe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handpose_ros.crops.aiming import upright_angle
from handpose_ros.crops.cropping import Region, box_iou, roll

SIZE = 192  # [px] side of the network's input
WRIST, MIDDLE_MCP = 0, 2  # of the seven keypoints
SAME_PALM = 0.3  # overlap of two boxes that are one palm


@dataclass(frozen=True, eq=False)
class Palm:
    """A palm in an image."""

    box: np.ndarray  # (4,) x, y of the top left corner, width, height [px]
    keypoints: np.ndarray  # (7, 2) [px]
    score: float  # 0..1


def decode(raw: np.ndarray, logits: np.ndarray, region: Region, threshold: float, count: int) -> list[Palm]:
    """The `count` best palms, the best first.

    raw (2016, 18), logits (2016,): the network's output for the square sampled from `region`.
    threshold: least score of a palm.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -100, 100).astype(float)))
    kept = np.flatnonzero(scores >= threshold)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    points = raw[kept].reshape(-1, 9, 2).astype(float)  # centre, size, keypoints
    points[:, np.arange(9) != 1] += ANCHORS[kept, None]
    return [_palm(corners, score, region) for corners, score in _merge(points, scores[kept], count)]


def merge(palms: Sequence[Palm], count: int) -> list[Palm]:
    """The `count` best of `palms` found in several squares of one image; those that overlap are averaged into one."""
    if not palms:
        return []
    palms = sorted(palms, key=lambda palm: -palm.score)
    points = np.stack([[p.box[:2] + p.box[2:] / 2, p.box[2:], *p.keypoints] for p in palms])
    merged = _merge(points, np.array([palm.score for palm in palms]), count)
    return [Palm(np.concatenate([p[0] - p[1] / 2, p[1]]), p[2:], score) for p, score in merged]


def observed_region(palm: Palm) -> Region:
    """The square, upright for the hand, in which the landmark network expects the whole hand."""
    angle = upright_angle(*(palm.keypoints[MIDDLE_MCP] - palm.keypoints[WRIST]))
    width, height = palm.box[2:]
    towards_fingers = roll(angle)[:2, 1] * (-0.5 * height)
    return Region(palm.box[:2] + palm.box[2:] / 2 + towards_fingers, 2.6 * max(width, height), angle)


def _anchors() -> np.ndarray:
    """(2016, 2) [px] cell centres: two for each of 24 x 24 cells, six (three layers) for each of 12 x 12."""
    grids = []
    for cells, repeats in ((24, 2), (12, 6)):
        y, x = (np.mgrid[:cells, :cells] + 0.5) * (SIZE / cells)
        grids.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), repeats, axis=0))
    return np.concatenate(grids)


ANCHORS = _anchors()


def _merge(points: np.ndarray, scores: np.ndarray, count: int):
    """Averages what overlaps the best, weighted by score; then what overlaps the best of the rest, and so on."""
    while len(points) and count > 0:
        corners = np.concatenate([points[:, 0] - points[:, 1] / 2, points[:, 0] + points[:, 1] / 2], axis=-1)
        same = box_iou(corners[0], corners) > SAME_PALM
        same[0] = True  # a box without area would otherwise stay the best forever
        yield np.average(points[same], axis=0, weights=scores[same]), float(scores[0])
        points, scores, count = points[~same], scores[~same], count - 1


def _palm(points: np.ndarray, score: float, region: Region) -> Palm:
    low = region.to_image(points[0] - points[1] / 2, SIZE)
    size = points[1] * (region.size / SIZE)
    return Palm(np.concatenate([low, size]), region.to_image(points[2:], SIZE), score)
