"""Several items in work at once, each by a worker in a thread of its own."""

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def abreast(workers: Sequence[Callable[[T], R]], items: Iterable[T]) -> list[R]:
    """What `workers` make of `items`, in the order of these. Only as many are taken at a time as there are workers.

    A worker does one item after the other. Raises what the first item raises that cannot be had or done, of all that
    would; none is begun after that, nor after a Ctrl-C.
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

    with ThreadPoolExecutor(len(workers), "abreast") as threads:
        try:
            for thread in [threads.submit(work, worker) for worker in workers]:
                thread.result()
        finally:
            ended.set()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(results))]
