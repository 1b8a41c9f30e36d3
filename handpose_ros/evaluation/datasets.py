"""Photos with known hands, read from the layouts in which data sets are published.

own schema   annotations.json: {items: [{image, width, height, K, dist, hands: [{side, joints_2d, joints_3d, valid}]}]};
             K, dist and joints_3d may be null; dist is OpenCV's k1 k2 p1 p2 [k3 [k4 k5 k6 ...]]; items of a recording
             have a stamp [s] and, where there are several, the name of their sequence; a hand of it may have an id,
             by which it is the same in all images (otherwise: its side)
FreiHAND     evaluation_K.json, evaluation_xyz.json, evaluation/rgb/*.jpg; without them, those of training
HO-3D        train/*/meta/*.pkl, train/*/rgb/*.jpg or *.png; each folder is a sequence, its images numbered at 30 Hz
"""

import codecs
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import Side
from handpose_ros.recordings.sources import read_image
from handpose_ros.wording import counted

_FREIHAND_SPLITS = ("evaluation", "training")
_HO3D_RATE = 30.0  # [Hz]
# HO-3D's joints are MANO's (index, middle, little, ring, thumb; then the five tips) in OpenGL axes (y up, z back).
_HO3D_JOINTS = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
_OPTICAL_FROM_OPENGL = np.array([1.0, -1.0, -1.0])
# What a pickle of arrays and numbers asks for; numpy calls its core _core since version 2.
_PICKLED = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": np.zeros(1).__reduce__()[0],
    "numpy.core.multiarray.scalar": np.float64(0).__reduce__()[0],
    "numpy.core.numeric._frombuffer": np.zeros(1).__reduce_ex__(5)[0],
    "_codecs.encode": codecs.encode,  # how Python 3 writes bytes for Python 2
}


@dataclass(frozen=True, eq=False)
class TrueHand:
    """A hand as it is annotated."""

    side: Side
    joints_2d: np.ndarray  # (21, 2) [px]
    joints_3d: np.ndarray | None  # (21, 3) [m] in the camera's optical frame; None: not known
    valid: np.ndarray  # (21,) bool: which joints are annotated; those without a place in 2D are not
    id: str = ""  # by which it is known in the other images of a sequence

    def __post_init__(self):
        if np.shape(self.joints_2d) != (21, 2) or np.shape(self.valid) != (21,):
            shapes = f"joints_2d has shape {np.shape(self.joints_2d)}, valid {np.shape(self.valid)}"
            raise ValueError(f"{shapes}, they must be (21, 2) and (21,)")
        if self.joints_3d is not None and np.shape(self.joints_3d) != (21, 3):
            raise ValueError(f"joints_3d has shape {np.shape(self.joints_3d)}, it must be (21, 3)")
        object.__setattr__(self, "valid", self.valid & np.isfinite(self.joints_2d).all(axis=-1))
        known = counted(self.valid.sum(), "valid joint")
        if self.valid.sum() < 2:  # in units of the box around them it is judged whether the hand is found
            raise ValueError(f"a hand has {known}, it must be 2 or more: leave it out")

    @property
    def whole(self) -> bool:
        """Whether all its joints are known, in the image and in space."""
        return self.joints_3d is not None and bool(self.valid.all() and np.isfinite(self.joints_3d).all())


@dataclass(frozen=True)
class Sample:
    """A photo and all that is annotated in it."""

    image: Path
    camera: Camera | None  # None: not calibrated
    hands: tuple[TrueHand, ...]
    stamp: float = np.nan  # [s] in its sequence; NaN: a photo of its own
    sequence: str = ""
    size: tuple[int, int] | None = None  # (width, height) [px] of the photo as it was annotated; None: not said

    def read(self) -> np.ndarray:
        """The photo (H, W, 3) uint8 RGB. Raises OSError or ValueError, also for one of another size."""
        image = read_image(self.image)
        if self.size not in (None, image.shape[1::-1]):
            raise ValueError(
                f"{self.image}: the image is {image.shape[1::-1]} px but it was annotated at {self.size} px: "
                "scale the annotations, or give the photo that was annotated"
            )
        return image


def load_dataset(folder: Path) -> tuple[Sample, ...]:
    """The samples in `folder`, in one of the layouts above, in their order.

    Raises ValueError with a sentence where it is in none of them, or not complete.
    """
    if (folder / "annotations.json").is_file():
        return _annotated(folder)
    for split in _FREIHAND_SPLITS:
        if (folder / f"{split}_K.json").is_file() and (folder / f"{split}_xyz.json").is_file():
            return _freihand(folder, split)
    metas = sorted(folder.glob("train/*/meta/*.pkl"))
    if metas:
        return _ho3d(metas)
    raise ValueError(
        f"{folder} is no data set: it needs annotations.json, FreiHAND's training_K.json and training_xyz.json, "
        "or HO-3D's train/*/meta/*.pkl"
    )


