"""What the pipeline is compared with on the same images in the same run: official MediaPipe, or our default backend."""

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpose_ros.backends import make_backend
from handpose_ros.benchmark.latency import BLOCK, Scene, Spread, time_block
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.weights import REQUIREMENT, VERSION, cache_dir

PYTHONS = ("3.12", "3.11", "3.10", "3.9")  # for which there are wheels of it
RIVALS = ("mediapipe", "mediapipe-lite", "default")  # official, complexity 1 and 0; our default backend
_PROCESS = Path(__file__).with_name("rival_process.py")


@dataclass(frozen=True)
class Comparison:
    """Two solutions on the same images in the same run, over blocks of images."""

    scene: str
    ours: Spread  # [ms] an image
    rival: Spread  # [ms] an image
    ratio: Spread  # ours over rival, block by block
    cpu_ratio: Spread  # of the time that all threads spent: what counts on a machine with other work


class Official:
    """The official solution, up to two hands, tracking, in an environment and a process of its own."""

    def __init__(self, scene: Scene, complexity: int):
        """Starts it, of this model complexity, on the images of `scene`.

        Raises: OSError, with what it said last, if it does not start.
        """
        self._folder = tempfile.TemporaryDirectory()
        images = Path(self._folder.name) / "images.npy"
        np.save(images, np.stack(scene.images))
        log = self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close
        command = [str(rival_python()), str(_PROCESS), str(images), str(complexity)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._answer()

    def time_block(self, first: int) -> tuple[float, float]:
        """As `latency.time_block`."""
        self._process.stdin.write(f"{first} {BLOCK}\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["ms"], answer["cpu_ms"]

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()
        self._folder.cleanup()

    def _answer(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()[-3:]
        raise OSError(f"official MediaPipe ended: {' / '.join(lines)}")


class Ours:
    """A pipeline of this package as one of the two that are compared."""

    def __init__(self, scene: Scene, pipeline: HandPosePipeline):
        self._scene, self._pipeline = scene, pipeline
        pipeline.reset()

    def time_block(self, first: int) -> tuple[float, float]:
        """As `latency.time_block`."""
        return time_block(lambda number: self._pipeline(self._scene.frame(number)), first)

    def close(self):
        """Nothing of its own is left."""


def compare(pipeline: HandPosePipeline, against: str, scene: Scene, blocks: int, **options) -> Comparison:
    """Ours and one of RIVALS on `scene`, taking turns block by block; `options` are the default backend's as rival."""
    mine, ours, theirs = Ours(scene, pipeline), [], []
    with closing(_rival(against, scene, options)) as rival:
        for block in range(-2, blocks):  # the first two warm up
            first = (block + 2) * BLOCK
            # Who goes first changes, so that a slow spell of the machine meets both alike.
            order = (mine, rival) if block % 2 else (rival, mine)
            times = {each: each.time_block(first) for each in order}
            if block >= 0:
                ours.append(times[mine])
                theirs.append(times[rival])
    ours, theirs = np.array(ours), np.array(theirs)  # (blocks, 2) [ms] passed, spent
    ratios = ours / theirs
    return Comparison(scene.name, *map(Spread.of, (ours[:, 0], theirs[:, 0], ratios[:, 0], ratios[:, 1])))


def _rival(against, scene, options):
    if against == "default":
        return Ours(scene, HandPosePipeline(make_backend("mediapipe", **options)))
    return Official(scene, 0 if against == "mediapipe-lite" else 1)


def rival_python() -> Path:
    """The interpreter of an environment with official MediaPipe, made in the user's cache the first time.

    Raises: OSError with the remedy if it cannot be made.
    """
    folder = cache_dir() / f"mediapipe-{VERSION}-env"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    base = _base_python()
    print(f"installing {REQUIREMENT} into {folder} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    for command in ([base, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", REQUIREMENT]):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise OSError(f"cannot install {REQUIREMENT} ({reason}): connect to the network once")
    (folder / "ready").touch()
    return python


def _base_python():
    if "{}.{}".format(*sys.version_info) in PYTHONS:
        return sys.executable
    found = next(filter(None, (shutil.which(f"python{version}") for version in PYTHONS)), None)
    if found is None:
        raise OSError(f"{REQUIREMENT} needs a Python of {', '.join(reversed(PYTHONS))}: install one of them")
    return found
