"""Finds among items that arrive on their own, such as depth images, the one that belongs to a stamp."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

_KEPT = 8  # items
_ALIVE = 1.0  # [s] after the last arrival; longer silence is not worth waiting for


class StampBuffer:
    """The latest items by stamp. One thread puts them in, another one takes them."""

    def __init__(self, tolerance: float, patience: float, clock: Callable[[], float] = time.monotonic):
        """Stamps match within `tolerance` [s]; an item that is under way is waited for, for `patience` [s] at most."""
        self._tolerance, self._patience, self._clock = tolerance, patience, clock
        self._items: deque[tuple[float, Any]] = deque(maxlen=_KEPT)
        self._last_arrival = float("-inf")
        self._arrived = threading.Condition()

    def put(self, stamp: float, item: Any):
        """Adds an item of time `stamp` [s]. One earlier than the last is a jump back, and forgets the others."""
        with self._arrived:
            if self._items and stamp < self._items[-1][0]:
                self._items.clear()
            self._items.append((stamp, item))
            self._last_arrival = self._clock()
            self._arrived.notify()

    def nearest(self, stamp: float) -> Any | None:
        """The item nearest to `stamp` [s]; None without a match. Waits while a nearer one may still come."""
        with self._arrived:
            alive = self._clock() - self._last_arrival < _ALIVE
            if alive:  # stamps come in order: after one that is not earlier there is no nearer one
                self._arrived.wait_for(lambda: self._items[-1][0] >= stamp, self._patience)
            elif stamp == 0:  # as drivers that do not stamp give all of them: what is no longer sent belongs to none
                return None
            # Of equal ones the latest.
            found = min(reversed(self._items), key=lambda each: abs(each[0] - stamp), default=None)
        return found[1] if found and abs(found[0] - stamp) <= self._tolerance else None
