"""In processes of their own: other tests leave this one's signals as rclpy wants them."""

import subprocess
import sys

PRELUDE = """
import signal
from handpose_ros.interrupts import held_back
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner in the background ignores it
"""


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


def test_in_another_thread_it_changes_nothing():
    code = """
import threading
def run():
    with held_back():
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    assert printed(code) == ["True"]


def test_a_ctrl_c_while_a_compiled_function_is_loaded_comes_after_it():
    """In a callback from LLVM it would be printed and lost."""
    code = """
from handpose_ros import compiled
def load(function, signature):
    signal.raise_signal(signal.SIGINT)
    print("loaded")
compiled._kept = load
try:
    compiled.compiled("f8(f8)")(abs)
    print("lost")
except KeyboardInterrupt:
    print("interrupted")
"""
    assert printed(code) == ["loaded", "interrupted"]


def test_a_handler_that_c_code_set_is_there_afterwards():
    """As rclpy's, without which its nodes do not end; Python knows nothing of it."""
    code = """
import faulthandler, os
faulthandler.register(signal.SIGTERM, open(os.devnull, "w"))
with held_back():
    pass
signal.raise_signal(signal.SIGTERM)
print("it-was-handled")
"""
    assert printed(code) == ["it-was-handled"]
