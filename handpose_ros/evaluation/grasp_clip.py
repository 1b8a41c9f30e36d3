"""The grasps of the demo clip: when its true joints say that each phase begins, and how late the whole chain says so.

The truth knows nothing of the classifiers. A hand that keeps its shape is at rest; it is closed if its grip aperture,
the distance of thumb and index, is small, so that a pointing hand is not. Between two rests a motion begins when a
tenth of the change of the grip aperture is made and ends at nine tenths, as rise times are measured.
"""

from dataclasses import dataclass

import numpy as np

from handpose_ros.camera import Frame
from handpose_ros.features import as_right_hands, palm_size, pinch_distance
from handpose_ros.grasps.grasp import Grasp, GraspTracker, make_classifier
from handpose_ros.grasps.taxonomy import Phase
from handpose_ros.hand import HandPoses, Side
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recordings.sources import DEMO_TRUTH, open_source

AT_REST = 0.02  # [palm sizes / s] mean speed of the joints in the hand
REST = 0.3  # [s] at least
CLOSED = 0.06  # [m] thumb tip to index tip
BEGUN, DONE = 0.1, 0.9  # of the change
EARLY, LATE = 0.1, 0.6  # [s] what is seen so long before a motion begins, or after, is another event


@dataclass(frozen=True)
class Event:
    """A phase begins."""

    phase: Phase
    time: float  # [s]
    motion: float  # [s] when the motion began that leads to it


@dataclass(frozen=True)
class HandEvents:
    """What one hand of a clip does."""

    side: Side
    events: tuple[Event, ...]
    cycles: tuple[tuple[float, float], ...]  # [s] from an open rest, through one that is closed, to the next open one
    holds: tuple[tuple[float, float], ...]  # [s] from the rest before one that is closed to the rest after it


def read_truth() -> tuple[HandEvents, ...]:
    """The hands of the demo clip."""
    with np.load(DEMO_TRUTH) as data:
        joints, sides, fps = data["joints_3d"].astype(float), data["sides"], float(data["fps"])
    return tuple(true_hand(joints[:, i], Side(int(side)), fps) for i, side in enumerate(sides))


def true_hand(joints: np.ndarray, side: Side, fps: float) -> HandEvents:
    """What a hand does whose true joints (frames, 21, 3) [m] are known."""
    shape = as_right_hands(joints, side is Side.RIGHT) / palm_size(joints)[:, None, None]
    gap, rests = pinch_distance(joints), _rests(shape, fps)
    closed = [gap[first] < CLOSED for first, _ in rests]
    events = []
    for (_, start), (end, _), was, becomes in zip(rests, rests[1:], closed, closed[1:], strict=False):
        found = {phase: (start + frame) / fps for phase, frame in _changes(gap[start : end + 1], was, becomes)}
        events += [Event(phase, time, min(found.values())) for phase, time in found.items()]
    middles = [(first + last) / 2 / fps for first, last in rests]
    inner = [i for i in range(1, len(rests) - 1) if closed[i]]
    cycles = [(middles[i - 1], middles[i + 1]) for i in inner if not closed[i - 1] and not closed[i + 1]]
    holds = [(rests[i - 1][1] / fps, rests[i + 1][0] / fps) for i in inner]
    return HandEvents(side, tuple(events), tuple(cycles), tuple(holds))


def _rests(shape, fps):
    """(first, last) frames of the stretches without motion; the last frame is one too."""
    speed = np.linalg.norm(np.diff(shape, axis=0), axis=-1).mean(axis=-1) * fps
    edges = np.flatnonzero(np.diff(np.concatenate([[False], speed < AT_REST, [False]]).astype(int)))
    rests = [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= REST * fps]
    return rests if rests and rests[-1][1] == len(speed) else [*rests, (len(speed), len(speed))]


def _changes(gap, was_closed, becomes_closed):
    """(phase, frame) of the phases that begin in a motion whose grip apertures are `gap` (frames,) [m]."""
    first, last, widest = gap[0], gap[-1], gap.max()
    if was_closed:
        yield Phase.RELEASE, int(np.argmax(gap >= first + BEGUN * (widest - first)))
        if not becomes_closed:
            yield Phase.OPEN, int(np.argmax(gap >= first + DONE * (widest - first)))
    elif becomes_closed:
        yield Phase.PRESHAPE, int(np.argmax(gap <= first - BEGUN * (first - last)))
    if becomes_closed:
        yield Phase.HOLD, len(gap) - int(np.argmax(gap[::-1] > last + (1 - DONE) * (widest - last)))


def estimated_clip(pipeline: HandPosePipeline) -> tuple[HandPoses, ...]:
    """The hands of the demo clip's images."""
    with open_source("demo") as source:
        return tuple(pipeline(Frame(image, source.camera, stamp)) for stamp, image in source.stamped())


def followed(classifier: str, frames: tuple[HandPoses, ...]) -> list[tuple[float, tuple[Grasp, ...]]]:
    """(stamp [s], grasps) of each of `frames`, as the node with its defaults says."""
    tracker = GraspTracker(make_classifier(classifier))
    return [(hands.stamp, tracker.update(hands)) for hands in frames]


def clip_figures(truth: tuple[HandEvents, ...], answers: list[tuple[float, tuple[Grasp, ...]]]) -> list:
    """(key, value, n) each: cycles with every phase once and in order until the hand is open again, delays [s], and
    images with a hold that is none."""
    orderly, delays, false_holds, images = [], {phase: [] for phase in Phase if phase}, 0, 0
    for hand in truth:
        seen = [(stamp, grasp.phase) for stamp, grasps in answers for grasp in grasps if grasp.side is hand.side]
        orderly += [phases_between(seen, *cycle)[:5] == _IN_ORDER for cycle in hand.cycles]
        for event in hand.events:
            delays[event.phase].append(delay(seen, event))
        holding = [stamp for stamp, phase in seen if phase is Phase.HOLD]
        false_holds += sum(not any(a <= stamp <= b for a, b in hand.holds) for stamp in holding)
        images += len(seen)
    figures = [("clip.all_phases_in_order", np.mean(orderly), len(orderly))]
    figures.append(("clip.false_holds", false_holds / max(images, 1), images))
    for phase, each in delays.items():
        figures.append((f"clip.{phase.name.lower()}_delay", float(np.median(each)), len(each)))
        figures.append((f"clip.{phase.name.lower()}_worst_delay", float(np.max(each)), len(each)))
    every = np.concatenate(list(delays.values()))
    return [*figures, ("clip.within_150ms", np.mean(every <= 0.1501), len(every))]


_IN_ORDER = [Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE, Phase.OPEN]


def phases_between(seen: list[tuple[float, Phase]], start: float, end: float) -> list[Phase]:
    """The phases of `seen` (stamp [s], phase) from `start` to `end`, each as often as it begins."""
    phases = [phase for stamp, phase in seen if start <= stamp <= end]
    return [phase for i, phase in enumerate(phases) if i == 0 or phase is not phases[i - 1]]


def delay(seen: list[tuple[float, Phase]], event: Event) -> float:
    """[s] from `event` to the first image of its motion in which its phase begins in `seen`; negative: early; inf: not
    seen."""
    begins = [
        stamp
        for (_, before), (stamp, phase) in zip(seen, seen[1:], strict=False)
        if phase is event.phase and before is not phase and event.motion - EARLY <= stamp <= event.time + LATE
    ]
    return begins[0] - event.time if begins else np.inf
