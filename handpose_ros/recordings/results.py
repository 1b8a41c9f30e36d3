"""What came out of a recording, a bag or a video: collected image by image, then summarised."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.drawing import draw_hands, grasp_label
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.grasps.taxonomy import UNKNOWN, grasp_name
from handpose_ros.hand import HandPoses, Side, TrackingState
from handpose_ros.recordings.spool import Spool
from handpose_ros.recordings.summary import HandsSummary, measured_hands, summarise
from handpose_ros.recordings.trajectories import Trajectory, period, stamp_warnings, trajectories

_PICTURES = 12  # at least, where there are as many images; at most twice as many
_PICTURE_WIDTH = 480  # [px]
_PICTURE_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """An image with its hands, small, for a page."""

    stamp: float  # [s]
    jpeg: bytes


@dataclass(frozen=True)
class TrackSummary:
    """One hand of a recording."""

    track_id: int
    side: str
    frames: int  # in which it was measured
    jitter_mm: float  # see Trajectory.jitter


@dataclass(frozen=True)
class RecordingSummary(HandsSummary):
    """What a recording came to."""

    source: str
    model: str  # the networks
    license: str  # of what ran
    duration: float  # [s] from the first image's stamp to the last one's
    fps: float  # [1/s] by the median time between stamps
    coverage: dict[str, float]  # share of the images in which a left, a right, any and both hands were measured
    tracks: tuple[TrackSummary, ...]  # the longest first
    grasps: dict[str, dict[str, int]]  # side -> name of the grasp -> images
    warnings: tuple[str, ...]


class Results:
    """The answers to a recording's images, in order, and a few pictures of them."""

    def __init__(self, source: str, model: str, license: str, directory: Path | str | None = None):
        """Answers are kept on the disk of `directory` (None: that of temporary files) until the end, not in memory."""
        self.source, self.model, self.license = source, model, license
        self.frames: Sequence[HandPoses] = Spool(directory)
        self.grasps: Sequence[tuple[Grasp, ...]] = Spool(directory)
        self.pictures: list[Picture] = []
        self._stamps, self._trajectories = array("d"), None  # each pass over a Spool makes all of it anew
        self._step = 1  # images from one picture to the next

    def add(self, image: np.ndarray, hands: HandPoses, grasps: Sequence[Grasp]):
        """The next image (H, W, 3) uint8 RGB, its hands and their grasps."""
        if len(self.frames) % self._step == 0:
            self.pictures.append(_picture(image, hands))
        if len(self.pictures) > 2 * _PICTURES:  # how many images will come is not always known
            self.pictures, self._step = self.pictures[::2], 2 * self._step
        self.frames.append(hands.without_mano())
        self.grasps.append(tuple(grasps))
        self._stamps.append(hands.stamp)
        self._trajectories = None

    def replace(self, frames: Sequence[HandPoses], grasps: Sequence[tuple[Grasp, ...]]):
        """Other answers to the same images."""
        self.frames, self.grasps, self._trajectories = frames, grasps, None

    @property
    def stamps(self) -> np.ndarray:
        """(F,) [s] of the images."""
        return np.array(self._stamps)

    def trajectories(self) -> tuple[Trajectory, ...]:
        """The hands one by one, the longest seen first."""
        if self._trajectories is None:
            self._trajectories = trajectories(self.frames, self.grasps)
        return self._trajectories

    def summary(self, warnings: Sequence[str] = ()) -> RecordingSummary:
        """The whole in numbers; `warnings` go before those about the stamps."""
        stamps, counts = self.stamps, _coverage(self.frames)
        tracks = [
            TrackSummary(each.track_id, each.side.name.lower(), len(each.frames), 1000 * each.jitter)
            for each in self.trajectories()
        ]
        return RecordingSummary(
            **vars(summarise(self.frames)),
            source=self.source,
            model=self.model,
            license=self.license,
            duration=float(np.ptp(stamps)) if len(stamps) else 0.0,
            fps=1 / period(stamps),
            coverage=counts,
            tracks=tuple(tracks),
            grasps=_grasp_counts(self.frames, self.grasps),
            warnings=(*warnings, *stamp_warnings(stamps)),
        )


def captions(grasps: Sequence[Grasp]) -> dict[int, str]:
    """What is written at the hand of each track: "hold tripod  3.1 cm"."""
    known = [grasp for grasp in grasps if grasp.type is not UNKNOWN]
    return {each.track_id: grasp_label(grasp_name(each.phase, each.type.name), each.aperture) for each in known}


def _picture(image, hands):
    scale = min(1.0, _PICTURE_WIDTH / image.shape[1])
    # Drawn at full size, then shrunk: labels keep their place, lines their smoothness.
    drawn = draw_hands(image, hands)
    small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _PICTURE_QUALITY])
    return Picture(hands.stamp, jpeg.tobytes())


def _coverage(frames):
    sides = [{hand.side for hand in measured_hands(frame)} for frame in frames]
    total = max(len(frames), 1)
    return {
        "left": sum(Side.LEFT in each for each in sides) / total,
        "right": sum(Side.RIGHT in each for each in sides) / total,
        "any": sum(bool(each) for each in sides) / total,
        "both": sum({Side.LEFT, Side.RIGHT} <= each for each in sides) / total,
    }


def _grasp_counts(frames, grasps):
    counts: dict[str, dict[str, int]] = {}
    pairs = (pair for each in zip(frames, grasps, strict=True) for pair in zip(*each, strict=False))
    for grasp in (grasp for hand, grasp in pairs if hand.state is not TrackingState.LOST):
        side = counts.setdefault(grasp.side.name.lower(), {})
        name = grasp_name(grasp.phase, grasp.type.name)
        side[name] = side.get(name, 0) + 1
    return counts
