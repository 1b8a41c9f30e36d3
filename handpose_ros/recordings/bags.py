"""ROS 2 bags without ROS: one mcap file, written and read with the package's own messages.

Messages are written as the CDR bytes that went over the wire, or built with `typestore()`. A written
file opens in Foxglove and plays with `ros2 bag play`: it holds the definition and the hash of every type.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import yaml
from rosbags.interfaces import (
    MessageDefinitionFormat,
    Nodetype,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from handpose_ros.failures import writing
from handpose_ros.share import share_path

COMPRESSED_IMAGE_TYPE = "sensor_msgs/msg/CompressedImage"
_JPEG_QUALITY = 90
_FOREVER = QosTime(2147483647, 4294967295)


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag."""

    topic: str
    type: str  # "sensor_msgs/msg/CompressedImage"
    stamp: int  # [ns] when it was logged: for what this package writes, the stamp of the image it belongs to
    message: object  # with the attributes of the ROS message


@dataclass(frozen=True)
class Topic:
    """What a bag holds of one topic."""

    name: str
    type: str
    count: int  # messages


@cache
def typestore():
    """The message types of ROS 2 Kilted and of this package."""
    store = get_typestore(Stores.ROS2_KILTED)
    for path in sorted(share_path("msg").glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(), f"handpose_ros/msg/{path.stem}"))
    return store


def make_message(type: str, /, **fields):
    """A message of `type` ("geometry_msgs/msg/Point") with the given fields; the others are 0 or empty.

    What `encoding.Make` asks for. Numbers in arrays must be numpy's, of the field's type.
    """
    _, definition = typestore().fielddefs[type]
    return typestore().types[type](**{name: _default(kind) for name, kind in definition if name not in fields} | fields)


class BagWriter:
    """Writes one mcap file. It appears under its name when it is closed, complete and playable; if it has a message."""

    def __init__(self, path: Path | str):
        """Replaces a file that is there. Raises OSError where it cannot be written."""
        self._path = Path(path)
        self._directory = Path(tempfile.mkdtemp(dir=self._path.parent, prefix=f".{self._path.name}."))
        self._writer = Writer(self._directory / "bag", version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections = {}

    def write(self, topic: str, message_type: str, stamp: int, cdr: bytes, *, latched: bool = False):
        """Adds a serialised message, logged at `stamp` [ns]; a `latched` topic reaches late subscribers on replay."""
        with writing(self._path):
            self._write(topic, message_type, stamp, cdr, latched)

    def _write(self, topic, message_type, stamp, cdr, latched):
        if topic not in self._connections:
            qos = [_qos(QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE)]
            connection = self._writer.add_connection(
                topic, message_type, typestore=typestore(), offered_qos_profiles=qos
            )
            self._connections[topic] = connection
        self._writer.write(self._connections[topic], stamp, cdr)

    def write_image(self, topic: str, image: np.ndarray, stamp: int, frame_id: str):
        """Adds `image` (H, W, 3) uint8 RGB as a sensor_msgs/CompressedImage (JPEG), stamped `stamp` [ns]."""
        types = typestore().types
        time = types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
        header = types["std_msgs/msg/Header"](time, frame_id)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        message = types[COMPRESSED_IMAGE_TYPE](header, "jpeg", jpeg)
        self.write(topic, COMPRESSED_IMAGE_TYPE, stamp, typestore().serialize_cdr(message, COMPRESSED_IMAGE_TYPE))

    def close(self):
        """Completes the file and gives it its name. Does nothing the second time."""
        if not self._directory.exists():
            return
        try:
            with writing(self._path):
                self._writer.close()
            if self._connections:  # without a message there is no file
                os.replace(next((self._directory / "bag").glob("*.mcap")), self._path)
        finally:
            shutil.rmtree(self._directory)

    def discard(self):
        """Leaves no file."""
        if self._directory.exists():
            try:
                with suppress(OSError):  # a full disk is why it is discarded
                    self._writer.close()
            finally:
                shutil.rmtree(self._directory)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self.discard() if error else self.close()


def read_messages(path: Path | str, *topics: str) -> Iterator[BagMessage]:
    """The messages of a bag (an .mcap or .db3 file, or a rosbag2 directory) in the order of their stamps.

    Of the given `topics` only, if there are any. Raises ValueError if it is not a bag.
    """
    typestore()  # an installation that is not whole is no fault of the bag
    with _opened(path) as reader:
        connections = [c for c in reader.connections if not topics or c.topic in topics]
        if not connections:
            return
        types = {connection.id: _types_of(connection) for connection in connections}
        for connection, stamp, data in reader.messages(connections):
            message = types[connection.id].deserialize_cdr(data, connection.msgtype)
            yield BagMessage(connection.topic, connection.msgtype, stamp, message)


def read_topics(path: Path | str) -> tuple[Topic, ...]:
    """The topics of a bag by name. Raises ValueError if it is not a bag."""
    counts: Counter[tuple[str, str]] = Counter()
    with _opened(path) as reader:
        for connection in reader.connections:
            counts[connection.topic, connection.msgtype] += connection.msgcount
    return tuple(Topic(*key, count) for key, count in sorted(counts.items()))


def bag_files(path: Path) -> tuple[Path, ...]:
    """The files that hold the messages of a bag that can be read."""
    if not path.is_dir():
        return (path,)
    metadata = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    return tuple(path / Path(name).name for name in metadata["relative_file_paths"])


@contextmanager
def _opened(path):
    """The open bag; whatever its reading trips over becomes one ValueError."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no bag {path}: give an .mcap or .db3 file or a rosbag2 directory")
    try:
        with Reader(Path(path)) as reader:
            yield reader
    except PermissionError:
        raise
    except Exception as error:  # what damaged bytes raise in rosbags, sqlite3, zstd and lz4 is of no one family
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} is not a bag that can be read, or not a whole one ({reason}): give an .mcap or .db3 file or a "
            "rosbag2 directory; `ros2 bag reindex` repairs one whose recording was cut off"
        ) from error


def _types_of(connection):
    """The message types of a topic: those in the bag where another version of this package has recorded it."""
    ours = typestore()
    if not connection.msgtype.startswith("handpose_ros/") or connection.msgdef.format != MessageDefinitionFormat.MSG:
        return ours
    theirs = get_types_from_msg(connection.msgdef.data, connection.msgtype)
    if all(ours.fielddefs.get(name) == definition for name, definition in theirs.items()):
        return ours
    store = get_typestore(Stores.EMPTY)
    store.register(theirs)
    return store


def _default(definition):
    """The value of a field that nobody set."""
    node, detail = definition
    if node is Nodetype.BASE:
        return {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}.get(detail[0], 0)
    if node is Nodetype.NAME:
        return make_message(detail)
    (element_node, element), length = detail
    if element_node is Nodetype.BASE and element[0] != "string":
        return np.zeros(length if node is Nodetype.ARRAY else 0, element[0])
    return [_default((element_node, element)) for _ in range(length if node is Nodetype.ARRAY else 0)]


def _qos(durability):
    return Qos(
        QosHistory.KEEP_LAST,
        10,
        QosReliability.RELIABLE,
        durability,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        avoid_ros_namespace_conventions=False,
    )
