"""Which observation of one image is which hand of the last one: by their way, their size and their side."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from handpose_ros.cropping import box_iou, same_hand
from handpose_ros.hand import Observation

REACH = 1.0  # hand sizes that a hand may be away from where it was expected
_OTHER_SIDE = 0.5  # hand sizes that it must be nearer to be taken for a hand of the other side
_OTHER_DISTANCE = 0.5  # hand sizes that count as much as a hand e times as large or small, that is as near or far
_SAME_PLACE = 0.5  # intersection over union of the boxes of two hands of one side that are one


def repeats(hand: Observation, other: Observation) -> bool:
    """Whether `hand` is the `other` hand found again, or one is a part of the other taken for a hand."""
    shared = box_iou(box(hand), box(other))
    if not shared:
        return False
    if same_hand(hand.joints_2d, other.joints_2d) or _part_of(hand, other) or _part_of(other, hand):
        return True
    same_side = (hand.right_score > 0.5) == (other.right_score > 0.5)
    return same_side and shared > _SAME_PLACE


def distinct(indices: Sequence[int], observations: Sequence[Observation]) -> list[int]:
    """`indices` of `observations`, the surest of each hand only; of equally sure ones the first."""
    kept: list[int] = []
    for index in sorted(indices, key=lambda i: -observations[i].score):
        if not any(repeats(observations[index], observations[other]) for other in kept):
            kept.append(index)
    return sorted(kept)


def distances(expected: np.ndarray, right: np.ndarray, observations: Sequence[Observation]) -> np.ndarray:
    """(M, N) how far each of N hands observed is from each of M joints `expected` (M, 21, 2) [px], in hand sizes.

    A wrong side is far too, and so is another distance from the camera, which the size in the image tells. `right`
    (M,) are the probabilities that the hands expected are right ones.
    """
    joints = np.stack([hand.joints_2d for hand in observations])
    right_scores = np.array([hand.right_score for hand in observations])
    size = np.maximum((expected.max(axis=1) - expected.min(axis=1)).max(axis=1), 1e-9)
    (center, radius), (there, radius_there) = _disc(joints), _disc(expected)
    away = np.sqrt(((center - there[:, None]) ** 2).sum(axis=-1)) / size[:, None]
    nearer = np.abs(np.log(radius / radius_there[:, None]))
    return away + _OTHER_DISTANCE * nearer + _OTHER_SIDE * np.abs(right[:, None] - right_scores)


def assign(away: np.ndarray, reach: np.ndarray) -> dict[int, int]:
    """Row -> column of the pairs with the least sum of `away` (N, M), none of them beyond `reach` (N, M).

    A pair out of reach is never worth more than one within it.
    """
    if not away.size:
        return {}
    within = away < reach
    rows, columns = linear_sum_assignment(np.where(within, away, 1e3))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if within[row, column]}


def box(hand: Observation) -> np.ndarray:
    """(4,) low x, low y, high x, high y [px] around the joints."""
    return np.concatenate([hand.joints_2d.min(axis=0), hand.joints_2d.max(axis=0)])


def _disc(joints):
    """(M, 2) middles of `joints` (M, 21, 2) [px], and (M,) root mean square distances from there."""
    center = joints.sum(axis=1) / joints.shape[1]
    square = ((joints - center[:, None]) ** 2).sum(axis=(1, 2)) / joints.shape[1]
    return center, np.maximum(np.sqrt(square), 1e-9)


def _part_of(hand, other):
    """Whether `hand` is much smaller than `other` and lies in its midst, as a finger does."""
    joints, around = hand.joints_2d, box(other)
    inside = ((joints > around[:2]) & (joints < around[2:])).all(axis=-1).mean()
    return inside > 0.7 and np.ptp(joints, axis=0).max() < 0.6 * (around[2:] - around[:2]).max()
