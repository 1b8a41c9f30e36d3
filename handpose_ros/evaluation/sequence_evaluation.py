"""How well hands are kept, and how steady and how late they are, on sequences whose truth is known.

Every sequence goes through the pipeline once, unfiltered; the live filter and a fixed low-pass to compare with are
then laid over that, which is what the pipeline does too. Lag is that behind the unfiltered stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from handpose_ros.backends import Backend
from handpose_ros.camera import Frame
from handpose_ros.evaluation.sequence_metrics import (
    acceleration_error,
    fragments,
    jitter,
    lag,
    switches,
    time_to_detection,
)
from handpose_ros.evaluation.sequences import HandSequence
from handpose_ros.filtering.live import HandFilter
from handpose_ros.hand import WRIST, HandPoses, TrackingState
from handpose_ros.metrics import match_hands, root_relative_mpjpe
from handpose_ros.pipeline import HandPosePipeline

LOW_PASS = 6.4  # [Hz] of the fixed low-pass: 25 ms late
STREAMS = ("unfiltered", "low_pass", "one_euro")


@dataclass(frozen=True)
class Stream:
    """Figures of one hand in one stream of results; NaN where a sequence cannot tell."""

    jitter_mm: float  # rms over the joints, at rest
    lag_ms: float  # of the wrist behind the unfiltered stream, in even motion
    root_relative_mm: float
    acceleration_error: float  # [m/s^2] of the joints


@dataclass(frozen=True)
class FollowedHand:
    """What became of one true hand of a sequence."""

    images: int  # in which it is visible
    followed: float  # share of these in which it was found
    id_switches: int
    side_switches: int
    wrong_sides: int  # images in which it was found on the wrong side
    breaks: int  # times that it was lost while visible
    first_detection_s: float  # from its coming into view; inf: never
    recovery_s: float  # the longest from coming into view again; NaN: it never did
    streams: dict[str, Stream]  # by STREAMS


@dataclass(frozen=True)
class Followed:
    """What became of a sequence."""

    name: str
    images: int
    most_hands: int  # shown in one image
    searches: float  # squares that the detector searched, an image
    hands: tuple[FollowedHand, ...]


def follow(sequence: HandSequence, backend: Backend, **options) -> Followed:
    """What a HandPosePipeline with `options` makes of `sequence`."""
    counted = _Counted(backend)
    pipeline = HandPosePipeline(counted, filter="none", **options)
    images = range(len(sequence.stamps))
    answers = [pipeline(Frame(sequence.image(i), sequence.camera, float(sequence.stamps[i]))) for i in images]
    return judged(sequence, answers, counted.squares / len(images))


def judged(sequence: HandSequence, answers: list[HandPoses], searches: float = np.nan) -> Followed:
    """The figures of unfiltered `answers`, one for each image of `sequence`."""
    live = HandFilter()
    smooth = [live(hands) for hands in answers]
    matches = np.array([_matched(sequence, i, hands) for i, hands in enumerate(answers)]).reshape(
        sequence.visible.shape
    )
    hands = range(len(sequence.sides))
    return Followed(
        sequence.name,
        len(answers),
        max(len(_shown(answer)) for answer in answers),
        searches,
        tuple(_followed_hand(sequence, answers, smooth, matches[:, hand], hand) for hand in hands),
    )


def low_pass(joints: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """`joints` (N, ...) of `stamps` (N,) [s] behind a fixed low-pass of first order; it starts anew after NaN."""
    smooth = np.array(joints, float)
    for i in range(1, len(smooth)):
        share = 1 - 1 / (1 + 2 * np.pi * LOW_PASS * (stamps[i] - stamps[i - 1]))
        if np.isfinite(smooth[i - 1]).all():
            smooth[i] = smooth[i - 1] + share * (smooth[i] - smooth[i - 1])
    return smooth


class _Counted:
    """A backend that counts the squares it searches. See `handpose_ros.backends.Backend`."""

    def __init__(self, backend):
        self.squares, self._backend = 0, backend
        self.observe, self.track, self.model = backend.observe, backend.track, backend.model

    def detect(self, frame, squares=None, meanwhile=False):
        self.squares += len(squares or [None])
        return self._backend.detect(frame, squares, meanwhile)


def _shown(answer: HandPoses):
    return [hand for hand in answer if hand.state is not TrackingState.LOST]


def _matched(sequence, index, answer):
    """(H,) which of the `answer`'s shown hands is each true one, -1 for none."""
    matched = np.full(len(sequence.sides), -1)
    known = np.isfinite(sequence.joints_2d[index]).all(axis=-1).any(axis=-1)
    visible = np.flatnonzero(sequence.visible[index] & known)
    found = np.array([hand.joints_2d for hand in _shown(answer)]).reshape(-1, 21, 2)
    matched[visible] = match_hands(found, sequence.joints_2d[index, visible])
    return matched


