"""The hands of single images, one or several at a time, without memory: the simplest way into this package."""

import threading
from collections.abc import Iterable, Sequence, Sized
from itertools import repeat

import numpy as np

from handpose_ros.backends import make_backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.searching import TILE_SHARES
from handpose_ros.hand import HandPoses
from handpose_ros.pipeline import HandPosePipeline, check_hands
from handpose_ros.thread_map import thread_map
from handpose_ros.wording import counted

_AT_ONCE = 4  # images of a batch, which share the networks; two cores gain nothing by more


class HandPoseEstimator:
    """Hands in single images: no memory, no tracks. Threads may share one estimator; their calls run one by one."""

    def __init__(
        self,
        backend: str = "mediapipe",
        *,
        max_hands: int = 2,
        min_score: float = 0.5,
        hand_scale: float | None = None,
        lifter: str = "learned",
        region: np.ndarray | None = None,
        tile_shares: Sequence[float] = TILE_SHARES,
        looks: int = 2,
        **backend_options,
    ):
        """`backend` is a key of backends.BACKENDS, `backend_options` go to its builder. The other arguments are those
        of HandPosePipeline.

        The network observes each hand `looks` times, 1 to looks.MOST, with slightly different crops; the result is the
        mean. If the whole image shows no hand, tiles are searched, the largest first.
        """
        check_hands(max_hands, hand_scale)
        own = make_backend(backend, max_hands=max_hands, looks=looks, frames=_AT_ONCE, **backend_options)
        self._pipeline, *self._copies = (
            HandPosePipeline(
                each,
                max_hands=max_hands,
                min_score=min_score,
                hand_scale=hand_scale,
                lifter=lifter,
                filter="none",
                region=region,
                tile_shares=tile_shares,
            )
            for each in (own, *[own.shared()] * _AT_ONCE)
        )
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The networks in use, for example mediapipe-full@0.10.21."""
        return self._pipeline.backend.model

    def estimate(
        self, image: np.ndarray, camera: Camera | None = None, boxes: Sequence[np.ndarray] | None = None
    ) -> HandPoses:
        """The hands of `image` (H, W, 3) uint8 RGB.

        With `camera` the joints are in metres in the camera's optical frame. Without it they are relative to the wrist
        and the result has `calibrated=False`; Camera.from_fov creates a camera from a field of view.
        `boxes` (4,) low x, low y, high x, high y [px] around hands, from another detector, are used instead of our
        detector's.
        Raises ValueError for an image of another type or of another size than the camera's, and for invalid boxes.
        """
        with self._lock:
            return self._pipeline.alone(Frame(image, camera), boxes)

    def estimate_batch(
        self, images: Iterable[np.ndarray], cameras: Camera | Sequence[Camera | None] | None = None
    ) -> list[HandPoses]:
        """The hands of each of `images`, as `estimate` finds them; `cameras` is one for all images, or one per image.

        Four images are processed at a time, in threads whose crops share network batches; at most four of `images` are
        requested ahead. With OpenVINO the results equal those of `estimate`, with torch on a CPU up to rounding. On a
        GPU, where `estimate` samples the crops itself, keypoints move by up to 0.3 px of a crop.
        Raises ValueError as `estimate` does, and if the number of cameras is not that of the images.
        """
        if cameras is None or isinstance(cameras, Camera):
            cameras = repeat(cameras)
        else:
            images = images if isinstance(images, Sized) else list(images)
            if len(cameras) != len(images):
                given = f"{counted(len(images), 'image')} and {counted(len(cameras), 'camera')}"
                raise ValueError(f"{given} are given: give one camera for each image, or one for all")
        workers = [lambda frame, each=each: each.alone(frame) for each in self._copies]
        with self._lock:
            return thread_map(workers, map(Frame, images, cameras))
