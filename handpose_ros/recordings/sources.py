"""Where images come from: the demo clip, a video file, a folder of images, a webcam."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.camera import Camera, Frame
from handpose_ros.failures import opencv_name
from handpose_ros.messages.calibration import camera_from_yaml

DEMO_CLIP = Path(__file__).parents[1] / "data" / "two_hands.mp4"
DEMO_TRUTH = DEMO_CLIP.with_suffix(".npz")  # where its hands really are, image by image
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
UNUSED_FOV = "the source has its own calibration: --fov is not used"
_USUAL_FPS = 30.0  # for what does not tell: folders, some webcams
_FASTEST = 240.0  # [1/s] above it a rate may be the unit of the stamps: 1000 in what browsers record
_MEASURED = 30  # images that tell the rate then
_SQUARE = 0.02  # of a pixel's width over its height
_PTS = 71  # cv2.CAP_PROP_PTS, which older OpenCV answers with 0
_WEBCAM = re.compile(r"(?:/dev/video)?(\d+)")


def read_image(path: Path | str, turned: bool = True) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image file, rotated by its EXIF orientation if `turned`, else as the sensor saw it.

    Raises OSError or ValueError with a remedy.
    """
    flags = cv2.IMREAD_COLOR if turned else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), flags) if Path(path).stat().st_size else None
    except cv2.error as error:
        raise ValueError(f"cannot read an image from {path}: OpenCV refuses it ({error.err})") from error
    if image is None:
        raise ValueError(f"cannot read an image from {path}: is it complete?")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class ImageSource:
    """Images of one size, in order. Iterating starts at the beginning, for a webcam at the current image.

    Iterating yields (H, W, 3) uint8 RGB and raises ValueError or OSError for an image that cannot be read.
    """

    name: str  # for people
    size: tuple[int, int]  # (width, height) [px]
    fps: float  # [1/s]
    count: int | None = None  # images, about; None: endless, or not known before
    camera: Camera | None = None  # where the source knows its own
    files: tuple[Path, ...] = ()  # that it reads
    warnings: tuple[str, ...] = ()  # what is wrong with them, all of it once `stamped` came to the end

    def __iter__(self) -> Iterator[np.ndarray]:
        raise NotImplementedError

    def stamped(self) -> Iterator[tuple[float, np.ndarray]]:
        """(stamp [s] from the beginning, image) of each image."""
        return ((number / self.fps, image) for number, image in enumerate(self))

    def close(self):
        """Frees the device or file."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def open_source(
    name: str, offered: str = "demo, a video, a folder of images, or a webcam (0)", turned: bool = True
) -> ImageSource:
    """The source `name`: "demo", a video file, a folder of images, or a webcam (0, /dev/video0).

    `offered` is the advice in the error for an unknown source; `turned` as in read_image, for a folder of images.
    Raises FileNotFoundError, OSError or ValueError with a remedy.
    """
    path = Path(name).expanduser()
    if name == "demo":
        return VideoFile(DEMO_CLIP, camera_from_yaml(DEMO_CLIP.with_suffix(".yaml").read_text()))
    if path.is_dir():
        return ImageFolder(path, turned)
    if path.is_file():
        return VideoFile(path)
    if match := _WEBCAM.fullmatch(name):
        return Webcam(int(match[1]))
    raise FileNotFoundError(f"there is no source '{name}': give {offered}")


def read_video(source: Path | str, camera: Camera | None = None) -> Iterator[Frame]:
    """The images of a source (see `open_source`), stamped from 0 s on, for a HandPosePipeline.

    Their camera is `camera`, or the source's own, if any. `camera` describes the sensor: with it, images of a folder
    are not rotated by their EXIF orientation. Raises as `open_source` does.
    """
    return _frames(open_source(str(source), turned=camera is None), camera)


class VideoFile(ImageSource):
    """The frames of a video."""

    def __init__(self, path: Path, camera: Camera | None = None):
        self.name, self.camera, self.files = str(path), camera, (path,)
        self._name = opencv_name(path)
        self._video = cv2.VideoCapture(self._name)
        first = _read(self._video)
        if first is None:
            path.open("rb").close()  # says so where we may not
            raise ValueError(f"cannot read a video from {path}: is it one, and does this OpenCV know its codec?")
        self.size = (first.shape[1], first.shape[0])
        self.warnings = self._squeezed()
        claimed = self._video.get(cv2.CAP_PROP_FPS) or _USUAL_FPS
        self._start = max(self._video.get(_PTS), 0.0) / claimed  # [s] which Matroska counts as length; -2^63: not known
        length = self._video.get(cv2.CAP_PROP_FRAME_COUNT) / claimed
        self.fps = claimed if claimed <= _FASTEST else self._measured(claimed)
        self.count = round(length * self.fps) if length > 0 else None  # of a file that was cut off it is anything

    def __iter__(self):
        self._video.open(self._name)  # seeking to frame 0 is not exact in every container
        while (image := _read(self._video)) is not None:
            yield image

    def stamped(self):
        """The stamps are the file's own: not every video has a constant rate. One that runs backward is replaced."""
        last, read, first = -1 / self.fps, 0, None
        for image in self:
            stamp = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = max(stamp, 0.0) if first is None else first  # in an AVI with B-frames it is not 0
            last, read = stamp - first if stamp - first > last else last + 1 / self.fps, read + 1
            yield last, image
        self.warnings = (*self._squeezed(), *self._unread(read, last))

    def close(self):
        self._video.release()

    def _measured(self, claimed):
        """[1/s] by the next images' stamps; as `claimed` where they do not tell."""
        stamps = []
        while len(stamps) < _MEASURED and _read(self._video) is not None:
            stamps.append(self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        return (len(stamps) - 1) / (stamps[-1] - stamps[0]) if len(stamps) > 1 and stamps[-1] > stamps[0] else claimed

    def _squeezed(self):
        """A warning where the images must be stretched to look right, as those of many camcorders (1440x1080)."""
        shape = self._video.get(cv2.CAP_PROP_SAR_NUM) / (self._video.get(cv2.CAP_PROP_SAR_DEN) or 1)
        if shape == 0 or abs(shape - 1) < _SQUARE:  # 0: the file does not say
            return ()
        return (
            f"its pixels are {shape:.3g} times as wide as high: without --calibration places of hands are wrong, make "
            "the pixels square (ffmpeg -i IN -vf scale=iw*sar:ih,setsar=1 OUT)",
        )

    def _unread(self, read, last):
        """A warning where the file ended before it said it would, also in time: not every container counts images."""
        if self.count is None or read >= 0.98 * self.count - 1:
            return ()
        if last + 2 / self.fps >= 0.98 * (self.count / self.fps - self._start):
            return ()
        return (f"only {read} of about {self.count} images could be read: is the file whole?",)


class ImageFolder(ImageSource):
    """The images of a folder, by name; 2 comes before 10. `turned` as in read_image."""

    def __init__(self, folder: Path, turned: bool = True):
        self.name, self.fps, self._turned = str(folder), _USUAL_FPS, turned
        seen = (path for path in folder.iterdir() if not path.name.startswith("."))  # as ._1.jpg of macOS
        paths = (path for path in seen if path.suffix.lower() in IMAGE_SUFFIXES)
        self.files = tuple(sorted(paths, key=_natural))
        if not self.files:
            raise FileNotFoundError(f"there are no images in {folder} ({', '.join(IMAGE_SUFFIXES)})")
        self.count = len(self.files)
        first = read_image(self.files[0], turned)
        self.size = (first.shape[1], first.shape[0])

    def __iter__(self):
        for path in self.files:
            image = read_image(path, self._turned)
            if (image.shape[1], image.shape[0]) != self.size:
                raise ValueError(
                    f"{path} has {image.shape[1]}x{image.shape[0]} px, the first one {self.size}: make them equal"
                )
            yield image


class Webcam(ImageSource):
    """A camera of this machine, at its own rate."""

    def __init__(self, number: int):
        self.name = f"webcam {number}"
        self._capture = cv2.VideoCapture(number)
        first = _read(self._capture)
        if first is None:
            raise OSError(f"cannot open {self.name}: is it plugged in, free, and may you read /dev/video{number}?")
        self.size = (first.shape[1], first.shape[0])
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or _USUAL_FPS

    def __iter__(self):
        while (image := _read(self._capture)) is not None:
            yield image
        raise OSError(f"{self.name} gives no more images: was it unplugged?")

    def stamped(self):
        """The stamps are the times of reading: the rate that a webcam claims it does not keep in the dark."""
        start = None
        for image in self:
            now = time.monotonic()
            start = now if start is None else start
            yield now - start, image

    def close(self):
        self._capture.release()


def _frames(source: ImageSource, camera: Camera | None) -> Iterator[Frame]:
    with source:
        for stamp, image in source.stamped():
            yield Frame(image, camera or source.camera, stamp)


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    ok, image = capture.read()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if ok else None


def _natural(path: Path) -> list:
    """Sort key in which digits count as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
