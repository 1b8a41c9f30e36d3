"""One run at a time in a directory of results."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept out
    fcntl = None

_LOCK = ".handpose_lock"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Within, no other run, which would clear away what this one is making, is in `out`. Raises OSError if one is."""
    if fcntl is None:
        yield
        return
    lock = out / _LOCK
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), lock.stat()):  # its owner ended just now, another began
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            raise OSError(f"another run is writing to {out}: wait for it or choose another --out") from None
        try:
            yield
        finally:
            os.unlink(lock)
