"""Results on disk: overlay videos, pictures, JSON.

A file gets its name when it is complete: what is interrupted leaves nothing half-written under it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import cv2
import numpy as np

from handpose_ros.failures import no_room, opencv_name, writing
from handpose_ros.hand import KEYPOINTS, HandPose, HandPoses
from handpose_ros.recordings.sources import IMAGE_SUFFIXES

_MOST_TICKS = 65535  # of MPEG-4's clock in a second; OpenCV writes a rate as so many / 10^k
_LOWEST_RATE = 0.002  # [1/s] that OpenCV can write
_LONGEST_SIDE = 8190  # [px] of an image in MPEG-4


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """The path of a temporary file beside `path` that takes its place when the block ends without an error.

    Raises OSError with a remedy where the disk is full.
    """
    partial = _partial(path)
    try:
        with writing(path):
            yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def make_directory(path: Path | str) -> Path:
    """The directory `path`, made if it was not there. Raises OSError with a remedy if it cannot hold files."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".handpose_{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write to {path} ({error.strerror}): choose another directory") from error
    return path


def make_place(path: Path):
    """The directory of a file that is to be written, made before the work is. Raises OSError with a remedy."""
    make_directory(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory: name a file")


def check_results(out: Path, names: Iterable[str], sources: Iterable[Path]):
    """Raises ValueError where a result that `out` is to hold under one of `names` would replace one of `sources`."""
    files = {_file(source): source for source in sources if source.exists()}
    for name in names:
        source = files.get(_file(out / name)) if (out / name).exists() else None
        if source is not None:
            raise ValueError(f"the results would take the place of {source}: choose another --out")


def remove_results(out: Path, names: Sequence[str], sources: Iterable[Path]):
    """Removes what an earlier run left. Raises as `check_results`, before anything is removed."""
    check_results(out, names, sources)
    for name in names:
        (out / name).unlink(missing_ok=True)


def write_image(path: Path | str, image: np.ndarray):
    """Writes `image` (H, W, 3) uint8 RGB in the format of the suffix (.png, .jpg).

    Raises ValueError for another suffix, OSError where it cannot be written.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in IMAGE_SUFFIXES or not cv2.haveImageWriter(f"image{suffix}"):
        raise ValueError(f"no image can be written to {path}: its name must end with {', '.join(IMAGE_SUFFIXES)}")
    encoded, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not encoded:
        raise OSError(f"{path} cannot be written: {suffix} does not take {image.shape[1]}x{image.shape[0]} px")
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())


def write_json(path: Path | str, value):
    """Writes `value` as JSON that every reader takes: NaN becomes null."""
    with replacing(path) as partial:
        partial.write_text(_json(value) + "\n")


def write_json_list(path: Path | str, values: Iterable):
    """Writes a list of `values` as write_json does, but one after the other: they may be too many for memory."""
    with replacing(path) as partial, partial.open("w") as file:
        before = "[\n"
        for value in values:
            file.write(before + indent(_json(value), "  "))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")


class VideoWriter:
    """Writes an mp4 (MPEG-4 part 2, which every OpenCV can encode) of images of one size at a constant rate."""

    def __init__(self, path: Path | str, fps: float):
        """`fps` [1/s] is rounded to a rate that MPEG-4 has. Raises ValueError for a name that is not UTF-8."""
        self._path, self.fps = Path(path), _rate(fps)
        self._partial = _partial(opencv_name(path))
        self._writer = None
        self._size = None
        self._count = 0

    def write(self, image: np.ndarray):
        """Appends `image` (H, W, 3) uint8 RGB; the first one sets the size, which is at most 8190 px."""
        size = image.shape[1], image.shape[0]
        if self._writer is None:
            longest = max(*size, _LONGEST_SIDE)
            # The codec takes even sizes only: an odd last row or column is left out.
            self._size = tuple(length * _LONGEST_SIDE // longest // 2 * 2 for length in size)
            fourcc = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._partial), fourcc, self.fps, self._size)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write {self._path}: is its directory writable, is the image {size} px?")
        if (size[0] // 2 * 2, size[1] // 2 * 2) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(image[: self._size[1], : self._size[0]], cv2.COLOR_RGB2BGR))
        self._count += 1

    def close(self):
        """Completes the file and gives it its name; without images there is no file.

        Raises OSError with a remedy if not all of it could be written.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        if self._written() != self._count:
            self.discard()
            raise no_room(self._path, "not all images are in it: is the disk full?")
        os.replace(self._partial, self._path)

    def discard(self):
        """Removes the unfinished file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._partial.unlink(missing_ok=True)

    def _written(self):
        """Images in the file: OpenCV says nothing when writing fails."""
        video = cv2.VideoCapture(str(self._partial))
        count = video.get(cv2.CAP_PROP_FRAME_COUNT)
        video.release()
        return count

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self.discard() if error else self.close()


def hands_as_json(hands: HandPoses) -> dict:
    """What write_json takes to write the hands of one image: units as in HandPose, names in plain words."""
    return {
        "width": hands.size[0],
        "height": hands.size[1],
        "calibrated": hands.calibrated,
        "keypoints": list(KEYPOINTS),
        "hands": [_hand_as_json(hand) for hand in hands],
    }


def _file(path):
    """What tells whether two paths, however they are written, are one file."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _rate(fps):
    """The rate nearest to `fps` that MPEG-4 can say: not 66667 / 1000, but 6667 / 100."""
    fps = min(max(fps, _LOWEST_RATE), float(_MOST_TICKS))
    digits = next(digits for digits in (3, 2, 1, 0) if round(fps * 10**digits) <= _MOST_TICKS)
    return round(fps, digits)


def _partial(path):
    """A hidden name beside `path` with its suffix, by which encoders choose the format."""
    path = Path(path)
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def _hand_as_json(hand: HandPose):
    return {
        "track_id": hand.track_id,
        "track_age": hand.track_age,
        "state": hand.state.name.lower(),
        "side": hand.side.name.lower(),
        "side_score": hand.side_score,
        "score": hand.score,
        "hand_scale": hand.hand_scale,
        "reprojection_error": hand.reprojection_error,
        "depth_source": hand.depth_source.name.lower(),
        "joints_2d": hand.joints_2d,
        "joints_3d": hand.joints_3d,
        "joint_scores": hand.joint_scores,
        "joint_sigma": hand.joint_sigma,
    }


def _json(value):
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
