"""A data set through the estimator: what was found for each true hand."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.evaluation.datasets import Sample, TrueHand, load_dataset, most_hands
from handpose_ros.hand import HAND_SCALES, DepthSource, HandPose, HandPoses
from handpose_ros.metrics import match_hands


@dataclass(frozen=True)
class Pair:
    """A true hand and the hand that was found there."""

    true: TrueHand
    found: HandPose

    @property
    def true_2d(self) -> np.ndarray:
        """(21, 2) [px]; NaN where a joint is not annotated."""
        return _annotated(self.true)

    @property
    def true_3d(self) -> np.ndarray:
        """(21, 3) [m]; all NaN unless all joints are annotated: alignments need whole hands."""
        return self.true.joints_3d if self.true.whole else np.full((21, 3), np.nan)

    @property
    def metric(self) -> bool:
        """Whether the found hand has a place in space, and is not relative to its wrist."""
        return self.found.depth_source is not DepthSource.NONE


@dataclass(frozen=True)
class Outcome:
    """What came out for one photo."""

    sample: Sample
    hands: HandPoses
    pairs: tuple[Pair, ...]  # the true hands that were detected

    @property
    def extra(self) -> int:
        """Hands found where none is annotated."""
        return len(self.hands) - len(self.pairs)


@dataclass(frozen=True)
class Subject:
    """What was measured."""

    data_set: str
    model: str  # the networks
    hand_scale: float  # the hand size that was used, over the average hand's; NaN: average taken
    hand_scale_source: str  # "average", "given" or "calibrated" on this very data set


def evaluate_folder(
    folder: Path,
    make_estimator: Callable[..., HandPoseEstimator],
    *,
    hand_scale: float | None = None,
    calibrate_size: bool = False,
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> tuple[Subject, tuple[Outcome, ...]]:
    """What `make_estimator(hand_scale=..., max_hands=...)` makes of the data set in `folder`, and what exactly was
    measured.

    `calibrate_size` goes through the data set twice: `calibrated_size`, then with that. `progress` wraps the samples.
    Raises what `load_dataset` and `calibrated_size` raise, ValueError where the estimator does not care about sizes.
    """
    samples = load_dataset(folder)
    make_estimator = partial(make_estimator, max_hands=most_hands(samples))
    estimator = make_estimator(hand_scale=hand_scale)
    outcomes = evaluate(progress(samples), estimator.estimate)
    source = "average" if hand_scale is None else "given"
    if calibrate_size:
        hand_scale, source = calibrated_size(outcomes), "calibrated"
        if not HAND_SCALES[0] <= hand_scale <= HAND_SCALES[1]:
            raise ValueError(
                f"the size that fits the distances is {hand_scale:.2f} of the average hand's: are they in metres?"
            )
        outcomes = evaluate(progress(samples), make_estimator(hand_scale=hand_scale).estimate)
        if not any(pair.found.depth_source is DepthSource.MONO_SCALED for o in outcomes for pair in o.pairs):
            raise ValueError("the hand size cannot be calibrated: this backend decides on hands' sizes itself")
    name = Path(os.path.abspath(folder)).name  # also of "."
    return Subject(name, estimator.model, np.nan if hand_scale is None else hand_scale, source), outcomes


def evaluate(
    samples: Iterable[Sample], estimate: Callable[[np.ndarray, Camera | None], HandPoses]
) -> tuple[Outcome, ...]:
    """The outcome of `estimate` (HandPoseEstimator.estimate) for each of `samples`. Raises ValueError with its name."""
    return tuple(compare(sample, _estimated(sample, estimate)) for sample in samples)


def compare(sample: Sample, hands: HandPoses) -> Outcome:
    """The hands found in a photo, each with the true hand that it is (metrics.match_hands)."""
    found = np.array([hand.joints_2d for hand in hands]).reshape(-1, 21, 2)
    true = np.array([_annotated(hand) for hand in sample.hands]).reshape(-1, 21, 2)
    matched = match_hands(found, true)
    pairs = (Pair(hand, hands[m]) for hand, m in zip(sample.hands, matched, strict=True) if m >= 0)
    return Outcome(sample, hands, tuple(pairs))


def calibrated_size(outcomes: Iterable[Outcome]) -> float:
    """The one hand scale that puts these hands, estimated without one, at their true distances, in the median.

    Distance is proportional to size: the scale is the median ratio of the true to the estimated distance.
    Raises ValueError where no hand can tell.
    """
    pairs = [pair for outcome in outcomes for pair in outcome.pairs if pair.metric]
    ratios = np.array([_distance(pair.true_3d) / _distance(pair.found.joints_3d) for pair in pairs])
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        raise ValueError(
            "the hand size cannot be calibrated: no hand with a camera and known joints in metres is found"
        )
    return float(np.median(ratios))


def _estimated(sample, estimate):
    image = sample.read()
    try:
        return estimate(image, sample.camera)
    except ValueError as error:
        raise ValueError(f"{sample.image}: {error}") from error


def _annotated(hand: TrueHand) -> np.ndarray:
    return np.where(hand.valid[:, None], hand.joints_2d, np.nan)


def _distance(joints):
    return np.linalg.norm(joints.mean(axis=0))
