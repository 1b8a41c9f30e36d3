"""Child processes that never outlive their parent's block and whose death is never silent."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

_LAST_LINES = 8


class ProcessDied(RuntimeError):
    """A child process ended that should not have; the text has its last lines."""


class Processes:
    """Starts processes, each in a group of its own, and ends them all when the block is left.

    A Ctrl-C in the terminal reaches none of them: their parent decides when they end.
    """

    def __init__(self, environment: Mapping[str, str], patience: float = 10.0):
        """A process has `patience` [s] to end after SIGINT and half of it after SIGTERM; then it is killed."""
        self._environment = dict(environment)
        self._patience = ((signal.SIGINT, patience), (signal.SIGTERM, patience / 2), (signal.SIGKILL, 3.0))
        self._running: dict[str, subprocess.Popen] = {}
        self._logs = {}

    def start(self, name: str, command: Sequence[str]):
        """Starts `command`; what it prints is kept for `check`."""
        log = self._logs[name] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._running[name] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )

    def check(self, *may_end: str):
        """Raises ProcessDied if a process ended, unless it is one that `may_end` and did so with exit code 0."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None and not (code == 0 and name in may_end):
                raise ProcessDied(f"{name} ended with exit code {code}:\n{self.last_lines(name)}")

    def ended(self, name: str) -> bool:
        """Whether the process `name` is no longer running."""
        return self._running[name].poll() is not None

    def pid(self, name: str) -> int:
        """The number of the process `name`."""
        return self._running[name].pid

    def last_lines(self, name: str) -> str:
        """The end of what the process `name` printed, indented."""
        log = self._logs[name]
        size = os.fstat(log.fileno()).st_size  # the child moves the shared offset: read without it
        text = os.pread(log.fileno(), 20_000, max(0, size - 20_000)).decode(errors="replace")
        return "\n".join("    " + line for line in text.rstrip().splitlines()[-_LAST_LINES:])

    def stop(self, *names: str):
        """Ends the processes `names`, all of them without names: asked first, then told, then killed."""
        processes = [self._running[name] for name in names or self._running]
        for number, seconds in self._patience:
            alive = [process for process in processes if process.poll() is None]
            for process in alive:
                os.killpg(process.pid, number)
            _wait(alive, seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            for log in self._logs.values():
                log.close()


def _wait(processes, seconds):
    deadline = time.monotonic() + seconds
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)
