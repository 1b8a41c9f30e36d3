"""The default backend: MediaPipe's palm and hand landmark networks.

The numbers are those of MediaPipe's own graphs (hand_landmark_tracking, version 0.10.21), with which the
networks were trained. The handedness output is the probability of a right hand, for a camera that does not
mirror; MediaPipe's own labels are for a mirrored selfie and say the opposite.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np

from handpose_ros import weights
from handpose_ros.backends import Detection, palm
from handpose_ros.camera import Frame
from handpose_ros.compiled import compiled
from handpose_ros.crops import looks as looking
from handpose_ros.crops.aiming import aim, place
from handpose_ros.crops.cropping import Crop, Region, to_camera, to_image
from handpose_ros.crops.searching import whole
from handpose_ros.hand import MCPS, WRIST, Observation
from handpose_ros.runtimes import open_network
from handpose_ros.runtimes.batching import Batched

SIZE = 224  # [px] side of the landmark network's input
SPARE = 2  # detections beyond the hands asked for: the palm network takes faces and elbows for palms
_STEADY = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])  # joints that bound the tracked square: no tips
_INDEX, _MIDDLE, _RING, _ = MCPS


class MediaPipe:
    """See `handpose_ros.backends.Backend`."""

    name = "mediapipe"
    license = weights.LICENSE

    def __init__(
        self,
        complexity: str = "full",
        device: str = "auto",
        max_hands: int = 2,
        detection_threshold: float = 0.2,
        runtime: str = "auto",
        num_threads: int = 0,
        precision: str = "auto",
        weights_path: Path | str | None = None,
        looks: int = 1,
        frames: int = 1,
    ):
        """Loads the networks, fetching their weights if need be.

        complexity: "full" or "lite". max_hands: most palms per image; `detect` offers a few more, for an observation
        tells better than the score of a palm whether there is a hand. detection_threshold: least score of a palm.
        looks: how often each hand is looked at, 1 to looks.MOST: steadier joints for as much more time.
        frames: for so many at once, of threads that share the networks (`shared`); more take several runs.
        device, runtime, num_threads: as in `runtimes.open_network`; precision too, but "int8" of the landmark network
        alone. weights_path: as in `weights.locate`.
        Raises: ValueError naming the wrong option; what `weights.locate` raises.
        """
        if complexity not in ("full", "lite"):
            raise ValueError(f"complexity is {complexity!r}, it must be full or lite")
        if not 1 <= looks <= looking.MOST:
            raise ValueError(f"looks is {looks}, it must be 1 to {looking.MOST}")
        kind = f"{complexity}-int8" if precision == "int8" else complexity
        self.model = f"mediapipe-{kind}@{weights.VERSION}"
        options = {"device": device, "runtime": runtime, "num_threads": num_threads}
        palms = weights.locate(f"palm_detection_{complexity}", weights_path)
        palms_precision = "auto" if precision == "int8" else precision
        self._palms = open_network(palms, batch=frames, precision=palms_precision, **options)
        hands = weights.locate(f"hand_landmark_{complexity}", weights_path)
        self._hands = open_network(hands, batch=frames * max_hands * looks, precision=precision, **options)
        self.runtime = self._hands.description
        self._max_hands = max_hands
        self._looks = looks
        self._detection_threshold = detection_threshold

    def shared(self) -> "MediaPipe":
        shared = copy(self)
        shared._palms, shared._hands = Batched(self._palms), Batched(self._hands)
        return shared

    def detect(
        self, frame: Frame, squares: Sequence[Region] | None = None, meanwhile: bool = False
    ) -> Callable[[], list[Detection]]:
        squares = squares or [whole(frame.image)]
        palms = self._search(frame.image, squares, self._max_hands + SPARE, meanwhile)
        return lambda: [Detection(aim(palm.observed_region(found), frame.camera), found.score) for found in palms()]

    def palms(self, image: np.ndarray) -> list[palm.Palm]:
        """The palms of `image` (H, W, 3) uint8 RGB seen as a whole, the best first."""
        return self._search(image, [whole(image)], self._max_hands, False)()

    def _search(self, image, squares, count, meanwhile) -> Callable[[], list[palm.Palm]]:
        look = (image, squares, "black")
        wait = self._palms.start_look(*look) if meanwhile else partial(self._palms.look, *look)

        def found():
            palms = [
                palm.decode(raw, logits[:, 0], square, self._detection_threshold, count)
                for raw, logits, square in zip(*wait(), squares, strict=True)
            ]
            return palms[0] if len(palms) == 1 else palm.merge([each for some in palms for each in some], count)

        return found

    def observe(self, frame: Frame, crops: Sequence[Crop], glance: bool = False) -> list[Observation]:
        count = 1 if glance else self._looks
        if count == 1:
            return self._observe(frame, crops)
        seen = self._observe(frame, [look for crop in crops for look in looking.varied(crop, count)])
        return [looking.together(seen[start : start + count]) for start in range(0, len(seen), count)]

    def _observe(self, frame: Frame, crops: Sequence[Crop]) -> list[Observation]:
        if not crops:
            return []
        landmarks, presence, right, world = self._hands.look(frame.image, crops, "replicate")
        joints_2d = to_image(crops, landmarks.reshape(-1, 21, 3)[..., :2], SIZE)
        joints_local = to_camera(crops, world.reshape(-1, 21, 3))
        unseen = np.isnan(joints_2d).any(axis=(1, 2))  # it would lie where the camera sees nothing
        scores, right_scores = np.where(unseen, 0.0, presence[:, 0]).tolist(), right[:, 0].tolist()
        return [Observation(*each) for each in zip(joints_2d, joints_local, scores, right_scores, strict=True)]

    def track(self, frame: Frame, observations: Sequence[Observation]) -> list[Crop]:
        joints = np.array([hand.joints_2d for hand in observations]).reshape(-1, 21, 2)
        return place(tracked_squares, joints, frame.camera)


@compiled("f8[:,::1](f8[:,:,::1])")
def tracked_squares(joints):
    """(M, 4) an `aiming.Rule`: the squares, upright for the hands, in which hands with these `joints` (M, 21, 2) will
    be in the next image."""
    squares = np.empty((len(joints), 4))
    for hand in range(len(joints)):
        x, y = joints[hand, :, 0], joints[hand, :, 1]
        right = ((x[_INDEX] + x[_RING]) / 2 + x[_MIDDLE]) / 2 - x[WRIST]
        down = ((y[_INDEX] + y[_RING]) / 2 + y[_MIDDLE]) / 2 - y[WRIST]
        angle = math.atan2(right, -down)  # as aiming.upright_angle, which stands in another file
        cos, sin = math.cos(angle), math.sin(angle)
        low = top = np.inf
        high = bottom = -np.inf
        for joint in _STEADY:  # in the axes of the square
            across, along = cos * x[joint] + sin * y[joint], cos * y[joint] - sin * x[joint]
            low, high, top, bottom = min(low, across), max(high, across), min(top, along), max(bottom, along)
        across, along = (low + high) / 2, (top + bottom) / 2 - 0.1 * (bottom - top)
        squares[hand, 0], squares[hand, 1] = cos * across - sin * along, sin * across + cos * along
        squares[hand, 2], squares[hand, 3] = 2.0 * max(high - low, bottom - top), angle
    return squares
