"""Runs many jobs side by side, in processes or threads of this machine. `ray_cluster` runs them on a cluster."""

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

Work = Callable[[Any, Callable[[float], None]], Any]  # (job, says how much of it is done, 0..1) -> its result
Shown = Callable[[int, float], None]  # number of a job, how much of it is done, 0..1

_starting = threading.Lock()  # a process: what it takes over is changed meanwhile
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerDied(RuntimeError):
    """A process or thread ended in the middle of a job: killed, out of memory, or crashed by a library."""


class Executor(Protocol):
    """Runs jobs side by side."""

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        """(number, result) of each job as it ends; the result is a WorkerDied if its process died.

        `work` is a function of a module that can be imported, and raises nothing. Closing the iterator ends all running
        jobs.
        """


class LocalProcesses:
    """See `Executor`: worker processes, which end with this process however it ends.

    Each should use one thread: work that is split among threads waits for the slowest of them, and results would depend
    on the number of cores.
    """

    def __init__(self, count: int = 0):
        """At most `count` at a time; 0: as many as there are cores."""
        self._count = count or usable_cores()
        self._context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of ours hold

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        waiting, idle, busy = iter(enumerate(jobs)), [], {}
        try:
            while True:
                while len(busy) < self._count and (entry := next(waiting, None)):
                    worker = idle.pop() if idle else _Worker(self._context, work)
                    busy[worker.pipe] = worker, entry[0]
                    worker.give(entry[1])
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker, number = busy[pipe]
                    kind, value = worker.take()
                    if kind == "share":
                        shown(number, value)
                        continue
                    del busy[pipe]
                    idle += [worker] if kind == "done" else []
                    yield number, value
        finally:
            for worker in [*idle, *(worker for worker, _ in busy.values())]:
                worker.end()


class LocalThreads:
    """See `Executor`: threads of this process, for jobs that share its objects, such as the networks on a GPU.

    A crash of the process ends all jobs. Closing the iterator waits until each job next reports its progress or is
    done; it ends there.
    """

    def __init__(self, count: int):
        """At most `count` at a time, 1 or more."""
        if count < 1:
            raise ValueError(f"count is {count}, it must be 1 or more")
        self.count = count

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        waiting, told, unwanted = queue.SimpleQueue(), queue.SimpleQueue(), threading.Event()
        for entry in enumerate(jobs):
            waiting.put(entry)
        threads = [
            threading.Thread(target=_do, args=(work, waiting, told, unwanted), name="handpose worker", daemon=True)
            for _ in range(min(self.count, len(jobs)))
        ]
        try:
            for thread in threads:
                thread.start()
            left = len(jobs)
            while left:
                kind, number, value = told.get()
                if kind == "share":
                    shown(number, value)
                    continue
                left -= 1
                yield number, value
        finally:
            unwanted.set()
            for thread in filter(threading.Thread.is_alive, threads):
                thread.join()


def usable_cores() -> int:
    """Cores of this machine that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, context, work: Work):
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), name="handpose worker", daemon=True)
        resource_tracker.ensure_running()  # `start` would begin with it, and let Ctrl-C through again
        # A Ctrl-C waits until it has started: it would end in a traceback, being half imported.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _starting, _environment(dict.fromkeys(_ONE_THREAD, "1")), _without_main():
                self._process.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def give(self, job):
        try:
            self.pipe.send(job)
        except OSError:
            pass  # it died while it was idle: `take` says so

    def take(self) -> tuple[str, Any]:
        """("share", 0..1), ("done", the result) or ("died", a WorkerDied)."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):  # also in the middle of a message
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


def _do(work: Work, waiting: queue.SimpleQueue, told: queue.SimpleQueue, unwanted: threading.Event):
    """What a worker thread does until nothing is left to do."""

    def say(number, share):
        if unwanted.is_set():
            sys.exit()  # ends this thread only
        told.put(("share", number, share))

    while not unwanted.is_set():
        try:
            number, job = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            result = work(job, partial(say, number))
        except BaseException as error:  # must be told: the run would wait for it for good
            result = WorkerDied(f"its thread was ended by {type(error).__name__}: {error}")
        told.put(("done", number, result))


@contextmanager
def _without_main():
    """Within, processes that are started do not run the program's own file, of which they need nothing: it may lack
    `if __name__ == "__main__"`, and would then start the batch again. For one thread at a time."""
    main = vars(sys.modules["__main__"])
    kept = {name: main[name] for name in ("__spec__", "__file__") if name in main}  # where multiprocessing finds it
    main.update(dict.fromkeys(kept))
    try:
        yield
    finally:
        main.update(kept)


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
