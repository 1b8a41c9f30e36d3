"""Runs the whole chain on one machine: camera, hand_pose and grasp as processes over DDS; records and measures."""

import json
import math
import os
import random
import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose_ros.drawing import hand_label
from handpose_ros.hand import HandPoses, Side
from handpose_ros.processes import ProcessDied, Processes
from handpose_ros.recordings.bags import BagWriter
from handpose_ros.recordings.node_outputs import CAMERA_INFO, HANDS, IMAGE, read_answers, write_overlay
from handpose_ros.recordings.output import make_directory, remove_results, write_json
from handpose_ros.recordings.sources import DEMO_TRUTH, UNUSED_FOV, ImageFolder, open_source
from handpose_ros.recordings.summary import DemoSummary, load_truth, summarise, truth_errors
from handpose_ros.share import share_path

OUTPUTS = ("overlay.mp4", "hands.mcap", "summary.json", "contact_sheet.png")
PROFILES, OLD_PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"  # of Fast DDS 3, and of 2
_START_TIMEOUT = 180.0  # [s] for importing torch and building the networks on a slow machine
_FIRST_IMAGE_TIMEOUT = 30.0  # [s]
_ANSWER_TIMEOUT = 3.0  # [s] for the last hands after the camera has ended
_LAST_GRASPS = 0.5  # [s] after the last hands


@dataclass(frozen=True)
class Demo:
    """What to run."""

    source: str = "demo"  # as in sources.open_source
    out: Path = Path("demo_output")
    frames: int | None = None  # stop after so many; None: at the source's end
    device: str = "auto"
    calibration: Path | None = None  # a camera_info YAML
    fov: float = 0.0  # [deg] horizontal field of view, for a source without calibration; 0: not given
    hand_scale: float = 0.0  # the person's hand size over the average hand's; 0: not known
    max_hands: int = 2  # that are followed at once
    viewer: bool = False
    backend: str = "mediapipe"  # a key of backends.BACKENDS
    checkpoint: str = ""  # of the backend that needs one


def run_demo(demo: Demo) -> DemoSummary:
    """Plays `demo.source` through the three nodes and writes OUTPUTS to `demo.out`.

    A Ctrl-C ends the run early; everything recorded so far is still written.
    Raises OSError, ValueError and ImportError with a remedy; ProcessDied if a node ends.
    """
    with open_source(demo.source) as source:  # a wrong one is refused before anything starts
        fps, count, files = source.fps, source.count, source.files
        _check_place(source, demo.out)
        if demo.fov and source.camera:
            print(f"warning: {UNUSED_FOV}", file=sys.stderr)
    out = make_directory(demo.out)
    remove_results(out, OUTPUTS, files)
    os.environ.update(environment(os.environ))
    interrupted = False
    with BagWriter(out / "hands.mcap") as bag, Processes(os.environ) as processes, _recorder(bag) as recorder:
        try:
            _start(demo, recorder, processes)
            _watch(recorder, processes, min(filter(None, (demo.frames, count)), default=None), demo.frames)
        except KeyboardInterrupt:
            interrupted = True
    if not recorder.stamps:
        raise KeyboardInterrupt  # before there was anything to write
    answers = read_answers(out / "hands.mcap")
    stamps = recorder.stamps[: demo.frames]
    if interrupted:  # what was in work is not lost
        stamps = [stamp for stamp in stamps if stamp <= max(answers, default=0)]
    print("drawing the overlay ...", flush=True)
    write_overlay(out, out / "hands.mcap", stamps, answers, fps)
    summary = _summary(demo, recorder, [answers.get(stamp) for stamp in stamps], interrupted)
    given = {"hand_scale": demo.hand_scale or None, "max_hands": demo.max_hands}
    write_json(out / "summary.json", {**asdict(summary), **given})
    return summary


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """`given` plus what the nodes need and the user has not set: one machine, large images, a free domain."""
    defaults = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",  # a node that dies has its last lines in the log
    }
    if not given.keys() & {"FASTDDS_BUILTIN_TRANSPORTS", PROFILES, OLD_PROFILES}:
        # Fast DDS 2 of Jazzy knows the old name only, Fast DDS 3 warns of it and, with both, loads the file twice.
        name = OLD_PROFILES if given.get("ROS_DISTRO") == "jazzy" else PROFILES
        defaults[name] = str(share_path("config/fastdds.xml"))
    if "ROS_DOMAIN_ID" not in given:
        defaults["ROS_DOMAIN_ID"] = str(free_domain())
    return {**defaults, **given}


def free_domain() -> int:
    """A ROS domain without participants on this machine, drawn at random from 1 to 100."""
    domains = random.sample(range(1, 101), 100)
    return next((domain for domain in domains if _is_free(domain)), domains[0])


def status_line(progress, fps: float) -> str:
    """One line about a run: "L 1  0.52 m  hold, tripod 3 cm | R 2  0.47 m    29.8 fps  24 ms"."""
    grasps = {g.track_id: g.caption for g in progress.grasps}
    hands = [f"{hand_label(hand)}  {grasps.get(hand.track_id, '')}".rstrip() for hand in progress.hands or ()]
    return f"{' | '.join(hands) or 'no hands':<60}  {fps:4.1f} fps  {1000 * progress.latency:3.0f} ms"


