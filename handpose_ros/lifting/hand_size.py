"""How large a person's hand is, over the average hand: from a ruler, a known distance, or depth images.

One camera alone cannot tell: a larger hand further away gives the same image. Distance and size are proportional: a
hand that is placed at half of its true distance was taken for half as large as it is.
"""

from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from handpose_ros.features import openness
from handpose_ros.hand import HAND_SCALES, WRIST, DepthSource, HandPose, HandPoses, TrackingState
from handpose_ros.lifting.depth import FLESH, robust_deviation
from handpose_ros.wording import counted

# [m] of the average hand, from the wrist's joint, where the wrist is narrowest, to the middle finger's base, where its
# webs begin; measured on the mesh that lifter_view.TEMPLATE_LENGTHS are of. Landmark networks put the wrist and the
# knuckle elsewhere, 85.7 mm apart: no crease of the skin is there.
PALM_LENGTH = 0.110
WRIST_FLESH = float(FLESH[WRIST])  # [m] a tape ends at the skin
DISTANCES = (0.15, 3.0)  # [m] at which hands are seen
_LEAST_LOOKS = 10
_MOST_LOOKS = 100  # that a running estimate remembers
_MOST_SPREAD = 0.04  # of single images' sizes: a hand held still has 0.01
_OPEN = 0.7  # `features.openness` of a hand whose shape is judged well
_FAR_OFF = 0.1  # reprojection error over the hand's box; 0.036 is a mean keypoint error on real photos


class CalibrationError(ValueError):
    """Why the size could not be learned, and what to do about it."""


@dataclass(frozen=True)
class HandSize:
    """The size of a person's hand."""

    scale: float  # over the average hand's
    spread: float = np.nan  # relative standard deviation of what single images say
    looks: int = 0  # images from which it is; 0: from a ruler

    def __post_init__(self):
        if not HAND_SCALES[0] <= self.scale <= HAND_SCALES[1]:
            raise CalibrationError(
                f"the hand would be {self.scale:.2f} times as large as an average one, it must be {HAND_SCALES[0]} to "
                f"{HAND_SCALES[1]}: give metres, for a palm from the wrist's crease to the crease at the base of the "
                "middle finger, for a distance from the camera's lens to the wrist"
            )

    @classmethod
    def from_palm(cls, length: float) -> "HandSize":
        """Of a palm `length` [m] from the crease between hand and wrist to the crease at the middle finger's base.

        Raises CalibrationError for what is no length of a palm.
        """
        return cls(length / PALM_LENGTH)


class SizeFromDistance:
    """Collects looks at one open hand that is held at a known distance."""

    def __init__(self, distance: float):
        """`distance` [m] from the lens to the skin of the wrist. Raises CalibrationError for an absurd one."""
        if not DISTANCES[0] <= distance <= DISTANCES[1]:
            low, high = DISTANCES
            raise CalibrationError(f"distance is {distance:g} m, it must be between {low:g} and {high:g}: in metres")
        self._distance = distance + WRIST_FLESH
        self._images = 0
        self._scales: list[float] = []
        self._complaints: Counter[str] = Counter()

    def add(self, hands: HandPoses):
        """Takes the hands of one more image."""
        self._images += 1
        seen = [hand for hand in hands if hand.state is not TrackingState.LOST]
        complaint = _complaint_about_all(seen, hands.size)
        if complaint:
            self._complaints[complaint] += 1
            return
        (hand,) = seen
        self._scales.append(hand.assumed_scale * self._distance / float(np.linalg.norm(hand.joints_3d[WRIST])))

    @property
    def size(self) -> HandSize:
        """What the looks say. Raises CalibrationError where they are too few or differ too much."""
        if not self._images:
            raise CalibrationError("no image came: check that the camera runs; /diagnostics says what arrives")
        if len(self._scales) < _LEAST_LOOKS:
            reason = self._complaints.most_common(1)[0][0] if self._complaints else "hold it there for longer"
            raise CalibrationError(
                f"the open hand is seen well in {len(self._scales)} of {counted(self._images, 'image')}, "
                f"{_LEAST_LOOKS} are needed: {reason}"
            )
        scale = float(np.median(self._scales))
        spread = robust_deviation(self._scales) / scale
        if spread > _MOST_SPREAD:
            raise CalibrationError(
                f"the images say sizes that differ by {100 * spread:.0f} %, they may by {100 * _MOST_SPREAD:.0f} %: "
                "hold the hand still at that distance, its palm to the camera"
            )
        return HandSize(scale, spread, len(self._scales))


class SizeFromDepth:
    """A running estimate over looks whose distance a depth image told; it stays when the depth images end."""

    def __init__(self):
        self._scales: deque[float] = deque(maxlen=_MOST_LOOKS)

    def add(self, scale: float):
        """Takes what one look says."""
        self._scales.append(scale)

    @property
    def scale(self) -> float | None:
        """The median of the latest looks; None before there are enough."""
        return float(np.median(self._scales)) if len(self._scales) >= _LEAST_LOOKS else None


def complaint_about(hand: HandPose, size: tuple[int, int]) -> str:
    """Why `hand` in an image of `size` (width, height) [px] does not tell how large it is; "" if it does."""
    if hand.depth_source is DepthSource.NONE:
        return "the camera is not calibrated; publish its camera_info, or set the parameter fov"
    if hand.mano is not None:
        return "the network places hands by its own model of them, of which the size is not used"
    if hand.state is not TrackingState.TRACKED:
        return "no hand is seen; hold it before the camera"
    if not (np.all(hand.joints_2d >= 0) and np.all(hand.joints_2d <= np.array(size) - 1)):
        return "the hand is not wholly in the image; hold it in the middle"
    if not openness(hand.joints_3d) >= _OPEN:
        return "the hand is not open; stretch the fingers"
    if not hand.reprojection_error <= _FAR_OFF * max(hand.bbox[2:]):
        return "the hand's shape is not certain; turn its palm to the camera, in good light"
    return ""


def _complaint_about_all(hands, size):
    """Why the only one of `hands` in an image of `size` (width, height) [px] does not tell its size; "" if it does."""
    if not hands:
        return "no hand is seen; hold it before the camera"
    if len(hands) > 1:
        return f"{len(hands)} hands are seen; show only one"
    if hands[0].depth_source is DepthSource.SENSOR:
        return "a depth image places the hand and tells its size already; nothing is to be done"
    return complaint_about(hands[0], size)
