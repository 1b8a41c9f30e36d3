"""Finds among items that arrive on their own, such as depth images, the one that belongs to a stamp."""

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

_KEPT = 8  # items
_NEARER = 0.9  # of the distance of what is there: an image just between two is as far from both
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
            if alive:
                self._arrived.wait_for(lambda: not self._nearer_may_come(stamp), self._patience)
            elif stamp == 0:  # as drivers that do not stamp give all of them: what is no longer sent belongs to none
                return None
            # Of equal ones the latest.
            found = min(reversed(self._items), key=lambda each: abs(each[0] - stamp), default=None)
        return found[1] if found and abs(found[0] - stamp) <= self._tolerance else None

    def _nearer_may_come(self, stamp):
        """Whether an item nearer to `stamp` [s] than the last follows, if they come as often as lately: items of half
        the rate, or all a little earlier, would else be waited for in vain."""
        stamps = [when for when, _ in self._items]
        last = stamps[-1]
        if last >= stamp or len(stamps) < 2:  # stamps come in order
            return last < stamp
        period = min(after - before for before, after in pairwise(stamps))  # some items are lost
        return last + period - stamp < _NEARER * (stamp - last)  # what comes long before `stamp` is followed by more
