"""Numbers that describe a hand's pose: joint angles, curl, openness, pinch, grab.

Joints are (..., 21, 3) in metres, in any frame; results are (...) or (..., n). Results that use a
NaN joint are NaN. Nothing depends on where the hand is or how it is turned; a mirrored hand
with the other side has the same features; angles and 0..1 figures do not depend on the hand's size.
"""

import numpy as np

from handpose_ros.geometry import cross, wrist_rotation
from handpose_ros.hand import FINGERS, MCPS, PARENTS, TIPS, WRIST, Side

ANGLE_NAMES = ("thumb_cmc_abduction", "thumb_cmc_flexion", "thumb_mcp_flexion", "thumb_ip_flexion") + tuple(
    f"{finger}_{angle}"
    for finger in FINGERS[1:]
    for angle in ("mcp_abduction", "mcp_flexion", "pip_flexion", "dip_flexion")
)
PALM_SIZE = 0.083  # [m] `palm_size` of an average adult; only turns ratios into metres
_PALM_SIZES = (0.04, 0.15)  # [m] of a small child, and beyond a large man
PAD_THICKNESS = 0.008  # [m] from a fingertip's joint centre to the skin of its pad: half of an average fingertip
PALM_THICKNESS = 0.014  # [m] from the plane of the metacarpals to the skin of the palm: half of an average palm

# Sum of the angles between a digit's bones when it is straight (splay and noise) and when it is fully curled.
# The American Society for Surgery of the Hand calls 260 degrees a finger's normal total active motion (MCP 85,
# PIP 110, DIP 65); a thumb's MCP and IP reach 55 and 80 (American Academy of Orthopaedic Surgeons).
_STRAIGHT = np.radians(20.0)
_CURLED = np.radians([135.0, 260.0, 260.0, 260.0, 260.0])
_PINCH_TOUCH = 2 * PAD_THICKNESS / PALM_SIZE  # [palm sizes] thumb tip to index tip, the pads in contact
_PINCH_OPEN = 0.75  # [palm sizes] 62 mm: as far apart as in a hand at rest

_MCPS, _TIPS, _PALM = np.array(MCPS), np.array(TIPS), np.array([WRIST, *MCPS])
_ACROSS_PALM = np.array([*MCPS, MCPS[0]]), np.array([*4 * (WRIST,), MCPS[-1]])  # ends of four metacarpals and its width
_PIPS, _DIPS = _MCPS + 1, _MCPS + 2
_BENDING = np.array([joint for joint in range(2, 21) if joint not in TIPS])  # MCP and IP; MCP, PIP and DIP
_BEFORE, _AFTER = np.array(PARENTS)[_BENDING], _BENDING + 1
_FIRST_BENDING = np.flatnonzero(np.isin(_BENDING, (2, *MCPS)))  # of each digit, in _BENDING
_FIRST_ENDS, _SECOND_ENDS = np.triu_indices(6, 1)  # all pairs of six points


def joint_angles(joints: np.ndarray, side: Side | np.ndarray) -> np.ndarray:
    """(..., 20) [rad] in the order of ANGLE_NAMES of hands of this `side` (...); NaN where it is UNKNOWN.

    + is flexion and radial abduction (away from the little finger) on both hands. A finger's MCP turns against
    its metacarpal, the line from the wrist: flexion in the plane of metacarpal and palm normal, then abduction
    out of it. PIP and DIP are hinges about the axis so obtained. The thumb's CMC turns against the palm:
    abduction is in the palm's plane, zero along the middle metacarpal, and flexion lifts the thumb out of it
    to the palmar side (clinically: palmar abduction). MCP and IP of the thumb are hinges that close towards the
    little finger's MCP, where an opposing thumb ends (Kapandji, Clinical test of apposition, 1986).

    Raises: TypeError for a side that is none, such as a bool.
    """
    side = np.asarray(side)
    if side.dtype == bool or not np.isin(side, list(Side)).all():  # True would be Side.LEFT
        raise TypeError(f"side is {side.tolist()!r}: give Side.LEFT or Side.RIGHT")
    joints = as_right_hands(joints, side == Side.RIGHT)
    angles = np.concatenate([_thumb_angles(joints), _finger_angles(joints)], axis=-1)
    return np.where(side[..., None] == Side.UNKNOWN, np.nan, angles)


