"""Bodies that follow what is measured of them: all hands of an image at once.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from handpose_ros.body import SHORTEST, Body
from handpose_ros.geometry import length, rotation_matrices, rotation_vectors
from handpose_ros.hand import WRIST
from handpose_ros.low_pass import OneEuro, Rates, smoothing

# Noise of the networks on a hand at rest, white from image to image: 0.1 to 0.7 % of the distance, 0.6 mrad across,
# 10 mrad in the palm's rotation. At half a metre 1 rad/s across, or 1/s in the logarithm of the distance, is 0.5 m/s.
BEARING = OneEuro(min_cutoff=1.5, beta=15.0)
DISTANCE = OneEuro(min_cutoff=0.4, beta=20.0)
TURN = OneEuro(min_cutoff=1.0, beta=2.0)
BONES = OneEuro(min_cutoff=1.0, beta=2.0)  # closing the hand in half a second turns bones by about 3 rad/s

# What is low-passed of a hand, row by row: the bearing is the direction of the bone from the camera to the wrist.
_TURN, _DISTANCE, _DIRECTIONS = 0, 1, slice(2, 23)
_ROWS = [TURN, DISTANCE, BEARING] + 20 * [BONES]
_CONSTANTS = OneEuro(*np.array([(row.min_cutoff, row.beta) for row in _ROWS]).T.copy())

_LENGTHS_TIME = 3.0  # [s] over which the bones' lengths are averaged
_PREDICTION_DECAY = 0.1  # [s] in which the velocity of a hand that is not seen falls to a third


@dataclass(frozen=True, eq=False)
class _Posture:
    """What is low-passed of N bodies."""

    R: np.ndarray  # (N, 3, 3) as of a body
    vectors: np.ndarray  # (N, 23, 3) 0 where a change has the turn; logarithm of the distance, 0, 0; directions

    @classmethod
    def of(cls, body: Body) -> "_Posture":
        vectors = np.zeros((len(body.R), 23, 3))
        vectors[:, _DISTANCE, 0] = np.log(body.lengths[:, WRIST])
        vectors[:, _DIRECTIONS] = body.directions
        return cls(body.R, vectors)

    def to(self, other: "_Posture") -> np.ndarray:
        """(N, 23, 3) what makes `other` of this: the turn [rad], the step of the logarithm, those of directions."""
        change = other.vectors - self.vectors
        change[:, _TURN] = rotation_vectors(other.R @ self.R.swapaxes(-1, -2))
        return change

    def changed(self, change: np.ndarray) -> "_Posture":
        """The inverse of `to`."""
        vectors = self.vectors + change
        vectors[:, _TURN] = 0
        directions = vectors[:, _DIRECTIONS]
        directions /= np.maximum(length(directions), SHORTEST)[..., None]
        return _Posture(rotation_matrices(change[:, _TURN]) @ self.R, vectors)

    def body(self, lengths: np.ndarray) -> Body:
        """With bones of these `lengths` (N, 21) [m]; that of the first, to the wrist, becomes the distance."""
        lengths[:, WRIST] = np.exp(self.vectors[:, _DISTANCE, 0])
        return Body(self.R, self.vectors[:, _DIRECTIONS], lengths)


@dataclass(frozen=True, eq=False)
class Followed:
    """What is remembered of N hands."""

    posture: _Posture  # (N) smooth
    lengths: np.ndarray  # (N, 21) [m] of the bones, smooth
    joints: np.ndarray  # (N, 21, 3) [m] smooth
    velocity: np.ndarray  # (N, 6) [m/s, rad/s] linear, angular
    measured: _Posture  # (N) latest
    measurements: np.ndarray  # (N, 1) how many
    rates: Rates  # (N, 23)

    def __len__(self):
        return len(self.joints)

    @classmethod
    def new(cls, measured: Body) -> "Followed":
        """Hands of which nothing is known but that they were `measured` (N) so."""
        posture, count = _Posture.of(measured), len(measured.R)
        unknown, once = np.full((count, 6), np.nan), np.ones((count, 1))
        return cls(posture, measured.lengths, measured.joints, unknown, posture, once, Rates.unknown(count, 23))

    def after(self, measured: Body, dt: float, since: float) -> "Followed":
        """Part of the way to what is `measured` (N) `dt` [s] after the last; `since` [s] is the age of the joints."""
        posture = _Posture.of(measured)
        rates = self.rates.after(self.measured.to(posture), dt, self.measurements)
        share = smoothing(_CONSTANTS.cutoff(rates.speed(dt)), dt)
        change = share[..., None] * self.posture.to(posture)
        smooth = self.posture.changed(change)
        measurements = self.measurements + 1
        weight = np.maximum(1 / measurements, min(dt / _LENGTHS_TIME, 1.0))
        body = smooth.body(self.lengths + weight * (measured.lengths - self.lengths))
        joints = body.joints
        velocity = np.concatenate([joints[:, WRIST] - self.joints[:, WRIST], change[:, _TURN]], axis=-1) / since
        return Followed(smooth, body.lengths, joints, velocity, posture, measurements, rates)

    def predicted(self, dt: float) -> "Followed":
        """Moved on by `dt` [s] without a measurement, by a velocity that decays."""
        velocity = self.velocity * math.exp(-dt / _PREDICTION_DECAY)
        moved = np.nan_to_num(velocity) * dt
        R = rotation_matrices(moved[:, 3:]) @ self.posture.R
        body = Body(R, self.posture.vectors[:, _DIRECTIONS], self.lengths)
        body = body.placed(self.joints[:, WRIST] + moved[:, :3])
        smooth = _Posture.of(body)
        return Followed(
            smooth, body.lengths, body.joints, velocity, self.measured, self.measurements, self.rates
        )


def together(entries: Sequence[tuple]):
    """One dataclass of arrays with the `entries`, pairs of another such and an index of its arrays."""
    wholes, indices = zip(*entries, strict=True)
    if indices == tuple(range(len(wholes[0]))) and all(whole is wholes[0] for whole in wholes):
        return wholes[0]
    return _picked(wholes, indices)


def _picked(values, indices):
    if isinstance(values[0], np.ndarray):
        return np.array([value[index] for value, index in zip(values, indices, strict=True)])
    names = [field.name for field in fields(values[0])]
    return type(values[0])(*(_picked([getattr(value, name) for value in values], indices) for name in names))
