"""A hand as a body: how it is turned, and its bones, the first of which reaches from the camera to the wrist."""

from dataclasses import dataclass

import numpy as np

from handpose_ros.geometry import length, wrist_rotation
from handpose_ros.hand import PARENTS, WRIST

_SHORTEST = 1e-9  # [m] by which a bone without a length is divided


def _joints_to_bones() -> np.ndarray:
    """(21, 21) -1 for the joint where a bone begins and 1 for the one where it ends; the wrist's begins nowhere."""
    ends = np.eye(21)
    for joint, parent in enumerate(PARENTS):
        if joint != WRIST:
            ends[joint, parent] = -1
    return ends


_JOINTS_TO_BONES = _joints_to_bones()
_BONES_TO_JOINTS = np.linalg.inv(_JOINTS_TO_BONES).round()  # 1 where a bone lies between the camera and a joint


@dataclass(frozen=True)
class Body:
    """A hand as what is filtered. Bone k ends at joint k: bone 0 is the line from the camera to the wrist."""

    joints: np.ndarray  # (..., 21, 3) [m]
    R: np.ndarray  # (..., 3, 3) R_camera_from_wrist of the hand taken as a right one, whichever it is
    directions: np.ndarray  # (..., 21, 3) unit vectors: of bone 0 in the camera's axes, of the others in the wrist's
    lengths: np.ndarray  # (..., 21) [m] above 0

    @classmethod
    def of(cls, joints: np.ndarray) -> "Body":
        """The body of `joints` (..., 21, 3) [m]; NaN where the palm has no area."""
        R = wrist_rotation(joints, True)
        bones = _JOINTS_TO_BONES @ joints
        bones[..., 1:, :] = bones[..., 1:, :] @ R
        directions, lengths = directed(bones)
        return cls(joints, R, directions, lengths)

    @classmethod
    def made(cls, R: np.ndarray, directions: np.ndarray, lengths: np.ndarray) -> "Body":
        """The body of these bones."""
        bones = directions * lengths[..., None]
        bones[..., 1:, :] = bones[..., 1:, :] @ R.swapaxes(-1, -2)
        return cls(_BONES_TO_JOINTS @ bones, R, directions, lengths)

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def wrist(self) -> np.ndarray:
        """(..., 3) [m]."""
        return self.joints[..., WRIST, :]

    def moved(self, wrist: np.ndarray, R: np.ndarray) -> "Body":
        """The same bones with the wrist at `wrist` (..., 3) [m], turned to `R` (..., 3, 3)."""
        directions, lengths = self.directions.copy(), self.lengths.copy()
        directions[..., WRIST, :], lengths[..., WRIST] = directed(wrist)
        return Body.made(R, directions, lengths)


def directed(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions (..., 3) and lengths (...) of `vectors` (..., 3) [m]; one of no length has the direction 0."""
    lengths = np.maximum(length(vectors), _SHORTEST)
    return vectors / lengths[..., None], lengths
