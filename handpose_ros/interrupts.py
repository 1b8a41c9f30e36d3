"""Ctrl-C at a time that suits."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Those that ask a process to end; Windows has no SIGHUP.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def held_back() -> Iterator[None]:
    """What would end the process takes effect when the block is left.

    For calls that turn a KeyboardInterrupt into another error, as rclpy does when it strikes while a message is handed
    to Python, or that lose it. In another thread than the main one, which none strikes, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)
