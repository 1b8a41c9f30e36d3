"""A video, or a folder of images, to an overlay, joints and a report. Decoding, computing and drawing overlap."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera, Frame
from handpose_ros.grasps.grasp import DEFAULT_CLASSIFIER, make_classifier
from handpose_ros.messages.calibration import fold_warning
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recordings.buffering import Behind, ahead
from handpose_ros.recordings.joint_tables import check_formats
from handpose_ros.recordings.output import make_directory
from handpose_ros.recordings.results import RecordingSummary
from handpose_ros.recordings.sources import ImageSource
from handpose_ros.recordings.video_results import VideoFinisher, VideoTask


@dataclass(frozen=True)
class Excerpt:
    """Which images of a video."""

    start: float = 0.0  # [s]
    end: float = np.inf  # [s]
    every: int = 1  # 2: every second one

    def __call__(self, stamped: Iterable[tuple[float, np.ndarray]]) -> Iterable[tuple[float, np.ndarray]]:
        """Those of (stamp [s], image) that are in it."""
        within = (pair for pair in _until(stamped, self.end) if pair[0] >= self.start)
        return islice(within, 0, None, self.every)

    def __str__(self):
        return f"from {self.start:g} s " + ("on" if self.end == np.inf else f"to {self.end:g} s")

    def count(self, source: ImageSource) -> int | None:
        """About how many images these are; None: not known, or endless."""
        if source.count is None:
            return None
        length = max(0.0, min(self.end, source.count / source.fps) - self.start)
        return -(-round(length * source.fps) // self.every)


def run_video(
    source: ImageSource,
    camera: Camera | None,
    pipeline: HandPosePipeline,
    out: Path,
    *,
    excerpt: Excerpt | None = None,
    formats: tuple[str, ...] = ("npz",),
    smooth: bool = False,
    classifier: str = DEFAULT_CLASSIFIER,
    calibrated: bool = True,
    warnings: Sequence[str] = (),
    progress: Callable[[Iterable], Iterable] = iter,
) -> RecordingSummary:
    """Leaves overlay.mp4, joints.<format>, summary.json and report.html in `out`.

    `calibrated` says that `camera` is a calibration, not a guess. `smooth` makes joints and report of joints smoothed
    with what came before and after; give it an unfiltered pipeline. `classifier` of grasps: a key of grasp.CLASSIFIERS.
    `warnings` go into the summary, before its own.
    Raises OSError, ValueError and ImportError with a remedy.
    """
    check_formats(formats)
    make_classifier(classifier)
    excerpt, backend = excerpt or Excerpt(), pipeline.backend
    task = VideoTask(
        make_directory(out),
        source.name,
        backend.model,
        backend.license,
        source.fps / excerpt.every,
        formats,
        smooth,
        classifier,
        pipeline.hand_scale,
        pipeline.max_hands,
        (*warnings, *distance_warnings(camera, calibrated)),
    )
    task.clear(source.files)
    empty = True
    with VideoFinisher(task) as finisher:
        with Behind(finisher.add) as finishing:  # this thread is for the networks alone
            for stamp, image in progress(ahead(excerpt(source.stamped()))):
                hands = pipeline(Frame(image, camera, stamp)).without_mano()
                finishing.put((image, replace(hands, calibrated=hands.calibrated and calibrated)))
                empty = False
        if empty:
            raise ValueError(f"{source.name} has no images {excerpt}{_length(source)}: choose other --start and --end")
        return finisher.finish(source.warnings)


def distance_warnings(camera: Camera | None, calibrated: bool) -> tuple[str, ...]:
    """A sentence where the distances of hands are not measured, or not everywhere; `calibrated` as in run_video."""
    if camera is None:
        return ("the camera is not known, joints are relative to the wrist: give --calibration or --fov",)
    if not calibrated:
        return ("the camera is not calibrated, distances are guessed from --fov: give --calibration",)
    return tuple(filter(None, [fold_warning(camera)]))


def _length(source):
    return "" if source.count is None else f", it is {source.count / source.fps:.1f} s long"


def _until(stamped, end):
    for stamp, image in stamped:
        if stamp >= end:
            return
        yield stamp, image
