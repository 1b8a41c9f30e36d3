"""Processes many recordings side by side: a directory of results for each, and a summary of all."""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from handpose_ros.batch.executors import Executor, LocalProcesses, LocalThreads, WorkerDied, usable_cores
from handpose_ros.batch.files import SUMMARY, Recording
from handpose_ros.batch.job import Job, Outcome, do_job
from handpose_ros.recordings.job import Compute, RecordingOptions
from handpose_ros.recordings.lock import exclusive
from handpose_ros.recordings.output import make_directory, write_json
from handpose_ros.runtimes import device_name

_ON_A_GPU = 2  # recordings at a time; more wait for Python's lock, which all threads of a process share


@dataclass(frozen=True)
class BatchSummary:
    """The result of a batch."""

    files: tuple[Outcome, ...]  # in order of name
    seconds: float  # duration of this run
    interrupted: bool = False

    def count(self, status: str) -> int:
        """The number of recordings with this status."""
        return sum(each.status == status for each in self.files)


def choose_compute(device: str = "auto", jobs: int = 0) -> Compute:
    """Where the networks of a batch run on this machine, with `jobs` recordings at a time; 0: the fastest number.

    On a GPU all recordings share the networks; on a CPU each has its own, with one thread.
    Raises: ValueError for an unknown device.
    """
    if device_name(device) == "cpu":
        return Compute(device, num_threads=1)
    return Compute(device, num_threads=1, recordings=jobs or min(_ON_A_GPU, usable_cores()))


def choose_executor(compute: Compute, jobs: int = 0) -> Executor:
    """The executor for networks that run on `compute`.

    Threads if recordings share the networks or they are on a GPU, else processes, `jobs` at a time; 0: one per core.
    """
    if compute.recordings > 1 or device_name(compute.device) != "cpu":
        return LocalThreads(compute.recordings)
    return LocalProcesses(jobs)


def run_batch(
    recordings: Sequence[Recording],
    out: Path | str,
    options: RecordingOptions | None = None,
    compute: Compute | None = None,
    executor: Executor | None = None,
) -> BatchSummary:
    """Writes a directory with the results of each recording to `out`, and SUMMARY. Finished recordings are kept.

    The defaults are `choose_compute()` and `choose_executor(compute)`: all cores of this machine, or its GPU.
    A Ctrl-C ends it early: the summary says what is done, and the next run does the rest.
    Raises OSError with a remedy if `out` cannot be written.
    """
    start, out = time.perf_counter(), make_directory(out)
    options, compute = options or RecordingOptions(), compute or choose_compute()
    threads = min(executor.count, len(recordings)) if isinstance(executor, LocalThreads) else 1
    if threads > compute.recordings:
        raise ValueError(
            f"{threads} threads would share networks that are for {compute.recordings}: "
            f"give Compute(..., recordings={threads})"
        )
    jobs = [Job(recording, out, options, compute) for recording in recordings]
    outcomes = [Outcome(str(recording.path), recording.name, "not done") for recording in recordings]
    interrupted = False
    with exclusive(out):
        try:
            _run(executor or choose_executor(compute), jobs, outcomes)
        except KeyboardInterrupt:
            interrupted = True
        for job in jobs:  # of workers that were ended
            shutil.rmtree(job.partial, ignore_errors=True)
        summary = BatchSummary(tuple(outcomes), time.perf_counter() - start, interrupted)
        write_json(out / SUMMARY, _as_json(summary))
    return summary


def _run(executor: Executor, jobs: Sequence[Job], outcomes: list[Outcome]):
    """Fills in `outcomes` as they come."""
    with _Bar(jobs) as bar, closing(executor.run(do_job, jobs, bar.show)) as results:
        for number, outcome in results:
            if isinstance(outcome, WorkerDied):
                outcome = replace(outcomes[number], status="failed", error=str(outcome))
            outcomes[number] = outcome
            bar.end(number, outcome)


class _Bar:
    """How far the batch is: bytes, rate, remaining time; recordings done and failed, images a second.

    It counts bytes because only opening every file would tell how many images there are.
    """

    def __init__(self, jobs: Sequence[Job]):
        self._sizes = [job.recording.size for job in jobs]
        self._shown = [0.0] * len(jobs)  # bytes of each
        self._ended, self._frames, self._start = Counter(), 0, time.monotonic()
        self._bar = tqdm(total=sum(self._sizes), unit="B", unit_scale=True, disable=None, smoothing=0.1)

    def show(self, number: int, share: float):
        """So much of a job, 0..1, is done."""
        self._bar.update(share * self._sizes[number] - self._shown[number])
        self._shown[number] = share * self._sizes[number]

    def end(self, number: int, outcome: Outcome):
        """A job has ended."""
        self._ended[outcome.status] += 1
        if outcome.found:  # took no time: it would make the rest look fast
            self._bar.total -= self._sizes[number]
        else:
            self.show(number, 1.0)
            self._frames += outcome.frames
        failed = f", {self._ended['failed']} failed" if self._ended["failed"] else ""
        rate = self._frames / (time.monotonic() - self._start)
        self._bar.set_postfix_str(f"{self._ended['done']}/{len(self._sizes)} files{failed}, {rate:.0f} frames/s")
        if outcome.error:
            self._bar.write(f"handpose batch: {outcome.source}: {outcome.error}", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()


def _as_json(summary: BatchSummary) -> dict:
    statuses = ("done", "failed", "not done")
    files = [{key: value for key, value in asdict(each).items() if key != "found"} for each in summary.files]
    return {
        **{status.replace(" ", "_"): summary.count(status) for status in statuses},
        "frames": sum(each.frames for each in summary.files),
        "hands": sum(each.hands for each in summary.files),
        "seconds": summary.seconds,
        "files": files,
    }
