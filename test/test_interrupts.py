"""In processes of their own: other tests leave this one's signals as rclpy wants them."""

import subprocess
import sys

PRELUDE = "import signal\nfrom handpose_ros.interrupts import held_back\n"


def printed(code):
    """What a Python that runs `code` prints."""
    done = subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_ctrl_c_within_the_block_comes_when_it_is_left():
    code = """
try:
    with held_back():
        signal.raise_signal(signal.SIGINT)
        print("rest-of-the-block")
    print("after-the-block")
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    assert printed(code) == ["rest-of-the-block", "interrupted", "True"]


def test_without_a_signal_the_handlers_are_as_before():
    code = """
before = signal.getsignal(signal.SIGTERM)
with held_back():
    print(signal.getsignal(signal.SIGTERM) is before)
print(signal.getsignal(signal.SIGTERM) is before)
"""
    assert printed(code) == ["False", "True"]


def test_an_error_of_the_block_is_not_hidden():
    code = """
try:
    with held_back():
        raise ValueError("within")
except ValueError as error:
    print(error)
"""
    assert printed(code) == ["within"]
