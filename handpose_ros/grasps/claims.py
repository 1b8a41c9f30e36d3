"""What a classifier says about one hand."""

from dataclasses import dataclass

import numpy as np

from handpose_ros.grasps.taxonomy import UNKNOWN, GraspType


@dataclass(frozen=True, eq=False)
class Claim:
    """What a classifier says about one hand in one image, and what it wants to be told again in the next."""

    type: GraspType = UNKNOWN
    confidence: float = np.nan  # probability of the deepest level that `type` claims, 0..1; NaN: it cannot say
    closed: float = np.nan  # probability that something opposes something, 0..1; NaN: follows from `type`
    closed_now: float = np.nan  # the same by this image alone; NaN: as `closed`
    belief: np.ndarray | None = None  # the classifier's own memory
    scores: np.ndarray | None = None  # (9,) probability of each CoarseType
