"""Frame -> HandPoses: detect or follow, observe, track, lift, filter. The same for live and recorded images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.backends import Backend, make_backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.confidence import filter_low_confidence, joint_confidence
from handpose_ros.filtering import FILTERS, HandFilter
from handpose_ros.finding import boxed_crops, confirmed, find_hands
from handpose_ros.hand import WRIST, DepthSource, HandPose, HandPoses, Observation, Side, TrackingState
from handpose_ros.lifters import make_lifter, scale_to_template
from handpose_ros.lifting import lift
from handpose_ros.searching import TILE_SHARES, Search
from handpose_ros.tracking import HandTracker, Track

_ACCELERATION = 4.0  # [m/s^2] standard deviation in each direction of a hand that moves by itself


class HandPosePipeline:
    """The hands of one image after the other. Remembers tracks: one pipeline for one camera."""

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
        """Follows at most `max_hands`, coasting for `coast_time` [s]; a score above `min_score` is a hand.

        `hand_scale` is the person's hand size over the average hand's; None: not known.
        `lifter` makes shapes of what the network saw: a key of lifters.LIFTERS.
        `filter` smooths joints_3d and gives wrist_velocity: "one_euro", or "none" for what was measured.
        Joints with a score below `min_joint_score` are NaN.
        New hands are searched for in `region` (4,) low x, low y, high x, high y [px] (None: the whole image), and in
        tiles of it of these shares of its longer side, so that small hands are found; () for no tiles.
        Raises: ValueError for another filter or a region without area.
        """
        if filter not in FILTERS:
            raise ValueError(f"no filter is called {filter!r}, known are {', '.join(FILTERS)}")
        self.backend, self.filter = backend, filter
        self._lifter = make_lifter(lifter)
        self._hand_scale = hand_scale
        self._min_joint_score = min_joint_score
        self._filter = HandFilter() if filter == "one_euro" else None
        self._tracker = HandTracker(max_hands, min_score, coast_time)
        self._search = Search(region, tile_shares)

    def __call__(self, frame: Frame, boxes: Sequence[np.ndarray] | None = None) -> HandPoses:
        """The hands of the next image. A stamp earlier than the last one's starts anew.

        `boxes` (4,) low x, low y, high x, high y [px] around hands, of another detector, replace the own one's.
        """
        tracker = self._tracker
        if tracker.advance(frame.stamp):
            self._search.reset()  # the filter sees for itself that time jumped
        observations = self.backend.observe(frame, tracker.crops)
        if tracker.wants_detection:  # what is new is looked at twice: once, a face may be a hand
            offered = tracker.admit(self._detect(frame, boxes))
            observations += confirmed(self.backend, frame, offered, tracker.min_score)
        return self._answer(frame, observations)

    def alone(self, frame: Frame, boxes: Sequence[np.ndarray] | None = None) -> HandPoses:
        """The hands of an image that has nothing to do with the others, searched more thoroughly. Forgets all hands."""
        self.reset()
        self._tracker.advance(frame.stamp)
        tracker = self._tracker
        found = find_hands(self.backend, frame, tracker.max_hands, tracker.min_score, self._search, boxes)
        return self._answer(frame, found)

    def reset(self):
        """Forgets all hands."""
        self._tracker.reset()
        self._search.reset()
        if self._filter:
            self._filter.reset()

    def _detect(self, frame, boxes):
        """Crops in which hands may be."""
        if boxes is not None:
            return boxed_crops(self.backend, frame, boxes)
        missing = [track.crop for track in self._tracker.tracks if track.state is TrackingState.COASTING]
        return [found.crop for found in self.backend.detect(frame, self._search.next(frame.image, missing))]

    def _answer(self, frame: Frame, observations: Sequence[Observation]) -> HandPoses:
        next_crops = [self.backend.track(frame, each) for each in observations]
        tracks = self._tracker.update(observations, next_crops)
        hands = HandPoses(
            hands=self._lift(tracks, frame),
            size=frame.size,
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            calibrated=frame.camera is not None,
        )
        hands = self._filter(hands) if self._filter else hands
        if not self._min_joint_score:
            return hands
        return replace(hands, hands=tuple(filter_low_confidence(hand, self._min_joint_score) for hand in hands))

    def _lift(self, tracks: tuple[Track, ...], frame: Frame) -> tuple[HandPose, ...]:
        if not tracks:
            return ()
        joints_2d = np.stack([track.observation.joints_2d for track in tracks])
        joints_local = np.stack([track.observation.joints_local for track in tracks])
        hands = [_relative_to_wrist(track, frame.size) for track in tracks]
        if frame.camera is not None:
            right = np.array([track.side is Side.RIGHT for track in tracks])
            lifted = lift(joints_2d, joints_local, frame.camera, self._hand_scale, right=right, lifter=self._lifter)
            hands = [
                replace(
                    hand,
                    joints_3d=lifted.joints[index],
                    depth_source=DepthSource.MONO_SCALED if self._hand_scale else DepthSource.MONO,
                    hand_scale=self._hand_scale or np.nan,
                    reprojection_error=float(lifted.reprojection_error[index]),
                    joint_sigma=lifted.joint_sigma[index],
                    wrist_covariance=_position_only(lifted.wrist_covariance[index]),
                )
                for index, hand in enumerate(hands)
            ]
            hands = [_placed(hand, track, frame.camera) for hand, track in zip(hands, tracks, strict=True)]
            hands = [_drifted(hand, track.unseen) for hand, track in zip(hands, tracks, strict=True)]
        return tuple(_without_geometry(hand) if hand.state is TrackingState.LOST else hand for hand in hands)


class HandPoseEstimator:
    """The hands of single images: no memory, no tracks."""

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
        **backend_options,
    ):
        """`backend` is a key of backends.BACKENDS, `backend_options` go to its builder; the rest as the pipeline's.

        Tiles are searched where the whole shows no hand, the largest first.
        """
        self._pipeline = HandPosePipeline(
            make_backend(backend, max_hands=max_hands, **backend_options),
            max_hands=max_hands,
            min_score=min_score,
            hand_scale=hand_scale,
            lifter=lifter,
            filter="none",
            region=region,
            tile_shares=tile_shares,
        )

    @property
    def model(self) -> str:
        """What runs, for example mediapipe-full@0.10.21."""
        return self._pipeline.backend.model

    def estimate(
        self, image: np.ndarray, camera: Camera | None = None, boxes: Sequence[np.ndarray] | None = None
    ) -> HandPoses:
        """The hands of `image` (H, W, 3) uint8 RGB.

        With its `camera` the joints are in metres in the camera's optical frame. Without one they are relative to the
        wrist and the result says `calibrated=False`; Camera.from_fov makes one from a field of view.
        `boxes` (4,) low x, low y, high x, high y [px] around hands, of another detector, replace the own one's.
        Raises ValueError for an image of another type or of another size than the camera's.
        """
        return self._pipeline.alone(Frame(image, camera), boxes)

    def estimate_batch(
        self, images: Sequence[np.ndarray], cameras: Camera | Sequence[Camera | None] | None = None
    ) -> list[HandPoses]:
        """The hands of each of `images`, as `estimate` finds them; `cameras` is one for all, or one for each.

        Raises ValueError as `estimate` does, and for another number of cameras than images.
        """
        if cameras is None or isinstance(cameras, Camera):
            cameras = [cameras] * len(images)
        if len(cameras) != len(images):
            raise ValueError(f"{len(images)} images have {len(cameras)} cameras: give one for each, or one for all")
        return [self.estimate(image, camera) for image, camera in zip(images, cameras, strict=True)]


def _relative_to_wrist(track: Track, size: tuple[int, int]) -> HandPose:
    placed = track.observation.joints_3d
    shape = scale_to_template(track.observation.joints_local) if placed is None else placed
    return HandPose(
        side=track.side,
        side_score=track.side_score,
        score=track.observation.score,
        joints_2d=track.observation.joints_2d,
        joints_3d=shape - shape[WRIST],
        joint_scores=joint_confidence(track.observation, size),
        track_id=track.id,
        track_age=track.age,
        state=track.state,
        mano=track.observation.mano,
    )


def _placed(hand: HandPose, track: Track, camera: Camera) -> HandPose:
    """`hand` where its network placed it, if it did: by the network's idea of the hand's size, not the person's."""
    joints = track.observation.joints_3d
    if joints is None:
        return hand
    error = np.linalg.norm(camera.project(joints) - hand.joints_2d, axis=-1)
    error = float(np.nanmean(error)) if np.isfinite(error).any() else np.nan
    return replace(hand, joints_3d=joints, depth_source=DepthSource.MONO, hand_scale=np.nan, reprojection_error=error)


def _drifted(hand: HandPose, unseen: float) -> HandPose:
    """`hand`, less certain by what it may have moved otherwise than predicted in the time `unseen` [s]."""
    drift = 0.5 * _ACCELERATION * unseen**2
    return replace(
        hand,
        joint_sigma=np.sqrt(hand.joint_sigma**2 + 3 * drift**2),
        wrist_covariance=hand.wrist_covariance + drift**2 * np.diag([1.0, 1, 1, 0, 0, 0]),
    )


def _position_only(covariance):
    full = np.full((6, 6), np.nan)
    full[:3, :3] = covariance
    return full


def _without_geometry(hand: HandPose) -> HandPose:
    nan = np.nan
    return replace(
        hand,
        joints_2d=hand.joints_2d * nan,
        joints_3d=hand.joints_3d * nan,
        joint_scores=hand.joint_scores * nan,
        joint_sigma=hand.joint_sigma * nan,
        wrist_covariance=hand.wrist_covariance * nan,
        reprojection_error=nan,
        mano=None,
    )
