"""Frame -> HandPoses: detect or follow, observe, track, lift, filter. The same for live and recorded images."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np

from handpose_ros.backends import Backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.searching import TILE_SHARES, Search
from handpose_ros.filtering.live import FILTERS, HandFilter
from handpose_ros.finding import boxed_crops, checked_boxes, confirmed, find_hands
from handpose_ros.hand import HAND_SCALES, HandPoses, Observation, TrackingState
from handpose_ros.lifting.confidence import filter_low_confidence
from handpose_ros.lifting.lifters import make_lifter
from handpose_ros.lifting.placing import Placer
from handpose_ros.tracking.tracker import HandTracker

_SAME_CAMERA = 0.005  # [rad] by which the rays of a camera with an autofocus may differ from image to image


class HandPosePipeline:
    """Hands in a stream of images. It keeps tracks, so use one pipeline per camera."""

    def __init__(
        self,
        backend: Backend,
        *,
        max_hands: int = 2,
        min_score: float = 0.5,
        coast_time: float = 0.25,
        hand_scale: float | None = None,
        lifter: str = "learned",
        filter: str = "one_euro",
        min_joint_score: float = 0.0,
        region: np.ndarray | None = None,
        tile_shares: Sequence[float] = TILE_SHARES,
    ):
        """Follows at most `max_hands` hands. A detection with a score above `min_score` is a hand; an unseen hand is
        predicted for `coast_time` [s].

        `hand_scale` is the ratio of the person's hand size to the average hand's; None: unknown, or learned from depth
        images. `lifter`, a key of lifters.LIFTERS, turns network output into a 3D shape.
        `filter` smooths joints_3d and gives wrist_velocity: "one_euro", or "none" for the measurements.
        Joints with a score below `min_joint_score` are NaN.
        New hands are searched for in `region` (4,) low x, low y, high x, high y [px] (None: the whole image), and in
        tiles of it. `tile_shares` are the tiles' sizes as shares of its longer side; small tiles find small hands, ()
        is no tiles.
        Pipelines in several threads need a backend each, or one `backend.shared()` for all of them.
        Raises: ValueError naming an option that is out of its range.
        """
        check_hands(max_hands, hand_scale)
        for name, value in {"min_score": min_score, "min_joint_score": min_joint_score}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}, it must be 0 to 1")
        if not coast_time >= 0:
            raise ValueError(f"coast_time is {coast_time}, it must be 0 s or more")
        if filter not in FILTERS:
            raise ValueError(f"no filter is called {filter!r}, known are {', '.join(FILTERS)}")
        self.backend, self.filter = backend, filter
        self._hand_scale = hand_scale
        self._placer = Placer(make_lifter(lifter), hand_scale)
        self._min_joint_score = min_joint_score
        self._filter = HandFilter() if filter == "one_euro" else None
        self._tracker = HandTracker(max_hands, min_score, coast_time)
        self._search = Search(region, tile_shares)
        self._view = None  # size and frame_id of the latest image
        self._camera: Camera | None = None  # of the latest image

    @property
    def max_hands(self) -> int:
        """Hands that are followed at once, at most."""
        return self._tracker.max_hands

    @property
    def hand_scale(self) -> float | None:
        """The ratio of the person's hand size to the average hand's. It may be set at any time, also by another thread:
        from the next image on. Raises: ValueError for an impossible one."""
        return self._hand_scale

    @hand_scale.setter
    def hand_scale(self, hand_scale: float | None):
        check_hands(self.max_hands, hand_scale)
        self._hand_scale = hand_scale

    def __call__(self, frame: Frame, boxes: Sequence[np.ndarray] | None = None) -> HandPoses:
        """The hands of the next image. An image of another camera (another size or frame_id), with a stamp earlier than
        the last one's, or after a long pause ends all tracks.

        `boxes` (4,) low x, low y, high x, high y [px] around hands, from another detector, are used instead of our
        detector's.
        Raises: ValueError for a frame without a stamp, and for invalid boxes.
        """
        _check_frame(frame)
        if math.isnan(frame.stamp):
            raise ValueError("the frame has no stamp: give each its time [s]; HandPoseEstimator takes single images")
        boxes = None if boxes is None else checked_boxes(boxes)
        tracker = self._tracker
        if tracker.advance(frame.stamp, anew=(frame.size, frame.frame_id) != self._view):
            self._search.reset()  # the filter sees for itself that tracks ended
        self._view = frame.size, frame.frame_id
        detected = self._detect(frame, boxes) if tracker.wants_detection else None
        observations = self.backend.observe(frame, tracker.crops)
        if detected:  # what is new is looked at twice: once, a face may be a hand
            offered = tracker.admit(detected())
            observations += confirmed(self.backend, frame, offered, tracker.min_score)
        return self._answer(frame, observations)

    def alone(self, frame: Frame, boxes: Sequence[np.ndarray] | None = None) -> HandPoses:
        """The hands of one image, independent of the stream, searched more thoroughly. Forgets all hands.

        Track ids start at 1 in each such image.
        """
        _check_frame(frame)
        boxes = None if boxes is None else checked_boxes(boxes)
        self.reset()
        self._tracker.reset(ids_too=True)
        self._tracker.advance(frame.stamp)
        tracker = self._tracker
        found = find_hands(self.backend, frame, tracker.max_hands, tracker.min_score, self._search, boxes)
        return self._answer(frame, found)

    def reset(self):
        """Forgets all hands."""
        self._view = None
        self._tracker.reset()
        self._search.reset()
        self._placer.reset()
        if self._filter:
            self._filter.reset()

    def _detect(self, frame, boxes):
        """Begins to search; what it returns waits for crops in which hands may be."""
        if boxes is not None:
            return lambda: boxed_crops(self.backend, frame, boxes)
        missing = [track.crop for track in self._tracker.tracks if track.state is TrackingState.COASTING]
        squares = self._search.next(frame.image, missing)
        detections = self.backend.detect(frame, squares, meanwhile=bool(self._tracker.tracks))
        return lambda: [found.crop for found in detections()]

    def _answer(self, frame: Frame, observations: Sequence[Observation]) -> HandPoses:
        tracks = self._tracker.update(observations, partial(self.backend.track, frame))
        if self._filter and (self.hand_scale != self._placer.hand_scale or _recalibrated(self._camera, frame.camera)):
            self._filter.reset()  # a jump of all hands, and no motion
        self._camera, self._placer.hand_scale = frame.camera, self.hand_scale
        hands = HandPoses(
            hands=self._placer(tracks, frame),
            size=frame.size,
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            calibrated=frame.camera is not None,
        )
        hands = self._filter(hands) if self._filter else hands
        if not self._min_joint_score:
            return hands
        return replace(hands, hands=tuple(filter_low_confidence(hand, self._min_joint_score) for hand in hands))


def check_hands(max_hands: int, hand_scale: float | None):
    """Raises ValueError for an impossible number or size of hands."""
    if not isinstance(max_hands, Integral) or max_hands < 1:
        raise ValueError(f"max_hands is {max_hands!r}, it must be a whole number, 1 or more")
    low, high = HAND_SCALES
    if hand_scale is not None and not (isinstance(hand_scale, Real) and low <= hand_scale <= high):  # NaN too
        raise ValueError(
            f"hand_scale is {hand_scale!r}: it is a factor near 1, {low} to {high}, or None where it is not known"
        )


def _check_frame(frame):
    if not isinstance(frame, Frame):
        kind = type(frame).__name__
        raise ValueError(f"the frame is {kind}, it must be Frame(image, camera, stamp); HandPoseEstimator takes images")


def _recalibrated(last: Camera | None, camera: Camera | None) -> bool:
    """Whether `camera` sees the hands that `last` saw elsewhere. From none to one, their depth_source says so."""
    return None not in (last, camera) and last != camera and last.angle_to(camera) > _SAME_CAMERA
