"""Hands that are steady at rest and hardly late in motion: smoothing while they come in.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.

Live it is the One Euro filter: a low-pass whose cut-off frequency rises with the speed (Casiez, Roussel, Vogel,
1 Euro Filter, CHI 2012). Only joints_3d and wrist_velocity are filtered; joints_2d stay what was measured.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from handpose_ros.body import Body
from handpose_ros.hand import DepthSource, HandPose, HandPoses, TrackingState

FILTERS = ("one_euro", "none")


@dataclass(frozen=True)
class OneEuro:
    """Constants of the filter. `unit` is what is filtered: rad, or 1 for the logarithm of a distance."""

    min_cutoff: float  # [Hz] at rest
    beta: float  # [Hz / (unit/s)] by which the cut-off rises with the speed

    def cutoff(self, speed: np.ndarray) -> np.ndarray:
        """[Hz] at `speed` [unit/s]."""
        return self.min_cutoff + self.beta * speed


# Noise of the networks on a hand at rest, white from image to image: 0.1 to 0.7 % of the distance, 0.6 mrad across,
# 10 mrad in the palm's rotation. At half a metre 1 rad/s across, or 1/s in the logarithm of the distance, is 0.5 m/s.
BEARING = OneEuro(min_cutoff=1.5, beta=15.0)
DISTANCE = OneEuro(min_cutoff=0.4, beta=20.0)
TURN = OneEuro(min_cutoff=1.0, beta=2.0)
BONES = OneEuro(min_cutoff=1.0, beta=2.0)  # closing the hand in half a second turns bones by about 3 rad/s

# What is low-passed of a hand, and the constants of each vector.
_BEARING, _DISTANCE, _TURN, _DIRECTIONS = 0, 1, 2, slice(3, 23)
_ROWS = [BEARING, DISTANCE, TURN] + 20 * [BONES]
_CONSTANTS = OneEuro(*np.array([(row.min_cutoff, row.beta) for row in _ROWS]).T[..., None])

_DERIVATIVE_CUTOFF = 1.0  # [Hz] of the low-pass that the speed itself goes through
_NOISE_TIME = 1.0  # [s] over which the noise of a measurement is averaged
_NOISE_MARGIN = 2.0  # a speed is real as far as its square is above this multiple of what noise makes of it
_LENGTHS_TIME = 3.0  # [s] over which the bones' lengths are averaged
_LONGEST_GAP = 0.5  # [s] without a measurement after which the filter starts anew
_JUMP_SPEED, _JUMP_FLOOR = 5.0, 0.08  # [m/s], [m]: what no hand moves from one image to the next
_JUMP_TURN_SPEED, _JUMP_TURN_FLOOR = 25.0, 0.8  # [rad/s], [rad]
_JUMP_TIME = 0.1  # [s] after which what looked like a jump is believed
_PREDICTION_DECAY = 0.1  # [s] in which the velocity of a hand that is not seen falls to a third


def filter_lag(speed: float = 0.5, distance: float = 0.5) -> float:
    """Delay [s] of a wrist that moves steadily at `speed` [m/s], `distance` [m] away, towards the camera or across."""
    return max(1 / (2 * np.pi * constants.cutoff(speed / distance)) for constants in (BEARING, DISTANCE))


class HandFilter:
    """The hands of one image after the other, smoothed. Remembers tracks: one filter for one camera."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Forgets all hands."""
        self._tracks: dict[int, _FilteredHand] = {}
        self._stamp = -np.inf

    def __call__(self, hands: HandPoses) -> HandPoses:
        """`hands` with smooth joints_3d, and wrist_velocity; a stamp earlier than the last one's starts anew.

        A hand that coasts is moved on with its last velocity, which decays. One that is lost is left as it is.
        """
        if hands.stamp < self._stamp:
            self.reset()
        self._stamp = hands.stamp
        known, self._tracks = self._tracks, {}
        filtered = [
            self._filter(hand, body, known.get(hand.track_id)) for hand, body in zip(hands, _bodies(hands), strict=True)
        ]
        return replace(hands, hands=tuple(filtered))

    def _filter(self, hand: HandPose, measured: Body | None, track: "_FilteredHand | None") -> HandPose:
        if hand.state is TrackingState.LOST:
            return hand
        if track is None or track.elsewhere(hand) or self._stamp - track.last_measured > _LONGEST_GAP:
            track = _FilteredHand(hand.depth_source)
        if measured is not None:
            track.measure(measured, self._stamp)
        elif track.body is not None:
            track.predict(self._stamp)
        else:
            return hand
        self._tracks[hand.track_id] = track
        return replace(hand, joints_3d=track.body.joints, wrist_velocity=track.velocity)