def _check_place(source, out):
    """Raises ValueError where the contact sheet would be one of the images the next time."""
    if isinstance(source, ImageFolder) and out.exists() and out.samefile(source.name):
        raise ValueError(f"{out} is the folder of the images: choose another --out")


def _recorder(bag):
    """A Recorder; imported here, because rclpy reads the environment when it is loaded and may not be there."""
    from handpose_ros.ros.recorder_node import Recorder

    return Recorder(bag)


def _start(demo, recorder, processes):
    """Starts everything, the camera last: its first image must find all who wait for it."""
    print("starting hand_pose and grasp ...", flush=True)
    images = {"image": IMAGE, "camera_info": CAMERA_INFO}
    names = ("backend", "checkpoint", "device", "fov", "hand_scale", "max_hands")
    parameters = {name: getattr(demo, name) for name in names}
    processes.start("hand_pose", node_command("hand_pose", parameters, images))
    processes.start("grasp", node_command("grasp", {}, {"hands": HANDS}))
    if demo.viewer:
        _start_viewer(processes)
    _wait_until(lambda: recorder.chain_is_ready, _START_TIMEOUT, "hand_pose", recorder, processes)
    model = recorder.progress.model
    print(f"{model.model} ({model.license}) is running; starting the camera: {demo.source}", flush=True)
    parameters = {"source": demo.source, "loop": False, "paced": True, "listeners": 2}  # hand_pose, recorder
    parameters |= {"calibration": str(demo.calibration)} if demo.calibration else {}
    processes.start("camera", node_command("camera", parameters, {"hands": HANDS}))
    _wait_until(lambda: recorder.progress.frames, _FIRST_IMAGE_TIMEOUT, "camera", recorder, processes)


def node_command(name: str, parameters: Mapping[str, object], remappings: Mapping[str, str]) -> list[str]:
    """The command that starts a node of this package with this interpreter."""
    command = [sys.executable, "-m", f"handpose_ros.ros.{name}_node", "--ros-args"]
    command += [part for name, value in remappings.items() for part in ("-r", f"{name}:={value}")]
    # JSON is YAML: a path or a name stays a string whatever it looks like.
    return command + [part for name, value in parameters.items() for part in ("-p", f"{name}:={json.dumps(value)}")]


def _start_viewer(processes):
    if shutil.which("rviz2") is None:
        print("rviz2 is not installed: no viewer (the result can be opened in Foxglove)", flush=True)
        return
    processes.start("rviz2", ["rviz2", "-d", str(share_path("config/handpose.rviz"))])


def _wait_until(condition, timeout, name, recorder, processes):
    deadline = time.monotonic() + timeout
    while not condition():
        recorder.spin(0.1)
        processes.check("camera", "rviz2")
        if time.monotonic() > deadline:
            raise ProcessDied(f"{name} did nothing for {timeout:.0f} s:\n{processes.last_lines(name)}")


def _watch(recorder, processes, total, wanted):
    """Shows how the run goes until the camera has ended and all is answered, or `wanted` frames are."""
    last_answer, answered, reported = time.monotonic(), 0, (time.monotonic(), 0)
    with tqdm(total=total, unit="frame", disable=None) as bar:
        while True:
            recorder.spin(0.1)
            processes.check("camera", "rviz2")
            progress, now = recorder.progress, time.monotonic()
            if progress.answered > answered:
                last_answer, answered = now, progress.answered
            bar.update(min(answered, total or answered) - bar.n)
            if now - reported[0] >= 1 and answered:
                tqdm.write(status_line(progress, (answered - reported[1]) / (now - reported[0])))
                sys.stdout.flush()  # a pipe would keep it back
                reported = now, answered
            silent = now - last_answer > _ANSWER_TIMEOUT
            if (wanted and answered >= wanted) or (
                processes.ended("camera") and (answered >= progress.frames or silent)
            ):
                break
    recorder.spin(_LAST_GRASPS)


def _summary(demo, recorder, answers, interrupted):
    """The DemoSummary of `answers`, one for each image in order, None where an image was lost."""
    size = next((answer.hands.size for answer in answers if answer), (0, 0))
    frames = [answer.hands if answer else HandPoses((), size) for answer in answers]
    answered = [answer for answer in answers if answer]
    grasps = Counter((grasp.side, grasp.name) for answer in answered for grasp in answer.grasps)
    latencies = [1000 * answer.latency for answer in answered] or [math.nan]
    model = recorder.progress.model
    return DemoSummary(
        **asdict(summarise(frames)),
        source=demo.source,
        model=model.model,
        license=model.license,
        latency_p50_ms=float(np.percentile(latencies, 50)),
        latency_p95_ms=float(np.percentile(latencies, 95)),
        inference_p50_ms=float(np.median([1000 * answer.inference_time for answer in answered] or [math.nan])),
        lost_frames=len(answers) - len(answered),
        stale_frames=recorder.stale_frames,
        images_missed_by_recorder=recorder.images_missed,
        grasps={side.name.lower(): {g: n for (s, g), n in sorted(grasps.items()) if s == side} for side in Side},
        error=truth_errors(frames, load_truth(DEMO_TRUTH)) if demo.source == "demo" else None,
        interrupted=interrupted,
    )


def _is_free(domain):
    """Whether no participant listens on the domain's first unicast discovery port (DDSI-RTPS 9.6.1.1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 7410 + 250 * domain))
        except OSError:
            return False
    return True
