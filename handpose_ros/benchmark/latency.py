"""How long the pipeline takes: an image in memory in, its hands in memory out, on scenes whose hands are known."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from handpose_ros.backends import Backend, Detection
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.cropping import Crop, Region
from handpose_ros.hand import Observation
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recordings.sources import open_source
from handpose_ros.tracking.tracker import DETECT_EVERY

SCENES = ("two_hands", "one_hand_of_two", "no_hand")  # what is in view; up to two hands are looked for in each
BLOCK = 2 * DETECT_EVERY  # images timed as one: whole rounds of the detector
_FRAMES = 96  # of the demo clip: three seconds, in which both hands stay in their halves of the image
_PERIOD = 1 / 30  # [s] between the stamps
_WARM_UP = 2 * BLOCK


@dataclass(frozen=True, eq=False)
class Scene:
    """Images of one kind, taken by one camera."""

    name: str
    images: tuple[np.ndarray, ...]  # (H, W, 3) uint8 RGB
    camera: Camera

    def frame(self, number: int) -> Frame:
        """The image with this number, counted on over the scene's end, a period after the one before."""
        return Frame(self.images[number % len(self.images)], self.camera, number * _PERIOD)


@dataclass(frozen=True)
class Spread:
    """Quantiles of something measured many times."""

    median: float
    quartiles: tuple[float, float]
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        median, low, high, p95, p99 = np.percentile(values, [50, 25, 75, 95, 99]).tolist()
        return cls(median, (low, high), p95, p99)


@dataclass(frozen=True)
class SceneTimes:
    """[ms] an image of one scene; a stage's times are those of the images in which it ran."""

    scene: str
    size: tuple[int, int]  # (width, height) [px]
    cold: bool  # every image as if it were the first
    images: int
    hands: int  # in the median image
    total: Spread
    detect: Spread | None  # palms: sampling, network, boxes; None: never ran
    observe: Spread | None  # landmarks: sampling, network, points in the image
    aim: Spread | None  # where to look in the next image
    rest: Spread  # tracking, lifting to metres, results


class Stopwatch:
    """A backend that notes how long the one it stands before takes. See `handpose_ros.backends.Backend`."""

    def __init__(self, backend: Backend):
        self.name, self.model, self.license = backend.name, backend.model, backend.license
        self.seconds = {"detect": 0.0, "observe": 0.0, "aim": 0.0}  # since the last `take`
        self._backend = backend

    def take(self) -> dict[str, float]:
        """The seconds of each stage since the last call."""
        taken, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return taken

    def detect(
        self, frame: Frame, squares: Sequence[Region] | None = None, meanwhile: bool = False
    ) -> Callable[[], list[Detection]]:
        detections = self._timed("detect", self._backend.detect, frame, squares, meanwhile)
        return lambda: self._timed("detect", detections)

    def observe(self, frame: Frame, crops: Sequence[Crop], glance: bool = False) -> list[Observation]:
        return self._timed("observe", self._backend.observe, frame, crops, glance)

    def track(self, frame: Frame, observations: Sequence[Observation]) -> list[Crop]:
        return self._timed("aim", self._backend.track, frame, observations)

    def _timed(self, stage, call, *arguments):
        start = time.perf_counter()
        result = call(*arguments)
        self.seconds[stage] += time.perf_counter() - start
        return result


def make_scene(name: str, size: tuple[int, int] = (640, 480)) -> Scene:
    """One of SCENES at `size` (width, height) [px]: the demo clip scaled up, hands that are too many painted over."""
    hidden = {"two_hands": 0.0, "one_hand_of_two": 0.5, "no_hand": 1.0}[name]
    with open_source("demo") as source:
        camera, images = source.camera, list(itertools.islice(source, _FRAMES))
    scale = min(size[0] / camera.size[0], size[1] / camera.size[1])
    scaled = camera.resize(round(camera.size[0] * scale), round(camera.size[1] * scale))
    left, above = (size[0] - scaled.size[0]) // 2, (size[1] - scaled.size[1]) // 2
    made = []
    for image in images:
        image = image.copy()
        image[:, : round(hidden * image.shape[1])] = np.median(image, axis=(0, 1))
        canvas = np.full((size[1], size[0], 3), 96, np.uint8)
        canvas[above : above + scaled.size[1], left : left + scaled.size[0]] = cv2.resize(image, scaled.size)
        made.append(canvas)
    return Scene(name, tuple(made), scaled.crop(-left, -above, *size))


def many_hands(count: int) -> Scene:
    """An image of 1280x960 px with `count` hands, up to 8: the demo clip in up to four tiles."""
    one, two, none = (make_scene(name) for name in ("one_hand_of_two", "two_hands", "no_hand"))
    tiles = [two if 2 * tile + 2 <= count else one if 2 * tile + 1 == count else none for tile in range(4)]
    images = [
        np.vstack([np.hstack(four[:2]), np.hstack(four[2:])]) for four in zip(*(t.images for t in tiles), strict=True)
    ]
    return Scene(f"{count} hands", tuple(images), two.camera.crop(0, 0, 1280, 960))


def time_scene(pipeline: HandPosePipeline, scene: Scene, images: int, cold: bool = False) -> SceneTimes:
    """The times of `images` images after a warm-up. The pipeline's backend must be a Stopwatch.

    cold: nothing is known from the image before, as for single photographs.
    """
    stopwatch: Stopwatch = pipeline.backend
    samples: dict[str, list[float]] = {stage: [] for stage in (*stopwatch.seconds, "rest", "total")}
    pipeline.reset()
    seen = []
    for number in range(_WARM_UP + images):
        frame = scene.frame(number)
        if cold:
            pipeline.reset()
        stopwatch.take()
        start = time.perf_counter()
        seen.append(len(pipeline(frame)))
        total = time.perf_counter() - start
        stages = stopwatch.take()
        if number >= _WARM_UP:
            for stage, seconds in {**stages, "rest": total - sum(stages.values()), "total": total}.items():
                if seconds:
                    samples[stage].append(1000 * seconds)
    spreads = {stage: Spread.of(times) if times else None for stage, times in samples.items()}
    return SceneTimes(scene.name, frame.size, cold, images, int(np.median(seen)), **spreads)


def time_block(run: Callable[[int], None], first: int) -> tuple[float, float]:
    """[ms] an image, passed and spent by all threads: means over BLOCK images, whose numbers `run` is given."""
    start, spent = time.perf_counter(), time.process_time()
    for number in range(first, first + BLOCK):
        run(number)
    return 1000 * (time.perf_counter() - start) / BLOCK, 1000 * (time.process_time() - spent) / BLOCK
