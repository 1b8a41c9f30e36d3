"""The images of a bag with the camera that each was taken by, as the node `hand_pose` would see them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from handpose_ros.camera import Camera, Frame
from handpose_ros.messages.calibration import camera_from_info, fit_camera, fold_warning, meaning
from handpose_ros.messages.decoding import (
    BadMessage,
    ImageDecoder,
    check_order,
    check_stamp,
    decode_compressed,
    stamp_nanoseconds,
    stamp_seconds,
)
from handpose_ros.recordings.bags import COMPRESSED_IMAGE_TYPE, Topic, make_message, read_messages, read_topics
from handpose_ros.wording import counted

IMAGE_TYPE = "sensor_msgs/msg/Image"
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
_NO_COLOURS = ("/compressedDepth", "/theora", "/debug_image")  # how topics end that are of an image type but no input


@dataclass(frozen=True)
class BagImage:
    """An image of a bag, ready for the pipeline."""

    frame: Frame
    header: object  # of the image's message: std_msgs/Header
    stamp: int  # [ns] of the header
    calibrated: bool  # the frame's camera is a calibration, not a guess


class BagImages:
    """Iterates the images of one topic in the order of the bag; those that cannot be used are left out and counted.

    `guess` makes the camera of an image of a given size where the bag has no calibration for it.
    """

    def __init__(
        self,
        path: Path,
        image_topic: str | None = None,
        info_topic: str | None = None,
        *,
        rectified: bool = False,
        calibration: Callable[[tuple[int, int]], Camera] | None = None,
        guess: Callable[[tuple[int, int]], Camera] | None = None,
    ):
        """The topics are found by their types where they are not named; `calibration` overrules the bag's own.

        Raises ValueError with the remedy: no bag, no image topic or several.
        """
        topics = read_topics(path)
        self.path, self.topic = path, find_image_topic(topics, image_topic)
        self.info_topic = find_info_topic(topics, self.topic.name, info_topic)
        self.failed: Counter[str] = Counter()  # images that could not be used, by kind
        self._rectified, self._guess = rectified, guess
        self._calibration = lru_cache(calibration) if calibration else None  # of each size once
        self._warnings: dict[str, str] = {}  # the first of each kind
        # An image may stand before the first camera_info of its camera: the node waits for that.
        self._infos = {}
        self._made = {}  # frame_id -> (what the camera was made of, the camera)
        for message in read_messages(path, self.info_topic) if self.info_topic else ():
            self._infos.setdefault(message.message.header.frame_id, message.message)

    @property
    def count(self) -> int:
        """Images in the bag."""
        return self.topic.count

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the images read so far, each said once."""
        failed = sorted(self.failed.items())
        unread = [f"{counted(count, 'image')} left out ({kind})" for kind, count in failed]
        return [*unread, *self._warnings.values()]

    def __iter__(self) -> Iterator[BagImage]:
        """Raises ValueError if not one image can be used."""
        decoded, latest = 0, float("-inf")  # stamp [s]
        decode = decode_compressed if self.topic.type == COMPRESSED_IMAGE_TYPE else ImageDecoder()
        for message in read_messages(self.path, self.topic.name, *filter(None, [self.info_topic])):
            if message.type == CAMERA_INFO_TYPE:
                self._infos[message.message.header.frame_id] = message.message
                continue
            try:
                image = decode(message.message)
                check_stamp(message.message.header.stamp)
                stamp = stamp_seconds(message.message.header.stamp) or message.stamp * 1e-9
                check_order(stamp, latest)
            except BadMessage as error:
                self.failed[error.kind] += 1
                self._warn(error.kind, str(error))
                continue
            decoded, latest = decoded + 1, stamp
            yield self._ready(message, image)
        if not decoded:
            raise ValueError(f"{self.path}, {self.topic.name}: {self._why_none()}")

    def _ready(self, message, image):
        header, stamp = message.message.header, stamp_nanoseconds(message.message.header.stamp)
        if stamp == 0:
            self._warn("no_stamp", "images without a stamp have that of their recording")
            stamp = message.stamp
            time = make_message("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
            header = make_message("std_msgs/msg/Header", stamp=time, frame_id=header.frame_id)
        size = (image.shape[1], image.shape[0])
        calibrated = self._calibrated_camera(header.frame_id, size)
        camera = calibrated or (self._guess(size) if self._guess else None)
        frame = Frame(image, camera, stamp_seconds(header.stamp), header.frame_id)
        return BagImage(frame, header, stamp, calibrated is not None)

    def _calibrated_camera(self, frame_id, size):
        if self._calibration:
            camera = self._calibration(size)
            if warning := fold_warning(camera):
                self._warn("distortion", warning)
            return camera
        remedy = (
            "distances are guessed from --fov"
            if self._guess
            else "joints are relative to the wrist, give --calibration"
        )
        info = self._infos.get(frame_id)
        if info is None:
            where = f"on {self.info_topic} " if self.info_topic else ""
            self._warn("camera_info", f"no camera_info {where}for the frame '{frame_id}' (see --camera-info): {remedy}")
            return None
        of = (meaning(info), size)
        if frame_id in self._made and self._made[frame_id][0] == of:
            return self._made[frame_id][1]
        try:
            camera = camera_from_info(info, size, self._rectified)
        except BadMessage as error:
            self._warn(error.kind, f"{self.info_topic}: {error}; {remedy}")
            return None
        self._made[frame_id] = of, camera
        if camera is None:
            self._warn("not_calibrated", f"{self.info_topic}: the camera is not calibrated, K is 0: {remedy}")
        elif warning := fold_warning(camera):
            self._warn("distortion", f"{self.info_topic}: {warning}")
        if camera is not None and self._guess:
            self._warn("fov", f"{self.info_topic}: the camera of '{frame_id}' is calibrated, --fov is not used for it")
        return camera

    def _warn(self, kind, text):
        self._warnings.setdefault(kind, text)

    def _why_none(self):
        if not self.failed:
            return "no images"
        reasons = [self._warnings[kind] for kind in self.failed]
        return f"not one of {counted(self.failed.total(), 'image')} can be read: {reasons[0]}"


def read_bag(
    path: Path | str, image_topic: str | None = None, info_topic: str | None = None, camera: Camera | None = None
) -> Iterator[Frame]:
    """The images of a bag, each with its camera, for a HandPosePipeline; `camera` overrides the bag's own.

    Topics that are not given are found by type. Raises ValueError with the remedy, as BagImages does.
    """
    calibration = (lambda size: fit_camera(camera, size)) if camera else None
    return (image.frame for image in BagImages(Path(path), image_topic, info_topic, calibration=calibration))


def find_image_topic(topics: Sequence[Topic], name: str | None = None) -> Topic:
    """The topic of colour images called `name`, or the only one; a raw one goes before its compressed twin.

    Raises ValueError that lists what there is.
    """
    images = [topic for topic in topics if topic.type in (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)]
    if name is not None:
        named = [topic for topic in images if topic.name == name]
        if not named:
            raise ValueError(f"the bag has no images on {name}; it has {_list(images)}")
        return named[0]
    raw = {topic.name for topic in images if topic.type == IMAGE_TYPE}
    colour = [
        topic
        for topic in images
        if topic.count and not topic.name.endswith(_NO_COLOURS) and "depth" not in topic.name.lower()
    ]
    twins = {f"{each}/compressed" for each in raw}
    colour = [topic for topic in colour if topic.name not in twins] or colour
    if not colour:
        raise ValueError(f"the bag has no colour images; its topics are {_list(topics)}: name one with --image")
    if len(colour) > 1:
        raise ValueError(f"the bag has images on {_list(colour)}: choose one with --image")
    return colour[0]


def find_info_topic(topics: Sequence[Topic], image: str, name: str | None = None) -> str | None:
    """The topic of the camera_info of `image`: called `name`, or beside the image, or the only one, or None."""
    infos = [topic.name for topic in topics if topic.type == CAMERA_INFO_TYPE]
    if name is not None:
        if name not in infos:
            raise ValueError(f"the bag has no camera_info on {name}; it has {', '.join(infos) or 'none'}")
        return name
    namespace = image.removesuffix("/compressed").rpartition("/")[0]
    beside = f"{namespace}/camera_info"
    return beside if beside in infos else infos[0] if len(infos) == 1 else None


def _list(topics):
    return ", ".join(f"{topic.name} ({topic.type.rpartition('/')[2]})" for topic in topics) or "none"
