"""A hand as a body: how it is turned, and its bones, the first of which reaches from the camera to the wrist."""

from dataclasses import dataclass

import numpy as np

from handpose_ros.geometry import length, wrist_rotation
from handpose_ros.hand import PARENTS, WRIST

SHORTEST = 1e-9  # [m] of a bone: what has no length has no direction, and is divided by this


def _joints_to_bones() -> np.ndarray:
    """(21, 21) -1 for the joint where a bone begins and 1 for the one where it ends; the wrist's begins nowhere."""
    ends = np.eye(21)
    for joint, parent in enumerate(PARENTS):
        if joint != WRIST:
            ends[joint, parent] = -1
    return ends


_JOINTS_TO_BONES = _joints_to_bones()
_BONES_TO_JOINTS = np.linalg.inv(_JOINTS_TO_BONES).round()  # 1 where a bone lies between the camera and a joint


@dataclass(frozen=True, eq=False)
class Body:
    """A hand as what is filtered. Bone k ends at joint k: bone 0 is the line from the camera to the wrist."""

    R: np.ndarray  # (..., 3, 3) R_camera_from_wrist of the hand taken as a right one, whichever it is
    directions: np.ndarray  # (..., 21, 3) unit vectors: of bone 0 in the camera's axes, of the others in the wrist's
    lengths: np.ndarray  # (..., 21) [m] above 0

    def __len__(self):
        return len(self.R)

    @classmethod
    def of(cls, joints: np.ndarray) -> "Body":
        """The body of `joints` (..., 21, 3) [m]; NaN where the palm has no area."""
        R = wrist_rotation(joints, True)
        bones = _JOINTS_TO_BONES @ joints
        bones[..., 1:, :] = bones[..., 1:, :] @ R
        lengths = np.maximum(length(bones), SHORTEST)
        return cls(R, bones / lengths[..., None], lengths)

    @property
    def wrist(self) -> np.ndarray:
        """(..., 3) [m]."""
        return self.directions[..., WRIST, :] * self.lengths[..., WRIST, None]

    @property
    def joints(self) -> np.ndarray:
        """(..., 21, 3) [m]."""
        bones = self.directions * self.lengths[..., None]
        bones[..., 1:, :] = bones[..., 1:, :] @ np.swapaxes(self.R, -1, -2)
        return _BONES_TO_JOINTS @ bones

    def placed(self, wrist: np.ndarray) -> "Body":
        """The same hand with its wrist at `wrist` (..., 3) [m]."""
        directions, lengths = self.directions.copy(), self.lengths.copy()
        lengths[..., WRIST] = np.maximum(length(wrist), SHORTEST)
        directions[..., WRIST, :] = wrist / lengths[..., WRIST, None]
        return Body(self.R, directions, lengths)
