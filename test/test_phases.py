import numpy as np
import pytest

from handpose_ros.grasps.phases import DWELL, PhaseBelief
from handpose_ros.grasps.taxonomy import Phase

FRAME = 1 / 30  # [s]


def follow(images, belief=None, start=0.0, frame=FRAME):
    """The beliefs after `images` of (closed, how plainly it opens), `frame` apart."""
    beliefs = [belief or PhaseBelief()]
    for number, (closed, trend) in enumerate(images):
        beliefs.append(beliefs[-1].updated(closed, closed, trend, trend, start + number * frame, frame))
    return beliefs[1:]


def order(beliefs):
    phases = [belief.phase for belief in beliefs]
    return [phase for i, phase in enumerate(phases) if i == 0 or phase is not phases[i - 1]]


OPEN, HELD, CLOSING, OPENING = (0.02, 0.0), (0.98, 0.0), (0.3, -8.0), (0.7, 8.0)


@pytest.mark.parametrize("closed, phase", [(0.9, Phase.HOLD), (0.1, Phase.OPEN)])
def test_the_first_image_of_a_hand_tells_its_phase_by_its_shape(closed, phase):
    assert PhaseBelief().updated(closed, closed, np.nan, np.nan, 0.0, 0.0).phase is phase


def test_open_close_open_goes_through_every_phase_in_order():
    beliefs = follow([OPEN] * 20 + [CLOSING] * 10 + [HELD] * 20 + [OPENING] * 10 + [OPEN] * 20)
    assert order(beliefs) == [Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE, Phase.OPEN]


def test_open_and_hold_never_follow_each_other_however_slowly_a_hand_closes_and_opens():
    assert order(follow([OPEN] * 20 + [HELD] * 20 + [OPEN] * 20)) == [
        Phase.OPEN,
        Phase.PRESHAPE,
        Phase.HOLD,
        Phase.RELEASE,
        Phase.OPEN,
    ]


def test_a_hand_that_squeezes_still_holds_and_an_open_one_that_opens_stays_open():
    assert order(follow([HELD] * 10 + [(0.98, -8.0)] * 10)) == [Phase.HOLD]
    assert order(follow([OPEN] * 10 + [(0.02, 8.0)] * 10)) == [Phase.OPEN]


def test_a_phase_lasts_for_the_dwell_at_least():
    flicker = [OPEN, OPEN, CLOSING, OPENING] * 30
    beliefs = follow(flicker)
    entered = sorted({belief.since for belief in beliefs})
    assert (np.diff(entered) >= DWELL - 1e-9).all()


def test_what_noise_makes_of_a_trend_is_no_motion():
    belief = PhaseBelief()
    for number, trend in enumerate(np.random.default_rng(0).normal(0, 1, 300)):
        belief = belief.updated(0.98, 0.98, trend, trend, number * FRAME, FRAME)
        assert belief.phase is Phase.HOLD


def test_a_motion_that_only_the_longer_past_shows_begins_a_preshape_and_does_not_keep_it_from_holding():
    belief = follow([OPEN] * 20)[-1]
    for number in range(20, 26):
        belief = belief.updated(0.1, 0.1, -1.0, -8.0, number * FRAME, FRAME)
    assert belief.phase is Phase.PRESHAPE
    for number in range(26, 32):
        belief = belief.updated(0.98, 0.98, 0.0, -8.0, number * FRAME, FRAME)
    assert belief.phase is Phase.HOLD


def test_a_hand_that_stops_halfway_does_not_hold_what_its_shape_does_not():
    stopped = follow([OPEN] * 20 + [(0.02, -8.0)] * 6)[-1]
    for number in range(26, 40):
        stopped = stopped.updated(0.02, 0.02, 0.0, -8.0, number * FRAME, FRAME)
        assert stopped.phase is not Phase.HOLD


def test_an_image_that_comes_twice_says_nothing_new():
    (first,) = follow([HELD])
    again = first.updated(0.02, 0.02, 8.0, 8.0, 0.0, 0.0)
    np.testing.assert_allclose(again.probabilities, first.probabilities)


@pytest.mark.parametrize("frame", [1 / 15, 1 / 30, 1 / 60])
def test_a_closing_hand_is_seen_equally_soon_at_any_rate(frame):
    belief = follow([OPEN] * round(1 / frame), frame=frame)[-1]
    closing = follow([CLOSING] * round(0.4 / frame), belief, start=1.0, frame=frame)
    seen = [belief.phase for belief in closing].index(Phase.PRESHAPE) * frame
    assert seen <= 0.1


def test_after_a_motion_the_shape_of_this_image_counts_and_at_rest_what_keeps_the_state():
    preshape = follow([OPEN] * 20 + [CLOSING] * 6)[-1]
    assert preshape.phase is Phase.PRESHAPE
    for number in range(26, 32):  # the classifier's memory still says open
        preshape = preshape.updated(0.05, 0.95, 0.0, 0.0, number * FRAME, FRAME)
    assert preshape.phase is Phase.HOLD
    hold = preshape
    for number in range(32, 60):
        hold = hold.updated(0.95, 0.05, 0.0, 0.0, number * FRAME, FRAME)
        assert hold.phase is Phase.HOLD