def as_right_hands(joints: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """(..., 21, 3) [m] in wrist axes, left hands mirrored: x out of the palm, y to the thumb, z to the fingers."""
    joints = np.asarray(joints, dtype=float)
    local = (joints - joints[..., :1, :]) @ wrist_rotation(joints, right)
    mirror = np.where(np.asarray(right)[..., None, None], 1.0, [1.0, -1.0, 1.0])
    return local * mirror


def finger_curl(joints: np.ndarray) -> np.ndarray:
    """(..., 5) 0 straight .. 1 fully curled, of thumb to little finger.

    The angles between successive bones of the digit are summed and scaled from straight to the range of
    motion of a healthy hand. The angles are unsigned: the side is not needed, and a palm whose normal is badly
    estimated does no harm. The thumb counts MCP and IP, a finger MCP, PIP and DIP.
    """
    joints = np.asarray(joints, dtype=float)
    bent = joints.take(_BENDING, axis=-2)
    bone, next_bone = bent - joints.take(_BEFORE, axis=-2), joints.take(_AFTER, axis=-2) - bent
    angles = np.arctan2(_length(cross(bone, next_bone)), _dot(bone, next_bone))
    bends = np.add.reduceat(angles, _FIRST_BENDING, axis=-1)
    return ((bends - _STRAIGHT) / (_CURLED - _STRAIGHT)).clip(0.0, 1.0)


def finger_openness(joints: np.ndarray) -> np.ndarray:
    """(..., 5) 0 fully curled .. 1 straight: the complement of `finger_curl`."""
    return 1.0 - finger_curl(joints)


def openness(joints: np.ndarray) -> np.ndarray:
    """(...) 0 fist .. 1 flat: mean openness of index to little finger (thumbs lie differently in fists)."""
    return finger_openness(joints)[..., 1:].mean(axis=-1)


def grab_strength(joints: np.ndarray) -> np.ndarray:
    """(...) 0 open .. 1 fist: curl of the straightest of index to little finger, so that a pointing hand is no fist."""
    return finger_curl(joints)[..., 1:].min(axis=-1)


def pinch_distance(joints: np.ndarray) -> np.ndarray:
    """(...) [m] thumb tip to index tip, between joint centres: about 16 mm when the pads touch."""
    return tip_distances(joints)[..., 0]


def pinch_strength(joints: np.ndarray) -> np.ndarray:
    """(...) 0 open .. 1 touching: `pinch_distance` over `palm_size`, linear from 0.75 of it to contact."""
    ratio = pinch_distance(joints) / palm_size(joints)
    return np.clip((_PINCH_OPEN - ratio) / (_PINCH_OPEN - _PINCH_TOUCH), 0.0, 1.0)


def palm_center(joints: np.ndarray) -> np.ndarray:
    """(..., 3) [m] mean of the wrist and the four MCPs: near the crease where the fingertips of a fist land."""
    return np.asarray(joints, dtype=float).take(_PALM, axis=-2).sum(axis=-2) / len(_PALM)


def palm_size(joints: np.ndarray) -> np.ndarray:
    """(...) [m] the size of the hand that ratios divide by: mean length of the lines from the wrist to the four MCPs
    and of the palm's width. NaN for a hand without a size.

    Steadier than the width alone, which shrinks and grows with the error of depth when the palm is seen from the
    side: on a clip of one hand it varied by 24 %, this by 17 % (of another hand 16 % and 12 %).
    """
    return _positive(_palm_lines(joints).sum(axis=-1) / 5)


def is_human(size: float) -> bool:
    """Whether a hand with this `palm_size` [m] can be a person's; if not, its joints are in a wrong unit."""
    return _PALM_SIZES[0] < size < _PALM_SIZES[1]


def tip_distances(joints: np.ndarray) -> np.ndarray:
    """(..., 4) [m] thumb tip to the tips of index, middle, ring and little finger, between joint centres."""
    joints = np.asarray(joints, dtype=float)
    tips = joints.take(_TIPS, axis=-2)
    return _length(tips[..., 1:, :] - tips[..., :1, :])


def tip_palm_distances(joints: np.ndarray) -> np.ndarray:
    """(..., 5) [m] tips of thumb to little finger to the `palm_center`."""
    joints = np.asarray(joints, dtype=float)
    return _length(joints.take(_TIPS, axis=-2) - palm_center(joints)[..., None, :])


def thumb_side_distances(joints: np.ndarray) -> np.ndarray:
    """(..., 4) [m] thumb tip to the middle phalanx (the bone from PIP to DIP) of index to little finger."""
    joints = np.asarray(joints, dtype=float)
    return _length(joints[..., TIPS[0], None, :] - _nearest_on_middle_phalanges(joints))


def thumb_index_distance(joints: np.ndarray) -> np.ndarray:
    """(...) [m] thumb tip to the index, its tip or its middle phalanx, whichever is nearer: what closes in a pinch, and
    in a lateral grasp too, where the tips part."""
    return np.minimum(pinch_distance(joints), thumb_side_distances(joints)[..., 0])


def thumb_side_contact(joints: np.ndarray) -> np.ndarray:
    """(..., 3) [m] the point of the index's middle phalanx that is nearest to the thumb tip."""
    return _nearest_on_middle_phalanges(np.asarray(joints, dtype=float))[..., 0, :]


def opening(joints: np.ndarray) -> np.ndarray:
    """(...) [m] how far the hand is open: mean distance between the five tips and the `palm_center`, all 15 pairs.

    Whatever fingers close, it shrinks, and the errors of single tips cancel out in it.
    """
    joints = np.asarray(joints, dtype=float)
    ends = np.concatenate([joints.take(_TIPS, axis=-2), palm_center(joints)[..., None, :]], axis=-2)
    return _length(ends.take(_FIRST_ENDS, axis=-2) - ends.take(_SECOND_ENDS, axis=-2)).mean(axis=-1)


def pads_center(joints: np.ndarray, digits: tuple[int, ...]) -> np.ndarray:
    """(..., 3) [m] mean of the tips of `digits`, 0 thumb .. 4 little finger: where these act as one virtual finger."""
    return np.asarray(joints, dtype=float).take([TIPS[digit] for digit in digits], axis=-2).sum(axis=-2) / len(digits)


def _finger_angles(joints):
    """(..., 16) [rad] of hands in wrist axes (..., 21, 3), as are those of the thumb."""
    metacarpal, *ends = (joints.take(_MCPS + i, axis=-2) for i in range(4))
    proximal, middle, distal = (end - start for start, end in zip([metacarpal, *ends], ends, strict=False))
    frame = _frame(metacarpal, np.array([1.0, 0.0, 0.0]))
    flexion, frame = _hinge(frame, proximal)
    abduction, frame = _swing(frame, proximal)
    pip, frame = _hinge(frame, middle)
    dip, _ = _hinge(frame, distal)
    angles = np.stack([abduction, flexion, pip, dip], axis=-1)
    return angles.reshape(*angles.shape[:-2], 16)


def _thumb_angles(joints):
    metacarpal, proximal, distal = (joints[..., i + 1, :] - joints[..., i, :] for i in (1, 2, 3))
    abduction = np.arctan2(metacarpal[..., 1], metacarpal[..., 2])
    flexion = np.arctan2(metacarpal[..., 0], np.hypot(metacarpal[..., 1], metacarpal[..., 2]))
    frame = _frame(metacarpal, joints[..., MCPS[-1], :] - joints[..., 2, :])
    mcp, frame = _hinge(frame, proximal)
    ip, _ = _hinge(frame, distal)
    return np.stack([abduction, flexion, mcp, ip], axis=-1)


def _frame(along, palm_side):
    """(x, y, z) unit vectors of a bone: z along it, x to the side that it flexes to, y its flexion axis."""
    z = _unit(along)
    x = _unit(palm_side - _dot(palm_side, z)[..., None] * z)
    return x, cross(z, x), z


def _hinge(frame, bone):
    """Angle [rad] by which `bone` is flexed about the frame's y axis, and the frame turned with it."""
    x, y, z = frame
    angle = np.arctan2(_dot(bone, x), _dot(bone, z))
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return angle, (cos * x - sin * z, y, sin * x + cos * z)


def _swing(frame, bone):
    """Angle [rad] of `bone` about the frame's x axis, from z towards y, and the frame turned with it."""
    x, y, z = frame
    angle = np.arctan2(_dot(bone, y), _dot(bone, z))
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return angle, (x, cos * y - sin * z, sin * y + cos * z)


def _palm_lines(joints):
    """(..., 5) [m] the lines from the wrist to the four MCPs and the palm's width."""
    joints = np.asarray(joints, dtype=float)
    first, second = _ACROSS_PALM
    return _length(joints.take(first, axis=-2) - joints.take(second, axis=-2))


def _nearest_on_middle_phalanges(joints):
    pips = joints.take(_PIPS, axis=-2)
    bones = joints.take(_DIPS, axis=-2) - pips
    along = _dot(joints[..., TIPS[0], None, :] - pips, bones) / _positive(_dot(bones, bones))
    return pips + along.clip(0.0, 1.0)[..., None] * bones


def _dot(a, b):
    return (a * b).sum(axis=-1)


def _length(vectors):
    return np.sqrt(_dot(vectors, vectors))


def _unit(vectors):
    return vectors / _positive(_length(vectors))[..., None]


def _positive(values):
    """The values, NaN where they are zero: what is divided by them is then unknown."""
    return np.where(values > 0, values, np.nan)
