"""Grasps over time: type and phase of each hand, its aperture and the speed of the aperture.

A classifier is a function of one hand in one image. To add one: a file with a class like `DistanceRule`,
and a line in CLASSIFIERS.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from handpose_ros.features import opening, palm_size, thumb_index_distance
from handpose_ros.geometry import wrist_rotation
from handpose_ros.grasps.cascade import KEEP, TaxonomyCascade
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.contacts import contacts
from handpose_ros.grasps.distance_rule import DistanceRule
from handpose_ros.grasps.motion import Motion, Trend
from handpose_ros.grasps.phases import PhaseBelief
from handpose_ros.grasps.taxonomy import UNKNOWN, GraspType, Opposition, Phase
from handpose_ros.hand import WRIST, DepthSource, HandPose, HandPoses, Side, TrackingState

PLAIN, PLAINER = 6.0, 2.0  # thumb and index count alone if they move so plainly, and so much more than the hand
SHIVER = 0.02  # [palm sizes] 1.7 mm of `features.opening` of a hand at rest
PINCH_SHIVER = 0.03  # [palm sizes] of the distance of thumb and index
PATIENCE = 0.2  # [s] for which a hand with missing joints keeps its grasp
WIDEN_TIME = 0.3  # [s] in which a wider aperture becomes the widest: an outlier in one image moves it by a tenth


class Classifier(Protocol):
    """Classifies the grasp of one hand. It has no memory: everything it needs of the past is in `previous`."""

    name: str  # with its version, "distance@1"

    def __call__(self, joints: np.ndarray, right: bool, previous: Claim, dt: float, min_confidence: float) -> Claim:
        """The claim on a hand `joints` (21, 3) [m], `dt` [s] after `previous` (Claim() in the first image), as deep as
        `min_confidence` allows."""


CLASSIFIERS: dict[str, Callable[[], Classifier]] = {"distance": DistanceRule, "taxonomy": TaxonomyCascade}
DEFAULT_CLASSIFIER = "taxonomy"  # docs/grasps.md says why


def make_classifier(name: str = DEFAULT_CLASSIFIER) -> Classifier:
    """The classifier called `name`. Raises: ValueError for an unknown name."""
    if name not in CLASSIFIERS:
        raise ValueError(f"no classifier is called {name!r}, known are {', '.join(CLASSIFIERS)}")
    return CLASSIFIERS[name]()


@dataclass(frozen=True, eq=False)
class Grasp:
    """The grasp of one hand in one image. Unknown values are NaN, a level that is not claimed is 0."""

    track_id: int
    side: Side
    type: GraspType = UNKNOWN
    phase: Phase = Phase.UNKNOWN
    changed: bool = False  # phase or type differs from this hand's previous one; before the first it was UNKNOWN
    since: float = np.nan  # [s] stamp of the image in which the current phase and type began
    confidence: float = np.nan  # probability of the deepest level claimed, 0..1; NaN where `type` is UNKNOWN
    aperture: float = np.nan  # [m] free space between the opposing pads: from skin to skin, filtered over time
    aperture_velocity: float = np.nan  # [m/s] negative: closing; NaN on a track's first image and while coasting
    scores: tuple[float, ...] = ()  # probability of each CoarseType; empty: not estimated
    aperture_normalized: float = np.nan  # 0 closed .. 1 this hand's largest aperture so far
    T_camera_from_grasp: np.ndarray = None  # (4, 4) between the virtual fingers; z approach, y closing, x = y x z
    depth_source: DepthSource = DepthSource.NONE

    def __post_init__(self):
        if self.T_camera_from_grasp is None:
            object.__setattr__(self, "T_camera_from_grasp", np.full((4, 4), np.nan))


@dataclass(frozen=True, eq=False)
class _Memory:
    """What is kept of a track from one measured image to the next."""

    grasp: Grasp  # the latest
    claim: Claim = Claim()  # on the latest measured image, like all that follows
    phase: PhaseBelief = PhaseBelief()
    motion: Motion | None = None  # of the aperture
    opening: Trend = Trend()  # of `features.opening`
    pinch: Trend = Trend()  # of `features.thumb_index_distance`
    joints: np.ndarray | None = None  # (21, 3) [m]
    T_camera_from_grasp: np.ndarray | None = None  # (4, 4)
    stamp: float = np.nan  # [s]
    widest: float = 0.0  # [m] aperture so far


class GraspTracker:
    """Follows the grasps of all hands from image to image. Time comes only from the stamps."""

    def __init__(self, classifier: Classifier | None = None, min_confidence: float = 0.5):
        """A hand or a claim below `min_confidence` is UNKNOWN. None: the default classifier."""
        self.classifier, self.min_confidence = classifier or make_classifier(), min_confidence
        self.reset()

    def reset(self):
        """Forgets all hands."""
        self._memories: dict[int, _Memory] = {}
        self._ages: dict[int, float] = {}  # [s] of the tracks in the latest image
        self._stamp = -np.inf

    def update(self, hands: HandPoses) -> tuple[Grasp, ...]:
        """The grasps of `hands`, in their order. A stamp before the last one (a bag that loops) resets the tracker.

        Raises: ValueError for hands without a stamp, such as those of HandPoseEstimator.
        """
        if math.isnan(hands.stamp):
            raise ValueError("the hands have no stamp: give each image its time [s], and a single one any")
        if hands.stamp < self._stamp:
            self.reset()
        self._stamp = hands.stamp
        memories = [self._follow(*each, hands.stamp) for each in zip(hands, _lengths(hands), strict=True)]
        # Who is not in the array is forgotten, and so is who was seen off.
        alive = [m for hand, m in zip(hands, memories, strict=True) if hand.state is not TrackingState.LOST]
        self._memories = {memory.grasp.track_id: memory for memory in alive}
        self._ages = {hand.track_id: hand.track_age for hand in hands}
        return tuple(memory.grasp for memory in memories)

    def _follow(self, hand: HandPose, lengths: "_Lengths", stamp: float) -> _Memory:
        memory = self._memories.get(hand.track_id)
        if memory is None or hand.track_age < self._ages[hand.track_id]:  # another hand: who counts started again
            memory = _Memory(_unknown(hand, stamp))
        believed = hand.state is TrackingState.TRACKED and hand.score >= self.min_confidence
        # A palm without an area (all joints in one place, say) has no shape, and what is learnt of it is NaN for good.
        whole = np.isfinite(hand.joints_3d).all() and np.isfinite(wrist_rotation(hand.joints_3d, True)).all()
        if hand.state is TrackingState.COASTING or (believed and not whole and stamp - memory.stamp <= PATIENCE):
            return replace(memory, grasp=_carried(memory, hand))
        if not believed or not whole:
            return _Memory(_unknown(hand, stamp, memory.grasp), widest=memory.widest)
        return self._measure(hand, lengths, stamp, memory)

    def _measure(self, hand, lengths, stamp, memory):
        joints = hand.joints_3d
        dt = stamp - memory.stamp if memory.joints is not None else 0.0
        claim = self.classifier(joints, hand.side is Side.RIGHT, memory.claim, dt, self.min_confidence)
        confidence = min(claim.confidence, hand.score)  # no surer of the grasp than of the hand
        sure = confidence >= self.min_confidence * (KEEP if claim.type == memory.grasp.type else 1.0)
        type = claim.type if sure else UNKNOWN
        closed = _closed(claim)
        classified = math.isfinite(claim.confidence)
        known = type is not UNKNOWN or (classified and max(closed, 1 - closed) >= self.min_confidence)
        open_by = memory.opening.updated(lengths.opening, stamp)
        pinched = memory.pinch.updated(lengths.pinch, stamp)
        plainness = _plainness(open_by, pinched, lengths.palm, type)
        now = claim.closed_now if math.isfinite(claim.closed_now) else closed
        phase = memory.phase.updated(closed, now, *plainness, stamp, dt)
        if phase.phase is Phase.HOLD and type is not UNKNOWN and not type.closed:  # which grasp is not known yet
            type, claim = UNKNOWN, replace(claim, type=UNKNOWN)
        shown = phase.phase if known else Phase.UNKNOWN
        opposing = contacts(joints, type, lengths.palm)
        motion = _moved(opposing.aperture, type, dt, memory)
        width = max(motion.aperture, 0.0)
        widest = _widest(memory, width, dt)
        grasp = Grasp(
            hand.track_id,
            hand.side,
            type,
            shown,
            *_dated(type, shown, memory.grasp, stamp),
            confidence=confidence if type is not UNKNOWN else np.nan,
            aperture=width,
            aperture_velocity=motion.velocity,
            scores=() if claim.scores is None else tuple(claim.scores.tolist()),
            aperture_normalized=min(width / widest, 1.0) if widest > 0 else np.nan,
            T_camera_from_grasp=opposing.frame(joints[WRIST], hand.depth_source),
            depth_source=hand.depth_source,
        )
        T = grasp.T_camera_from_grasp
        return _Memory(grasp, claim, phase, motion, open_by, pinched, joints, T, stamp, widest)


class _Lengths(NamedTuple):
    """What is measured of a hand whatever it grasps [m]; NaN with a missing joint."""

    palm: float  # `features.palm_size`
    opening: float  # `features.opening`
    pinch: float  # `features.thumb_index_distance`


def _lengths(hands):
    """Those of all hands at once: calls cost more than hands."""
    joints = np.array([hand.joints_3d for hand in hands]).reshape(-1, 21, 3)
    measured = [measure(joints).tolist() for measure in (palm_size, opening, thumb_index_distance)]
    return [_Lengths(*each) for each in zip(*measured, strict=True)]


def aperture(joints: np.ndarray, type: GraspType) -> float:
    """Free space [m] between the virtual fingers of `type` in a hand `joints` (21, 3); by default thumb and index."""
    return contacts(joints, type, float(palm_size(joints))).aperture


def _unknown(hand, stamp, last=None):
    changed, since = _dated(UNKNOWN, Phase.UNKNOWN, last, stamp) if last else (False, stamp)
    return Grasp(hand.track_id, hand.side, changed=changed, since=since, depth_source=hand.depth_source)


def _carried(memory, hand):
    """The latest grasp where `hand` carries it: from where it was measured it moves with the wrist."""
    held = replace(memory.grasp, changed=False, aperture_velocity=np.nan, depth_source=hand.depth_source)
    if memory.joints is None:
        return held
    here, there = memory.joints, hand.joints_3d
    R = wrist_rotation(there, True) @ wrist_rotation(here, True).T  # of a left hand, too: twice the wrong side is none
    T = memory.T_camera_from_grasp.copy()
    metric = hand.depth_source is not DepthSource.NONE
    T[:3, 3] = there[WRIST] + R @ (T[:3, 3] - here[WRIST]) if metric else np.nan
    T[:3, :3] = R @ T[:3, :3]
    return replace(held, T_camera_from_grasp=T)


def _closed(claim):
    """The probability that something opposes something."""
    if math.isfinite(claim.closed):
        return claim.closed
    right = claim.confidence if math.isfinite(claim.confidence) else 0.5
    return right if claim.type.closed else 1 - right


def _plainness(open_by, pinched, size, type):
    """(recent, lasting) of `Trend.plainness` by which the hand opens."""
    recent, lasting = open_by.plainness(SHIVER * size)
    if type.opposition is Opposition.PALM:  # against the palm, the thumb is free to move
        return recent, lasting
    pinch = pinched.plainness(PINCH_SHIVER * size)
    return _plainer(recent, pinch[0]), _plainer(lasting, pinch[1])


def _moved(measured, type, dt, memory):
    """The aperture's motion to `measured` [m], measured with the type of now in the last image too."""
    if memory.motion is None:
        return Motion(measured, measured=(measured,))
    if type == memory.grasp.type:
        return memory.motion.updated(measured, dt)
    offset = aperture(memory.joints, type) - aperture(memory.joints, memory.grasp.type)
    return memory.motion.shifted(offset).updated(measured, dt)


def _plainer(whole, pinch):
    """The trend of the whole hand, unless thumb and index plainly move and the rest does not."""
    return pinch if abs(pinch) > max(PLAIN, PLAINER * abs(whole)) else whole


def _widest(memory, width, dt):
    if memory.widest == 0:
        return width
    return memory.widest + max(width - memory.widest, 0.0) * (1 - math.exp(-max(dt, 0.0) / WIDEN_TIME))


def _dated(type, phase, last, stamp):
    """`changed` and `since` of a grasp, given the track's last one."""
    changed = (type, phase) != (last.type, last.phase)
    return changed, stamp if changed else last.since
