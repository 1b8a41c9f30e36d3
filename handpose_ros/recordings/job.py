"""Processes one recording, a video or a bag, with its options: what `handpose video`, `bag` and `batch` run."""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path

from handpose_ros.backends import BACKENDS, Backend, make_backend
from handpose_ros.camera import Camera
from handpose_ros.grasps.grasp import DEFAULT_CLASSIFIER, make_classifier
from handpose_ros.messages.calibration import camera_from_yaml, fit_camera
from handpose_ros.pipeline import HandPosePipeline, check_hands
from handpose_ros.recordings.bag_images import BagImages
from handpose_ros.recordings.bag_run import BagSummary, run_bag
from handpose_ros.recordings.joint_tables import check_formats
from handpose_ros.recordings.lock import exclusive
from handpose_ros.recordings.results import RecordingSummary
from handpose_ros.recordings.sources import UNUSED_FOV, open_source
from handpose_ros.recordings.video_run import Excerpt, run_video

Progress = Callable[[Iterable, "int | None"], Iterable]  # wraps items of which there are so many, if that is known
_NUMBERS = {"fov": float, "hand_scale": float, "start": float, "end": float, "max_hands": int, "every": int}
_OPTIONAL = ("fov", "hand_scale")
_opening = threading.Lock()


@dataclass(frozen=True)
class RecordingOptions:
    """The options that determine the result of a recording, wherever it is computed."""

    backend: str = "mediapipe"
    checkpoint: str = ""  # of the backend that needs one
    calibration: str = ""  # text of a calibration YAML, not its path; empty: the recording's own, if any
    fov: float | None = None  # [deg] horizontal field of view, for recordings without a calibration
    hand_scale: float | None = None  # the person's hand size over the average hand's; None: not known
    max_hands: int = 2  # that are followed at once
    classifier: str = DEFAULT_CLASSIFIER  # of grasps
    formats: tuple[str, ...] = ("npz",)  # of the joints
    # of videos
    start: float = 0.0  # [s]
    end: float = math.inf  # [s]
    every: int = 1
    smooth: bool = False
    # of bags
    image_topic: str | None = None
    info_topic: str | None = None
    rectified: bool = False

    def __post_init__(self):
        """Raises ValueError or ImportError for an option that is invalid for every recording."""
        for name, kind in _NUMBERS.items():  # JSON takes none of NumPy's
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if not isinstance(value, Integral if kind is int else Real):
                number = "a whole number" if kind is int else "a number"
                raise ValueError(f"{name} is {value!r}, it must be {number}")
            object.__setattr__(self, name, kind(value))
        for name in ("smooth", "rectified"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        check_formats(self.formats)
        object.__setattr__(self, "formats", tuple(map(str, self.formats)))
        make_classifier(self.classifier)
        check_hands(self.max_hands, self.hand_scale)
        if self.backend not in BACKENDS:
            raise ValueError(f"no backend is called {self.backend!r}, known are {', '.join(BACKENDS)}")
        if self.fov is not None and not 0 < self.fov < 180:
            raise ValueError(f"fov is {self.fov:g}, it must be between 0 and 180 degrees")
        if not 0 <= self.start < self.end:  # NaN too
            raise ValueError(f"start is {self.start} s and end {self.end} s: start must be at least 0, end after it")
        if self.every < 1:
            raise ValueError(f"every is {self.every}, it must be 1 or more")
        if self.calibration and self.fov is not None:
            raise ValueError("calibration and fov are both given: leave out fov, which is for what has no calibration")
        if self.calibration:
            camera_from_yaml(self.calibration, self.rectified)

    def camera(self, size: tuple[int, int], own: Camera | None = None) -> Camera | None:
        """The camera for images of `size` (width, height) [px]; None: not calibrated.

        It is that of the calibration, else the source's `own`, else a guess by fov.
        """
        if self.calibration:
            return fit_camera(camera_from_yaml(self.calibration, self.rectified), size)
        if own is not None or self.fov is None:
            return own
        return Camera.from_fov(size, math.radians(self.fov))


@dataclass(frozen=True)
class Compute:
    """Where the networks run."""

    device: str = "auto"
    num_threads: int = 0  # on a CPU; 0: its cores, at most 4
    recordings: int = 1  # at a time, in threads that share the networks

    def backend(self, options: RecordingOptions) -> Backend:
        """The networks of `options` here; the last ones are kept."""
        with _opening:  # who comes meanwhile gets the same
            return _backend(options.backend, options.checkpoint, options.max_hands, self)


def is_bag(path: Path) -> bool:
    """Whether `path` is called as a bag is: an .mcap or .db3 file or a rosbag2 directory."""
    return path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").exists()


def answer_video(
    source: str, out: Path, options: RecordingOptions, compute: Compute, progress: Progress = lambda items, _: items
) -> RecordingSummary:
    """Runs `run_video` on what `open_source` finds. Raises OSError, ValueError and ImportError with a remedy."""
    excerpt = Excerpt(options.start, options.end, options.every)
    with open_source(source, "a video or a folder of images", turned=not options.calibration) as images:
        camera, own = options.camera(images.size, images.camera), images.camera is not None
        pipeline = _pipeline(options, compute, filter="none" if options.smooth else "one_euro")
        with exclusive(out):
            return run_video(
                images,
                camera,
                pipeline,
                out,
                excerpt=excerpt,
                formats=options.formats,
                smooth=options.smooth,
                classifier=options.classifier,
                calibrated=bool(options.calibration) or own,
                warnings=(UNUSED_FOV,) if own and options.fov is not None else (),
                progress=lambda items: progress(items, excerpt.count(images)),
            )


def answer_bag(
    path: Path,
    out: Path,
    options: RecordingOptions,
    compute: Compute,
    progress: Progress = lambda items, _: items,
    compared: str | None = None,
) -> BagSummary:
    """Runs `run_bag` on the bag. Raises OSError, ValueError and ImportError with a remedy."""
    images = BagImages(
        path,
        options.image_topic,
        options.info_topic,
        rectified=options.rectified,
        calibration=options.camera if options.calibration else None,
        guess=options.camera if options.fov is not None else None,
    )
    pipeline = _pipeline(options, compute)
    with exclusive(out):
        return run_bag(
            images,
            pipeline,
            out,
            compared=compared,
            formats=options.formats,
            classifier=options.classifier,
            progress=lambda items: progress(items, images.count),
        )


def _pipeline(options: RecordingOptions, compute: Compute, **others) -> HandPosePipeline:
    return HandPosePipeline(
        compute.backend(options), max_hands=options.max_hands, hand_scale=options.hand_scale, **others
    )


@lru_cache(maxsize=1)
def _backend(name: str, checkpoint: str, max_hands: int, compute: Compute) -> Backend:
    options = {"device": compute.device, "checkpoint": checkpoint, "max_hands": max_hands, "frames": compute.recordings}
    if compute.num_threads:
        options["num_threads"] = compute.num_threads
    backend = make_backend(name, **options)
    return backend.shared() if compute.recordings > 1 else backend
