"""The WildHands backend: the default backend finds the hands, WildHands places them in the camera's frame.

For owners of the official checkpoint of `3D hand pose estimation in everyday egocentric images` (ECCV 2024). WildHands
tells neither whether nor which hand it sees, so scores, sides, keypoints in the image and regions come from MediaPipe.
"""

import threading
import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from handpose_ros.backends import Detection
from handpose_ros.backends.mano import LICENSE as MANO_LICENSE
from handpose_ros.backends.mano import VERTICES, difference, read_mano
from handpose_ros.backends.mediapipe import MediaPipe
from handpose_ros.backends.undistortion import Undistortion, pinhole
from handpose_ros.backends.wildhands_checkpoint import read_network
from handpose_ros.backends.wildhands_crops import HandCrop, SmallFrame, hand_crop, normalised, small_frame
from handpose_ros.backends.wildhands_network import SIZE
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.cropping import Crop, Region
from handpose_ros.hand import WRIST, ManoHand, Observation
from handpose_ros.runtimes import default_threads, torch_device
from handpose_ros.runtimes.cuda_graph import Captured, batch_sizes

ASSUMED_FOV = 2 * np.arctan(1920 / 2 / 1000)  # [rad] of an image without a camera: EPIC-Kitchens', 88 degrees
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
_PARTS = {"joints": 63, "translation": 3, "vertices": 3 * VERTICES, "pose": 48, "betas": 10}  # of MeshHands, a hand's
_MANO_TOLERANCE = 1e-6  # files and checkpoint are one model if no number differs by more


class WildHands:
    """See `handpose_ros.backends.Backend`."""

    name = "wildhands"

    def __init__(
        self,
        checkpoint: Path | str = "",
        mano: Path | str = "",
        precision: str = "auto",
        device: str = "auto",
        max_hands: int = 2,
        num_threads: int = 0,
        **finder_options,
    ):
        """Loads the user's checkpoint, and MediaPipe with `finder_options`.

        checkpoint: the official wildhands.ckpt. mano: directory of MANO_LEFT.pkl and MANO_RIGHT.pkl, only to compare
        them with the body models in the checkpoint, which are the ones that run. precision: of the encoders, "float32",
        "float16" or "auto": float16 on CUDA. device: "auto", "cpu", "cuda" or "cuda:N". max_hands: most that one CUDA
        graph holds; more take several runs. num_threads: as in `runtimes.open_network`, of torch in this process too.
        Raises: ValueError naming the wrong option or file; FileNotFoundError; what MediaPipe raises.
        """
        if not checkpoint:
            raise ValueError("the wildhands backend needs checkpoint, the path of wildhands.ckpt: see docs/backends.md")
        if precision not in ("auto", *PRECISIONS):
            raise ValueError(f"precision is {precision!r}, it must be auto, {' or '.join(PRECISIONS)}")
        self._device = torch_device(device)
        if self._device.type == "cpu":
            torch.set_num_threads(num_threads or default_threads())
        if precision == "auto":
            precision = "float16" if self._device.type == "cuda" else "float32"
        self._finder = MediaPipe(device=device, max_hands=max_hands, num_threads=num_threads, **finder_options)
        network = read_network(checkpoint)
        if mano:
            _compare(network, Path(mano).expanduser())
        self._faces = {right: network.mano(right).faces_tensor.numpy() for right in (False, True)}
        self._network = network.prepare(self._device, PRECISIONS[precision])
        on_gpu = self._device.type == "cuda"  # a CPU need not pad a batch
        sizes = batch_sizes(max_hands) if on_gpu else range(1, max_hands + 1)
        self._runs = {size: Captured(self._together, _inputs(size), self._device) for size in sizes}
        self._one_run = threading.Lock()
        self._undistort = Undistortion()
        self.runtime = f"torch {torch.__version__} on {self._device}, encoders {precision}; {self._finder.runtime}"
        self.model = f"wildhands-eccv2024+{self._finder.model}"
        self.license = f"WildHands: CC-BY-NC-4.0; MANO: {MANO_LICENSE}; MediaPipe: {self._finder.license}"

    def shared(self) -> "WildHands":
        """As `Backend.shared`: MediaPipe takes hands of several frames at once, WildHands one frame after the other."""
        shared = copy(self)
        shared._finder = self._finder.shared()
        return shared

    def detect(
        self, frame: Frame, squares: Sequence[Region] | None = None, meanwhile: bool = False
    ) -> Callable[[], list[Detection]]:
        return self._finder.detect(frame, squares, meanwhile)

    def observe(self, frame: Frame, crops: Sequence[Crop], glance: bool = False) -> list[Observation]:
        found = self._finder.observe(frame, crops, glance)
        if not found or glance:
            return found
        small, shown = self.shown(frame, [hand.joints_2d for hand in found])
        present = [index for index, crop in enumerate(shown) if crop is not None]
        # A hand that WildHands cannot be shown, at the very edge of a fisheye's image, is none that it sees.
        observations = [replace(hand, score=0.0) for hand in found]
        placed = self._place(small, [shown[i] for i in present], [found[i].right for i in present])
        for index, (joints, body) in zip(present, placed, strict=True):
            observations[index] = replace(found[index], joints_3d=joints, mano=body)
        return observations

    def track(self, frame: Frame, observations: Sequence[Observation]) -> list[Crop]:
        return self._finder.track(frame, observations)

    def shown(self, frame: Frame, hands: Sequence[np.ndarray]) -> tuple[SmallFrame, list[HandCrop | None]]:
        """What the network is given of `frame` and of the hands with these joints (N, 2) [px], without distortion."""
        if frame.camera is None:
            frame = replace(frame, camera=Camera.from_fov(frame.size, ASSUMED_FOV))
        straight = self._undistort(frame)
        small = small_frame(straight.image, straight.camera.K)
        return small, [hand_crop(small, keypoint_box(joints, frame.camera)) for joints in hands]

    def _place(self, small: SmallFrame, crops: list[HandCrop], right: list[bool]) -> list[tuple[np.ndarray, ManoHand]]:
        """Joints (21, 3) [m] in the optical frame and the body model of each hand. One transfer each way."""
        placed, most = [], max(self._runs)
        for start in range(0, len(crops), most):
            some, sides = crops[start : start + most], right[start : start + most]
            run = next(run for size, run in self._runs.items() if size >= len(some))
            images = normalised(np.stack([small.image, *(crop.image for crop in some)]))
            angles = np.stack([crop.angles for crop in some])
            with self._one_run:
                rows = run(images[:1], images[1:], angles, small.K, np.array(sides))[: len(some)].astype(float)
            placed += [_placed(row, self._faces[side]) for row, side in zip(rows, sides, strict=True)]
        return placed

    def _together(self, *inputs: torch.Tensor) -> torch.Tensor:
        """(N, all of _PARTS flattened) of what the network is given."""
        hands = self._network(*inputs)
        return torch.cat([getattr(hands, name).flatten(1) for name in _PARTS], dim=1)


