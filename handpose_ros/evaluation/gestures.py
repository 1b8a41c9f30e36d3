"""Posed hands that hold nothing, whatever their fingers do: each straight, bent or in between, the thumb anywhere.

A counting hand has the bent fingers of a grasp. Without these, whatever is not flat looks like one.
"""

import numpy as np

from handpose_ros.evaluation.grasp_templates import POINTING
from handpose_ros.features import finger_curl, palm_size, thumb_side_distances, tip_distances, tip_palm_distances
from handpose_ros.kinematics import HIGH, LOW, bend, random_people

FLAT = np.radians([0, 5, 8, 5])  # abduction and flexions of a straight finger
BENT = np.radians([0, 75, 95, 55])
VARIED = np.radians([6, 10, 10, 7])  # standard deviation of each
THUMB = np.radians([[-5, 0, -5, -5], [65, 60, 45, 60]])  # from across the palm to stretched out
FLAT_SHARE = 0.25  # of hands whose fingers are all straight
PARALLEL = np.radians([-12, 0, 8, 16])  # abduction of fingers side by side
SPLAYED = np.radians([8, 2, -4, -10])
APART = 0.45  # [palm sizes] 37 mm from the thumb tip to another tip or the index: more than 20 mm between the pads
IN_PALM = 0.65  # [palm sizes] 54 mm from a tip to the palm's centre: the finger is curled
STRAIGHT = 0.25  # curl at which a finger is


def posed_gestures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints (count, 21, 3) [m] of right hands in wrist axes, each of another person, and their leaves (count,): open,
    or pointing where only the index is straight. None is a fist, and none pinches."""
    rng, found = np.random.default_rng(seed), [np.zeros((0, 21, 3))]
    while sum(map(len, found)) < count:
        joints = bend(_angles(rng, 2 * count + 8), random_people(2 * count + 8, rng))
        found.append(joints[_holds_nothing(joints)])
    joints = np.concatenate(found)[:count]
    straight = finger_curl(joints)[:, 1:] < STRAIGHT
    return joints, np.where(straight[:, 0] & ~straight[:, 1:].any(axis=-1), POINTING, 0)


def _angles(rng, count):
    # Most fingers are either straight or bent, some are on their way.
    bent = rng.choice([0.0, 1.0], (count, 4, 1), p=[0.6, 0.4])
    bent[rng.random(count) < FLAT_SHARE] = 0.0
    bent = bent + 0.25 * rng.standard_normal((count, 4, 1))
    fingers = FLAT + np.clip(bent, 0, 1) * (BENT - FLAT) + VARIED * rng.standard_normal((count, 4, 4))
    fingers[..., 0] += PARALLEL + SPLAYED * rng.uniform(-0.5, 1.5, (count, 1))
    thumb = rng.uniform(*THUMB, (count, 1, 4))
    angles = np.concatenate([thumb, fingers], axis=1).reshape(count, 20)
    return np.clip(angles, LOW, HIGH)


def _holds_nothing(joints):
    """(n,) The thumb is apart from the index and from all tips that are not in the palm, where it may rest on them."""
    size = palm_size(joints)[:, None]
    away = tip_palm_distances(joints)[:, 1:] > IN_PALM * size
    apart = (tip_distances(joints) > APART * size) | ~away
    from_index = thumb_side_distances(joints)[:, 0] > APART * size[:, 0]
    return apart.all(axis=-1) & from_index & (finger_curl(joints)[:, 1:] < STRAIGHT).any(axis=-1)
