"""What a hand does with its grasp over time: the forward filter of a hidden Markov model with four states.

It sees the probability that the hand is closed around something and how plainly it opens or closes (`motion.Trend`),
so that the same motion counts for less where the hand is noisy. That a motion begins is looked for in the longer
past, because slow ones begin slowly; that it has ended, in the last images. OPEN and HOLD never follow each other
directly, and what was entered is kept for DWELL.
"""

import math
from dataclasses import dataclass

import numpy as np

from handpose_ros.grasps.taxonomy import Phase

STATES = (Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE)
RATES = np.array(  # [1/s] from a state (row) to another
    [[0, 1.5, 0, 0], [0.3, 0, 3.0, 0.3], [0, 0, 0, 1.5], [3.0, 0.3, 0.3, 0]]
)
_LEAVING = RATES.sum(axis=1)  # [1/s]
MOVING = 7.0  # standard deviations of a hand at rest by which the trend of a moving one differs, give or take one
HALFWAY = 0.3  # how well the shape of a moving hand, half closed, fits to its state
SURE = 0.99  # what one image says about closed or not is right at most so often
RAREST = 1e-4  # likelihood of the strangest trend
CORRELATED = 0.05  # [s] within which images repeat each other's errors
DWELL = 0.1  # [s]
ENTER = 0.6  # probability at which a state is entered; the present one is left when another has it


@dataclass(frozen=True, eq=False)
class PhaseBelief:
    """The filter of one hand."""

    phase: Phase = Phase.UNKNOWN
    since: float = -np.inf  # [s] when `phase` was entered
    probabilities: np.ndarray | None = None  # (4,) of STATES

    def updated(
        self, closed: float, now: float, recent: float, lasting: float, stamp: float, dt: float
    ) -> "PhaseBelief":
        """After an image at `stamp` [s], `dt` after the last, of a hand that is closed with the probability `closed`,
        by this image alone `now`, and whose opening grows by `recent` and `lasting` standard deviations of
        `Trend.plainness`, NaN if not known."""
        closed = min(max(self._shape(closed, now), 1 - SURE), SURE)
        if self.probabilities is None:
            probabilities = np.array([1 - closed, 0.05, closed, 0.05])
            probabilities = probabilities / probabilities.sum()
            return PhaseBelief(Phase.HOLD if closed > 0.5 else Phase.OPEN, stamp, probabilities)
        passed = max(dt, 0.0)
        staying = self.probabilities * (1 - np.minimum(_LEAVING * passed, 0.9))
        expected = staying + self.probabilities @ RATES * passed
        seen = self._likelihood(closed, recent, lasting) ** min(passed / CORRELATED, 1.0)
        probabilities = expected * seen
        probabilities = probabilities / probabilities.sum()
        phase = self._entered(probabilities, closed > 0.5, stamp)
        return PhaseBelief(phase, self.since if phase is self.phase else stamp, probabilities)

    def _shape(self, closed, now):
        """The probability of being closed: at rest what fits the state better, after a motion what is seen now."""
        return {Phase.OPEN: min(closed, now), Phase.HOLD: max(closed, now)}.get(self.phase, now)

    def _entered(self, probabilities, closed, stamp):
        best = STATES[int(probabilities.argmax())]
        at_odds = best is (Phase.OPEN if closed else Phase.HOLD)  # it stands still, but not in that shape
        if probabilities.max() < ENTER or stamp - self.since < DWELL or at_odds:
            return self.phase
        detour = {(Phase.OPEN, Phase.HOLD): Phase.PRESHAPE, (Phase.HOLD, Phase.OPEN): Phase.RELEASE}
        return detour.get((self.phase, best), best)

    def _likelihood(self, closed, recent, lasting):
        """(4,) how likely each state looks like this."""
        shape = np.array([1 - closed, HALFWAY, closed, HALFWAY])
        if not math.isfinite(recent):
            return shape
        closing = self.phase in (Phase.OPEN, Phase.PRESHAPE)  # or about to
        open_by, hold_by = (lasting, recent) if closing else (recent, lasting)
        # An open hand that opens further stays open, one that holds may squeeze, and faster is no less of a motion.
        off = np.array([min(open_by, 0), max(lasting + MOVING, 0), max(hold_by, 0), min(lasting - MOVING, 0)])
        return shape * np.maximum(np.exp(-0.5 * off**2), RAREST)
