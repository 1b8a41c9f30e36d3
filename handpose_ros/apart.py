"""An object in a process of its own: what it does costs the caller neither a core's turn nor the interpreter's lock.

The process is started anew, not forked, and runs nothing of the caller's script, which needs no main guard. Items go
through a pipe: a closed one is how each side learns that the other has ended, however it did.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from typing import Any

from handpose_ros.processes import ProcessDied

_PATIENCE = 10.0  # [s] to clear up before it is killed
_START = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; sys.exit(serve())"


class Apart:
    """`kind(*arguments)` in another process: a context manager with `add(item)` and, when all is added, `finish()`.

    What it raises there is raised here: by the next `add`, or by `finish`. `kind` is a class of a module, and what goes
    to and fro can be pickled. When the block is left by an error, the object's block over there is too.
    """

    def __init__(self, kind: type, *arguments):
        command = [sys.executable, "-c", _START, *map(str, sys.path)]
        # In a session of its own: a Ctrl-C in the terminal is for the caller, which decides what becomes of it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._send((kind, arguments))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def add(self, item: Any):
        """Waits while the pipe is full. Raises ProcessDied if the process was ended by something else."""
        self._send((item,))

    def finish(self) -> Any:
        """What `finish` of the object returns. Raises as `add` does."""
        self._send(())
        return self._answer()

    def _send(self, message):
        try:
            pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._answer()  # why nobody reads any more

    def _answer(self):
        try:
            value, error, trace = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise ProcessDied(_why(self._process.wait())) from None
        if error is not None:
            raise error from ProcessDied(f"in process {self._process.pid}:\n{trace}")
        return value

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error is not None:
            self._process.terminate()
        with suppress(OSError):  # the pipe of a process that is gone
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def serve() -> int:
    """What the other process does; the exit code."""
    try:
        end = _End()
        signal.signal(signal.SIGTERM, end)
        items, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what a library prints is no answer
        answer = _answer_to(items, end)
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.close()
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    return 0


class _End:
    """Raises KeyboardInterrupt the first time it is called: what then removes files is not interrupted itself."""

    def __init__(self):
        self._called = False

    def __call__(self, *_):
        if not self._called:
            self._called = True
            raise KeyboardInterrupt


def _answer_to(items, end):
    """(what `finish` returns, an error, where it was raised)."""
    try:
        kind, arguments = _next(items, end)
        with kind(*arguments) as made:
            while message := _next(items, end):
                made.add(*message)
            return made.finish(), None, ""
    except Exception as error:  # raised again by the caller
        trace = "".join(traceback.format_exception(error))
        return None, _picklable(error), trace


def _next(items, end):
    try:
        return pickle.load(items)
    except (EOFError, pickle.UnpicklingError):  # the caller is gone, be it in the middle of a message
        end()
        raise


def _picklable(error):
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of a library trips over
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _why(code):
    """What the exit `code` of a process says."""
    if code < 0:
        return f"the process that writes was ended by {signal.Signals(-code).name}: is there enough memory?"
    return f"the process that writes ended with exit code {code}"
