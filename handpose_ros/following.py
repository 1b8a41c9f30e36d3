"""Bodies that follow what is measured of them: all hands of an image at once.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

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
_CONSTANTS = OneEuro(*np.array([(row.min_cutoff, row.beta) for row in _ROWS]).T)

_LENGTHS_TIME = 3.0  # [s] over which the bones' lengths are averaged
_PREDICTION_DECAY = 0.1  # [s] in which the velocity of a hand that is not seen falls to a third


@dataclass(frozen=True, eq=False)
class Followed:
    """What is remembered of N hands."""

    body: Body  # (N) smooth
    joints: np.ndarray  # (N, 21, 3) [m] of `body`
    velocity: np.ndarray  # (N, 6) [m/s, rad/s] linear, angular
    measured: Body  # (N) the latest measurement
    measurements: np.ndarray  # (N, 1) how many
    rates: Rates  # (N, 23)

    @classmethod
    def new(cls, joints: np.ndarray) -> "Followed":
        """Hands of which nothing is known but these measured `joints` (N, 21, 3) [m]."""
        body, count = Body.of(joints), len(joints)
        return cls(body, joints, np.full((count, 6), np.nan), body, np.ones((count, 1)), Rates.unknown(count, 23))

    @classmethod
    def together(cls, hands: Sequence[tuple["Followed", int]]) -> "Followed":
        """One of many: each of the `hands` is a row of another."""
        first = hands[0][0]
        if [row for _, row in hands] == list(range(len(first.joints))) and all(each is first for each, _ in hands):
            return first
        return _rows([each for each, _ in hands], [row for _, row in hands])

    def after(self, new: "Followed", dt: float, since: float) -> "Followed":
        """Part of the way to the measurements of `new`, `dt` [s] after the last; `since` [s] is the age of `body`."""
        before, measured = self.body, new.measured
        rates = self.rates.after(_change(self.measured, measured), dt, self.measurements)
        change = smoothing(_CONSTANTS.cutoff(rates.speed(dt)), dt)[..., None] * _change(before, measured)
        measurements = self.measurements + 1
        weight = np.maximum(1 / measurements, min(dt / _LENGTHS_TIME, 1.0))
        lengths = before.lengths + weight * (measured.lengths - before.lengths)
        lengths[:, WRIST] = before.lengths[:, WRIST] * np.exp(change[:, _DISTANCE, 0])
        directions = before.directions + change[:, _DIRECTIONS]
        directions /= np.maximum(length(directions), SHORTEST)[..., None]
        turn = change[:, _TURN]
        body = Body(rotation_matrices(turn) @ before.R, directions, lengths)
        joints = body.joints
        velocity = np.concatenate([joints[:, WRIST] - self.joints[:, WRIST], turn], axis=-1) / since
        return Followed(body, joints, velocity, measured, measurements, rates)

    def predicted(self, dt: float) -> "Followed":
        """Moved on by `dt` [s] without a measurement, by a velocity that decays."""
        velocity = self.velocity * math.exp(-dt / _PREDICTION_DECAY)
        moved = np.nan_to_num(velocity) * dt
        R = rotation_matrices(moved[:, 3:]) @ self.body.R
        body = replace(self.body, R=R).placed(self.joints[:, WRIST] + moved[:, :3])
        return replace(self, body=body, joints=body.joints, velocity=velocity)


def _change(a: Body, b: Body) -> np.ndarray:
    """(N, 23, 3) what makes b of a: the turn [rad], the step of the logarithm of the distance, those of directions."""
    change = np.zeros((len(a.R), 23, 3))
    change[:, _TURN] = rotation_vectors(b.R @ np.swapaxes(a.R, -1, -2))
    change[:, _DISTANCE, 0] = np.log(b.lengths[:, WRIST] / a.lengths[:, WRIST])
    np.subtract(b.directions, a.directions, out=change[:, _DIRECTIONS])
    return change


def _rows(values, rows):
    """Row `rows[k]` of `values[k]`, for all k together; values are arrays, or dataclasses of such."""
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.array([value[row] for value, row in zip(values, rows, strict=True)])
    return type(first)(*(_rows([getattr(value, each.name) for value in values], rows) for each in fields(first)))
