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
    if same_hand(hand.joints_2d, other.joints_2d) or _part_of(hand, other) or _part_of(other, hand):
        return True
    same_side = (hand.right_score > 0.5) == (other.right_score > 0.5)
    return same_side and box_iou(box(hand), box(other)) > _SAME_PLACE


def distinct(indices: Sequence[int], observations: Sequence[Observation]) -> list[int]:
    """`indices` of `observations`, the surest of each hand only; of equally sure ones the first."""
    kept: list[int] = []
    for index in sorted(indices, key=lambda i: -observations[i].score):
        if not any(repeats(observations[index], observations[other]) for other in kept):
            kept.append(index)
    return sorted(kept)


def distance(expected: np.ndarray, right_average: float, observation: Observation) -> float:
    """How far the hand observed is from the joints `expected` (21, 2) [px], in hand sizes; a wrong side is far too.

    So is another distance from the camera, which the size in the image tells. `right_average` is the probability that
    the hand expected is a right one.
    """
    size = max(np.ptp(expected, axis=0).max(), 1e-9)
    away = np.linalg.norm(observation.joints_2d.mean(axis=0) - expected.mean(axis=0)) / size
    nearer = abs(np.log(_radius(observation.joints_2d) / _radius(expected)))
    return away + _OTHER_DISTANCE * nearer + _OTHER_SIDE * abs(right_average - observation.right_score)


def assign(distances: np.ndarray, reach: np.ndarray) -> dict[int, int]:
    """Row -> column of the pairs with the least sum of `distances` (N, M), none of them beyond `reach` (N, M).

    A pair out of reach is never worth more than one within it.
    """
    if not distances.size:
        return {}
    within = distances < reach
    rows, columns = linear_sum_assignment(np.where(within, distances, 1e3))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if within[row, column]}


def box(hand: Observation) -> np.ndarray:
    """(4,) low x, low y, high x, high y [px] around the joints."""
    return np.concatenate([hand.joints_2d.min(axis=0), hand.joints_2d.max(axis=0)])


def _radius(joints):
    """[px] root mean square distance of `joints` (21, 2) from their middle."""
    return max(float(np.sqrt(((joints - joints.mean(axis=0)) ** 2).sum(axis=-1).mean())), 1e-9)


def _part_of(hand, other):
    """Whether `hand` is much smaller than `other` and lies in its midst, as a finger does."""
    joints, around = hand.joints_2d, box(other)
    inside = ((joints > around[:2]) & (joints < around[2:])).all(axis=-1).mean()
    return inside > 0.7 and np.ptp(joints, axis=0).max() < 0.6 * (around[2:] - around[:2]).max()
