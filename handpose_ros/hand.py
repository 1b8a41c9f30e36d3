"""The vocabulary of the package: sides, the 21 keypoints, the skeleton, and a hand as a value.

Joint order is `KEYPOINTS` everywhere: wrist, then thumb, index, middle, ring, little, each from
the palm to the tip. It is the order of MediaPipe and of OpenPose's hand.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "little")
KEYPOINTS = ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip") + tuple(
    f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip", "tip")
)
WRIST = 0
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
TIPS = (4, 8, 12, 16, 20)
MCPS = (5, 9, 13, 17)  # of index .. little

# A person's hand over the average one: children of six have 0.7. What is beyond is a length, or a mistake in its unit.
HAND_SCALES = (0.6, 1.6)


class Side(IntEnum):
    """The person's own left or right hand, if the camera does not mirror."""

    UNKNOWN = 0
    LEFT = 1
    RIGHT = 2


class TrackingState(IntEnum):
    """How a hand of this image was obtained."""

    TRACKED = 1  # measured in this image
    COASTING = 2  # predicted
    LOST = 3  # sent once, at the end of a track; its geometry is NaN


class DepthSource(IntEnum):
    """Where a hand's absolute distance comes from."""

    NONE = 0  # no intrinsics: joints are relative to the wrist
    MONO = 1  # one camera and an average hand
    MONO_SCALED = 2  # one camera and this person's hand size
    SENSOR = 3  # a registered depth image
    MULTIVIEW = 4  # several calibrated cameras


@dataclass(frozen=True, eq=False)
class ManoHand:
    """A hand as the body model MANO has it, in the model of the hand's own side."""

    pose: np.ndarray  # (48,) [rad] 16 axis-angle vectors in MANO's order, the wrist's first, fingers about MANO's mean
    betas: np.ndarray  # (10,) coefficients of the shape
    vertices: np.ndarray  # (778, 3) [m] of the mesh, in the axes of the optical frame, relative to joint 0
    faces: np.ndarray  # (1538, 3) indices of the triangles' vertices, counter-clockwise seen from outside

    def __post_init__(self):
        _check_shape("pose", self.pose, (48,))
        _check_shape("betas", self.betas, (10,))
        _check_shape("vertices", self.vertices, (778, 3))
        _check_shape("faces", self.faces, (1538, 3))


@dataclass(frozen=True, eq=False)
class Observation:
    """One hand as a network sees it in one image, before tracking and lifting."""

    joints_2d: np.ndarray  # (21, 2) [px] in the image
    joints_local: np.ndarray  # (21, 3) [m] about the hand's centre, in the camera's optical axes
    score: float  # confidence that this is a hand, 0..1
    right_score: float  # probability that it is a right hand, 0..1
    # (21, 3) [m] optical frame, from a network that places the hand itself, as one of the side that `right` says
    joints_3d: np.ndarray | None = None
    spread: np.ndarray | None = None  # (21,) [px] root mean square distance of several looks from joints_2d, their mean
    mano: ManoHand | None = None  # of the side that `right` says

    def __post_init__(self):
        _check_shape("joints_2d", self.joints_2d, (21, 2))
        _check_shape("joints_local", self.joints_local, (21, 3))
        if self.joints_3d is not None:
            _check_shape("joints_3d", self.joints_3d, (21, 3))
        if self.spread is not None:
            _check_shape("spread", self.spread, (21,))

    @property
    def right(self) -> bool:
        """Whether it looks like a right hand in this image; which it is, many images say together."""
        return self.right_score > 0.5


@dataclass(frozen=True, eq=False)
class HandPose:
    """One hand in one image: the result of the package. Unknown values are NaN."""

    side: Side
    side_score: float  # probability of `side`, 0.5..1
    score: float  # confidence that this is a hand, 0..1
    joints_2d: np.ndarray  # (21, 2) [px] in the image
    joints_3d: np.ndarray  # (21, 3) [m] optical frame; relative to the wrist where depth_source is NONE
    # (21,) heuristic confidence, 0..1
    joint_scores: np.ndarray = field(default_factory=np.full(21, np.nan).copy)
    depth_source: DepthSource = DepthSource.NONE
    hand_scale: float = np.nan  # ratio of this hand's size to the average hand's
    reprojection_error: float = np.nan  # [px] mean distance of the projected fitted hand from joints_2d
    # (21,) [m] expected root mean square distance of each joint of joints_3d from the true one
    joint_sigma: np.ndarray = field(default_factory=np.full(21, np.nan).copy)
    # [m^2, rad^2] x y z, rotation about x y z, optical frame
    wrist_covariance: np.ndarray = field(default_factory=np.full((6, 6), np.nan).copy)
    # [m/s, rad/s] linear, angular, optical frame
    wrist_velocity: np.ndarray = field(default_factory=np.full(6, np.nan).copy)
    track_id: int = 0
    track_age: float = 0.0  # [s] since first seen
    state: TrackingState = TrackingState.TRACKED
    mano: ManoHand | None = None  # from a backend that has it; None if it was of the other side

    def __post_init__(self):
        _check_shape("joints_2d", self.joints_2d, (21, 2))
        _check_shape("joints_3d", self.joints_3d, (21, 3))
        _check_shape("joint_scores", self.joint_scores, (21,))
        _check_shape("joint_sigma", self.joint_sigma, (21,))
        _check_shape("wrist_covariance", self.wrist_covariance, (6, 6))
        _check_shape("wrist_velocity", self.wrist_velocity, (6,))

    @property
    def assumed_scale(self) -> float:
        """The size over the average hand's with which the hand was placed: hand_scale, or 1 where that is not known."""
        return 1.0 if np.isnan(self.hand_scale) else self.hand_scale

    @property
    def bbox(self) -> np.ndarray:
        """(4,) x, y of the top left corner, width, height [px] of the box around the known joints_2d."""
        low, high = np.fmin.reduce(self.joints_2d), np.fmax.reduce(self.joints_2d)
        return np.concatenate([low, high - low])


@dataclass(frozen=True)
class HandPoses:
    """All hands of one image."""

    hands: tuple[HandPose, ...]
    size: tuple[int, int]  # (width, height) [px] of the image
    stamp: float = np.nan  # [s] the image's time
    frame_id: str = ""  # the optical frame of joints_3d
    calibrated: bool = False  # the camera's intrinsics were used

    def __iter__(self):
        return iter(self.hands)

    def __len__(self):
        return len(self.hands)

    def __getitem__(self, index: int) -> HandPose:
        return self.hands[index]

    def without_mano(self) -> "HandPoses":
        """The same hands without MANO's parameters and mesh, which is ten times as large as all else."""
        return replace(self, hands=tuple(replace(hand, mano=None) for hand in self.hands))


def _check_shape(name: str, value: np.ndarray, shape: tuple[int, ...]):
    if getattr(value, "shape", None) != shape and np.shape(value) != shape:  # np.shape is slow
        raise ValueError(f"{name} has shape {np.shape(value)}, it must be {shape}")