class _FilteredHand:
    """The filter's memory of one hand."""

    def __init__(self, source: DepthSource):
        self.source = source
        self.body: Body | None = None
        self.velocity = np.full(6, np.nan)
        self.stamp = self.last_measured = -np.inf

    @property
    def metric(self) -> bool:
        return self.source is not DepthSource.NONE

    def elsewhere(self, hand: HandPose) -> bool:
        """Whether `hand` has its distance from something else: what lies between the two is no motion."""
        measured = hand.state is TrackingState.TRACKED
        other = hand.depth_source is not self.source
        return other and (measured or DepthSource.NONE in (hand.depth_source, self.source))

    def measure(self, measured: Body, stamp: float):
        """Takes in what was measured at `stamp` [s]."""
        if stamp <= self.stamp:  # the same image again
            return
        dt = stamp - self.last_measured
        if self.body is None:
            self._start(measured)
        else:
            away = self._change(self.body, measured)
            if not _is_jump(self.body, measured, away, dt):
                self._approach(measured, away, dt, stamp - self.stamp)
            elif dt < _JUMP_TIME:
                return self.predict(stamp)
            else:
                self._start(measured)
        self._measured, self.stamp, self.last_measured = measured, stamp, stamp

    def _start(self, measured):
        self.body, self.velocity = measured, np.full(6, np.nan)
        self._low_pass, self._measurements = _LowPass(_CONSTANTS), 1

    def _approach(self, measured, away, dt, since):
        """Moves the body part of the way `away` to what is `measured`; `since` [s] is the age of the body."""
        self._measurements += 1
        before, change = self.body, self._low_pass(self._change(self._measured, measured), away, dt)
        weight = max(1 / self._measurements, min(dt / _LENGTHS_TIME, 1.0))
        lengths = before.lengths + weight * (measured.lengths - before.lengths)
        wrist = measured.wrist
        if self.metric:
            distance = _length(before.wrist)
            bearing = before.wrist / distance + change[_BEARING]
            wrist = bearing * (distance * np.exp(change[_DISTANCE, 0]) / _length(bearing))
        self.body = Body(
            wrist, _turned(before.R, change[_TURN]), _unit(before.directions + change[_DIRECTIONS]), lengths
        )
        moved = self.body.wrist - before.wrist if self.metric else np.full(3, np.nan)
        self.velocity = np.concatenate([moved, change[_TURN]]) / since

    def predict(self, stamp: float):
        """Moves on to `stamp` [s] without a measurement."""
        dt, self.stamp = stamp - self.stamp, stamp
        self.velocity = self.velocity * np.exp(-dt / _PREDICTION_DECAY)
        linear, angular = np.nan_to_num(self.velocity.reshape(2, 3)) * dt
        self.body = replace(self.body, wrist=self.body.wrist + linear, R=_turned(self.body.R, angular))

    def _change(self, a, b):
        """(23, 3) what makes b of a, row by row of _CONSTANTS: differences, and the turn as rotation vector [rad]."""
        change = np.zeros((23, 3))
        if self.metric:
            old, new = _length(a.wrist), _length(b.wrist)
            change[_BEARING] = b.wrist / new - a.wrist / old
            change[_DISTANCE, 0] = np.log(new / old)
        change[_TURN] = _turn_between(a.R, b.R)
        change[_DIRECTIONS] = b.directions - a.directions
        return change


class _LowPass:
    """One Euro on vectors (..., D), each with a speed of its own.

    White noise looks like speed, and would open the filter just where it is needed. How much of it there is shows in
    how the rate changes from image to image, which a steady motion does not: that part of the speed is left out.
    """

    def __init__(self, constants: OneEuro):
        self._constants = constants
        self._last_rate = self._rate = self._noise = 0.0
        self._rates = 0

    def __call__(self, moved, away, dt):
        """By how much to change what is filtered: `away` is what is measured from it, `moved` from what was measured
        `dt` [s] before."""
        rate = moved / dt
        self._rates += 1
        change = ((rate - self._last_rate) ** 2).sum(axis=-1, keepdims=True)
        self._noise = self._noise + max(1 / self._rates, min(dt / _NOISE_TIME, 1.0)) * (change - self._noise)
        share = _smoothing(_DERIVATIVE_CUTOFF, dt)
        self._rate = self._rate + share * (rate - self._rate)
        self._last_rate = rate
        squared = (self._rate**2).sum(axis=-1, keepdims=True) - _NOISE_MARGIN * share**2 * self._noise
        return _smoothing(self._constants.cutoff(np.sqrt(np.maximum(squared, 0.0))), dt) * away


def _bodies(hands):
    """Of each of the `hands` what was measured, or None."""
    if not len(hands):
        return []
    body = Body.of(np.stack([hand.joints_3d for hand in hands]))
    known = np.isfinite(body.directions).all(axis=(-1, -2))
    return [
        Body(body.wrist[i], body.R[i], body.directions[i], body.lengths[i])
        if known[i] and hand.state is TrackingState.TRACKED
        else None
        for i, hand in enumerate(hands)
    ]


def _is_jump(body, measured, away, dt):
    moved, turned = _length(measured.wrist - body.wrist), _length(away[_TURN])
    return moved > _JUMP_FLOOR + _JUMP_SPEED * dt or turned > _JUMP_TURN_FLOOR + _JUMP_TURN_SPEED * dt


def _smoothing(cutoff, dt):
    """Share 0..1 of the new value in a first-order low-pass of `cutoff` [Hz] after `dt` [s]."""
    return 1 - 1 / (1 + 2 * np.pi * dt * cutoff)


def _length(vector):
    return np.sqrt(vector @ vector)


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _turn_between(a, b):
    """(3,) rotation vector [rad], in the axes that a and b (3, 3) lead to, that turns a into b."""
    return cv2.Rodrigues(b @ a.T)[0][:, 0]


def _turned(R, turn):
    return cv2.Rodrigues(turn)[0] @ R
