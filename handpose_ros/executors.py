"""Where many jobs run: in processes of this machine, or on a Ray cluster. To everybody else both are the same."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from handpose_ros.failures import sentence

Work = Callable[[Any, Callable[[float], None]], Any]  # (job, says how much of it is done, 0..1) -> its result
Shown = Callable[[int, float], None]  # number of a job, how much of it is done, 0..1

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LOOK = 0.5  # [s] between two looks at how far the jobs on a cluster are
_AHEAD = 2  # jobs for each core of a cluster that are handed to it at once


class WorkerDied(RuntimeError):
    """A process ended in the middle of a job: killed, out of memory, or felled by a library."""


class Executor(Protocol):
    """Runs jobs side by side."""

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        """(number, result) of each job as it ends; the result is a WorkerDied where its process did.

        `work` is a function of a module, and raises nothing. Where the iterator is closed, all that runs is ended.
        """


class LocalProcesses:
    """See `Executor`: worker processes, which do not outlive this one however it ends.

    Each is to use one thread: work that is split among threads waits for the slowest of them, and results would depend
    on the number of cores.
    """

    def __init__(self, count: int):
        """At most `count` at a time."""
        self._count = count
        self._context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of ours hold

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        waiting, busy = iter(enumerate(jobs)), {}
        idle = [self._start(work) for _ in range(min(self._count, len(jobs)))]
        try:
            while True:
                while idle and (entry := next(waiting, None)):
                    worker = idle.pop()
                    worker.give(entry[1])
                    busy[worker.pipe] = worker, entry[0]
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker, number = busy[pipe]
                    kind, value = worker.take()
                    if kind == "share":
                        shown(number, value)
                        continue
                    del busy[pipe]
                    idle.append(self._start(work) if kind == "died" else worker)
                    yield number, value
        finally:
            for worker in [*idle, *(worker for worker, _ in busy.values())]:
                worker.end()

    def _start(self, work):
        return _Worker(self._context, work)


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, context, work: Work):
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), name="handpose worker", daemon=True)
        with _environment(dict.fromkeys(_ONE_THREAD, "1")):
            self._process.start()
        theirs.close()

    def give(self, job):
        try:
            self.pipe.send(job)
        except BrokenPipeError:
            pass  # it died while it was idle: `take` says so

    def take(self) -> tuple[str, Any]:
        """("share", 0..1), ("done", the result) or ("died", a WorkerDied)."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return "died", WorkerDied(_why(self._process.exitcode))

    def end(self):
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, work: Work):
    """What a worker process does until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is for the parent, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            result = work(pipe.recv(), lambda share: pipe.send(("share", share)))
            pipe.send(("done", result))
    except (EOFError, BrokenPipeError):
        return


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _why(code: int) -> str:
    """What the exit `code` of a process says."""
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}: is there enough memory? Give fewer --jobs"
    return f"its process ended with exit code {code}"


class _environment:
    """Within, the environment has these values too, for processes that are started."""

    def __init__(self, values: Mapping[str, str]):
        self._values = values

    def __enter__(self):
        self._before = {name: os.environ.get(name) for name in self._values}
        os.environ.update(self._values)

    def __exit__(self, *_):
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class RayCluster:
    """See `Executor`: tasks of one core each on a Ray cluster, whose nodes see the same files and have this package."""

    def __init__(self, address: str = "", gpus: float = 0):
        """`address` of the cluster; empty: $RAY_ADDRESS, one that runs here, or a new one on this machine.

        A task asks for `gpus`. Raises ImportError or ConnectionError with a remedy.
        """
        try:
            import ray
        except ImportError as error:
            raise ImportError("--ray needs Ray: pip install 'handpose_ros[ray]', or leave out --ray") from error
        self._ray, self._gpus = ray, gpus
        self._own = not ray.is_initialized()
        if self._own:
            ray.init(address=address or None, log_to_driver=False, logging_level="ERROR")

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        ray = self._ray
        tally = ray.remote(num_cpus=0)(_Tally).remote()
        # A task that is run again would find its own half-done work: batch says what failed, and a restart does it.
        task = ray.remote(num_cpus=1, num_gpus=self._gpus, max_retries=0)(_on_cluster)
        waiting, busy = iter(enumerate(jobs)), {}
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            while True:
                while len(busy) < most and (entry := next(waiting, None)):
                    busy[task.remote(work, entry[1], tally, entry[0])] = entry[0]
                if not busy:
                    return
                ended, _ = ray.wait(list(busy), timeout=_LOOK)
                for number, share in ray.get(tally.shares.remote()).items():
                    shown(number, share)
                for reference in ended:
                    yield busy.pop(reference), self._result(reference)
        finally:
            for reference in busy:
                ray.cancel(reference, force=True)
            ray.kill(tally)

    def close(self):
        """Leaves the cluster, and ends it if it was made here."""
        if self._own:
            self._ray.shutdown()

    def _result(self, reference):
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return WorkerDied(f"its task on the cluster ended: {sentence(getattr(error, 'cause', None) or error)}")


class _Tally:
    """How far the jobs are, kept on the cluster."""

    def __init__(self):
        self._shares = {}

    def note(self, number: int, share: float):
        self._shares[number] = share

    def shares(self) -> dict[int, float]:
        """What came since the last call."""
        taken, self._shares = self._shares, {}
        return taken


def _on_cluster(work, job, tally, number):
    return work(job, lambda share: tally.note.remote(number, share))
