"""How wide a hand is open and how fast that changes, from noisy measurements, whose noise is learnt."""

import math
from dataclasses import dataclass, replace
from operator import mul

AGILITY = 0.05  # [m^2/s^3] spectral density of the aperture's acceleration: 0.1 m/s more or less within 0.2 s
NOISE_TIME = 0.5  # [s] over which the noise of the measurements is learnt
NOISE_RANGE = (0.0003, 0.03)  # [m] standard deviation of a measured aperture
FIRST_NOISE = 0.003  # [m] until it is learnt
FIRST_VELOCITY = 0.3  # [m/s] standard deviation of an unknown velocity
RECENT, LASTING = 0.1, 0.3  # [s] of a trend: short to see a motion end, long to see a slow one begin
_SECOND_DIFFERENCE = math.sqrt(6)  # its standard deviation, of independent errors of 1


@dataclass(frozen=True)
class Motion:
    """The state of a Kalman filter. It starts with one measurement and no velocity."""

    aperture: float  # [m]
    velocity: float = math.nan  # [m/s]
    covariance: tuple[float, float, float] | None = None  # variance of the aperture, of both, of the velocity
    noise: float = FIRST_NOISE  # [m] of a measurement
    measured: tuple[float, ...] = ()  # [m] up to two last measurements, the latest last

    def shifted(self, offset: float) -> "Motion":
        """As if all apertures had been measured `offset` [m] larger: another way to measure is not a motion."""
        measured = tuple(value + offset for value in self.measured)
        return replace(self, aperture=self.aperture + offset, measured=measured)

    def updated(self, measured: float, dt: float) -> "Motion":
        """The state after a measurement [m], `dt` [s] later. An image that comes twice changes nothing."""
        if not dt > 0:
            return self
        noise = _learnt_noise(self.noise, (*self.measured, measured), dt)
        velocity = self.velocity if self.covariance is not None else 0.0
        own, shared, speed = self.covariance or (noise**2, 0.0, FIRST_VELOCITY**2)
        own += 2 * dt * shared + dt**2 * speed + AGILITY * dt**3 / 3
        shared += dt * speed + AGILITY * dt**2 / 2
        speed += AGILITY * dt
        gain, speed_gain = own / (own + noise**2), shared / (own + noise**2)
        predicted = self.aperture + velocity * dt
        surprise = measured - predicted
        covariance = own - gain * own, shared - gain * shared, speed - speed_gain * shared
        aperture, velocity = predicted + gain * surprise, velocity + speed_gain * surprise
        return Motion(aperture, velocity, covariance, noise, (*self.measured[-1:], measured))


@dataclass(frozen=True)
class Trend:
    """How plainly a length grows or shrinks: its slope over the past in standard deviations of a hand at rest.

    At rest it has the noise of the measurements, which is learnt, and a shiver that is slower than the windows.
    """

    samples: tuple[tuple[float, float], ...] = ()  # (stamp [s], length [m]), the latest last
    noise: float = FIRST_NOISE  # [m] of a measurement

    def updated(self, measured: float, stamp: float) -> "Trend":
        """The state after a measurement [m] at `stamp` [s]. An image that comes twice changes nothing."""
        if self.samples and not stamp > self.samples[-1][0]:
            return self
        samples = _since((*self.samples, (stamp, measured)), stamp - LASTING)
        lengths = (*(length for _, length in self.samples[-2:]), measured)
        dt = stamp - self.samples[-1][0] if self.samples else 0.0
        return Trend(samples, _learnt_noise(self.noise, lengths, dt))

    def plainness(self, shiver: float) -> tuple[float, float]:
        """(over RECENT, over RECENT or LASTING, whichever is plainer) of a hand that shivers by `shiver` [m]; NaN with
        fewer than two measurements."""
        if len(self.samples) < 2:
            return math.nan, math.nan
        recent, lasting = (self._plainness(window, shiver) for window in (RECENT, LASTING))
        return recent, max(recent, lasting, key=abs)

    def _plainness(self, window, shiver):
        stamps, lengths = zip(*_since(self.samples, self.samples[-1][0] - window), strict=True)
        middle = sum(stamps) / len(stamps)
        times = [stamp - middle for stamp in stamps]
        spread = sum(map(mul, times, times))
        slope = sum(map(mul, times, lengths)) / spread
        return slope / math.hypot(self.noise / math.sqrt(spread), shiver / window)


def _since(samples, stamp):
    """The samples after `stamp`, but two at least, where there are two."""
    return tuple(sample for sample in samples[:-2] if sample[0] > stamp + 1e-6) + samples[-2:]


def _learnt_noise(noise, lengths, dt):
    """From second differences: a steady motion has none."""
    if len(lengths) < 3:
        return noise
    error = abs(lengths[2] - 2 * lengths[1] + lengths[0]) / _SECOND_DIFFERENCE
    gain = 1 - math.exp(-dt / NOISE_TIME)
    # A jump is an outlier or the start of a motion: it counts for three times the noise at most.
    variance = noise**2 + gain * (min(error, 3 * noise) ** 2 - noise**2)
    return min(max(math.sqrt(variance), NOISE_RANGE[0]), NOISE_RANGE[1])
