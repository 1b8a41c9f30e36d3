"""A video, or a folder of images, to an overlay, joints and a report. Decoding, computing and drawing overlap."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera, Frame
from handpose_ros.drawing import draw_hands
from handpose_ros.grasp import DEFAULT_CLASSIFIER, Grasp, GraspTracker, make_classifier
from handpose_ros.hand import HandPoses
from handpose_ros.joint_tables import FORMATS, check_formats
from handpose_ros.overlapping import Behind, ahead
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recorded_filtering import smooth_recording
from handpose_ros.recording_report import write_report
from handpose_ros.recordings import VideoWriter, make_directory, write_json
from handpose_ros.results import RecordingSummary, Results, captions
from handpose_ros.sources import ImageSource


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

    def count(self, source: ImageSource) -> int | None:
        """About how many images these are; None: endless."""
        if source.count is None:
            return None
        length = min(self.end, source.count / source.fps) - self.start
        return max(0, -(-round(length * source.fps) // self.every))


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
    progress: Callable[[Iterable], Iterable] = iter,
) -> RecordingSummary:
    """Leaves overlay.mp4, joints.<format>, summary.json and report.html in `out`.

    `calibrated` says that `camera` is a calibration, not a guess. `smooth` makes joints and report of joints smoothed
    with what came before and after; give it an unfiltered pipeline. `classifier` of grasps: a key of grasp.CLASSIFIERS.
    Raises OSError, ValueError and ImportError with a remedy.
    """
    check_formats(formats)
    excerpt = excerpt or Excerpt()
    out = make_directory(out)
    for name in ("overlay.mp4", "summary.json", "report.html", *(f"joints.{format}" for format in FORMATS)):
        (out / name).unlink(missing_ok=True)
    backend, total = pipeline.backend, excerpt.count(source)
    results = Results(source.name, backend.model, backend.license, total, out)
    tracker = GraspTracker(make_classifier(classifier))
    with VideoWriter(out / "overlay.mp4", source.fps / excerpt.every) as video:
        overlay = _Overlay(video)

        def finish(item):
            image, hands = item
            grasps = tracker.update(hands)
            overlay.add(image, hands, grasps)
            results.add(image, hands, grasps)

        with Behind(finish) as finishing:  # this thread is for the networks alone
            for stamp, image in progress(ahead(excerpt(source.stamped()))):
                hands = pipeline(Frame(image, camera, stamp))
                finishing.put((image, replace(hands, calibrated=hands.calibrated and calibrated)))
    if not results.frames:
        raise ValueError(
            f"{source.name} has no images from {excerpt.start} s to {excerpt.end} s: choose other --start and --end"
        )
    if smooth:
        _smooth(results, classifier)
    summary = results.summary([*_distances(camera, calibrated), *_unread(results, total)])
    for format in formats:
        FORMATS[format](out / f"joints.{format}", results.frames)
    write_report(out / "report.html", results, summary)
    write_json(out / "summary.json", asdict(summary))
    return summary


class _Overlay:
    """Draws hands and writes them so that the video, at a constant rate, keeps the stamps of the images."""

    def __init__(self, video: VideoWriter):
        self._video, self._numbers = video, count()
        self._first = self._last = None

    def add(self, image: np.ndarray, hands: HandPoses, grasps: Sequence[Grasp]):
        """The next image and what is to be drawn into it."""
        drawn = draw_hands(image, hands, captions(grasps))
        if self._first is None:
            self._first = hands.stamp
        number = next(self._numbers)
        # Where the source's rate falls, the last image stands longer.
        while self._last is not None and (number + 0.5) / self._video.fps < hands.stamp - self._first:
            self._video.write(self._last)
            number = next(self._numbers)
        self._video.write(drawn)
        self._last = drawn


def _smooth(results, classifier):
    results.frames = smooth_recording(list(results.frames))
    tracker = GraspTracker(make_classifier(classifier))
    results.grasps = [tracker.update(hands) for hands in results.frames]


def _distances(camera, calibrated):
    """A warning where they are not measured."""
    if camera is None:
        return ["the camera is not known, joints are relative to the wrist: give --calibration or --fov"]
    return [] if calibrated else ["the camera is not calibrated, distances are guessed from --fov: give --calibration"]


def _unread(results, total):
    """A warning where the file ended before it said it would."""
    if total is None or len(results.frames) >= 0.98 * total - 1:
        return []
    return [f"only {len(results.frames)} of about {total} images could be read: is the file whole?"]


def _until(stamped, end):
    for stamp, image in stamped:
        if stamp >= end:
            return
        yield stamp, image
