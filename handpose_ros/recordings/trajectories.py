"""A recording hand by hand: what one track did over time, as arrays. Only hands measured in an image count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handpose_ros.features import joint_angles
from handpose_ros.filtering.recorded import GAP
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.hand import WRIST, DepthSource, HandPoses, Side, TrackingState
from handpose_ros.wording import counted


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One track over the images in which it was measured, in order."""

    track_id: int
    side: Side  # in most images
    frames: np.ndarray  # (N,) indices into the recording
    stamps: np.ndarray  # (N,) [s]
    wrist: np.ndarray  # (N, 3) [m] in the camera's optical frame; NaN without absolute depth
    angles: np.ndarray  # (N, 20) [rad] in the order of features.ANGLE_NAMES; NaN where the side is not known
    aperture: np.ndarray  # (N,) [m]

    @property
    def name(self) -> str:
        """ "L 3": as drawn at the hand."""
        return f"{ {Side.LEFT: 'L', Side.RIGHT: 'R'}.get(self.side, '?') } {self.track_id}"

    @property
    def jitter(self) -> float:
        """[m] median distance of the wrist from where an even motion from one image before to one after would have it.

        NaN where it was not measured in three images that follow each other. A hand that speeds up adds half its
        acceleration times the square of the period: 0.6 mm for 1 m/s^2 at 30 Hz.
        """
        stamps, wrist = self.stamps, self.wrist
        at = np.flatnonzero((self.frames[2:] - self.frames[:-2] == 2) & (stamps[2:] > stamps[:-2])) + 1
        share = (stamps[at] - stamps[at - 1]) / (stamps[at + 1] - stamps[at - 1])
        even = wrist[at - 1] + share[:, None] * (wrist[at + 1] - wrist[at - 1])
        off = np.linalg.norm(wrist[at] - even, axis=-1)
        off = off[np.isfinite(off)]
        return float(np.median(off)) if len(off) else np.nan


def trajectories(frames: Sequence[HandPoses], grasps: Sequence[Sequence[Grasp]]) -> tuple[Trajectory, ...]:
    """The tracks of a recording, the longest first; `grasps` are those of each frame."""
    seen: dict[int, list] = {}
    for index, (frame, held) in enumerate(zip(frames, grasps, strict=True)):
        apertures = {grasp.track_id: grasp.aperture for grasp in held}
        for hand in frame:
            if hand.state is TrackingState.TRACKED:
                metric = hand.depth_source is not DepthSource.NONE
                aperture = apertures.get(hand.track_id, np.nan)
                row = (index, frame.stamp, hand.side, hand.joints_3d, metric, aperture)
                seen.setdefault(hand.track_id, []).append(row)
    found = [_trajectory(track, rows) for track, rows in seen.items()]
    return tuple(sorted(found, key=lambda each: (-len(each.frames), each.track_id)))


def period(stamps: np.ndarray) -> float:
    """[s] the median time between images; NaN for fewer than two."""
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else np.nan


def stamp_warnings(stamps: np.ndarray) -> list[str]:
    """What is wrong with the images' `stamps` (F,) [s], in the order in which the images came."""
    steps, usual = np.diff(stamps), period(stamps)
    warnings = []
    backward = int((steps <= 0).sum())
    if backward:
        warnings.append(
            f"in {backward} of {len(stamps)} images the stamp is not after the one before: tracks may break there"
        )
    gaps = steps[steps > 2.5 * usual]
    if len(gaps):
        longest = f"the longest {gaps.max():.2f} s (usual is {1000 * usual:.0f} ms)"
        warnings.append(f"{counted(len(gaps), 'gap')} between images, {longest}")
    return warnings


def stretches(trajectory: Trajectory, usual: float) -> list[slice]:
    """The parts of `trajectory` without a gap, given the recording's `usual` period [s]."""
    breaks = np.flatnonzero(np.diff(trajectory.stamps) > GAP * usual) + 1
    edges = [0, *breaks.tolist(), len(trajectory.stamps)]
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _trajectory(track, rows):
    frames, stamps, sides, joints, metric, aperture = map(np.array, zip(*rows, strict=True))
    return Trajectory(
        track_id=track,
        side=Side(Counter(sides.tolist()).most_common(1)[0][0]),
        frames=frames,
        stamps=stamps,
        wrist=np.where(metric[:, None], joints[:, WRIST], np.nan),
        angles=joint_angles(joints, sides),
        aperture=aperture,
    )
