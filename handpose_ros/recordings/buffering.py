"""Reading ahead and writing behind: threads beside the one that computes, a bounded number of items between."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """`items`, of which up to `depth` are made in advance by a thread. What it raises is raised here, in its place."""
    made: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry):
        while not stopped.is_set():
            try:
                made.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def make():
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((_END, None))
        except BaseException as error:  # raised again where it is waited for
            put((_END, error))

    thread = threading.Thread(target=make, name="reading ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stopped.set()
        thread.join()


class Behind:
    """Calls `work` with one item after the other in a thread. What it raises, the next `put` raises, or the end."""

    def __init__(self, work: Callable[[T], None], depth: int = 4):
        self._work, self._error = work, None
        self._items: queue.Queue = queue.Queue(depth)
        self._thread = threading.Thread(target=self._run, name="writing behind", daemon=True)
        self._thread.start()

    def put(self, item: T):
        """Waits while `depth` items are not done."""
        self._raise()
        self._items.put(item)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self._items.put(_END)
        self._thread.join()
        if error is None:
            self._raise()

    def _run(self):
        while (item := self._items.get()) is not _END:
            if self._error is not None:
                continue  # taken, so that who puts does not wait for good
            try:
                self._work(item)
            except Exception as error:  # raised again by whoever puts
                self._error = error

    def _raise(self):
        if self._error is not None:
            raise self._error
