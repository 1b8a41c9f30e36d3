"""One thread that works on the newest item only."""

import threading
from collections.abc import Callable
from typing import Any


class LatestWorker:
    """Calls `work` in a thread of its own with the newest item put in; older ones that still wait are dropped.

    What `work` raises goes to `on_failure`, in that thread, and ends it.
    """

    def __init__(self, work: Callable[[Any], None], on_failure: Callable[[Exception], None]):
        self.dropped = 0  # items replaced by a newer one before `work` took them
        self._work, self._on_failure = work, on_failure
        self._slot, self._stopping = None, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, item):
        """Leaves `item` for the thread; never waits for `work`."""
        with self._changed:
            self.dropped += self._slot is not None
            self._slot = item
            self._changed.notify()

    def stop(self, timeout: float):
        """Ends the thread after the item in work, waiting for it `timeout` [s] at most."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self):
        try:
            while (item := self._next()) is not None:
                self._work(item)
        except Exception as error:  # noqa: BLE001  handed on, not swallowed
            self._on_failure(error)

    def _next(self):
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._slot is not None)
            item, self._slot = self._slot, None
            return None if self._stopping else item
