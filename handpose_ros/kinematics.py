"""Right hands by forward kinematics: joint angles and bones in, joints out. The inverse of `features.joint_angles`."""

from dataclasses import dataclass

import numpy as np

from handpose_ros.features import PAD_THICKNESS, PALM_THICKNESS
from handpose_ros.hand import MCPS

# Limits of a healthy hand's joint angles, in the order of `features.ANGLE_NAMES` [rad].
LOW = np.radians([-5, -10, -15, -15] + [-25, -15, 0, -10] * 4)
HIGH = np.radians([70, 65, 60, 75] + [25, 95, 115, 80] * 4)


@dataclass(frozen=True, eq=False)
class People:
    """The right hands of n people [m], in their wrist axes: x out of the palm, y to the thumb's side, z to the fingers.

    Of one person there is no n.
    """

    cmc: np.ndarray  # (n, 3)
    thumb_bones: np.ndarray  # (n, 3) metacarpal, proximal, distal
    knuckles: np.ndarray  # (n, 4, 3)
    finger_bones: np.ndarray  # (n, 4, 3) proximal, middle, distal
    pad_thickness: np.ndarray | float  # (n,) from a fingertip's joint centre to the skin of its pad
    palm_thickness: np.ndarray | float  # (n,) from the plane of the metacarpals to the skin of the palm

    @property
    def palm_center(self) -> np.ndarray:
        """(n, 3) mean of wrist and knuckles, as `features.palm_center`."""
        return self.knuckles.sum(axis=-2) / 5


AVERAGE = People(
    cmc=np.array([0.005, 0.025, 0.03]),
    thumb_bones=np.array([0.045, 0.035, 0.028]),
    knuckles=np.array([[0.0, 0.028, 0.09], [0.0, 0.0, 0.092], [0.0, -0.017, 0.087], [0.0, -0.034, 0.08]]),
    finger_bones=np.array([[0.045, 0.026, 0.02], [0.049, 0.03, 0.021], [0.045, 0.029, 0.021], [0.036, 0.021, 0.019]]),
    pad_thickness=PAD_THICKNESS,
    palm_thickness=PALM_THICKNESS,
)


def random_people(count: int, rng: np.random.Generator) -> People:
    """Hands of any size within 10 % of the average, each bone and the skin up to 10 % off in addition."""
    size, parts = rng.uniform(0.9, 1.1, (count, 1)), rng.uniform(0.9, 1.1, (count, 22))
    return People(
        AVERAGE.cmc * (size * parts[:, :1]),
        AVERAGE.thumb_bones * size * parts[:, 1:4],
        AVERAGE.knuckles * (size * parts[:, 4:8])[..., None],
        AVERAGE.finger_bones * size[..., None] * parts[:, 8:20].reshape(count, 4, 3),
        AVERAGE.pad_thickness * size[:, 0] * parts[:, 20],
        AVERAGE.palm_thickness * size[:, 0] * parts[:, 21],
    )


def random_hands(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 21, 3) joints [m] in wrist axes of average hands: angles uniform between LOW and HIGH."""
    return bend(rng.uniform(LOW, HIGH, size=(count, 20)))


def bend(angles: np.ndarray, people: People = AVERAGE) -> np.ndarray:
    """(..., n, 21, 3) joints [m] in wrist axes of the hands of n `people` whose `features.joint_angles` are `angles`
    (..., n, 20) [rad], in the order of ANGLE_NAMES; of one person (..., 21, 3) and (..., 20)."""
    angles = np.asarray(angles, dtype=float)
    angles = angles.reshape(*angles.shape[:-1], 5, 4)
    joints = np.zeros((*angles.shape[:-2], 21, 3))
    abduction, flexion, pip, dip = np.moveaxis(angles[..., 1:, :], -1, 0)
    frame = _frame(people.knuckles, np.broadcast_to([1.0, 0.0, 0.0], people.knuckles.shape))
    frame = _swung(_flexed(frame, flexion), abduction)
    position = people.knuckles
    for i, hinge in enumerate((None, pip, dip)):
        joints[..., [mcp + i for mcp in MCPS], :] = position
        frame = frame if hinge is None else _flexed(frame, hinge)
        position = position + people.finger_bones[..., i, None] * frame[2]
    joints[..., [mcp + 3 for mcp in MCPS], :] = position
    joints[..., 1:5, :] = _thumb(*np.moveaxis(angles[..., 0, :], -1, 0), people)
    return joints


def _thumb(abduction, flexion, mcp, ip, people):
    along = np.stack(
        [np.sin(flexion), np.cos(flexion) * np.sin(abduction), np.cos(flexion) * np.cos(abduction)], axis=-1
    )
    cmc = np.broadcast_to(people.cmc, along.shape)
    knuckle = cmc + people.thumb_bones[..., 0, None] * along
    frame = _flexed(_frame(along, people.knuckles[..., 3, :] - knuckle), mcp)
    middle = knuckle + people.thumb_bones[..., 1, None] * frame[2]
    tip = middle + people.thumb_bones[..., 2, None] * _flexed(frame, ip)[2]
    return np.stack([cmc, knuckle, middle, tip], axis=-2)


def _frame(along, palm_side):
    """(x, y, z) of a bone as in `features`: z along it, x to the side that it flexes to, y its flexion axis."""
    z = along / np.linalg.norm(along, axis=-1, keepdims=True)
    x = palm_side - (palm_side * z).sum(axis=-1, keepdims=True) * z
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return x, np.cross(z, x), z


def _flexed(frame, angle):
    x, y, z = frame
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return cos * x - sin * z, y, sin * x + cos * z


def _swung(frame, angle):
    x, y, z = frame
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return x, cos * y - sin * z, sin * y + cos * z
