"""Grasps over time: which type and phase each hand is in, how wide it is open and how fast that changes.

A classifier is a function of one hand in one image. To add one: a file with a class like `DistanceRule`,
and a line in CLASSIFIERS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from handpose_ros.distance_rule import Claim, DistanceRule
from handpose_ros.features import (
    PAD_THICKNESS,
    PALM_THICKNESS,
    free_space,
    pads_center,
    palm_center,
    palm_size,
    thumb_side_contact,
)
from handpose_ros.hand import WRIST, DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.taxonomy import INDEX, UNKNOWN, GraspType, Opposition, Phase, digits

# Speed of the aperture [palm sizes / s] at which the fingers start to move, and below which they have stopped.
# Reaching hands open and close at 0.1-0.6 m/s, which is 1.2-7; a hand that holds something shivers below 0.3.
MOVING = 0.6
STEADY = 0.3
VELOCITY_TIME = 0.1  # [s] time constant of the first-order filter on the aperture's velocity


class Classifier(Protocol):
    """Says which grasp one hand shows. It has no memory: what it needs of the past is `previous`."""

    name: str  # with its version, "distance@1"

    def __call__(self, joints: np.ndarray, right: bool, previous: GraspType) -> Claim:
        """The claim on a hand `joints` (21, 3) [m], in the last image `previous` (UNKNOWN on the first)."""


CLASSIFIERS: dict[str, Callable[[], Classifier]] = {"distance": DistanceRule}


def make_classifier(name: str) -> Classifier:
    """The classifier called `name`. Raises: ValueError for an unknown name."""
    if name not in CLASSIFIERS:
        raise ValueError(f"no classifier is called {name!r}, known are {', '.join(CLASSIFIERS)}")
    return CLASSIFIERS[name]()


@dataclass(frozen=True)
class Grasp:
    """The grasp of one hand in one image. What is not known is NaN, a level that is not claimed is 0."""

    track_id: int
    side: Side
    type: GraspType = UNKNOWN
    phase: Phase = Phase.UNKNOWN
    changed: bool = False  # phase or type differs from this hand's previous one; before the first it was UNKNOWN
    since: float = np.nan  # [s] stamp of the image in which the current phase and type began
    confidence: float = np.nan  # probability of the deepest level claimed, 0..1
    aperture: float = np.nan  # [m] free space between the opposing pads: joint centres less PAD_THICKNESS each
    aperture_velocity: float = np.nan  # [m/s] negative: closing; NaN on a track's first image and while coasting
    aperture_normalized: float = np.nan  # 0 closed .. 1 this hand's widest so far
    T_camera_from_grasp: np.ndarray = None  # (4, 4) between the virtual fingers; z approach, y closing, x = y x z
    depth_source: DepthSource = DepthSource.NONE

    def __post_init__(self):
        if self.T_camera_from_grasp is None:
            object.__setattr__(self, "T_camera_from_grasp", np.full((4, 4), np.nan))


@dataclass(frozen=True)
class _Memory:
    """What is kept of a track from one measured image to the next."""

    grasp: Grasp  # the latest
    joints: np.ndarray | None = None  # (21, 3) [m] of the latest measured image
    stamp: float = np.nan  # [s] of the latest measured image
    widest: float = 0.0  # [m] aperture so far


class GraspTracker:
    """Follows the grasps of all hands from one image to the next. Time comes from the stamps alone."""

    def __init__(self, classifier: Classifier, min_confidence: float = 0.5):
        """Abstains (UNKNOWN) below `min_confidence` of the hand or of the claim."""
        self.classifier, self.min_confidence = classifier, min_confidence
        self.reset()

    def reset(self):
        """Forgets all hands."""
        self._memories: dict[int, _Memory] = {}
        self._stamp = -np.inf

    def update(self, hands: HandPoses) -> tuple[Grasp, ...]:
        """The grasps of `hands`, in their order. A stamp before the last one (a bag that loops) resets."""
        if hands.stamp < self._stamp:
            self.reset()
        self._stamp = hands.stamp
        memories = [self._follow(hand, hands.stamp) for hand in hands]
        # Who is not in the array is forgotten, and so is who was seen off.
        alive = [m for hand, m in zip(hands, memories, strict=True) if hand.state is not TrackingState.LOST]
        self._memories = {memory.grasp.track_id: memory for memory in alive}
        return tuple(memory.grasp for memory in memories)

    def _follow(self, hand: HandPose, stamp: float) -> _Memory:
        blank = Grasp(hand.track_id, hand.side, since=stamp, depth_source=hand.depth_source)
        memory = self._memories.get(hand.track_id, _Memory(blank))
        if hand.state is TrackingState.COASTING:
            return replace(memory, grasp=replace(memory.grasp, changed=False, aperture_velocity=np.nan))
        believed = hand.state is TrackingState.TRACKED and hand.score >= self.min_confidence
        if not believed or not np.isfinite(hand.joints_3d).all():
            return replace(memory, grasp=_dated(blank, memory.grasp), joints=None)
        return self._measure(hand, stamp, blank, memory)

    def _measure(self, hand, stamp, blank, memory):
        joints, last = hand.joints_3d, memory.grasp
        claim = self.classifier(joints, hand.side is Side.RIGHT, last.type)
        confidence = min(claim.confidence, hand.score)  # no surer of the grasp than of the hand
        type = claim.type if confidence >= self.min_confidence else UNKNOWN
        width = aperture(joints, type)
        velocity = _velocity(joints, type, stamp, memory)
        widest = max(memory.widest, width)
        speed = velocity / float(palm_size(joints))
        grasp = replace(
            blank,
            type=type,
            phase=Phase.UNKNOWN if type is UNKNOWN else next_phase(last.phase, type.closed, speed),
            confidence=confidence,
            aperture=width,
            aperture_velocity=velocity,
            aperture_normalized=width / widest if widest > 0 else np.nan,
            T_camera_from_grasp=grasp_frame(joints, type, hand.depth_source),
        )
        return _Memory(_dated(grasp, last), joints, stamp, widest)


def aperture(joints: np.ndarray, type: GraspType) -> float:
    """Free space [m] between the virtual fingers of `type` in a hand `joints` (21, 3); by default thumb and index."""
    return float(free_space(*_contacts(joints, type)))


def next_phase(phase: Phase, closed: bool, speed: float) -> Phase:
    """The phase after `phase`, given whether the hand is `closed` and its aperture's `speed` [palm sizes / s].

    It takes less speed to go on moving than to start. OPEN and HOLD never follow each other directly,
    however slowly the fingers moved; a hand that holds may squeeze further.
    """
    closing = speed < -(STEADY if phase is Phase.PRESHAPE else MOVING)
    opening = speed > (STEADY if phase is Phase.RELEASE else MOVING)
    if phase is Phase.OPEN:
        return Phase.PRESHAPE if closing or closed else Phase.OPEN
    if phase is Phase.HOLD:
        return Phase.RELEASE if opening or not closed else Phase.HOLD
    if closing:
        return Phase.PRESHAPE
    if opening:
        return Phase.RELEASE if phase is not Phase.UNKNOWN or closed else Phase.OPEN
    return Phase.HOLD if closed else Phase.OPEN


def grasp_frame(joints: np.ndarray, type: GraspType, depth_source: DepthSource) -> np.ndarray:
    """(4, 4) T_camera_from_grasp: origin midway between the contacts, y from the opposing side (thumb, palm) to the
    fingers, z from the wrist to the origin as far as it is across y, x = y x z.

    NaN where the contacts coincide or lie in line with the wrist; the origin is NaN too without absolute depth.
    """
    first, second, _ = _contacts(joints, type)
    origin = (first + second) / 2
    y = _unit(second - first)
    approach = origin - joints[WRIST]
    z = _unit(approach - (approach @ y) * y)
    T = np.eye(4)
    T[:3, :3] = np.column_stack([np.cross(y, z), y, z])
    T[:3, 3] = origin if depth_source is not DepthSource.NONE else np.nan
    return T


def _contacts(joints, type):
    """Two opposing points (3,) [m] inside the hand and the flesh [m] between them and the object."""
    fingers = digits(type.vf2 or INDEX)
    if type.opposition is Opposition.PALM:
        return palm_center(joints), pads_center(joints, fingers), PALM_THICKNESS + PAD_THICKNESS
    thumb = pads_center(joints, (0,))
    if type.opposition is Opposition.SIDE:
        return thumb, thumb_side_contact(joints), 2 * PAD_THICKNESS
    return thumb, pads_center(joints, fingers), 2 * PAD_THICKNESS


def _velocity(joints, type, stamp, memory):
    """Filtered velocity [m/s] of the aperture of `type`; NaN without a measured image before.

    Both images are measured with the type of now: a change of type is not a motion.
    """
    if memory.joints is None:
        return np.nan
    last, dt = memory.grasp.aperture_velocity, stamp - memory.stamp
    if not dt > 0:
        return last
    measured = (aperture(joints, type) - aperture(memory.joints, type)) / dt
    if not np.isfinite(last):
        return measured
    return last + (1 - np.exp(-dt / VELOCITY_TIME)) * (measured - last)


def _dated(grasp: Grasp, last: Grasp) -> Grasp:
    """`grasp` with `changed` and `since`, given the track's last one."""
    if (grasp.type, grasp.phase) == (last.type, last.phase):
        return replace(grasp, since=last.since)
    return replace(grasp, changed=True)


def _unit(vector):
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 1e-9 else np.full(3, np.nan)
