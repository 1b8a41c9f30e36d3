"""Which observation of one image is which hand of the last one: by their way, their size and their side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from handpose_ros.compiled import compiled
from handpose_ros.crops.cropping import box_iou
from handpose_ros.hand import Observation

REACH = 1.0  # hand sizes that a hand may be away from where it was expected
_OTHER_SIDE = 0.5  # hand sizes that it must be nearer to be taken for a hand of the other side
_OTHER_DISTANCE = 0.5  # hand sizes that count as much as a hand e times as large or small, that is as near or far
_SAME_PLACE = 0.5  # intersection over union of the boxes of two hands of one side that are one
_LEAST = 1e-9  # [px] size of a hand whose joints all lie in one place: nothing is divided by zero
_NEVER = 1e3  # hand sizes: more than all of the others together


@compiled("Tuple((UniTuple(f8, 2), UniTuple(f8, 2), UniTuple(f8, 2), f8))(f8[:,:])")
def _outline(joints):
    """The fields of the `Outline` of `joints` (N, 2) [px]."""
    low, high, center, square = np.empty(2), np.empty(2), np.zeros(2), 0.0
    for i in range(2):
        low[i] = high[i] = joints[0, i]
        for joint in range(len(joints)):
            low[i], high[i] = min(low[i], joints[joint, i]), max(high[i], joints[joint, i])
            center[i] += joints[joint, i] / len(joints)
        for joint in range(len(joints)):
            square += (joints[joint, i] - center[i]) ** 2 / len(joints)
    radius = math.sqrt(square)
    return (low[0], low[1]), (high[0], high[1]), (center[0], center[1]), _LEAST if radius < _LEAST else radius


@dataclass(frozen=True)
class Outline:
    """Where the joints of a hand are in the image [px]. Plain numbers: for a few hands they are faster than arrays."""

    low: tuple[float, float]  # corner of the box around them
    high: tuple[float, float]
    center: tuple[float, float]  # mean
    radius: float  # root mean square distance from there

    @classmethod
    def of(cls, hand: Observation) -> "Outline":
        """The outline of `hand`."""
        return cls(*_outline(np.array(hand.joints_2d, dtype=float)))

    @property
    def size(self) -> float:
        """The longer side of the box."""
        return max(self.high[0] - self.low[0], self.high[1] - self.low[1])

    def moved(self, x: float, y: float) -> "Outline":
        """The same elsewhere."""
        (left, top), (right, bottom), (u, v) = self.low, self.high, self.center
        return Outline((left + x, top + y), (right + x, bottom + y), (u + x, v + y), self.radius)

    def touches(self, other: "Outline") -> bool:
        """Whether the boxes share an area; so they may, too, where one is not known."""
        (left, top), (right, bottom) = self.low, self.high
        (other_left, other_top), (other_right, other_bottom) = other.low, other.high
        aside = right <= other_left or other_right <= left
        return not (aside or bottom <= other_top or other_bottom <= top)

    def away(self, other: "Outline") -> float:
        """How far the other one is, in sizes of this one, and how much nearer or farther by its size."""
        nearer = abs(math.log(other.radius / self.radius))
        return math.dist(self.center, other.center) / max(self.size, _LEAST) + _OTHER_DISTANCE * nearer


def repeats(hand: Observation, other: Observation) -> bool:
    """Whether `hand` is the `other` hand found again, or one is a part of the other taken for a hand."""
    shared = box_iou(box(hand), box(other))
    if not shared:
        return False
    if same_hand(hand.joints_2d, other.joints_2d) or _part_of(hand, other) or _part_of(other, hand):
        return True
    return hand.right == other.right and shared > _SAME_PLACE


def distinct(indices: Sequence[int], observations: Sequence[Observation], outlines: Sequence[Outline]) -> list[int]:
    """`indices` of `observations`, the surest of each hand only; of equally sure ones the first."""
    kept: list[int] = []
    for index in sorted(indices, key=lambda i: -observations[i].score):
        near = [other for other in kept if outlines[index].touches(outlines[other])]
        if not any(repeats(observations[index], observations[other]) for other in near):
            kept.append(index)
    return sorted(kept)


def distances(
    expected: Sequence[Outline], right: Sequence[float], seen: Sequence[Outline], right_seen: Sequence[float]
) -> list[list[float]]:
    """[M][N] how far each of N hands `seen` is from each of M hands `expected`, in hand sizes.

    A wrong side is far too, and so is another distance from the camera, which the size in the image tells. `right` and
    `right_seen` are the probabilities that the hands are right ones.
    """
    return [
        [there.away(here) + _OTHER_SIDE * abs(p - q) for here, q in zip(seen, right_seen, strict=True)]
        for there, p in zip(expected, right, strict=True)
    ]


def assign(away: Sequence[Sequence[float]], reach: Sequence[Sequence[float]]) -> dict[int, int]:
    """Row -> column of the pairs with the least sum of `away` [M][N], none of them beyond `reach` [M][N].

    A pair out of reach is never worth more than one within it.
    """
    cost = [[a if a < r else _NEVER for a, r in zip(*both, strict=True)] for both in zip(away, reach, strict=True)]
    least = [min(costs, default=_NEVER) for costs in cost]
    nearest = {row: cost[row].index(a) for row, a in enumerate(least) if a < _NEVER}
    if len(set(nearest.values())) == len(nearest):  # no two are nearest to the same one: no sum is less
        return nearest
    rows, columns = linear_sum_assignment(cost)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: column for row, column in pairs if cost[row][column] < _NEVER}


def same_hand(joints_a: np.ndarray, joints_b: np.ndarray) -> bool:
    """Whether two sets of joints (21, 2) [px] are one hand found twice (the rule of MediaPipe's Tasks API)."""
    palm = max(np.linalg.norm(j[[0, 5, 17]] - j[[5, 17, 0]], axis=-1).max() for j in (joints_a, joints_b))
    close = np.linalg.norm(joints_a - joints_b, axis=-1) < 0.2 * palm
    boxes = (np.concatenate([j.min(axis=0), j.max(axis=0)]) for j in (joints_a, joints_b))
    return bool(close.sum() >= 10 and box_iou(*boxes) > 0.2)


def box(hand: Observation) -> np.ndarray:
    """(4,) low x, low y, high x, high y [px] around the joints."""
    return np.concatenate([hand.joints_2d.min(axis=0), hand.joints_2d.max(axis=0)])


def _part_of(hand, other):
    """Whether `hand` is much smaller than `other` and lies in its midst, as a finger does."""
    joints, around = hand.joints_2d, box(other)
    inside = ((joints > around[:2]) & (joints < around[2:])).all(axis=-1).mean()
    return inside > 0.7 and np.ptp(joints, axis=0).max() < 0.6 * (around[2:] - around[:2]).max()