def _followed_hand(sequence, answers, smooth, matches, hand):
    visible = sequence.visible[:, hand]
    found = [_shown(answer)[m] if m >= 0 else None for answer, m in zip(answers, matches, strict=True)]
    ids = np.array([each.track_id if each else 0 for each in found])
    sides = np.array([int(each.side) if each else 0 for each in found])
    first, *again = time_to_detection(ids, visible, sequence.stamps) or [np.nan]
    plain = _joints(answers, matches)
    joints = {"unfiltered": plain, "low_pass": low_pass(plain, sequence.stamps), "one_euro": _joints(smooth, matches)}
    true_side = sequence.sides[hand]
    return FollowedHand(
        images=int(visible.sum()),
        followed=float((ids != 0)[visible].mean()) if visible.any() else np.nan,
        id_switches=switches(ids),
        side_switches=switches(sides),
        wrong_sides=int(((sides != 0) & (sides != true_side)).sum()) if true_side else 0,
        breaks=fragments(ids, visible),
        first_detection_s=first,
        recovery_s=max(again, default=np.nan),
        streams={name: _stream(sequence, hand, each, plain) for name, each in joints.items()},
    )


def _joints(answers: Iterable[HandPoses], matches):
    """(N, 21, 3) [m] joints of the hand that is matched in each answer, NaN where it is not measured."""
    joints = np.full((len(matches), 21, 3), np.nan)
    for i, (answer, match) in enumerate(zip(answers, matches, strict=True)):
        if match >= 0 and _shown(answer)[match].state is TrackingState.TRACKED:
            joints[i] = _shown(answer)[match].joints_3d
    return joints


def _stream(sequence, hand, joints, plain):
    true = sequence.joints_3d[:, hand]
    measured = np.isfinite(joints).all(axis=(-1, -2))
    still = sequence.within(sequence.resting) & measured
    even, period = _evenly_timed(sequence.stamps)
    moving = sequence.within(sequence.moving)
    lagging = even and moving.sum() > 2 and measured[moving].all()
    known = measured & np.isfinite(true).all(axis=(-1, -2))
    accelerated = known if not moving.any() else known & moving
    whole = even and accelerated.sum() > 2 and accelerated[slice(*_ends(accelerated))].all()
    return Stream(
        jitter_mm=1e3 * jitter(joints[still]) if still.any() else np.nan,
        lag_ms=1e3 * lag(joints[moving, WRIST], plain[moving, WRIST], period) if lagging else np.nan,
        root_relative_mm=1e3 * float(root_relative_mpjpe(joints[known], true[known]).mean()) if known.any() else np.nan,
        acceleration_error=acceleration_error(joints[accelerated], true[accelerated], period) if whole else np.nan,
    )


def _evenly_timed(stamps):
    """Whether `stamps` (N,) [s] come at one rate, and the period [s]."""
    periods = np.diff(stamps)
    period = float(np.median(periods)) if len(periods) else np.nan
    return len(periods) > 0 and np.allclose(periods, period, rtol=0.05), period


def _ends(chosen):
    """First and one after the last of `chosen` (N,) bool."""
    indices = np.flatnonzero(chosen)
    return int(indices[0]), int(indices[-1]) + 1
