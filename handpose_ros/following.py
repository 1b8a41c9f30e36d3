"""Bodies that follow what is measured of them: all hands of an image at once.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from handpose_ros.body import Body, directed
from handpose_ros.geometry import rotation_matrices, rotation_vectors
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
_CONSTANTS = OneEuro(*np.array([(row.min_cutoff, row.beta) for row in _ROWS]).T)

_LENGTHS_TIME = 3.0  # [s] over which the bones' lengths are averaged
_PREDICTION_DECAY = 0.1  # [s] in which the velocity of a hand that is not seen falls to a third


@dataclass(frozen=True)
class Followed:
    """What is remembered of N hands."""

    body: Body  # (N) smooth
    velocity: np.ndarray  # (N, 6) [m/s, rad/s] linear, angular
    measured: Body  # (N) the latest measurement
    measurements: np.ndarray  # (N, 1) how many
    rates: Rates  # (N, 23)

    @classmethod
    def new(cls, measured: Body) -> "Followed":
        """Hands of which nothing is known but that they were `measured` (N) so."""
        count = len(measured)
        return cls(measured, np.full((count, 6), np.nan), measured, np.ones((count, 1)), Rates.unknown(count, 23))

    def __len__(self) -> int:
        return len(self.body)

    def away(self, measured: Body) -> np.ndarray:
        """(N, 23, 3) the way from the bodies to what is `measured` (N), row by row of what is low-passed."""
        return _change(self.body, measured)

    def moves(self, measured: Body, away: np.ndarray) -> list[tuple[float, float]]:
        """How far [m] and by how much [rad] the way `away` to what is `measured` moves and turns each wrist."""
        wrists = zip(self.body.wrist.tolist(), measured.wrist.tolist(), strict=True)
        return [(math.dist(*ab), math.hypot(*turn)) for ab, turn in zip(wrists, away[:, _TURN].tolist(), strict=True)]

    def after(self, measured: Body, away: np.ndarray, dt: float, since: float) -> "Followed":
        """Part of the way `away` to what is `measured` (N).

        `dt` [s] is the time from the last measurement, `since` [s] the age of the bodies.
        """
        before = self.body
        rates = self.rates.after(_change(self.measured, measured), dt, self.measurements)
        step = smoothing(_CONSTANTS.cutoff(rates.speed(dt)), dt)[..., None] * away
        measurements = self.measurements + 1
        weight = np.maximum(1 / measurements, min(dt / _LENGTHS_TIME, 1.0))
        lengths = before.lengths + weight * (measured.lengths - before.lengths)
        lengths[:, WRIST] = before.lengths[:, WRIST] * np.exp(step[:, _DISTANCE, 0])
        directions, _ = directed(before.directions + step[:, _DIRECTIONS])
        turn = step[:, _TURN]
        body = Body.made(rotation_matrices(turn) @ before.R, directions, lengths)
        velocity = np.concatenate([body.wrist - before.wrist, turn], axis=-1) / since
        return Followed(body, velocity, measured, measurements, rates)

    def predicted(self, dt: float) -> "Followed":
        """Moved on by `dt` [s] without a measurement, by a velocity that decays."""
        velocity = self.velocity * math.exp(-dt / _PREDICTION_DECAY)
        moved = np.nan_to_num(velocity) * dt
        body = self.body.moved(self.body.wrist + moved[:, :3], rotation_matrices(moved[:, 3:]) @ self.body.R)
        return replace(self, body=body, velocity=velocity)


def _change(a: Body, b: Body) -> np.ndarray:
    """(N, 23, 3) what makes `b` of `a`: the turn [rad], the step of the distance's logarithm, those of directions."""
    steps = np.zeros((len(a), 23, 3))
    steps[:, _TURN] = rotation_vectors(b.R @ a.R.swapaxes(-1, -2))
    steps[:, _DISTANCE, 0] = np.log(b.lengths[:, WRIST] / a.lengths[:, WRIST])
    steps[:, _DIRECTIONS] = b.directions - a.directions
    return steps


def together(entries: Sequence[tuple]):
    """The `entries` in one dataclass of arrays; each is another such and a row of its arrays."""
    wholes, indices = zip(*entries, strict=True)
    if indices == tuple(range(len(wholes[0]))) and all(whole is wholes[0] for whole in wholes):
        return wholes[0]
    return _picked(wholes, indices)


def _picked(values, indices):
    """Entry `indices[k]` of `values[k]`, for all k: of arrays, or of dataclasses of such."""
    if isinstance(values[0], np.ndarray):
        return np.array([value[index] for value, index in zip(values, indices, strict=True)])
    names = [field.name for field in fields(values[0])]
    return type(values[0])(*(_picked([getattr(value, name) for value in values], indices) for name in names))
