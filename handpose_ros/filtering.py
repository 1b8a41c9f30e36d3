"""Hands that are steady at rest and hardly late in motion: smoothing while they come in.

Which hand follows which of the image before, which starts anew, and which measurement is passed over. How one follows
is in following.py. Only joints_3d and wrist_velocity are filtered; joints_2d stay what was measured.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from handpose_ros.body import Body
from handpose_ros.following import BEARING, DISTANCE, Followed, together
from handpose_ros.hand import DepthSource, HandPose, HandPoses, TrackingState

FILTERS = ("one_euro", "none")

_LONGEST_GAP = 0.5  # [s] without a measurement after which the filter starts anew
_JUMP_SPEED, _JUMP_FLOOR = 5.0, 0.08  # [m/s], [m]: what no hand moves from one image to the next
_JUMP_TURN_SPEED, _JUMP_TURN_FLOOR = 25.0, 0.8  # [rad/s], [rad]
_JUMP_TIME = 0.1  # [s] after which what looked like a jump is believed
_UNKNOWN = np.full(3, np.nan)


def filter_lag(speed: float = 0.5, distance: float = 0.5) -> float:
    """Delay [s] of a wrist that moves steadily at `speed` [m/s], `distance` [m] away, towards the camera or across."""
    return max(1 / (2 * np.pi * constants.cutoff(speed / distance)) for constants in (BEARING, DISTANCE))


class _Track(NamedTuple):
    """What is remembered of one hand."""

    at: tuple[Followed, int]  # a row of all that went on like this hand
    source: DepthSource
    stamp: float  # [s] of the body
    last_measured: float  # [s]

    def elsewhere(self, hand: HandPose) -> bool:
        """Whether `hand` has its distance from something else: what lies between the two is no motion."""
        if hand.depth_source is self.source:
            return False
        return hand.state is TrackingState.TRACKED or DepthSource.NONE in (hand.depth_source, self.source)

    def smooth(self, hand: HandPose) -> HandPose:
        """`hand` as this remembers it."""
        followed, row = self.at
        velocity = followed.velocity[row]
        if self.source is DepthSource.NONE:  # relative to the wrist, which therefore seems to rest
            velocity = np.concatenate([_UNKNOWN, velocity[3:]])
        return replace(hand, joints_3d=followed.body.joints[row].copy(), wrist_velocity=velocity)


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
        tracks = self._moved_on(hands)
        self._tracks = {hand.track_id: track for hand, track in zip(hands, tracks, strict=True) if track}
        smooth = [track.smooth(hand) if track else hand for hand, track in zip(hands, tracks, strict=True)]
        return replace(hands, hands=tuple(smooth))

    def _moved_on(self, hands: HandPoses) -> list[_Track | None]:
        """What to remember of each of the `hands`; None: nothing."""
        olds, news = [self._known(hand) for hand in hands], _measured(hands)
        tracks = [None] * len(hands)
        alike: dict[tuple, list[int]] = {}  # places of hands that go on from the same times: one batch
        for place, (hand, old, new) in enumerate(zip(hands, olds, news, strict=True)):
            if old:
                follows = new is not None and hands.stamp > old.stamp  # else it is not seen, or is the same image again
                alike.setdefault((follows, old.stamp, old.last_measured), []).append(place)
            elif new:
                tracks[place] = _started(new, hand.depth_source, hands.stamp)
        for (follows, *_), places in alike.items():
            group = [olds[place] for place in places]
            if follows:
                group = _followed(group, [news[place] for place in places], hands.stamp)
            else:
                group = _predicted(group, hands.stamp)
            for place, track in zip(places, group, strict=True):
                tracks[place] = track
        return tracks

    def _known(self, hand: HandPose) -> _Track | None:
        """The track of a `hand` that goes on from it."""
        track = self._tracks.get(hand.track_id)
        if track is None or hand.state is TrackingState.LOST or track.elsewhere(hand):
            return None
        return None if self._stamp - track.last_measured > _LONGEST_GAP else track


def _measured(hands: HandPoses) -> list[tuple[Body, int] | None]:
    """Of each of the `hands` what was measured of it, or None."""
    places = [place for place, hand in enumerate(hands) if hand.state is TrackingState.TRACKED]
    measured: list[tuple[Body, int] | None] = [None] * len(hands)
    if places:
        body = Body.of(np.array([hands.hands[place].joints_3d for place in places]))
        known = np.isfinite(body.directions.sum(axis=(-1, -2))).tolist()
        for row, place in enumerate(places):
            if known[row]:
                measured[place] = body, row
    return measured


def _started(new: tuple[Body, int], source: DepthSource, stamp: float) -> _Track:
    """The track of a hand of which nothing is known but what is measured of it at `stamp` [s]."""
    return _Track((Followed.new(together([new])), 0), source, stamp, stamp)


def _predicted(tracks: list[_Track], stamp: float) -> list[_Track]:
    """The `tracks`, which are of the same times, at `stamp` [s] without a measurement."""
    followed = together([track.at for track in tracks]).predicted(stamp - tracks[0].stamp)
    return [_Track((followed, row), track.source, stamp, track.last_measured) for row, track in enumerate(tracks)]


def _followed(tracks: list[_Track], news: list[tuple[Body, int]], stamp: float) -> list[_Track]:
    """The `tracks`, which are of the same times, after the measurements `news` at `stamp` [s]."""
    before, measured = together([track.at for track in tracks]), together(news)
    dt = stamp - tracks[0].last_measured
    away = before.away(measured)
    followed = before.after(measured, away, dt, stamp - tracks[0].stamp)
    result = []
    for row, (track, move) in enumerate(zip(tracks, before.moves(measured, away), strict=True)):
        if not _is_jump(*move, dt):
            result.append(_Track((followed, row), track.source, stamp, stamp))
        elif dt < _JUMP_TIME:
            result += _predicted([track], stamp)
        else:
            result.append(_started(news[row], track.source, stamp))
    return result


def _is_jump(moved: float, turned: float, dt: float) -> bool:
    """Whether no wrist moves by `moved` [m] or turns by `turned` [rad] in `dt` [s]."""
    return moved > _JUMP_FLOOR + _JUMP_SPEED * dt or turned > _JUMP_TURN_FLOOR + _JUMP_TURN_SPEED * dt
