"""One recording of a batch: answered into a hidden directory that gets its name when all is in it, or found done."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from handpose_ros import __version__
from handpose_ros.batch.files import MANIFEST, Recording, read_manifest
from handpose_ros.failures import sentence
from handpose_ros.recordings.job import Compute, RecordingOptions, answer_bag, answer_video, is_bag
from handpose_ros.recordings.output import make_directory, write_json

_SAY_EVERY = 0.2  # [s]


@dataclass(frozen=True)
class Job:
    """What a worker is given."""

    recording: Recording
    out: Path  # of the batch
    options: RecordingOptions
    compute: Compute

    @property
    def results(self) -> Path:
        """The directory of this recording's results."""
        return self.out / self.recording.name

    @property
    def partial(self) -> Path:
        """Where they are made: hidden, beside it."""
        return self.results.with_name(f".{self.results.name}.partial")


@dataclass(frozen=True)
class Outcome:
    """What became of one recording."""

    source: str
    results: str  # their directory in the batch's
    status: str  # done, failed, or not done: interrupted before
    frames: int = 0
    hands: int = 0  # measured, over all frames
    coverage: dict[str, float] | None = None  # as RecordingSummary's
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0  # that it took
    error: str = ""
    found: bool = False  # done by an earlier run


def do_job(job: Job, say: Callable[[float], None]) -> Outcome:
    """Answers a recording, unless this was done. Raises nothing; `say` is told how much is done, 0..1.

    What `say` raises that is no Exception ends it, and what it had made is cleared away.
    """
    cv2.setNumThreads(1)  # the other cores have their own recordings
    start = time.perf_counter()
    names = {"source": str(job.recording.path), "results": job.recording.name}
    try:
        identity = {"sha256": job.recording.digest(), "version": __version__, "options": _plain(job.options)}
        earlier = _earlier(job)
        if earlier and {key: earlier.get(key) for key in identity} == identity:
            return Outcome(**{**earlier["outcome"], **names, "found": True})
        return _answer(job, identity, say, start)
    except Exception as error:  # one bad recording, whatever it trips over, never ends the others
        text = sentence(error).replace(str(job.partial), str(job.results))
        known = isinstance(error, OSError | ValueError | ImportError | RuntimeError)
        text = text if known else f"{type(error).__name__}: {text}"
        return Outcome(**names, status="failed", seconds=time.perf_counter() - start, error=text)
    finally:
        shutil.rmtree(job.partial, ignore_errors=True)


def _answer(job: Job, identity: dict, say, start: float) -> Outcome:
    _refuse_others(job.results)  # before any work is done
    shutil.rmtree(job.partial, ignore_errors=True)  # of a run that was killed
    partial, path = make_directory(job.partial), job.recording.path

    def progress(items: Iterable, total: int | None) -> Iterator:
        said = time.monotonic()
        for number, item in enumerate(items):
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                say(min(number / total, 1.0) if total else 0.0)
            yield item

    if is_bag(path):
        summary = answer_bag(path, partial, job.options, job.compute, progress)
    else:
        summary = answer_video(str(path), partial, job.options, job.compute, progress)
    outcome = Outcome(
        str(path),
        job.recording.name,
        "done",
        summary.frames,
        sum(sum(sides.values()) for sides in summary.sides.values()),
        summary.coverage,
        summary.warnings,
        time.perf_counter() - start,
    )
    files = {file.name: file.stat().st_size for file in sorted(partial.iterdir())}
    write_json(partial / MANIFEST, {**identity, "files": files, "outcome": asdict(outcome)})
    for file in partial.iterdir():
        _to_disk(file)
    _clear(job.results)
    os.replace(partial, job.results)
    return outcome


def _refuse_others(results: Path):
    """Raises FileExistsError for what no batch has written."""
    if results.exists() and read_manifest(results) is None:
        raise FileExistsError(f"{results} is there and is no result of a batch: move it away or choose another --out")


def _clear(results: Path):
    """Makes way for results of other content or options. Raises FileExistsError for what no batch has written."""
    _refuse_others(results)
    if results.exists():
        shutil.rmtree(results)


def _earlier(job: Job) -> dict | None:
    """The manifest of an earlier run; None where there is none, or where a file that it names is gone or cut."""
    manifest = read_manifest(job.results)
    if manifest is None:
        return None
    try:
        sizes = {name: (job.results / name).stat().st_size for name in manifest["files"]}
        manifest["outcome"]["warnings"] = tuple(manifest["outcome"]["warnings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if sizes == manifest["files"] else None


def _plain(options: RecordingOptions) -> dict:
    """`options` as JSON gives them back. The checkpoint is known by its size and time: it is large."""
    plain = asdict(options)
    if options.checkpoint:
        stat = Path(options.checkpoint).expanduser().stat()
        plain["checkpoint"] = [str(options.checkpoint), stat.st_size, stat.st_mtime_ns]
    plain["end"] = str(options.end)  # infinity is no JSON
    return json.loads(json.dumps(plain))


def _to_disk(file: Path):
    """Waits until it lasts: a directory with its name must not outlive its files in a loss of power."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
