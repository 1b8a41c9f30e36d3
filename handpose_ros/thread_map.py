"""Processes several items at once, each worker in its own thread."""

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def thread_map(workers: Sequence[Callable[[T], R]], items: Iterable[T]) -> list[R]:
    """The results of `workers` for `items`, in the order of `items`. Takes only as many items at a time as workers.

    Each worker processes one item after the other. Raises the error of the earliest failing item; starts none after an
    error or a Ctrl-C.
    """
    results: dict[int, R] = {}
    errors: dict[int, Exception] = {}
    waiting, numbers, taking, ended = iter(items), itertools.count(), threading.Lock(), threading.Event()

    def work(worker):
        while not ended.is_set():
            with taking:
                number = next(numbers)
                try:
                    item = next(waiting, _END)
                except Exception as error:  # raised again below, as that of a worker
                    item, errors[number] = _END, error
            if item is _END:
                ended.set()
                return
            try:
                results[number] = worker(item)
            except Exception as error:
                errors[number] = error
                ended.set()

    with ThreadPoolExecutor(len(workers), "thread_map") as threads:
        try:
            for thread in [threads.submit(work, worker) for worker in workers]:
                thread.result()
        finally:
            ended.set()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(results))]
