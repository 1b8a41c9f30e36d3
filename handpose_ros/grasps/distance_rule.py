"""The fingertip-distance rule: which grasp a hand shows, from distances between tips and palm alone.

Distances are over `features.palm_size`, so that the size of the hand does not matter.
Each test has a signed margin, positive where it holds. The tests of a type are joined by the smallest
margin, and the first type in the list whose margin is positive is the answer:

    lateral    thumb tip at the side of the curled index, nearer to it than to the middle finger
    power      the four fingertips near the palm: a fist, or around something thin
    pinch      thumb tip and index tip nearly touch; the name counts the other tips that do
    enclosing  the four fingertips within about 0.8 palm sizes of the thumb tip, all bent: around something larger
    point      middle, ring and little tips near the palm, the index not
    open       none of them

It cannot see an object. A pinch of more than about 20 mm, or a hand wide around a large one, reads as open.
"""

import numpy as np
from scipy.special import ndtr

from handpose_ros.features import (
    PALM_SIZE,
    is_human,
    palm_size,
    thumb_side_distances,
    tip_distances,
    tip_palm_distances,
)
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.taxonomy import (
    FOUR_FINGERS,
    INDEX,
    LITTLE,
    MIDDLE,
    OPEN,
    PALM,
    RING,
    THUMB,
    UNKNOWN,
    Category,
    CoarseType,
    GraspType,
    Opposition,
)

# Limits [palm sizes of about 83 mm] to enter a type; to leave it the distance must exceed them by HYSTERESIS.
NEAR_PALM = 0.8  # 66 mm; on photographs of gestures, tips of curled fingers measure 0.25-0.8, of straight ones 1-1.8
TOUCH = 0.36  # 30 mm between joint centres, 16 mm of them pads: something of up to 14 mm, up to 23 mm once held
AT_SIDE = 0.26  # 22 mm: pad of the thumb 8 mm, half an index 9 mm, and 5 mm of error
ENCLOSING = 0.82  # 68 mm to the farthest tip; the tips lie side by side, so that their mean is at about 50 mm
BENT = 1.15  # 95 mm to the palm: less than a straight finger, which an enclosing hand does not have
HYSTERESIS = 0.11  # 9 mm: more than the noise of a distance below
NOISE = np.sqrt(2) * 0.005 / PALM_SIZE  # standard deviation of a distance whose ends have errors of 5 mm

POWER = GraspType("power", Category.POWER, Opposition.PALM, PALM, FOUR_FINGERS)
LATERAL = GraspType(
    "lateral", Category.INTERMEDIATE, Opposition.SIDE, THUMB, INDEX, coarse_type=CoarseType.LATERAL, feix_id=16
)
# Around an object the tips do not say whether it lies in the palm too: the category is left open.
ENCLOSE = GraspType("enclosing", opposition=Opposition.PAD, vf1=THUMB, vf2=FOUR_FINGERS, thumb_abducted=True)
POINT = GraspType("point", coarse_type=CoarseType.NONPREHENSILE_FINGERS)


def _pinch(name, vf2, coarse_type=CoarseType.NONE, feix_id=0):
    return GraspType(name, Category.PRECISION, Opposition.PAD, THUMB, vf2, 0, True, coarse_type, feix_id)


PALMAR_PINCH = _pinch("palmar pinch", INDEX, CoarseType.PRECISION_PRISMATIC, 9)
TRIPOD = _pinch("tripod", INDEX | MIDDLE, CoarseType.PRECISION_CIRCULAR, 14)
# With more tips together, several types of the taxonomy have the same distances.
PINCHES = {
    pinch.vf2: pinch
    for pinch in (
        PALMAR_PINCH,
        TRIPOD,
        _pinch("three-finger pinch", INDEX | MIDDLE | RING),
        _pinch("four-finger pinch", FOUR_FINGERS),
    )
}

_FINGERS = (INDEX, MIDDLE, RING, LITTLE)
_NEAR_PALM = {POWER: FOUR_FINGERS, LATERAL: INDEX, POINT: MIDDLE | RING | LITTLE}  # fingers each type needs curled


class DistanceRule:
    """Classifies one hand by the distances of its fingertips."""

    name = "distance@1"

    def __call__(
        self, joints: np.ndarray, right: bool, previous: Claim, dt: float = 0.0, min_confidence: float = 0.5
    ) -> Claim:
        """The type of a hand `joints` (21, 3) [m] that was `previous` in the last image (dual thresholds).

        The confidence is that of the tightest test that led here: the probability that the true distance is
        on the same side of its limit, if joints have independent errors of 5 mm. 0.5 is a hand at a limit.
        It is a heuristic: it knows the noise, not how people grasp. `right`, `dt` and `min_confidence` are not needed.
        """
        last, size = previous.type, palm_size(joints)
        palm = tip_palm_distances(joints)[1:] / size
        near_palm = NEAR_PALM + _slack(_NEAR_PALM.get(last, 0)) - palm
        tips = tip_distances(joints) / size
        touch = TOUCH + _slack(last.vf2 if last in PINCHES.values() else 0) - tips
        enclosing = np.minimum(ENCLOSING - tips, BENT - palm).min() + HYSTERESIS * (last is ENCLOSE)
        index_side, middle_side = thumb_side_distances(joints)[:2] / size
        slack = HYSTERESIS * (last is LATERAL)
        at_side = np.min([AT_SIDE - index_side, middle_side - index_side, tips[0] - index_side]) + slack
        if not is_human(size) or not np.isfinite([*near_palm, *tips, at_side]).all():
            return Claim(UNKNOWN, np.nan)
        pinch, tightest = _which_pinch(touch)
        return _first(
            [
                (LATERAL, min(at_side, near_palm[0]), np.inf),
                (POWER, near_palm.min(), np.inf),
                (pinch, touch[0], tightest),
                (ENCLOSE, enclosing, np.inf),
                (POINT, min(near_palm[1:].min(), -near_palm[0]), np.inf),
                (OPEN, np.inf, np.inf),
            ]
        )


def _slack(fingers: int) -> np.ndarray:
    """(4,) what index to little finger get on top of a limit when they have been within it."""
    return HYSTERESIS * np.array([bool(fingers & finger) for finger in _FINGERS])


def _which_pinch(touch):
    """The pinch of the fingers, counted from the index without a gap, that touch; the margin of that count."""
    count = 1
    while count < 4 and touch[count] > 0:
        count += 1
    margins = [*touch[1:count], *-touch[count : count + 1]]
    return PINCHES[sum(_FINGERS[:count])], min(margins)


def _first(candidates):
    """The first type whose margin is positive: as sure as its margins and those that ruled out what is before it."""
    tightest = np.inf
    for type, margin, further in candidates:
        if margin > 0:
            return Claim(type, float(ndtr(min(tightest, margin, further) / NOISE)))
        tightest = min(tightest, -margin)
    raise AssertionError("the last candidate always holds")
