"""A network that threads share: what they ask for while it runs is run together, next."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from handpose_ros.crops.cropping import Crop
from handpose_ros.runtimes import Network


class Batched:
    """See `handpose_ros.runtimes.Network`: another one, for any number of threads.

    It never waits for somebody to come: a run begins as soon as there is none, with all that is asked for by then. The
    longer runs take, the larger the next ones are. One of the threads that wait does the run for all of them.
    """

    def __init__(self, network: Network):
        """`network` must not be called otherwise while this is."""
        self.description, self.size = network.description, network.size
        self._network = network
        self._ended = threading.Condition()  # a run
        self._waiting: list[_Request] = []
        self._running = False

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """As `Network.__call__`. What a run raises, every thread raises whose images were in it."""
        request = _Request(images)
        with self._ended:
            self._waiting.append(request)
            while not request.done:
                if self._running:
                    self._ended.wait()
                else:
                    self._run()
        if request.error is not None:
            raise request.error
        return request.outputs

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        """As `Network.look`. Each thread samples its own crops: OpenCV does not hold Python's lock."""
        return self(np.stack([crop.sample(image, self.size, border) for crop in crops]))

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        return partial(self.look, image, crops, border)  # the other threads give enough to do meanwhile

    def _run(self):
        """Answers all that wait. Others may come meanwhile: the lock, which the caller holds, is free for them."""
        requests, self._waiting = self._waiting, []
        self._running = True
        self._ended.release()
        try:
            _answer(self._network, requests)
        finally:
            self._ended.acquire()
            self._running = False
            for each in requests:
                each.done = True
            self._ended.notify_all()


@dataclass(eq=False)
class _Request:
    """What one thread waits for."""

    images: np.ndarray  # (N, size, size, 3)
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
