"""The same images answered twice: by the live nodes and afterwards. How far apart are the hands, image by image?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handpose_ros.hand import DepthSource, HandPose, HandPoses
from handpose_ros.metrics import match_hands
from handpose_ros.recordings.summary import measured_hands


@dataclass(frozen=True)
class Difference:
    """Between the two answers to one image."""

    stamp: int  # [ns]
    live_hands: int
    offline_hands: int
    same_sides: bool  # of the hands in both
    # largest distance of any joint in both; NaN: none is known in both, or in one of them relative to the wrist
    joints_3d_mm: float
    joints_2d_px: float  # the same in the image
    relative: float  # largest difference of any joint over its distance from the camera, or from the wrist without one


@dataclass(frozen=True)
class Comparison:
    """Differences of the images that were answered both times, in order."""

    differences: tuple[Difference, ...]
    only_live: int  # images
    only_offline: int  # images: dropped live, as a node may that always takes the newest

    def figures(self) -> "ComparisonFigures":
        """The whole in numbers."""
        worst = [each.joints_3d_mm for each in self.differences if np.isfinite(each.joints_3d_mm)]
        return ComparisonFigures(
            images=len(self.differences),
            same_number_of_hands=sum(each.live_hands == each.offline_hands for each in self.differences),
            worst_joint_median_mm=float(np.median(worst)) if worst else np.nan,
            worst_joint_max_mm=max(worst, default=np.nan),
            only_live=self.only_live,
            only_offline=self.only_offline,
        )


@dataclass(frozen=True)
class ComparisonFigures:
    """What a comparison came to."""

    images: int  # that were answered both times
    same_number_of_hands: int  # of these images
    worst_joint_median_mm: float  # of each image's joint that differs most; NaN: none is known in both
    worst_joint_max_mm: float  # NaN as well
    only_live: int  # images
    only_offline: int  # images


def compare(live: Mapping[int, HandPoses], offline: Mapping[int, HandPoses]) -> Comparison:
    """The differences between two answers to the same images, by the images' stamps [ns]."""
    both = sorted(live.keys() & offline.keys())
    return Comparison(
        differences=tuple(_difference(stamp, live[stamp], offline[stamp]) for stamp in both),
        only_live=len(live.keys() - offline.keys()),
        only_offline=len(offline.keys() - live.keys()),
    )


def _difference(stamp, live, offline):
    a, b = measured_hands(live), measured_hands(offline)
    pairs = _pairs(a, b)
    alike = [(x, y) for x, y in pairs if (x.depth_source is DepthSource.NONE) is (y.depth_source is DepthSource.NONE)]
    return Difference(
        stamp=stamp,
        live_hands=len(a),
        offline_hands=len(b),
        same_sides=all(x.side == y.side for x, y in pairs),
        joints_3d_mm=1000 * _largest([x.joints_3d - y.joints_3d for x, y in alike]),
        joints_2d_px=_largest([x.joints_2d - y.joints_2d for x, y in pairs]),
        relative=_largest([_relative(x, y) for x, y in alike]),
    )


def _largest(vectors) -> float:
    """The length of the longest of arrays (..., 2 or 3) of vectors; NaN where none is known."""
    lengths = np.concatenate([np.linalg.norm(each, axis=-1) for each in vectors] or [np.zeros(0)])
    return float(np.fmax.reduce(lengths, initial=np.nan))


def _relative(x: HandPose, y: HandPose) -> np.ndarray:
    """(21, 3) the differences over the joints' distances; NaN of a wrist that has none."""
    far = np.linalg.norm(y.joints_3d, axis=-1, keepdims=True)
    return (x.joints_3d - y.joints_3d) / np.where(far > 0, far, np.nan)


def _pairs(a: list[HandPose], b: list[HandPose]) -> list[tuple[HandPose, HandPose]]:
    """Hands of both answers that lie on each other in the image."""
    if not a or not b:
        return []
    matched = match_hands(np.stack([hand.joints_2d for hand in a]), np.stack([hand.joints_2d for hand in b]))
    return [(a[i], b[j]) for j, i in enumerate(matched) if i >= 0]
