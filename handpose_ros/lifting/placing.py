"""Tracks -> hands in the camera's optical frame: by one camera and the hand's size, or by a depth image.

Where the camera is not calibrated, joints are relative to the wrist.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from handpose_ros.camera import Camera, Frame
from handpose_ros.hand import WRIST, DepthSource, HandPose, Side, TrackingState
from handpose_ros.lifting.confidence import joint_confidence
from handpose_ros.lifting.depth import DepthFit, fit_depth, moved
from handpose_ros.lifting.hand_size import SizeFromDepth, complaint_about
from handpose_ros.lifting.lift import lift
from handpose_ros.lifting.lifters import Lifter, scale_to_template
from handpose_ros.tracking.tracks import Track

_DEPTH_HOLDS = 0.1  # [s] after a depth image for which what it told of a hand that is seen is taken over
_WANDER = 0.04  # [1/sqrt(s)] of the distance that one camera says, over the true one, on the demo clip
# Standard deviations in each direction of a hand that moves by itself, and that much at the knuckles when it turns.
_ACCELERATION, _TURNING = 4.0, 40.0  # [m/s^2], [rad/s^2]


class Placer:
    """Places the hands of one image after the other; learns the person's hand size from their depth images."""

    def __init__(self, lifter: Lifter, hand_scale: float | None):
        """`hand_scale` is the person's hand size over the average hand's; None: not known."""
        self.hand_scale = hand_scale
        self._lifter = lifter
        self.reset()

    def reset(self):
        """Forgets what depth images told: the size of the hand, and how far away each hand was."""
        self._learned = SizeFromDepth()
        self._told: dict[int, _Told] = {}  # of each track by the latest depth image that shows it, while that holds

    def __call__(self, tracks: tuple[Track, ...], frame: Frame) -> tuple[HandPose, ...]:
        """The hands of the tracks, in their order."""
        tracks = tuple(map(_of_its_side, tracks))
        if not tracks:
            return ()
        observations = [track.observation for track in tracks]
        if frame.camera is None:
            scores = joint_confidence(observations, frame.size)
            hands = [
                _hand(track, joint_scores=each, **self._relative_to_wrist(track))
                for track, each in zip(tracks, scores, strict=True)
            ]
        else:
            hands = self._by_size(tracks, observations, frame.camera)
            hands = [_by_network(hand, track, frame.camera) for hand, track in zip(hands, tracks, strict=True)]
            hands = [self._by_depth(hand, frame) for hand in hands]
            hands = [_drifted(hand, track.unseen) for hand, track in zip(hands, tracks, strict=True)]
        return tuple(_without_geometry(hand) if hand.state is TrackingState.LOST else hand for hand in hands)

    def _relative_to_wrist(self, track):
        """What is known of the joints without a camera, in the size of the person's hand or of an average one."""
        joints, scale = track.observation.joints_3d, None
        if joints is None:
            scale = self.hand_scale or self._learned.scale
            joints = (scale or 1.0) * scale_to_template(track.observation.joints_local)
        return {"joints_3d": joints - joints[WRIST], "hand_scale": scale or np.nan}

    def _by_size(self, tracks, observations, camera):
        """The hands where they must be to be seen as they are, for the size of the person's hand."""
        scale = self.hand_scale or self._learned.scale
        joints_2d = np.array([each.joints_2d for each in observations])
        joints_local = np.array([each.joints_local for each in observations])
        right = np.array([track.side is Side.RIGHT for track in tracks])
        rays = camera.unproject(joints_2d)
        scores = joint_confidence(observations, camera.size, rays)
        lifted = lift(joints_2d, joints_local, camera, scale, right=right, lifter=self._lifter, rays=rays)
        return [
            _hand(
                track,
                joint_scores=scores[index],
                joints_3d=lifted.joints[index],
                depth_source=DepthSource.MONO_SCALED if scale else DepthSource.MONO,
                hand_scale=scale or np.nan,
                reprojection_error=float(lifted.reprojection_error[index]),
                joint_sigma=lifted.joint_sigma[index],
                wrist_covariance=lifted.wrist_covariance[index],
            )
            for index, track in enumerate(tracks)
        ]

    def _by_depth(self, hand, frame):
        """`hand` where the depth image has it, if it shows it; a good look tells the size of the hand.

        Colour images in between, one whose depth image was lost, and a hand that coasts take over what the latest one
        told: hands would jump to and fro.
        """
        told = self._told.pop(hand.track_id, None)
        if hand.state is TrackingState.LOST:
            return hand
        seen = hand.state is TrackingState.TRACKED
        fit = fit_depth(hand.joints_3d, frame.camera, frame.depth) if seen and frame.depth is not None else None
        if fit is None:
            if told is None or (seen and not frame.stamp - told.held <= _DEPTH_HOLDS):
                return hand
            self._told[hand.track_id] = told if seen else told._replace(held=frame.stamp)
            return moved(hand, told.fit(hand, frame.stamp))
        size = fit.stretch * hand.assumed_scale
        self._told[hand.track_id] = _Told(frame.stamp, frame.stamp, size, fit.sigma)
        if self.hand_scale is None and not complaint_about(hand, frame.size):
            self._learned.add(size)
        return moved(hand, fit)


