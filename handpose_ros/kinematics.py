"""A right hand by forward kinematics: joint angles in, joints out."""

import numpy as np
from scipy.spatial.transform import Rotation

# An average right hand in its wrist axes: x out of the palm, y to the thumb's side, z to the fingers [m].
THUMB_CMC, THUMB_BONES = np.array([0.005, 0.025, 0.03]), np.array([0.045, 0.035, 0.028])
KNUCKLES = np.array([[0.0, 0.028, 0.09], [0.0, 0.0, 0.092], [0.0, -0.017, 0.087], [0.0, -0.034, 0.08]])
FINGER_BONES = np.array([[0.045, 0.026, 0.02], [0.049, 0.03, 0.021], [0.045, 0.029, 0.021], [0.036, 0.021, 0.019]])

# Limits of a healthy hand's joint angles, in the order of `posed_hand`'s [rad].
LOW = np.radians([-5, 0, -10, -10] + [-20, -10, 0, -10] * 4)
HIGH = np.radians([60, 50, 50, 70] + [20, 90, 110, 80] * 4)


def random_hands(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 21, 3) joints [m] of right hands in wrist axes: angles uniform between LOW and HIGH."""
    angles = rng.uniform(LOW, HIGH, size=(count, 20))
    return np.array([posed_hand(each) for each in angles]).reshape(count, 21, 3)


def posed_hand(angles) -> np.ndarray:
    """(21, 3) joints [m] of a right hand in wrist axes whose joint angles are `angles` (20) [rad]."""
    angles = np.asarray(angles, dtype=float).reshape(5, 4)
    joints = np.zeros((21, 3))
    joints[1:5] = _thumb(*angles[0])
    for finger, (knuckle, bones) in enumerate(zip(KNUCKLES, FINGER_BONES, strict=True)):
        first = 5 + 4 * finger
        joints[first : first + 4] = _finger(knuckle, bones, *angles[finger + 1])
    return joints


def _finger(knuckle, bones, abduction, flexion, pip, dip):
    turn = _axes(knuckle, [1, 0, 0]) * Rotation.from_euler("Y", flexion) * Rotation.from_euler("X", -abduction)
    return _chain(knuckle, turn, bones, [pip, dip])


def _thumb(abduction, flexion, mcp, ip):
    metacarpal = Rotation.from_euler("XY", [-abduction, flexion]).apply([0, 0, 1])
    knuckle = THUMB_CMC + THUMB_BONES[0] * metacarpal
    turn = _axes(metacarpal, KNUCKLES[3] - knuckle) * Rotation.from_euler("Y", mcp)
    return [THUMB_CMC, *_chain(knuckle, turn, THUMB_BONES[1:], [ip])]


def _axes(along, palm_side):
    return Rotation.align_vectors([along, palm_side], [[0, 0, 1], [1, 0, 0]], weights=[np.inf, 1])[0]


def _chain(start, turn, bones, hinges):
    joints = [start]
    for bone, hinge in zip(bones, [*hinges, 0.0], strict=True):
        joints.append(joints[-1] + turn.apply([0, 0, bone]))
        turn = turn * Rotation.from_euler("Y", hinge)
    return joints
