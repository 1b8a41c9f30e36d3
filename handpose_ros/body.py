"""A hand as a body: where its wrist is, how it is turned, and its bones. Joints to bodies and back."""

from dataclasses import dataclass

import numpy as np

from handpose_ros.geometry import wrist_rotation
from handpose_ros.hand import PARENTS, WRIST

_PARENTS = np.array(PARENTS[1:])


def _bones_to_joints() -> np.ndarray:
    """(21, 20) 1 where a bone lies between the wrist and a joint."""
    chain = np.zeros((21, 20))
    for joint, parent in enumerate(_PARENTS, start=1):
        chain[joint] = chain[parent]
        chain[joint, joint - 1] = 1
    return chain


_BONES_TO_JOINT = _bones_to_joints()


@dataclass(frozen=True)
class Body:
    """A hand as what is filtered."""

    wrist: np.ndarray  # (..., 3) [m]
    R: np.ndarray  # (..., 3, 3) R_camera_from_wrist of the hand taken as a right one, whichever it is
    directions: np.ndarray  # (..., 20, 3) unit vectors along the bones to joints 1 .. 20, in the wrist's axes
    lengths: np.ndarray  # (..., 20) [m]

    @classmethod
    def of(cls, joints: np.ndarray) -> "Body":
        """The body of `joints` (..., 21, 3) [m]."""
        R = wrist_rotation(joints, True)
        bones = (joints[..., 1:, :] - joints[..., _PARENTS, :]) @ R
        lengths = np.linalg.norm(bones, axis=-1)
        return cls(joints[..., WRIST, :], R, bones / np.maximum(lengths, 1e-9)[..., None], lengths)

    @property
    def joints(self) -> np.ndarray:
        """(..., 21, 3) [m]."""
        bones = (self.directions * self.lengths[..., None]) @ np.swapaxes(self.R, -1, -2)
        return self.wrist[..., None, :] + _BONES_TO_JOINT @ bones
