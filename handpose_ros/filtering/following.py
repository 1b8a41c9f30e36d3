"""Bodies that follow what is measured of them.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.
"""

import math

import numpy as np

from handpose_ros.body_arithmetic import move, predict, take_apart, ways
from handpose_ros.compiled import plain
from handpose_ros.filtering.low_pass import OneEuro, Rates, low_pass
from handpose_ros.tracking.tracks import coasting

# Noise of the networks on a hand at rest, white from image to image: 0.1 to 0.7 % of the distance, 0.6 mrad across,
# 10 mrad in the palm's rotation. At half a metre 1 rad/s across, or 1/s in the logarithm of the distance, is 0.5 m/s.
BEARING = OneEuro(min_cutoff=1.5, beta=15.0)
DISTANCE = OneEuro(min_cutoff=0.4, beta=20.0)
TURN = OneEuro(min_cutoff=1.0, beta=2.0)
BONES = OneEuro(min_cutoff=1.0, beta=2.0)  # closing the hand in half a second turns bones by about 3 rad/s

# Of what makes one body of another, row by row: the turn, the distance, and the directions.
_CONSTANTS = np.array([TURN, DISTANCE, BEARING] + 20 * [BONES])

_LENGTHS_TIME = 3.0  # [s] over which the bones' lengths are averaged


class Followed:
    """What is remembered of one hand: a body that follows what is measured of it."""

    def __init__(self, joints: np.ndarray):
        """A hand of which nothing is known but that its `joints` (21, 3) [m] were measured."""
        joints = plain(joints)
        self._body, self._latest = _empty(), _empty()  # smooth, and as last measured
        self._next = _empty()  # room for the next measurement
        self.known = take_apart(joints, self._body) and take_apart(joints, self._latest)  # whether they make a body
        self.joints = joints  # (21, 3) [m] smooth
        self.velocity = np.full(6, np.nan)  # [m/s, rad/s] linear, angular
        self._rates = Rates.unknown(len(_CONSTANTS))
        self._count = 1  # measurements

    def follow(self, joints: np.ndarray, dt: float, since: float, farthest: float, widest: float) -> bool:
        """Goes part of the way to the measured `joints` (21, 3) [m]; returns whether it did.

        It stays as it is where they are not all known, or their wrist is more than `farthest` [m] or turned by more
        than `widest` [rad] away. `dt` [s] is the time from the last measurement, `since` [s] that from the last move.
        """
        joints = plain(joints)
        moved, step = np.empty((len(_CONSTANTS), 3)), np.empty((len(_CONSTANTS), 3))
        far, turned = ways(self._body, self._latest, self._next, joints, moved, step)
        if not (far <= farthest and turned <= widest):
            return False
        low_pass(*self._rates, _CONSTANTS, moved, dt, self._count, step)
        self._count += 1
        weight = max(1 / self._count, min(dt / _LENGTHS_TIME, 1.0))
        move(self._body, step, self._next[2], weight, since, self.joints, self.velocity)
        self._latest, self._next = self._next, self._latest
        return True

    def predict(self, dt: float):
        """Moves on by `dt` [s] without a measurement, by a velocity that decays."""
        left, time = coasting(dt)
        if not math.isnan(self.velocity[0]):
            predict(self._body, self.velocity, time, self.joints)
        self.velocity *= left


def _empty() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Room for the R, directions and lengths of a body."""
    return np.empty((3, 3)), np.empty((21, 3)), np.empty(21)
