"""The One Euro filter: a low-pass whose cut-off frequency rises with the speed of what it filters.

Source: Casiez, Roussel, Vogel, 1 Euro Filter, CHI 2012.

White noise looks like speed, and would open the filter just where it is needed. How much of it there is shows in how
the rate changes from one measurement to the next, which a steady motion does not: that part of the speed is left out.
"""

import math
from typing import NamedTuple

import numpy as np

from handpose_ros.compiled import compiled, inlined

_DERIVATIVE_CUTOFF = 1.0  # [Hz] of the low-pass that the speed itself goes through
_NOISE_TIME = 1.0  # [s] over which the noise of a measurement is averaged
_NOISE_MARGIN = 2.0  # a speed is real as far as its square is above this multiple of what noise makes of it


class OneEuro(NamedTuple):
    """Constants of the filter. The unit is that of what is filtered: rad, or 1 for the logarithm of a distance."""

    min_cutoff: float  # [Hz] at rest
    beta: float  # [Hz / (unit/s)] by which the cut-off rises with the speed

    def cutoff(self, speed: float) -> float:
        """[Hz] at `speed` [unit/s]."""
        return _cutoff(self.min_cutoff, self.beta, speed)


class Rates(NamedTuple):
    """What is remembered of how fast N vectors change."""

    last: np.ndarray  # (N, 3) [unit/s] between the last two measurements
    mean: np.ndarray  # (N, 3) [unit/s] low-passed
    noise: np.ndarray  # (N) [unit^2/s^2] mean square of the change of `last`

    @classmethod
    def unknown(cls, count: int) -> "Rates":
        """Of `count` vectors that were measured once."""
        return cls(np.zeros((count, 3)), np.zeros((count, 3)), np.zeros(count))


@compiled("f8(f8, f8, f8)")
def _cutoff(min_cutoff, beta, speed):
    return min_cutoff + beta * speed


@inlined
def _smoothing(cutoff, dt):
    """Share 0..1 of the new value in a first-order low-pass of `cutoff` [Hz] after `dt` [s]."""
    return cutoff / (cutoff + 1 / (2 * math.pi * dt))


@compiled("void(f8[:,::1], f8[:,::1], f8[::1], f8[:,::1], f8[:,::1], f8, f8, f8[:,::1])")
def low_pass(last, mean, noise, constants, moved, dt, count, step):
    """Shortens `step` (N, 3) [unit], the way to one more measurement, to the part of it that the filter goes.

    That measurement is `moved` (N, 3) [unit] from the last one, `dt` [s] before, which was the `count`-th. `last`,
    `mean` and `noise` are those of Rates and are brought up to date; `constants` (N, 2) those of OneEuro, row by row.
    """
    weight = max(1 / count, min(dt / _NOISE_TIME, 1.0))
    share = _smoothing(_DERIVATIVE_CUTOFF, dt)
    for row in range(len(step)):
        change = speed = 0.0  # squares
        for axis in range(3):
            rate = moved[row, axis] / dt
            change += (rate - last[row, axis]) ** 2
            last[row, axis] = rate
            mean[row, axis] += share * (rate - mean[row, axis])
            speed += mean[row, axis] ** 2
        noise[row] += weight * (change - noise[row])
        real = math.sqrt(max(speed - _NOISE_MARGIN * share**2 * noise[row], 0.0))
        part = _smoothing(_cutoff(constants[row, 0], constants[row, 1], real), dt)
        for axis in range(3):
            step[row, axis] *= part
