"""Runs the benchmarks that were asked for, prints their tables and collects their figures."""

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from handpose_ros import weights
from handpose_ros.backends import make_backend
from handpose_ros.benchmark.growth import measure_growth
from handpose_ros.benchmark.latency import BLOCK, SCENES, Spread, Stopwatch, make_scene, time_scene
from handpose_ros.benchmark.rival import compare
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.runtimes import device_name, torch_device
from handpose_ros.wording import counted

SIZES = ((640, 480), (1920, 1080))
RATES = (30.0, 60.0)  # [Hz]
LEAST_BLOCKS = 4  # of latency.BLOCK images, for quartiles that say something


@dataclass(frozen=True)
class Wish:
    """What to measure, and on what."""

    backend: str = "mediapipe"
    checkpoint: str = ""  # of the backend wildhands
    complexity: str = "full"
    precision: str = "auto"
    device: str = "auto"
    runtime: str = "auto"
    num_threads: int = 0
    images: int = 120  # timed in each row; compared and growing ones in whole blocks, LEAST_BLOCKS at least
    against: str | None = None  # one of rival.RIVALS
    growth: bool = False  # with the number of hands
    node: bool = False  # over DDS


def run_benchmark(wish: Wish) -> dict[str, object]:
    """Prints tables while it measures; returns what is worth keeping, ready for JSON."""
    if wish.growth and wish.backend != "mediapipe":
        raise ValueError(f"--growth is measured with the backend mediapipe: leave out --backend {wish.backend}")
    computing = {name: getattr(wish, name) for name in ("device", "runtime", "num_threads")}
    options = computing | {name: getattr(wish, name) for name in ("complexity", "precision", "checkpoint")}
    backend = make_backend(wish.backend, **options)
    machine = f"{_processor()}, {counted(os.cpu_count(), 'core')}, load {os.getloadavg()[0]:.1f}"
    print(f"{backend.model}, {backend.runtime}\n{machine}", flush=True)
    figures = {"model": backend.model, "runtime": backend.runtime, "machine": machine}
    if wish.node:
        return figures | {"node": list(_node({"backend": wish.backend} | options))}
    if wish.against:
        return figures | _against(wish, HandPosePipeline(backend), computing)
    if wish.growth:
        return figures | {"growth": list(_growth(wish, options))}
    if wish.backend == "mediapipe":
        figures |= _floor(device_name(wish.device, wish.runtime))
    return figures | {"scenes": list(_scenes(HandPosePipeline(Stopwatch(backend)), wish.images))}


def _scenes(pipeline, images) -> Iterator[dict]:
    print(
        f"\n{'[ms] an image, median':<38}{'total':>8}{'p95':>8}{'p99':>8}{'palms':>8}{'hands':>8}{'aim':>8}{'rest':>8}"
    )
    for size in SIZES:
        for name in SCENES:
            scene = make_scene(name, size)
            for cold in (False, True):
                times = time_scene(pipeline, scene, images, cold)
                label = f"{name}, {size[0]}x{size[1]}, {'cold' if cold else 'tracking'}"
                stages = (times.detect, times.observe, times.aim, times.rest)
                total = times.total
                row = [total.median, total.p95, total.p99, *(stage.median if stage else None for stage in stages)]
                print(f"{label:<38}" + "".join("       -" if ms is None else f"{ms:8.2f}" for ms in row), flush=True)
                yield asdict(times)


def _floor(device) -> dict[str, float]:
    """What the networks take a GPU, and their launch-bound floor [ms]; nothing on a CPU."""
    if not device.startswith("cuda"):
        return {}
    from handpose_ros.benchmark.launch_floor import launch_floor
    from handpose_ros.runtimes.torch_network import CudaNetwork

    figures = {}
    for name, batch in (("palm_detection_full", 1), ("hand_landmark_full", 2)):
        floor = launch_floor(CudaNetwork(weights.locate(name), batch, torch_device(device)))
        least = f"{floor.kernels} kernels x {floor.launch_us:.2f} us = {floor.floor_ms:.3f} ms at least"
        print(f"{name}, batch {batch}: {floor.ms:.3f} ms, {least}")
        figures |= {f"floor_ms.{name}": floor.floor_ms, f"gpu_ms.{name}": floor.ms}
    return figures


def _growth(wish, options) -> Iterator[dict]:
    print(f"\n[ms] an image of each camera, median{'passed':>8}{'of CPU':>8}{'hands':>7}")
    for cost in measure_growth(_blocks(wish), **options):
        numbers = f"{cost.ms.median:8.2f}{cost.cpu_ms.median:8.2f}{cost.hands:7}"
        print(f"{cost.kind + ': ' + cost.case:<35}{numbers}", flush=True)
        yield asdict(cost)


def _against(wish, pipeline, computing):
    """Figures by the keys ratio.SCENE, ours_ms.SCENE and, after the rival's name, mediapipe_ms.SCENE."""
    figures = {"against": wish.against}
    print(f"\n[ms] an image, median{'ours':>8}{wish.against:>16}   ratio   quartiles   ratio of CPU time")
    for name in SCENES:
        result = compare(pipeline, wish.against, make_scene(name), _blocks(wish), **computing)
        low, high = result.ratio.quartiles
        medians = f"{result.ours.median:8.2f}{result.rival.median:16.2f}{result.ratio.median:8.2f}"
        print(f"{name:<21}{medians}{low:7.2f} .. {high:.2f}{result.cpu_ratio.median:12.2f}", flush=True)
        kept = {"ratio": result.ratio, "cpu_ratio": result.cpu_ratio}
        kept |= {"ours_ms": result.ours, f"{wish.against}_ms": result.rival}
        figures |= {f"{key}.{name}": _short(spread) for key, spread in kept.items()}
    return figures


def _node(options) -> Iterator[dict]:
    from handpose_ros.benchmark.node import measure_node  # needs ROS

    head = "\n[ms]      median     p95     p99  pipeline  images answered dropped lost stale     CPU  memory\n"
    for rate in RATES:
        times = measure_node(rate, 10.0, options)
        latencies = "".join(f"{ms:8.1f}" for ms in times.latency_ms) + f"{times.inference_ms:10.1f}"
        counts = f"{times.images:8}{times.answered:9}{times.dropped:8}{times.lost:5}{times.stale:6}"
        row = f"{rate:3.0f} Hz  {latencies}{counts}{times.cpu_percent:7.0f}%{times.memory_mb:5.0f} MB"
        print(head + row, flush=True)
        head = ""
        yield asdict(times)


def _blocks(wish):
    return max(wish.images // BLOCK, LEAST_BLOCKS)


def _short(spread: Spread):
    return {"median": spread.median, "quartiles": list(spread.quartiles)}


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
