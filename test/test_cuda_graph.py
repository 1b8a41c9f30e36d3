"""What a CUDA graph will hold can be captured, and without a graph it gives what the function gives."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from test_runtimes import network_file
from torch.utils._python_dispatch import TorchDispatchMode

from handpose_ros.backends.wildhands_network import WildHandsNetwork
from handpose_ros.runtimes.cuda_graph import Captured, batch_sizes
from handpose_ros.runtimes.torch_network import CudaNetwork

CPU = torch.device("cpu")
# What makes a tensor of the host's numbers, or needs a tensor's values there: a CUDA graph must hold none of it.
OF_THE_HOST = {"lift_fresh", "_local_scalar_dense", "nonzero", "index", "masked_select"}


class Operators(TorchDispatchMode):
    """Notes the names of the operators that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function._schema.name.removeprefix("aten::"))
        return function(*args, **(kwargs or {}))


def operators(function, *inputs) -> set[str]:
    with Operators() as seen:
        function(*inputs)
    return seen.names


def test_rows_that_are_not_given_keep_what_they_held():
    double = Captured(lambda x, y: 2 * x + y, [torch.zeros(3), torch.ones(1)], CPU)
    assert_array_equal(double(np.float32([1, 2, 3]), np.float32([10])), [12, 14, 16])
    assert_array_equal(double(np.float32([5]), np.float32([0])), [10, 4, 6])


def test_results_stay_when_it_runs_again():
    same = Captured(lambda x: x + 0, [torch.zeros(2)], CPU)
    first = same(np.float32([1, 2]))
    same(np.float32([3, 4]))
    assert_array_equal(first, [1, 2])


def test_graphs_are_made_for_powers_of_two_and_for_the_most():
    assert batch_sizes(1) == [1] and batch_sizes(2) == [1, 2] and batch_sizes(6) == [1, 2, 4, 6]


@pytest.mark.parametrize(
    "make", [lambda x: x[:, (2, 0)], lambda x: x + x.new_tensor([1.0, 2, 3]), lambda x: x.sum().item()]
)
def test_numbers_that_come_from_the_host_are_noticed(make):
    assert operators(make, torch.zeros(1, 3)) & OF_THE_HOST


@torch.inference_mode()
def test_nothing_of_the_wildhands_network_comes_from_the_host():
    meta = torch.device("meta")  # shapes without values
    with meta:
        network = WildHandsNetwork().prepare(meta, torch.float16)
        image = torch.zeros(2, 3, 224, 224)
        inputs = image[:1], image, torch.zeros(2, 10), torch.eye(3), torch.zeros(2, dtype=torch.bool)
    assert not operators(network, *inputs) & OF_THE_HOST


@torch.inference_mode()
def test_nothing_of_the_default_networks_comes_from_the_host():
    network = CudaNetwork(network_file("hand_landmark_lite"), 2, CPU)
    assert not operators(network.run_without_graph) & OF_THE_HOST
