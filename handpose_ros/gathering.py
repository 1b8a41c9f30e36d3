"""Networks that threads share: what several of them ask for at about the same time is run as one batch."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from handpose_ros.cropping import Crop
from handpose_ros.runtimes import Network


class Gathering:
    """Threads that wait for each other, so that a network runs once for all of them.

    A run begins as soon as every thread that is expected waits for one, or when the first of them has waited for
    `patience`. Expected is who had a part in the last run or has come since: a thread that ends, fails or has other
    things to do is waited for in vain once, and nobody needs to join or to leave. One of the waiting threads does the
    run for all, in the meantime the next ones gather. Networks that do not stand several threads, as all of `runtimes`,
    are run one at a time, whichever was asked.
    """

    def __init__(self, patience: float = 0.002):
        """`patience` [s]: more than others need between two runs, and little beside what an image costs."""
        self._patience = patience
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._expected: set[int] = set()  # threads
        self._running = False

    def network(self, network: Network) -> "Gathered":
        """`network` for all these threads. It must no longer be called otherwise while they do."""
        return Gathered(self, network)

    def ask(self, network: Network, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """`network` of N > 0 `images`. What a run raises, every thread raises whose images were in it."""
        request = _Request(network, images, threading.get_ident(), time.monotonic() + self._patience)
        with self._changed:
            self._waiting.append(request)
            self._expected.add(request.thread)
            while not request.done:
                if self._running:
                    self._changed.wait()
                    continue
                left = self._waiting[0].due - time.monotonic()
                if left <= 0 or self._expected <= {each.thread for each in self._waiting}:
                    self._run()
                else:
                    self._changed.wait(left)
        if request.error is not None:
            raise request.error
        return request.outputs

    def _run(self):
        """Answers all that wait. Others may come meanwhile: the lock, which the caller holds, is free for them."""
        requests, self._waiting = self._waiting, []
        self._expected = {each.thread for each in requests}
        self._running = True
        self._changed.release()
        try:
            for network in {id(each.network): each.network for each in requests}.values():
                _answer(network, [each for each in requests if each.network is network])
        finally:
            self._changed.acquire()
            self._running = False
            for each in requests:
                each.done = True
            self._changed.notify_all()


class Gathered:
    """See `handpose_ros.runtimes.Network`: another one, for the threads of a `Gathering`."""

    def __init__(self, gathering: Gathering, network: Network):
        self._gathering, self._network = gathering, network
        self.description, self.size = network.description, network.size

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return self._gathering.ask(self._network, images)

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        """Each thread samples its own crops, beside the others: OpenCV does not hold Python's lock."""
        return self(np.stack([crop.sample(image, self.size, border) for crop in crops]))

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        return partial(self.look, image, crops, border)  # the other threads give enough to do meanwhile


@dataclass(eq=False)
class _Request:
    """What one thread waits for."""

    network: Network
    images: np.ndarray  # (N, size, size, 3)
    thread: int
    due: float  # when it has waited for long enough
    outputs: tuple[np.ndarray, ...] = ()
    error: BaseException | None = None
    done: bool = False


def _answer(network: Network, requests: Sequence[_Request]):
    """Runs the network once on the images of all, and gives each its rows."""
    try:
        together = network(np.concatenate([each.images for each in requests]))
        ends = np.cumsum([len(each.images) for each in requests])[:-1]
        for each, *rows in zip(requests, *(np.split(output, ends) for output in together), strict=True):
            each.outputs = tuple(rows)
    except BaseException as error:  # nobody may wait for good, whatever it is
        for each in requests:
            each.error = error
