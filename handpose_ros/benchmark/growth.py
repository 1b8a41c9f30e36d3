"""How the cost of an image grows with the hands in it, with its size, and with the number of cameras."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from handpose_ros.backends import make_backend
from handpose_ros.benchmark.latency import BLOCK, Scene, Spread, make_scene, many_hands, time_block
from handpose_ros.pipeline import HandPosePipeline

HANDS = (1, 2, 4, 8)  # in 1280x960
SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))  # with two hands
_WARM_UP = 2  # blocks
_CAMERAS = 2

# The number of a first image -> [ms] an image of each camera, passed and spent, means over a block; hands in the last.
Run = Callable[[int], tuple[float, float, int]]


@dataclass(frozen=True)
class Cost:
    """What an image of each camera costs in one case."""

    kind: str  # "hands", "size" or "cameras"
    case: str
    ms: Spread  # passed
    cpu_ms: Spread  # spent by all threads and processes
    hands: int  # followed in all of its cameras


def measure_growth(blocks: int, **options) -> Iterator[Cost]:
    """The cost of every case, over so many blocks of images. `options` are the default backend's."""
    yield from _in_turns("hands", {str(count): _alone(many_hands(count), count, options) for count in HANDS}, blocks)
    sizes = {f"{size[0]}x{size[1]}": _alone(make_scene("two_hands", size), 2, options) for size in SIZES}
    yield from _in_turns("size", sizes, blocks)
    scene = make_scene("two_hands")
    one_thread = options | {"num_threads": 1}
    with ThreadPoolExecutor(_CAMERAS) as threads, multiprocessing.get_context("spawn").Pool(_CAMERAS) as processes:
        cameras = {
            "one": _alone(scene, 2, options),
            "two, in turn": _in_turn([_alone(scene, 2, options) for _ in range(_CAMERAS)]),
            "two threads": _side_by_side(threads, [_alone(scene, 2, one_thread) for _ in range(_CAMERAS)]),
            "two processes": _apart(processes, one_thread),
        }
        yield from _in_turns("cameras", cameras, blocks)


def _in_turns(kind: str, runs: dict[str, Run], blocks: int) -> Iterator[Cost]:
    """The cases one after the other in every block, so that a slow spell of the machine meets all of them."""
    times = {case: [] for case in runs}
    for block in range(-_WARM_UP, blocks):
        for case, run in runs.items():
            measured = run((block + _WARM_UP) * BLOCK)
            if block >= 0:
                times[case].append(measured)
    for case in runs:
        passed, spent, hands = zip(*times[case], strict=True)
        yield Cost(kind, case, Spread.of(passed), Spread.of(spent), hands[-1])


def _alone(scene: Scene, hands: int, options) -> Run:
    pipeline = HandPosePipeline(make_backend("mediapipe", max_hands=hands, **options), max_hands=hands)

    def run(first):
        seen = []
        times = time_block(lambda number: seen.append(len(pipeline(scene.frame(number)))), first)
        return *times, seen[-1]

    return run


def _in_turn(runs: list[Run]) -> Run:
    return lambda first: tuple(sum(times) for times in zip(*(run(first) for run in runs), strict=True))


def _side_by_side(threads: ThreadPoolExecutor, runs: list[Run]) -> Run:
    def run(first):
        start, spent = time.perf_counter(), time.process_time()
        seen = [hands for *_, hands in threads.map(lambda each: each(first), runs)]
        return 1000 * (time.perf_counter() - start) / BLOCK, 1000 * (time.process_time() - spent) / BLOCK, sum(seen)

    return run


def _apart(processes, options) -> Run:
    def run(first):
        start = time.perf_counter()
        measured = processes.starmap(_in_process, [(first, options)] * _CAMERAS, chunksize=1)
        _, spent, seen = zip(*measured, strict=True)
        return 1000 * (time.perf_counter() - start) / BLOCK, sum(spent), sum(seen)

    return run


_run: Run | None = None  # in a process of its own, made for its first block


def _in_process(first, options):
    """One camera's run."""
    global _run
    _run = _run or _alone(make_scene("two_hands"), 2, options)
    return _run(first)
