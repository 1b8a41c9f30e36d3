"""Hands of one image of which nothing is known before: detected, observed, and observed again from where they are.

The palm network offers places, with a low threshold; whether a hand is there is for the landmark network to say, which
is asked twice: a hand is one from its own crop too, and its joints are better there. An image in which nothing is
found as a whole is searched again in tiles, in which small hands are larger.
"""

from collections.abc import Sequence

import numpy as np

from handpose_ros.backends import Backend
from handpose_ros.camera import Frame
from handpose_ros.crops.aiming import aim
from handpose_ros.crops.cropping import Crop, Region
from handpose_ros.crops.searching import Search
from handpose_ros.hand import Observation
from handpose_ros.tracking.association import Outline, distinct

_BOX_MARGIN = 1.3  # a box around a hand is this much smaller than the square that the landmark network expects
_TURNS = np.pi / 2 * np.arange(4)  # a box does not say where the fingers point


def find_hands(
    backend: Backend,
    frame: Frame,
    max_hands: int,
    min_score: float,
    search: Search,
    boxes: np.ndarray | None = None,
) -> list[Observation]:
    """At most `max_hands` hands of an image, the surest first; a score above `min_score` is a hand.

    Where another detector's `boxes` are given, as `checked_boxes` gives them, only these are looked at; else `search`
    says where, until something is found.
    """
    if boxes is not None:
        return confirmed(backend, frame, boxed_crops(backend, frame, boxes), min_score)[:max_hands]
    image = frame.image
    for squares in ([search.whole(image)], *(search.tiles(image, share) for share in search.tile_shares)):
        crops = [detection.crop for detection in backend.detect(frame, squares)()]
        if found := confirmed(backend, frame, crops, min_score)[:max_hands]:
            return found
    return []


def confirmed(backend: Backend, frame: Frame, crops: Sequence[Crop], min_score: float) -> list[Observation]:
    """The hands that `crops` show and that are still hands when looked at from where they are, the surest first."""
    first = [found for found in backend.observe(frame, crops, glance=True) if found.score > min_score]
    if not first:
        return []
    again = backend.observe(frame, backend.track(frame, first))
    sure = [index for index, found in enumerate(again) if found.score > min_score]
    hands = [again[index] for index in distinct(sure, again, [Outline.of(found) for found in again])]
    return sorted(hands, key=lambda found: -found.score)


def checked_boxes(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """(N, 4) low x, low y, high x, high y [px] of `boxes`, also of none. Raises ValueError for other numbers."""
    try:
        boxes = np.asarray(boxes, float)
    except (TypeError, ValueError) as error:  # of several lengths, or no numbers
        raise ValueError(f"boxes must be (N, 4): low x, low y, high x, high y [px] ({error})") from error
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes are {boxes.shape}, they must be (N, 4): low x, low y, high x, high y [px]")
    wrong = ~(np.isfinite(boxes).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1))
    if wrong.any():
        raise ValueError(f"a box is {boxes[wrong][0].tolist()}, it must be low x, low y, high x, high y [px]")
    return boxes


def boxed_crops(backend: Backend, frame: Frame, boxes: np.ndarray) -> list[Crop]:
    """Where to observe the hand in each of `boxes` (N, 4), those of `checked_boxes`: turned as it looks best."""
    crops = []
    for box in boxes:
        side = _BOX_MARGIN * (box[2:] - box[:2]).max()
        turned = [aim(Region((box[:2] + box[2:]) / 2, side, angle), frame.camera) for angle in _TURNS]
        scores = [found.score for found in backend.observe(frame, turned, glance=True)]
        crops.append(turned[int(np.argmax(scores))])
    return crops
