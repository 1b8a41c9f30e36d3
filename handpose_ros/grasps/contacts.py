"""Where a hand acts on what it holds: two points that oppose each other, and the frame between them."""

import math
from dataclasses import dataclass

import numpy as np

from handpose_ros.features import (
    PAD_THICKNESS,
    PALM_SIZE,
    PALM_THICKNESS,
    pads_center,
    palm_center,
    thumb_side_contact,
)
from handpose_ros.geometry import cross
from handpose_ros.grasps.taxonomy import FOUR_FINGERS, INDEX, GraspType, Opposition, digits
from handpose_ros.hand import DepthSource


@dataclass(frozen=True, eq=False)
class Contacts:
    """The virtual fingers of one hand."""

    first: np.ndarray  # (3,) [m] inside the hand, of the opposing side: thumb or palm
    second: np.ndarray  # (3,) [m] of the fingers
    flesh: float  # [m] between the two points and the object

    @property
    def aperture(self) -> float:
        """The free space [m] between them; not below 0.

        Of thumb and index it is the grip aperture of the literature on reaching (Jeannerod 1984).
        """
        return max(math.dist(self.first, self.second) - self.flesh, 0.0)

    def frame(self, wrist: np.ndarray, depth_source: DepthSource) -> np.ndarray:
        """(4, 4) T_camera_from_grasp of the hand with this `wrist` (3,) [m]: origin midway between the contacts, y from
        the opposing side to the fingers, z from the wrist to the origin as far as it is across y, x = y x z.

        NaN where the contacts coincide or lie in line with the wrist; the origin is NaN too without absolute depth.
        """
        origin = (self.first + self.second) / 2
        y = _unit(self.second - self.first)
        approach = origin - wrist
        z = _unit(approach - (approach @ y) * y, least=1e-6 * math.sqrt(approach @ approach))
        T = np.eye(4)
        T[:3, :3] = np.array([cross(y, z), y, z]).T
        T[:3, 3] = origin if depth_source is not DepthSource.NONE else np.nan
        return T


def contacts(joints: np.ndarray, type: GraspType, size: float) -> Contacts:
    """Those of `type`, by default of thumb and index, in a hand `joints` (21, 3) [m] whose `features.palm_size` is
    `size` [m]."""
    scale = size / PALM_SIZE  # large hands have thick fingers
    if type.opposition is Opposition.PALM:
        fingers = pads_center(joints, digits(type.vf2 or FOUR_FINGERS))
        return Contacts(palm_center(joints), fingers, scale * (PALM_THICKNESS + PAD_THICKNESS))
    thumb = pads_center(joints, (0,))
    if type.opposition is Opposition.SIDE:
        return Contacts(thumb, thumb_side_contact(joints), scale * 2 * PAD_THICKNESS)
    return Contacts(thumb, pads_center(joints, digits(type.vf2 or INDEX)), scale * 2 * PAD_THICKNESS)


def _unit(vector, least=0.0):
    """`vector` (3,) at length 1; NaN where it is not longer than `least`, what rounding leaves of it, or 1 nm."""
    norm = math.sqrt(vector @ vector)
    return vector / norm if norm > max(least, 1e-9) else np.full(3, np.nan)
