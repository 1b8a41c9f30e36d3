"""One run at a time in a directory of results."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handpose_ros.recordings.output import make_directory

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept out
    fcntl = None

_LOCK = ".handpose_lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # of file systems that have none: nobody is kept out


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Within, no other run, which would clear away what this one is making, is in `out`. Raises OSError if one is.

    Makes `out` where it is not there, and takes it away again if nothing came into it.
    """
    made = not out.exists()
    make_directory(out)
    try:
        with _locked(out):
            yield
    finally:
        if made:
            with suppress(OSError):  # there is something in it
                out.rmdir()


@contextmanager
def _locked(out):
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
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        try:
            yield
        finally:
            os.unlink(lock)
