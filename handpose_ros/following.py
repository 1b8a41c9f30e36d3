"""Bodies that follow what is measured of them.

A hand is filtered as a body, not as 21 points: the wrist's bearing and distance, the wrist's rotation, the directions
of the bones in the wrist's axes, and the bones' lengths. The joints are put together again from these, so that
smoothing cannot bend a bone, and bones keep their length while the hand moves.
"""

from typing import NamedTuple

import numpy as np

from handpose_ros.body_arithmetic import cutoff, follow, predict, put_together, take_apart


class OneEuro(NamedTuple):
    """Constants of the filter. The unit is that of what is filtered: rad, or 1 for the logarithm of a distance."""

    min_cutoff: float  # [Hz] at rest
    beta: float  # [Hz / (unit/s)] by which the cut-off rises with the speed

    def cutoff(self, speed: float) -> float:
        """[Hz] at `speed` [unit/s]."""
        return cutoff(self.min_cutoff, self.beta, speed)


# Noise of the networks on a hand at rest, white from image to image: 0.1 to 0.7 % of the distance, 0.6 mrad across,
# 10 mrad in the palm's rotation. At half a metre 1 rad/s across, or 1/s in the logarithm of the distance, is 0.5 m/s.
BEARING = OneEuro(min_cutoff=1.5, beta=15.0)
DISTANCE = OneEuro(min_cutoff=0.4, beta=20.0)
TURN = OneEuro(min_cutoff=1.0, beta=2.0)
BONES = OneEuro(min_cutoff=1.0, beta=2.0)  # closing the hand in half a second turns bones by about 3 rad/s

_CONSTANTS = np.array([TURN, DISTANCE, BEARING] + 20 * [BONES])  # row by row of what is low-passed


class Followed:
    """What is remembered of one hand: a body that follows the measurements of it."""

    def __init__(self, joints: np.ndarray):
        """A hand of which nothing is known but that its `joints` (21, 3) [m] were measured."""
        self._body, self._latest = _nothing(21), _nothing(21)
        self._rates = np.zeros((23, 3)), np.zeros((23, 3)), np.zeros(23)
        self._count = 1.0
        self.joints = np.empty((21, 3))  # [m] smooth
        self.velocity = np.full(6, np.nan)  # [m/s, rad/s] linear, angular
        joints = np.ascontiguousarray(joints, dtype=float)
        self.known = take_apart(joints, self._body)  # whether the joints make a body
        take_apart(joints, self._latest)
        put_together(self._body, self.joints)

    def follow(self, joints: np.ndarray, dt: float, since: float, farthest: float, widest: float) -> bool:
        """Goes part of the way to the measured `joints` (21, 3) [m]; returns whether it did.

        It stays as it is where they are not all known, or are farther than `farthest` [m] or turned by more than
        `widest` [rad]. `dt` [s] is the time from the last measurement, `since` [s] the age of what is remembered.
        """
        joints = np.ascontiguousarray(joints, dtype=float)
        parts = self._body, self._latest, self._rates, self.velocity, self.joints
        follows = follow(*parts, _CONSTANTS, joints, self._count, dt, since, farthest, widest)
        self._count += follows
        return follows

    def predict(self, dt: float):
        """Moves on by `dt` [s] without a measurement, by a velocity that decays."""
        predict(self._body, self.velocity, self.joints, dt)


def _nothing(bones: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.empty((3, 3)), np.empty((bones, 3)), np.empty(bones)