def _placed(row, faces):
    """Joints (21, 3) and body of one hand's numbers, in the order of _PARTS."""
    joints, translation, vertices, pose, betas = np.split(row, np.cumsum(list(_PARTS.values()))[:-1])
    joints, vertices = joints.reshape(21, 3), vertices.reshape(-1, 3)
    return joints + translation, ManoHand(pose, betas, vertices - joints[WRIST], faces)


def _inputs(count):
    """Of the network, for so many hands: frame, crops, angles, K, sides."""
    image, K = torch.zeros(3, SIZE, SIZE), torch.eye(3)
    crops, angles, right = image.repeat(count, 1, 1, 1), torch.zeros(count, 10), torch.zeros(count, dtype=torch.bool)
    return [image[None], crops, angles, K, right]


def keypoint_box(joints: np.ndarray, camera: Camera) -> np.ndarray:
    """(4,) x0 y0 x1 y1 [px] around `joints` (N, 2) [px] of an image of `camera`, in that image without distortion."""
    if camera.is_distorted:
        joints = pinhole(camera).project(camera.unproject(joints))
    joints = joints[np.isfinite(joints).all(axis=-1)]
    return np.concatenate([joints.min(axis=0), joints.max(axis=0)]) if len(joints) else np.zeros(4)


def _compare(network, directory):
    for right, name in ((False, "MANO_LEFT.pkl"), (True, "MANO_RIGHT.pkl")):
        largest = difference(read_mano(directory / name), network.mano(right))
        if largest > _MANO_TOLERANCE:
            warnings.warn(
                f"{directory / name} is not the body model in the checkpoint (they differ by up to {largest:.2g}); "
                "the checkpoint's is used, as the network was trained with it",
                stacklevel=3,
            )
