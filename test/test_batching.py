"""Threads that share a network get what they would get alone, together, and none waits for one that does not come."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from test_runtimes import GOLDEN, network_file

from handpose_ros.crops.cropping import Region
from handpose_ros.runtimes import open_network
from handpose_ros.runtimes.batching import Batched
from handpose_ros.runtimes.torch_network import CudaNetwork

LONG = 20.0  # [s] for what takes no time on an idle machine
ROUNDING = 1e-3, 2e-5, 4e-6  # px of a crop, score, metre: of a batch against its images alone


class Sums:
    """A network whose outputs can be checked by hand. Two runs at once are an error, as in a real one."""

    description, size = "sums", 4

    def __init__(self):
        self.batches, self._alone = [], threading.Lock()
        self.during = lambda: None  # called within the next run

    def __call__(self, images):
        assert self._alone.acquire(blocking=False), "two runs at once"
        try:
            self.batches.append(len(images))
            during, self.during = self.during, lambda: None
            during()
            total = images.reshape(len(images), -1).sum(axis=1).astype(np.float32)
            return total[:, None], -total
        finally:
            self._alone.release()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def picture(value, count=1):
    return np.full((count, 4, 4, 3), value, np.uint8)


def during_a_run(threads, gathered, inner, calls):
    """Futures of `calls` that came while the network ran for somebody else."""
    asked = []

    def ask():
        asked.extend(threads.submit(*call) for call in calls)
        deadline = time.monotonic() + LONG
        while len(gathered._waiting) < len(calls):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    inner.during = ask
    first = threads.submit(gathered, picture(9))
    assert first.result(LONG)[1] == [-9 * 48]
    return asked


def test_what_threads_ask_for_during_a_run_is_the_next_run_and_each_gets_its_own_rows(threads):
    inner = Sums()
    network = Batched(inner)
    asked = during_a_run(threads, network, inner, [(network, picture(n, n)) for n in (1, 2, 3)])
    for n, (total, negative) in zip((1, 2, 3), (each.result(LONG) for each in asked), strict=True):
        assert_array_equal(total, np.full((n, 1), 48 * n))
        assert_array_equal(negative, np.full(n, -48 * n))
    assert inner.batches == [1, 6]


def test_an_error_reaches_every_thread_of_its_run_and_no_other_and_the_next_run_is_a_good_one(threads):
    inner = Sums()
    network = Batched(inner)
    wrong_shape = np.zeros((1, 5, 5, 3), np.uint8)  # does not go with the others
    asked = during_a_run(threads, network, inner, [(network, picture(1)), (network, wrong_shape)])
    for each in asked:
        with pytest.raises(ValueError, match="dimension"):
            each.result(LONG)
    asked = during_a_run(threads, network, inner, [(network, picture(2)), (network, picture(3))])
    assert [each.result(LONG)[1] for each in asked] == [-96, -144]


def test_many_threads_that_come_and_go_all_get_their_own_answers(threads):
    inner, rng = Sums(), np.random.default_rng(0)
    network, counts = Batched(inner), rng.integers(1, 60, 8)

    def life(number):
        for turn in range(counts[number]):
            value, count = (7 * number + turn) % 100, turn % 3 + 1
            total, _ = network(picture(value, count))
            assert_array_equal(total, np.full((count, 1), 48 * value))
            if turn == 13 * number:
                raise KeyError(number)

    for number, each in enumerate([threads.submit(life, number) for number in range(8)]):
        assert isinstance(each.exception(LONG), KeyError if 13 * number < counts[number] else type(None))


def opened(kind):
    if kind == "a GPU's way":
        return CudaNetwork(network_file("hand_landmark_lite"), 4, torch.device("cpu"))
    if kind == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    return open_network(network_file("hand_landmark_lite"), batch=4, device="cpu", runtime=kind, num_threads=1)


@pytest.mark.parametrize(
    "kind, tolerance", [("openvino", ROUNDING), ("torch", ROUNDING), ("a GPU's way", (0.3, 5e-3, 1e-3))]
)
def test_crops_of_several_images_are_seen_as_each_of_them_alone(kind, tolerance, threads):
    inner = opened(kind)
    network, together = Batched(inner), threading.Barrier(3)
    images = [GOLDEN["hand"], np.ascontiguousarray(GOLDEN["hand"][:, ::-1])]
    squares = [
        [Region(np.array([120.0, 120.0]), size, angle) for size, angle in some]
        for some in ([(200.0, 0.0)], [(220.0, 0.1), (180.0, -0.1)])
    ]
    given = list(zip(images, squares, strict=True))
    alone = [inner.look(*each, "replicate") for each in given]

    def look(image, some):
        together.wait(LONG)
        return network.look(image, some, "replicate")

    asked = [threads.submit(look, *each) for each in [*given, given[0]]]
    for each, truth in zip(asked, [*alone, alone[0]], strict=True):
        landmarks, presence, right, world = each.result(LONG)
        assert_allclose(landmarks, truth[0], rtol=0, atol=tolerance[0])
        assert_allclose([presence, right], truth[1:3], rtol=0, atol=tolerance[1])
        assert_allclose(world, truth[3], rtol=0, atol=tolerance[2])
    assert (network.size, network.description) == (inner.size, inner.description)
