"""Hands that are steady at rest and hardly late in motion: smoothing while they come in.

Which hand follows which of the image before, which starts anew, and which measurement is passed over. How one follows
is in following.py. Only joints_3d and wrist_velocity are filtered; joints_2d stay what was measured.
"""

from dataclasses import replace

import numpy as np

from handpose_ros.filtering.following import BEARING, DISTANCE, Followed
from handpose_ros.hand import DepthSource, HandPose, HandPoses, TrackingState

FILTERS = ("one_euro", "none")

_LONGEST_GAP = 0.5  # [s] without a measurement after which the filter starts anew
_JUMP_SPEED, _JUMP_FLOOR = 5.0, 0.08  # [m/s], [m]: what no hand moves from one image to the next
_JUMP_TURN_SPEED, _JUMP_TURN_FLOOR = 25.0, 0.8  # [rad/s], [rad]
_JUMP_TIME = 0.1  # [s] after which what looked like a jump is believed


def filter_lag(speed: float = 0.5, distance: float = 0.5) -> float:
    """Delay [s] of a wrist that moves steadily at `speed` [m/s], `distance` [m] away, towards the camera or across."""
    return max(1 / (2 * np.pi * constants.cutoff(speed / distance)) for constants in (BEARING, DISTANCE))


class _Track:
    """What is remembered of one hand."""

    def __init__(self, hand: HandPose, stamp: float):
        """Of a `hand` of which nothing is known but what is measured of it at `stamp` [s]."""
        self.followed = Followed(hand.joints_3d)
        self.source = hand.depth_source
        self.stamp = self.last_measured = stamp  # [s]

    def goes_on(self, hand: HandPose, stamp: float) -> bool:
        """Whether `hand` at `stamp` [s] is what this remembers, some time later."""
        stale = stamp - self.last_measured > _LONGEST_GAP  # for what is measured; what coasts goes on
        if hand.state is TrackingState.LOST or (hand.state is TrackingState.TRACKED and stale):
            return False
        if hand.depth_source is self.source:
            return True  # else its distance is from something else: what lies between the two is no motion
        return hand.state is TrackingState.COASTING and DepthSource.NONE not in (hand.depth_source, self.source)

    def follows(self, hand: HandPose, stamp: float) -> bool:
        """Whether `hand`, measured at `stamp` [s], is no jump and therefore followed."""
        dt = stamp - self.last_measured
        limits = _JUMP_FLOOR + _JUMP_SPEED * dt, _JUMP_TURN_FLOOR + _JUMP_TURN_SPEED * dt
        if not self.followed.follow(hand.joints_3d, dt, stamp - self.stamp, *limits):
            return False
        self.stamp = self.last_measured = stamp
        return True

    def predict(self, stamp: float):
        """Moves on to `stamp` [s] without a measurement."""
        self.followed.predict(stamp - self.stamp)
        self.stamp = stamp

    def smooth(self, hand: HandPose) -> HandPose:
        """`hand` as this remembers it."""
        velocity = self.followed.velocity.copy()
        if self.source is DepthSource.NONE:  # relative to the wrist, which therefore seems to rest
            velocity[:3] = np.nan
        return replace(hand, joints_3d=self.followed.joints.copy(), wrist_velocity=velocity)


class HandFilter:
    """The hands of one image after the other, smoothed. Remembers tracks: one filter for one camera."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Forgets all hands."""
        self._tracks: dict[int, _Track] = {}
        self._stamp = -np.inf

    def __call__(self, hands: HandPoses) -> HandPoses:
        """`hands` with smooth joints_3d, and wrist_velocity; a stamp earlier than the last one's starts anew.

        A hand that coasts is moved on with its last velocity, which decays. One that is lost is left as it is.
        """
        if hands.stamp < self._stamp:
            self.reset()
        self._stamp = hands.stamp
        tracks = [self._moved_on(hand) for hand in hands]
        self._tracks = {hand.track_id: track for hand, track in zip(hands, tracks, strict=True) if track}
        smooth = [track.smooth(hand) if track else hand for hand, track in zip(hands, tracks, strict=True)]
        return replace(hands, hands=tuple(smooth))

    def _moved_on(self, hand: HandPose) -> _Track | None:
        """What to remember of a `hand` of this image; None: nothing."""
        track = self._tracks.get(hand.track_id)
        measured = hand.state is TrackingState.TRACKED
        if track is None or not track.goes_on(hand, self._stamp):
            return self._started(hand) if measured else None
        if measured and self._stamp > track.stamp:  # else it is not seen, or is the same image again
            if track.follows(hand, self._stamp):
                return track
            if self._stamp - track.last_measured >= _JUMP_TIME and (new := self._started(hand)):
                return new
        track.predict(self._stamp)
        return track

    def _started(self, hand: HandPose) -> _Track | None:
        """The track of a `hand` of which nothing is known but what is measured of it; None where that is not all."""
        track = _Track(hand, self._stamp)
        return track if track.followed.known else None
