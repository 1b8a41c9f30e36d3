"""A hand as a body: how it is turned, and its bones, the first of which reaches from the camera to the wrist."""

from dataclasses import dataclass

import numpy as np

from handpose_ros import body_arithmetic
from handpose_ros.compiled import plain
from handpose_ros.hand import WRIST


@dataclass(frozen=True, eq=False)
class Body:
    """A hand as what is filtered. Bone k ends at joint k: bone 0 is the line from the camera to the wrist."""

    joints: np.ndarray  # (..., 21, 3) [m]
    R: np.ndarray  # (..., 3, 3) R_camera_from_wrist of the hand taken as a right one, whichever it is
    directions: np.ndarray  # (..., 21, 3) unit vectors: of bone 0 in the camera's axes, of the others in the wrist's
    lengths: np.ndarray  # (..., 21) [m] above 0

    @classmethod
    def of(cls, joints: np.ndarray) -> "Body":
        """The body of `joints` (..., 21, 3) [m]; NaN where the palm has no area."""
        joints = np.asarray(joints, dtype=float)
        shape = joints.shape[:-2]
        R, directions, lengths = body_arithmetic.bodies(plain(joints).reshape(-1, 21, 3))
        return cls(joints, R.reshape(*shape, 3, 3), directions.reshape(*shape, 21, 3), lengths.reshape(*shape, 21))

    @classmethod
    def made(cls, R: np.ndarray, directions: np.ndarray, lengths: np.ndarray) -> "Body":
        """The body of these bones."""
        shape = directions.shape[:-2]
        each = np.broadcast_to(R, (*shape, 3, 3)), directions, np.broadcast_to(lengths, (*shape, 21))
        rows = [plain(part).reshape(-1, *of_one) for part, of_one in zip(each, ((3, 3), (21, 3), (21,)), strict=True)]
        return cls(body_arithmetic.joints_of(*rows).reshape(directions.shape), R, directions, lengths)

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
    directions, lengths = body_arithmetic.directed(plain(vectors).reshape(-1, 3))
    return directions.reshape(vectors.shape), lengths.reshape(vectors.shape[:-1])
