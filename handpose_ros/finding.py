"""Hands of one image of which nothing is known before: detected, observed, and observed again from where they are.

The palm network offers places, with a low threshold; whether a hand is there is for the landmark network to say, which
is asked twice: a hand is one from its own crop too, and its joints are better there. An image in which nothing is
found as a whole is searched again in tiles, in which small hands are larger.
"""

from collections.abc import Sequence

import numpy as np

from handpose_ros.backends import Backend
from handpose_ros.camera import Frame
from handpose_ros.cropping import Crop, Region, aim, box_iou, same_hand, tiles, whole
from handpose_ros.hand import Observation

TILE_SHARES = (0.6, 0.4)  # of the image's longer side, one after the other until a hand is found
_BOX_MARGIN = 1.3  # a box around a hand is this much smaller than the square that the landmark network expects
_SAME_PLACE = 0.5  # intersection over union of the boxes of two hands of one side that are one
_TURNS = np.pi / 2 * np.arange(4)  # a box does not say where the fingers point


def find_hands(
    backend: Backend, frame: Frame, max_hands: int, min_score: float, tile_shares: Sequence[float] = TILE_SHARES
) -> list[Observation]:
    """At most `max_hands` hands of an image, the surest first; a score above `min_score` is a hand."""
    searches = [[whole(frame.image)], *(tiles(frame.size, share) for share in tile_shares)]
    for squares in searches:
        crops = [detection.crop for detection in backend.detect(frame, squares)]
        if found := confirmed(backend, frame, crops, min_score)[:max_hands]:
            return found
    return []


def confirmed(backend: Backend, frame: Frame, crops: Sequence[Crop], min_score: float) -> list[Observation]:
    """The different hands that `crops` show and that are still hands when looked at from where they are, surest first."""
    first = [found for found in backend.observe(frame, crops) if found.score > min_score]
    again = backend.observe(frame, [backend.track(frame, found) for found in first])
    hands: list[Observation] = []
    for hand in sorted(again, key=lambda found: -found.score):
        if hand.score > min_score and not any(repeats(hand, other) for other in hands):
            hands.append(hand)
    return hands


def repeats(hand: Observation, other: Observation) -> bool:
    """Whether `hand` is the `other` hand found again, or a part of it taken for a hand."""
    if same_hand(hand.joints_2d, other.joints_2d) or _part_of(hand, other) or _part_of(other, hand):
        return True
    same_side = (hand.right_score > 0.5) == (other.right_score > 0.5)
    return same_side and box_iou(_box(hand), _box(other)) > _SAME_PLACE


def boxed_crops(backend: Backend, frame: Frame, boxes: Sequence[np.ndarray]) -> list[Crop]:
    """Where to observe the hand in each of `boxes` (4,) low x, low y, high x, high y [px]: turned as it looks best."""
    crops = []
    for box in np.asarray(boxes, float).reshape(-1, 4):
        side = _BOX_MARGIN * (box[2:] - box[:2]).max()
        turned = [aim(Region((box[:2] + box[2:]) / 2, side, angle), frame.camera) for angle in _TURNS]
        scores = [found.score for found in backend.observe(frame, turned)]
        crops.append(turned[int(np.argmax(scores))])
    return crops


def _part_of(hand, other):
    """Whether `hand` is much smaller than `other` and lies in its midst, as a finger does."""
    joints, box = hand.joints_2d, _box(other)
    inside = ((joints > box[:2]) & (joints < box[2:])).all(axis=-1).mean()
    return inside > 0.7 and np.ptp(joints, axis=0).max() < 0.6 * (box[2:] - box[:2]).max()


def _box(hand):
    return np.concatenate([hand.joints_2d.min(axis=0), hand.joints_2d.max(axis=0)])
