"""What a hand does with its grasp over time: the forward filter of a hidden Markov model with four states.

It sees the probability that the hand is closed around something and the speed with which it opens, with its error,
so that the same motion counts for less where the hand is noisy. OPEN and HOLD never follow each other directly,
and what was entered is kept for DWELL.
"""

from dataclasses import dataclass

import numpy as np

from handpose_ros.taxonomy import Phase

STATES = (Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE)
RATES = np.array(  # [1/s] from a state (row) to another
    [[0, 1.0, 0, 0], [0.3, 0, 2.0, 0.3], [0, 0, 0, 1.0], [2.0, 0.3, 0.3, 0]]
)
STILL = 0.15  # [palm sizes / s] standard deviation of a hand that holds or stays open: it shivers
MOVING, SPREAD = 1.2, 0.8  # [palm sizes / s] of reaching hands, 0.03-0.2 m/s of `features.opening`
SURE = 0.95  # what one image says about closed or not is right at most so often
CORRELATED = 0.067  # [s] within which images repeat each other's errors
DWELL = 0.1  # [s]
ENTER = 0.75  # probability at which a state is entered; the present one is left when another has it


@dataclass(frozen=True)
class PhaseBelief:
    """The filter of one hand."""

    phase: Phase = Phase.UNKNOWN
    since: float = -np.inf  # [s] when `phase` was entered
    probabilities: np.ndarray | None = None  # (4,) of STATES

    def updated(self, closed: float, speed: float, error: float, stamp: float, dt: float) -> "PhaseBelief":
        """After an image that says `closed` (probability) and an opening that changes with `speed` [palm sizes / s]
        give or take `error`, at `stamp` [s], `dt` after the last. A speed of NaN is not known."""
        closed = np.clip(closed, 1 - SURE, SURE)
        if self.probabilities is None:
            probabilities = np.array([1 - closed, 0.05, closed, 0.05])
            probabilities = probabilities / probabilities.sum()
            return PhaseBelief(Phase.HOLD if closed > 0.5 else Phase.OPEN, stamp, probabilities)
        moves = RATES * max(dt, 0.0)
        expected = self.probabilities @ (np.eye(4) + moves - np.diag(moves.sum(axis=1)).clip(0, 0.9))
        seen = _likelihood(closed, speed, error) ** np.clip(dt / CORRELATED, 0.0, 1.0)
        probabilities = expected * seen
        probabilities = probabilities / probabilities.sum()
        phase = self._entered(probabilities, stamp)
        return PhaseBelief(phase, self.since if phase is self.phase else stamp, probabilities)

    def _entered(self, probabilities, stamp):
        best = STATES[int(probabilities.argmax())]
        if probabilities.max() < ENTER or stamp - self.since < DWELL:
            return self.phase
        detour = {(Phase.OPEN, Phase.HOLD): Phase.PRESHAPE, (Phase.HOLD, Phase.OPEN): Phase.RELEASE}
        return detour.get((self.phase, best), best)


def _likelihood(closed, speed, error):
    """(4,) how likely each state looks like this; 1 is the likeliest."""
    shape = np.array([1 - closed, 0.5, closed, 0.5])
    if not np.isfinite(speed):
        return shape
    # An open hand that opens further stays open, one that holds may squeeze, and faster is no less of a motion.
    off = np.array([min(speed, 0.0), max(speed + MOVING, 0.0), max(speed, 0.0), min(speed - MOVING, 0.0)])
    spread = np.hypot([STILL, SPREAD, STILL, SPREAD], error)
    return shape * np.maximum(np.exp(-0.5 * (off / spread) ** 2) / spread, 1e-4 / spread)
