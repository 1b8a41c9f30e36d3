"""What becomes of the hands in a video once they are found: grasps, an overlay, joints, a summary and a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from handpose_ros.drawing import draw_hands
from handpose_ros.filtering.recorded import smooth_recording
from handpose_ros.grasps.grasp import DEFAULT_CLASSIFIER, Grasp, GraspTracker, make_classifier
from handpose_ros.hand import HandPoses
from handpose_ros.recordings.joint_tables import FORMATS
from handpose_ros.recordings.output import VideoWriter, remove_results, write_json
from handpose_ros.recordings.report import write_report
from handpose_ros.recordings.results import RecordingSummary, Results, captions

_OVERLAY = "overlay.mp4"
_LONGEST_GAP = 10.0  # [s] that an image stands
_OUTPUTS = (_OVERLAY, "summary.json", "report.html", *(f"joints.{format}" for format in FORMATS))


@dataclass(frozen=True)
class VideoTask:
    """What a video's results are made of besides images and hands."""

    out: Path  # a directory
    source: str  # for people
    model: str  # the networks
    license: str  # of what ran
    fps: float  # [1/s] of the overlay
    formats: tuple[str, ...] = ("npz",)  # of the joints
    smooth: bool = False  # joints and report, with what came before and after
    classifier: str = DEFAULT_CLASSIFIER  # of grasps: a key of grasp.CLASSIFIERS
    hand_scale: float | None = None  # over the average hand's, as it was given
    max_hands: int = 2
    warnings: tuple[str, ...] = ()  # to begin with

    def clear(self, sources: Sequence[Path] = ()):
        """Removes what an earlier run left. Raises ValueError where one of the `sources` would be lost."""
        remove_results(self.out, _OUTPUTS, sources)


class VideoFinisher:
    """Takes images and hands one after the other; leaves files in the task's directory. A block left early: none."""

    def __init__(self, task: VideoTask):
        self._task = task
        self._results = Results(task.source, task.model, task.license, task.out)
        self._tracker = GraspTracker(make_classifier(task.classifier))
        self._video = VideoWriter(task.out / _OVERLAY, task.fps)
        self._overlay = Overlay(self._video)

    def add(self, item: tuple[np.ndarray, HandPoses]):
        """The next image (H, W, 3) uint8 RGB and its hands. Raises OSError with a remedy."""
        image, hands = item
        grasps = self._tracker.update(hands)
        self._overlay.add(image, hands, grasps)
        self._results.add(image, hands, grasps)

    def finish(self, warnings: Sequence[str] = ()) -> RecordingSummary:
        """Writes all that waits for the last image; `warnings` follow the task's. Raises OSError with a remedy."""
        self._video.close()
        task, results = self._task, self._results
        if task.smooth:
            _smooth(results, task.classifier)
        summary = results.summary([*task.warnings, *warnings])
        for format in task.formats:
            FORMATS[format](task.out / f"joints.{format}", results.frames)
        write_report(task.out / "report.html", results, summary)
        given = {"hand_scale": task.hand_scale, "max_hands": task.max_hands}
        write_json(task.out / "summary.json", {**asdict(summary), **given})
        return summary

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._video.discard()


class Overlay:
    """Draws hands and writes them so that the video, at a constant rate, keeps the stamps of the images.

    A longer gap than 10 s is 10 s long: a jump of the stamps, as where a clock of 33 bits begins anew, is no time.
    """

    def __init__(self, video: VideoWriter):
        self._video, self._number = video, 0  # of the next image
        self._first, self._last = 0.0, None  # stamp [s], drawn image

    def add(self, image: np.ndarray, hands: HandPoses, grasps: Sequence[Grasp]):
        """The next image and what is to be drawn into it."""
        drawn = draw_hands(image, hands, captions(grasps))
        if self._last is None:
            self._first = hands.stamp
        gap = hands.stamp - self._first - self._number / self._video.fps
        self._first += max(0.0, gap - _LONGEST_GAP)
        place = (hands.stamp - self._first) * self._video.fps  # among the images of the overlay
        while self._number + 0.5 < place:  # where the source is slower, the last image stands longer
            self._write(self._last)
        if self._number - 0.5 <= place:  # where it is faster, images are left out
            self._write(drawn)
        self._last = drawn

    def _write(self, image):
        self._video.write(image)
        self._number += 1


def _smooth(results, classifier):
    frames, tracker = smooth_recording(list(results.frames)), GraspTracker(make_classifier(classifier))
    results.replace(frames, [tracker.update(hands) for hands in frames])
