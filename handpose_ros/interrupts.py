"""Ctrl-C at a time that suits."""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Those that ask a process to end; Windows has no SIGHUP.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_ACTION = 1024  # bytes, of which the C library's struct sigaction takes about 150
_sigaction = ctypes.CDLL(None).sigaction if os.name == "posix" else lambda *_: None


@contextmanager
def held_back() -> Iterator[None]:
    """What would end the process takes effect when the block is left.

    For calls that turn a KeyboardInterrupt into another error, as rclpy does when it strikes while a message is handed
    to Python, or that lose it. In another thread than the main one, which none strikes, nothing is done. Handlers that
    C code set, as rclpy does, are there again afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]  # None: C's alone
    actions = {number: _action(number) for number in heard}
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
            _sigaction(number, actions[number], None)
        for number in came[:1]:
            signal.raise_signal(number)


def _action(number):
    """What the C library does at a signal, of which Python knows only what it set itself."""
    action = ctypes.create_string_buffer(_ACTION)
    _sigaction(number, None, action)
    return action
