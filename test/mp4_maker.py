"""Small videos as phones make them: turned by metadata, of a variable rate, of a codec that nobody has, cut off."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.recordings.output import VideoWriter

_OF_MATROSKA = ("18538067", "1549a966", "1f43b675")  # segment, information, cluster: elements around others
_AROUND_STTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def write_video(path: Path, count: int = 30) -> Path:
    """`count` images of 64x48 at 30 Hz: black, the left quarter red, ever brighter."""
    with VideoWriter(path, 30.0) as video:
        for k in range(count):
            image = np.zeros((48, 64, 3), np.uint8)
            image[:, :16] = (100 + 4 * k, 0, 0)
            video.write(image)
    return path


def write_cut_off_video(path: Path) -> Path:
    """A video that does not say how long it is, for its writer did not come to that; of 64x48 at 30 Hz."""
    whole = path.with_name(f"whole_{path.name}")
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (64, 48))
    for k in range(400):
        writer.write(np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8))
    path.write_bytes(whole.read_bytes())
    writer.release()
    whole.unlink()
    return path


def turn(path: Path):
    """Says in the metadata (the matrix of `tkhd`, ISO 14496-12) that the images are to be turned to the right."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16  # name, version and flags, times and durations, layer to reserved
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)


def double_the_rate_after(path: Path, count: int):
    """Splits the table of times (`stts`): images after the first `count` follow each other twice as fast."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stts")
    entries, images, period = struct.unpack(">3i", data[at + 8 : at + 20])
    assert entries == 1 and data.index(b"mdat") < data.index(b"moov")  # nothing that is pointed at moves
    data[at + 8 : at + 20] = struct.pack(">5i", 2, count, period, images - count, period // 2)
    for name in (*_AROUND_STTS, b"stts"):
        place = data.index(name) - 4
        data[place : place + 4] = struct.pack(">i", struct.unpack(">i", data[place : place + 4])[0] + 8)
    path.write_bytes(data)


def rename_codec(path: Path):
    """Says in the metadata that the codec is one that nobody has: its name, and its number (`esds`, ISO 14496-1)."""
    data = path.read_bytes().replace(b"mp4v", b"zzzz")
    place = data.index(b"\x20\x11", data.index(b"esds"))  # MPEG-4 visual, a video stream
    path.write_bytes(data[:place] + b"\xfe" + data[place + 1 :])


def retime(path: Path, time: Callable[[int], int]):
    """Has the images of a Matroska file (RFC 9559) stand at `time(t)` instead of t [ms], and its end too."""
    data, start = bytearray(path.read_bytes()), 0
    for name, at, size in _elements(data):
        if name == "e7":  # when a cluster begins
            start = int.from_bytes(data[at : at + size], "big")
        if name == "a3":  # a block: number of the track, time in the cluster
            (since,) = struct.unpack(">h", data[at + 1 : at + 3])
            data[at + 1 : at + 3] = struct.pack(">h", time(start + since) - start)
        if name == "4489":  # how long it is
            data[at : at + size] = struct.pack(">d", time(*struct.unpack(">d", data[at : at + size])))
    path.write_bytes(data)


def forget_the_rate(path: Path):
    """Leaves out of a Matroska file how long an image stands (DefaultDuration), as browsers do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83")
    data[at : at + 2] = bytes([0xEC, 0x80 | (2 + (data[at + 3] & 0x7F))])  # the rest becomes void
    path.write_bytes(data)


def _elements(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, place and size of what the elements of a Matroska file hold; a number's first bit tells its length."""
    at = 0
    while at < len(data):
        length = 9 - data[at].bit_length()
        name, at = data[at : at + length].hex(), at + length
        length = 9 - data[at].bit_length()
        size, at = int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1, at + length
        yield name, at, size
        at += 0 if name in _OF_MATROSKA else size
