"""The One Euro filter: a low-pass whose cut-off frequency rises with the speed of what it filters.

Source: Casiez, Roussel, Vogel, 1 Euro Filter, CHI 2012.
"""

from dataclasses import dataclass

import numpy as np

from handpose_ros.geometry import squared_length

_DERIVATIVE_CUTOFF = 1.0  # [Hz] of the low-pass that the speed itself goes through
_NOISE_TIME = 1.0  # [s] over which the noise of a measurement is averaged
_NOISE_MARGIN = 2.0  # a speed is real as far as its square is above this multiple of what noise makes of it


@dataclass(frozen=True)
class OneEuro:
    """Constants of the filter. `unit` is what is filtered: rad, or 1 for the logarithm of a distance."""

    min_cutoff: float | np.ndarray  # [Hz] at rest
    beta: float | np.ndarray  # [Hz / (unit/s)] by which the cut-off rises with the speed

    def cutoff(self, speed):
        """[Hz] at `speed` [unit/s]."""
        return self.min_cutoff + self.beta * speed


@dataclass(frozen=True)
class Rates:
    """What is remembered of how fast N times K vectors change.

    White noise looks like speed, and would open the filter just where it is needed. How much of it there is shows in
    how the rate changes from image to image, which a steady motion does not: that part of the speed is left out.
    """

    last: np.ndarray  # (N, K, 3) [unit/s] between the last two measurements
    mean: np.ndarray  # (N, K, 3) [unit/s] low-passed
    noise: np.ndarray  # (N, K) [unit^2/s^2] mean square of the change of `last`

    @classmethod
    def unknown(cls, count: int, vectors: int) -> "Rates":
        """Of `count` times `vectors` vectors that were measured once."""
        return cls(np.zeros((count, vectors, 3)), np.zeros((count, vectors, 3)), np.zeros((count, vectors)))

    def after(self, moved: np.ndarray, dt: float, count: np.ndarray) -> "Rates":
        """With one more measurement, which is `moved` (N, K, 3) [unit] from the last one, `dt` [s] before.

        It makes `count` (N, 1) rates of each vector.
        """
        last = moved / dt
        weight = np.maximum(1 / count, min(dt / _NOISE_TIME, 1.0))
        noise = self.noise + weight * (squared_length(last - self.last) - self.noise)
        return Rates(last, self.mean + smoothing(_DERIVATIVE_CUTOFF, dt) * (last - self.mean), noise)

    def speed(self, dt: float) -> np.ndarray:
        """(N, K) [unit/s] without what noise makes of it; `dt` [s] as in `after`."""
        of_noise = _NOISE_MARGIN * smoothing(_DERIVATIVE_CUTOFF, dt) ** 2
        return np.sqrt(np.maximum(squared_length(self.mean) - of_noise * self.noise, 0.0))


def smoothing(cutoff, dt: float):
    """Share 0..1 of the new value in a first-order low-pass of `cutoff` [Hz] after `dt` [s]."""
    return cutoff / (cutoff + 1 / (2 * np.pi * dt))
