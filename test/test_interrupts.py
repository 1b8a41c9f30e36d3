import signal

import pytest

from handpose_ros.interrupts import held_back


def test_a_ctrl_c_within_the_block_comes_when_it_is_left():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_signal_nothing_happens_and_the_handlers_are_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with held_back():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_of_the_block_is_not_hidden():
    with pytest.raises(ValueError, match="within"):
        with held_back():
            raise ValueError("within")
