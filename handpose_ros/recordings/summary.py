"""What came out of a run, in numbers: hands per frame, identities, and the error against a ground truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import HandPose, HandPoses, Side, TrackingState
from handpose_ros.metrics import joint_errors, mpjpe, pa_mpjpe, root_relative_mpjpe


@dataclass(frozen=True)
class HandsSummary:
    """Counts over the frames of one run. Only hands measured in a frame count, predicted ones do not."""

    frames: int
    frames_with_a_hand: int
    frames_with_both_hands: int  # a left and a right one
    track_ids: tuple[int, ...]  # of these hands, each once
    sides: dict[int, dict[str, int]]  # track id -> side -> frames


@dataclass(frozen=True, eq=False)
class Truth:
    """Where the hands of a clip really are, frame by frame."""

    joints_3d: np.ndarray  # (F, H, 21, 3) [m] in the camera's optical frame
    sides: tuple[Side, ...]  # (H,)
    camera: Camera


@dataclass(frozen=True)
class TruthErrors:
    """Errors of the hands of known side, each against the true hand of its side in its frame."""

    hands: int  # compared
    hands_missed: int  # true hands without a measured hand of their side
    absolute_median_mm: float  # over all joints
    absolute_mean_mm: float
    root_relative_mm: float  # mean over hands, wrists at the origin
    pa_mm: float  # mean over hands, after the best rotation, translation and scale
    pixels_2d: float  # [px] mean over hands


@dataclass(frozen=True)
class DemoSummary(HandsSummary):
    """What a run of camera, hand_pose and grasp over DDS came to."""

    source: str
    model: str  # the networks
    license: str  # of what ran
    latency_p50_ms: float  # from the stamp of an image to the publication of its hands
    latency_p95_ms: float
    inference_p50_ms: float  # from the decoded image to the hands
    lost_frames: int  # published images that were never answered with hands, be they empty
    stale_frames: int  # images taken up although a newer one had arrived
    images_missed_by_recorder: int  # not in the bag and the overlay, but answered or lost all the same
    grasps: dict[str, dict[str, int]]  # side -> grasp -> frames
    error: TruthErrors | None  # only where the truth is known: the demo clip
    interrupted: bool  # ended by Ctrl-C

    @property
    def answered(self) -> int:
        """Images that were answered with hands, be they empty."""
        return self.frames - self.lost_frames


def summarise(frames: Sequence[HandPoses]) -> HandsSummary:
    """Counts over `frames`; a frame that was never answered is HandPoses without hands."""
    measured = [[(hand.track_id, hand.side) for hand in measured_hands(frame)] for frame in frames]
    tracks = sorted({track for hands in measured for track, _ in hands})
    seen = Counter((track, side.name.lower()) for hands in measured for track, side in hands)
    return HandsSummary(
        frames=len(frames),
        frames_with_a_hand=sum(bool(hands) for hands in measured),
        frames_with_both_hands=sum({Side.LEFT, Side.RIGHT} <= {side for _, side in hands} for hands in measured),
        track_ids=tuple(tracks),
        sides={track: {side: count for (id, side), count in sorted(seen.items()) if id == track} for track in tracks},
    )


def measured_hands(frame: HandPoses) -> list[HandPose]:
    """The hands that were seen in this very frame."""
    return [hand for hand in frame if hand.state == TrackingState.TRACKED]


def load_truth(path: Path | str) -> Truth:
    """The truth in an NPZ with joints_3d (F, H, 21, 3) m, sides (H,), K (3, 3) and size (2,) px."""
    with np.load(path) as arrays:
        camera = Camera(arrays["K"], tuple(int(v) for v in arrays["size"]))
        return Truth(arrays["joints_3d"].astype(float), tuple(Side(int(s)) for s in arrays["sides"]), camera)


def truth_errors(frames: Sequence[HandPoses], truth: Truth) -> TruthErrors | None:
    """How far `frames`, the clip's first ones in order, are from `truth`; None if no hand can be compared."""
    measured = [{hand.side: hand for hand in measured_hands(frame)} for frame in frames]
    true_hands = [(f, h) for f in range(min(len(frames), len(truth.joints_3d))) for h in range(len(truth.sides))]
    found = [(f, h) for f, h in true_hands if truth.sides[h] in measured[f]]
    if not found:
        return None
    hands = [measured[f][truth.sides[h]] for f, h in found]
    predicted = np.stack([hand.joints_3d for hand in hands])
    true = np.stack([truth.joints_3d[f, h] for f, h in found])
    absolute = joint_errors(predicted, true)
    return TruthErrors(
        hands=len(found),
        hands_missed=len(true_hands) - len(found),
        absolute_median_mm=1000 * float(np.median(absolute)),
        absolute_mean_mm=1000 * float(absolute.mean()),
        root_relative_mm=1000 * float(root_relative_mpjpe(predicted, true).mean()),
        pa_mm=1000 * float(pa_mpjpe(predicted, true).mean()),
        pixels_2d=float(mpjpe(np.stack([hand.joints_2d for hand in hands]), truth.camera.project(true)).mean()),
    )
