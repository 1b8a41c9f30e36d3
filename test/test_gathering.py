"""Threads that share a network get what they would get alone, together, and none waits for one that does not come."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_runtimes import GOLDEN, network_file

from handpose_ros.cropping import Region
from handpose_ros.gathering import Gathering
from handpose_ros.runtimes import open_network

LONG = 20.0  # [s] for what takes no time on an idle machine


class Sums:
    """A network whose outputs can be checked by hand. Two runs at once are an error, as in a real one."""

    description, size = "sums", 4

    def __init__(self):
        self.batches, self._alone = [], threading.Lock()
        self.during = lambda: None  # called within a run

    def __call__(self, images):
        assert self._alone.acquire(blocking=False), "two runs at once"
        try:
            self.batches.append(len(images))
            self.during()
            total = images.reshape(len(images), -1).sum(axis=1).astype(np.float32)
            return total[:, None], -total
        finally:
            self._alone.release()


class Crew:
    """Threads that were in the last run of a gathering, so that it expects all of them."""

    def __init__(self, gathering, count):
        self._threads, network = [ThreadPoolExecutor(1) for _ in range(count)], Sums()
        others = []

        def call_the_others():
            network.during = lambda: None
            others.extend(self.start(number, gathering.ask, network, picture(1)) for number in range(1, count))
            until(lambda: len(gathering._waiting) == count - 1)

        network.during = call_the_others
        self.start(0, lambda: [gathering.ask(network, picture(1)) for _ in range(2)]).result(LONG)
        assert network.batches == [1, count] and [each.result(LONG) for each in others]

    def start(self, number, call, *args):
        """A future of what a thread's call returns."""
        return self._threads[number].submit(call, *args)


def picture(value, count=1):
    return np.full((count, 4, 4, 3), value, np.uint8)


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_threads_that_ask_together_are_answered_by_one_run_each_with_its_own_rows():
    inner, gathering = Sums(), Gathering(patience=LONG)
    network, crew = gathering.network(inner), Crew(gathering, 3)
    asked = [crew.start(n, network, picture(n, n + 1)) for n in range(3)]
    for n, (total, negative) in enumerate(each.result(LONG / 2) for each in asked):  # nobody waits for a fourth
        assert_array_equal(total, np.full((n + 1, 1), 48 * n))
        assert_array_equal(negative, np.full(n + 1, -48 * n))
    assert inner.batches == [6]


def test_threads_that_wait_for_different_networks_do_not_wait_for_each_other():
    palms, hands, gathering = Sums(), Sums(), Gathering(patience=LONG)
    crew = Crew(gathering, 3)
    asked = [crew.start(n, gathering.network((palms, hands, hands)[n]), picture(n)) for n in range(3)]
    assert [each.result(LONG / 2)[1] for each in asked] == [0, -48, -96]
    assert (palms.batches, hands.batches) == ([1], [2])


def test_a_thread_that_does_not_come_is_waited_for_once():
    inner, gathering = Sums(), Gathering(patience=1.0)
    network, crew = gathering.network(inner), Crew(gathering, 3)

    def both():
        start = time.monotonic()
        for each in [crew.start(n, network, picture(1)) for n in range(2)]:
            each.result(LONG)
        return time.monotonic() - start

    assert both() > 0.9 and both() < 0.9  # [s]
    assert inner.batches[:1] == [2] and sum(inner.batches) == 4


def test_a_thread_alone_does_not_wait():
    network = Gathering(patience=LONG).network(Sums())
    start = time.monotonic()
    for _ in range(3):
        network(picture(1))
    assert time.monotonic() - start < LONG / 2


def test_what_comes_during_a_run_is_the_next_run():
    inner, gathering = Sums(), Gathering(patience=0.01)
    network, threads = gathering.network(inner), ThreadPoolExecutor(3)
    others = []

    def call_the_others():
        inner.during = lambda: None
        others.extend(threads.submit(network, picture(value)) for value in (1, 2))
        until(lambda: len(gathering._waiting) == 2)

    inner.during = call_the_others
    assert threads.submit(network, picture(5)).result(LONG)[1] == [-240]
    assert [each.result(LONG)[1] for each in others] == [-48, -96]
    assert inner.batches == [1, 2]


def test_an_error_reaches_every_thread_of_its_run_and_no_other_and_the_next_run_is_a_good_one():
    def fail():
        bad.during = lambda: None
        raise MemoryError("the run failed")

    good, bad, gathering = Sums(), Sums(), Gathering(patience=LONG)
    crew, bad.during = Crew(gathering, 3), fail
    asked = [crew.start(n, gathering.network((bad, good, bad)[n]), picture(1)) for n in range(3)]
    for n in (0, 2):
        with pytest.raises(MemoryError, match="the run failed"):
            asked[n].result(LONG)
    assert asked[1].result(LONG)[1] == [-48]
    again = [crew.start(n, gathering.network(bad), picture(2)) for n in range(3)]
    assert [each.result(LONG)[1] for each in again] == [-96] * 3 and bad.batches == [2, 3]


def test_many_threads_that_come_and_go_all_get_their_own_answers():
    inner, rng = Sums(), np.random.default_rng(0)
    network = Gathering(patience=0.001).network(inner)
    counts = rng.integers(1, 60, 8)

    def life(number):
        for turn in range(counts[number]):
            value, count = (7 * number + turn) % 100, turn % 3 + 1
            total, _ = network(picture(value, count))
            assert_array_equal(total, np.full((count, 1), 48 * value))

    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(life, number) for number in range(8)]:
            each.result(LONG)
    assert len(inner.batches) < counts.sum()


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_crops_of_several_images_are_seen_as_each_of_them_alone(runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    network = open_network(network_file("hand_landmark_lite"), batch=4, device="cpu", runtime=runtime, num_threads=1)
    images = [GOLDEN["hand"], np.ascontiguousarray(GOLDEN["hand"][:, ::-1])]
    crops = [
        [Region(np.array([120.0, 120.0]), size, angle) for size, angle in some]
        for some in ([(200.0, 0.0)], [(220.0, 0.1), (180.0, -0.1)])
    ]
    alone = [network.look(image, some, "replicate") for image, some in zip(images, crops, strict=True)]
    gathering = Gathering(patience=LONG)
    shared, crew = gathering.network(network), Crew(gathering, 2)
    asked = [crew.start(n, shared.look, images[n], crops[n], "replicate") for n in range(2)]
    for each, truth in zip(asked, alone, strict=True):
        landmarks, presence, right, world = each.result(LONG)
        assert_allclose(landmarks, truth[0], rtol=0, atol=1e-3)  # px of 224
        assert_allclose([presence, right], truth[1:3], rtol=0, atol=1e-5)
        assert_allclose(world, truth[3], rtol=0, atol=1e-6)
    assert (shared.size, shared.description) == (network.size, network.description)
