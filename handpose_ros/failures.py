"""What went wrong, as one sentence that says what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_QUIET = {"OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_LOG_LEVEL": "SILENT"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sentence(error: BaseException) -> str:
    """What happened, in one line and without the errno that Python puts before it."""
    named = isinstance(error, OSError) and error.filename is not None
    text = f"{error.filename}: {error.strerror}" if named else str(error)
    return " ".join(text.split()) or type(error).__name__


def quiet_opencv():
    """Before OpenCV is imported: it prints nothing about files that it cannot read, unless the environment wants it.

    What fails is said in one line, by us.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def opencv_name(path: Path | str) -> str:
    """`path` for OpenCV's videos. Raises ValueError where it is not UTF-8, for which OpenCV ends the process."""
    name = str(path)
    name = os.path.abspath(name) if ":" in name else name  # 12:30.mp4 would be of the protocol 12
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name {name!r} is not UTF-8: rename it") from error
    return name


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Within, an error of a full disk becomes one that names `path` and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise no_room(path, error.strerror) from error


def no_room(path: Path | str, reason: str) -> OSError:
    """The error of a file that does not fit."""
    return OSError(f"{path} cannot be written ({reason}): free some space or choose another directory")