class _Told(NamedTuple):
    """What a depth image told of a hand."""

    stamp: float  # [s]
    held: float  # [s] the same, or the stamp of the last image in which the hand coasted
    size: float  # over the average hand's, with which one camera places it there
    sigma: float  # [m] of its distance

    def fit(self, hand: HandPose, stamp: float) -> DepthFit:
        """What a depth image at `stamp` [s] would tell of `hand`, as far as this one knows."""
        since = stamp - self.stamp
        distance, stretch = float(np.linalg.norm(hand.joints_3d[WRIST])), self.size / hand.assumed_scale
        sigma = float(np.hypot(self.sigma, _WANDER * np.sqrt(since) * distance))
        return DepthFit((stretch - 1) * distance, sigma, stretch, joints=0)


def _hand(track: Track, **placed) -> HandPose:
    """The hand of `track`; `placed` are joints_3d and what is known of the joints."""
    return HandPose(
        side=track.side,
        side_score=track.side_score,
        score=track.observation.score,
        joints_2d=track.observation.joints_2d,
        track_id=track.id,
        track_age=track.age,
        state=track.state,
        mano=track.observation.mano,
        **placed,
    )


def _of_its_side(track: Track) -> Track:
    """`track` without the joints and the body that a network gave it for a hand of the other side."""
    seen = track.observation
    if (seen.joints_3d is None and seen.mano is None) or seen.right == (track.side is Side.RIGHT):
        return track
    return replace(track, observation=replace(seen, joints_3d=None, mano=None))


def _by_network(hand: HandPose, track: Track, camera: Camera) -> HandPose:
    """`hand` where its network placed it, if it did: by the network's idea of the hand's size, not the person's."""
    joints = track.observation.joints_3d
    if joints is None:
        return hand
    if hand.state is TrackingState.COASTING:
        way = _coasted(track, camera, np.linalg.norm(joints[WRIST]))
        if not np.isfinite(way).all():  # it left what the camera sees
            return replace(hand, mano=None)
        joints = joints + way
    error = np.linalg.norm(camera.project(joints) - hand.joints_2d, axis=-1)
    error = float(np.nanmean(error)) if np.isfinite(error).any() else np.nan
    return replace(hand, joints_3d=joints, depth_source=DepthSource.MONO, hand_scale=np.nan, reprojection_error=error)


def _coasted(track: Track, camera: Camera, distance: float) -> np.ndarray:
    """(3,) [m] the way of a wrist at this `distance` [m] since it was seen: from its ray to that of its pixel now.

    A hand that moves and does not turn keeps its body as it is. NaN where no ray goes there.
    """
    now = track.observation.joints_2d[WRIST]
    seen_on, is_on = camera.unproject(np.array([now - track.coasted, now]))
    return distance * (is_on - seen_on)


def _drifted(hand: HandPose, unseen: float) -> HandPose:
    """`hand`, less certain by what it may have moved otherwise than predicted in the time `unseen` [s]."""
    if unseen == 0:
        return hand
    drift, turn = 0.5 * _ACCELERATION * unseen**2, 0.5 * _TURNING * unseen**2
    return replace(
        hand,
        joint_sigma=np.sqrt(hand.joint_sigma**2 + 3 * drift**2),
        wrist_covariance=hand.wrist_covariance + np.diag([drift**2] * 3 + [turn**2] * 3),
    )


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