def most_hands(samples: Sequence[Sample]) -> int:
    """How many hands to look for in each image of `samples`: as many as one has, and two at least."""
    return max([2, *(len(sample.hands) for sample in samples)])


def _annotated(folder):
    path = folder / "annotations.json"
    try:
        items = tuple(_read_json(path)["items"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} does not keep to the schema: {error!r}") from error
    return tuple(_sample(item, path, number) for number, item in enumerate(items))


def _sample(item, path, number):
    """A sample of the file `path`, as errors name it."""
    try:
        return Sample(
            path.parent / item["image"],
            _camera(item),
            tuple(_hand(hand) for hand in item["hands"]),
            float(item.get("stamp", np.nan)),
            str(item.get("sequence", "")),
            (item["width"], item["height"]) if item.get("width") and item.get("height") else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        name = f" ({item.get('image')})" if isinstance(item, dict) else ""
        wrong = f": {error}" if isinstance(error, ValueError) else f" does not keep to the schema: {error!r}"
        raise ValueError(f"{path}, items[{number}]{name}{wrong}") from error


def _camera(item):
    if item["K"] is None:
        return None
    D = np.array(item.get("dist") or [], dtype=float)
    model = "none" if D.size == 0 else "plumb_bob" if D.size <= 5 else "rational_polynomial"
    D = np.pad(D, (0, 1)) if D.size == 4 else D  # OpenCV's shortest form: k3 = 0
    return Camera(np.array(item["K"]), (item["width"], item["height"]), D, model)


def _hand(hand):
    joints_3d = None if hand["joints_3d"] is None else np.array(hand["joints_3d"], dtype=float)
    valid = np.array(hand["valid"], dtype=bool)
    joints_2d = np.array(hand["joints_2d"], dtype=float)
    return TrueHand(Side[hand["side"].upper()], joints_2d, joints_3d, valid, str(hand.get("id", hand["side"])))


def _freihand(folder, split):
    Ks, hands = _read_json(folder / f"{split}_K.json"), _read_json(folder / f"{split}_xyz.json")
    # The training images are there four times, on four backgrounds: the annotations are those of the first round.
    images = sorted((folder / split / "rgb").glob("*.jpg"))[: len(hands)]
    if len(images) < len(hands) or len(Ks) != len(hands):
        known = f"{counted(len(hands), 'hand')} and {counted(len(Ks), 'camera')}"
        raise ValueError(f"{folder / split} holds {counted(len(images), 'image')} for {known}")
    size = _size(images[0])
    return tuple(
        _right_hand(image, Camera(np.array(K), size), np.array(joints))
        for image, K, joints in zip(images, Ks, hands, strict=True)
    )


def _ho3d(metas):
    samples, sizes = [], {}
    for path in metas:
        meta = read_numpy_pickle(path)
        joints = meta.get("handJoints3D")
        if np.shape(joints) != (21, 3):  # frames without an annotated hand
            continue
        image = _ho3d_image(path)
        sequence = path.parent.parent
        if sequence not in sizes:
            sizes[sequence] = _size(image)
        camera = Camera(np.asarray(meta["camMat"], dtype=float), sizes[sequence])
        joints = np.asarray(joints, dtype=float)[_HO3D_JOINTS] * _OPTICAL_FROM_OPENGL
        stamp = int(path.stem) / _HO3D_RATE if path.stem.isdecimal() else np.nan
        samples.append(replace(_right_hand(image, camera, joints), stamp=stamp, sequence=sequence.name))
    return tuple(samples)


def _ho3d_image(meta):
    for suffix in (".jpg", ".png"):  # versions 3 and 2
        image = meta.parent.parent / "rgb" / (meta.stem + suffix)
        if image.is_file():
            return image
    raise ValueError(f"{meta} has no image {image.with_suffix('')}.jpg or .png")


def _right_hand(image, camera, joints):
    """FreiHAND and HO-3D hold right hands only, all joints annotated."""
    joints_2d = camera.project(joints)
    return Sample(image, camera, (TrueHand(Side.RIGHT, joints_2d, joints, np.isfinite(joints_2d).all(axis=-1)),))


def read_numpy_pickle(path: Path):
    """What a pickle of numbers, texts, lists, dicts and numpy arrays holds. Nothing else in it is ever run.

    Raises ValueError where it holds anything else.
    """
    try:
        with open(path, "rb") as file:
            return _NumpyUnpickler(file, encoding="latin1").load()  # HO-3D's may be Python 2's
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


class _NumpyUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        known = _PICKLED.get(f"{module}.{name}".replace("numpy._core.", "numpy.core."))
        if known is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which numbers do not need")
        return known


def _read_json(path):
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error


def _size(image):
    height, width = read_image(image).shape[:2]
    return width, height
