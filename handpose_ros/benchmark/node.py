"""How fast the node hand_pose answers over DDS: camera, node and listener are processes of their own."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpose_ros.demo import environment, node_command
from handpose_ros.processes import ProcessDied, Processes
from handpose_ros.recordings.node_outputs import CAMERA_INFO, IMAGE

_START_TIMEOUT = 120.0  # [s] for the networks on a slow machine
_SETTLING = 3.0  # [s] of images that are not counted
_LAST_ANSWERS = 0.5  # [s] after the last image that counts


@dataclass(frozen=True)
class NodeTimes:
    """A run of hand_pose on the demo clip, two hands, at one rate."""

    rate: float  # [Hz] of the camera
    images: int  # published
    answered: int
    dropped: int  # left by the node for newer ones
    lost: int  # neither answered nor dropped: lost in transport
    stale: int  # taken up although a newer one had come
    latency_ms: tuple[float, float, float]  # from the stamp to the publication: median, p95, p99
    inference_ms: float  # of it in the pipeline, median
    cpu_percent: float  # of one core, the node's process
    memory_mb: float  # resident, the node's process


def measure_node(rate: float, seconds: float, options: dict[str, object]) -> NodeTimes:
    """Plays the demo clip at `rate` [Hz] for `seconds` through a hand_pose with the parameters `options`.

    Raises: ImportError without ROS, ProcessDied when a node ends or no image is answered; only on Linux.
    """
    os.environ.update(environment(os.environ))
    from handpose_ros.ros.probe import Probe  # rclpy reads the environment when it is loaded

    with Processes(os.environ) as processes, Probe() as probe:
        images = {"image": IMAGE, "camera_info": CAMERA_INFO}
        processes.start("hand_pose", node_command("hand_pose", options, images))
        _wait(lambda: probe.hand_pose_listens, probe, processes)
        processes.start("camera", node_command("camera", {"rate": rate, "loop": True}, {}))
        _wait(lambda: probe.answers, probe, processes)
        probe.spin(_SETTLING)
        probe.forget()
        dropped, before, start = probe.dropped, _cpu_seconds(processes.pid("hand_pose")), time.monotonic()
        probe.spin(seconds)
        used = (_cpu_seconds(processes.pid("hand_pose")) - before) / (time.monotonic() - start)
        memory = _memory_mb(processes.pid("hand_pose"))
        counted = set(probe.images)
        probe.spin(_LAST_ANSWERS)
        processes.check()
        if not counted & set(probe.answers):
            lines = processes.last_lines("hand_pose")
            raise ProcessDied(f"hand_pose answered no image within {seconds:.0f} s:\n{lines}")
        return _summary(rate, counted, probe, dropped, 100 * used, memory)


def _summary(rate, counted, probe, dropped_before, cpu, memory):
    answers = [probe.answers[stamp] for stamp in sorted(counted & set(probe.answers))]
    dropped = probe.dropped - dropped_before
    latencies = 1000 * np.array([answer.latency for answer in answers])
    return NodeTimes(
        rate=rate,
        images=len(counted),
        answered=len(answers),
        dropped=dropped,
        lost=max(len(counted) - len(answers) - dropped, 0),
        stale=probe.stale,
        latency_ms=tuple(np.percentile(latencies, [50, 95, 99]).tolist()),
        inference_ms=1000 * float(np.median([answer.inference_time for answer in answers])),
        cpu_percent=cpu,
        memory_mb=memory,
    )


def _wait(condition, probe, processes):
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        probe.spin(0.1)
        processes.check()
        if time.monotonic() > deadline:
            raise ProcessDied(f"hand_pose did nothing for {_START_TIMEOUT:.0f} s:\n{processes.last_lines('hand_pose')}")


def _cpu_seconds(pid):
    """[s] of all cores that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
