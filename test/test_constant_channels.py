"""What never changes is found and taken out; what seems constant but is not stays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from handpose_ros import weights
from handpose_ros.runtimes.constant_channels import channel_bounds, without_constant_channels
from handpose_ros.runtimes.tflite import Graph, Operator, Tensor, read_graph
from handpose_ros.runtimes.tflite_torch import to_torch

torch.set_num_threads(1)  # on cores that are busy, torch's threads wait for each other

GOLDEN = np.load(Path(__file__).parent / "data" / "networks.npz")
IMAGE = np.random.default_rng(5).uniform(0, 1, (1, 4, 4, 3)).astype(np.float32)
MANY = 32  # channels inside the made-up networks: two whole vectors


class Maker:
    """Puts a network together, operator by operator, on images (1, 4, 4, 3)."""

    def __init__(self):
        self.tensors, self.operators = [Tensor((1, 4, 4, 3), None)], []
        self.random = np.random.default_rng(3)

    def add(self, kind: str, shape: tuple, inputs: tuple, constants: tuple = (), **options) -> int:
        """The index of what the operator computes."""
        first = len(self.tensors)
        self.tensors += [Tensor(np.shape(each), np.asarray(each)) for each in constants]
        output = len(self.tensors)
        self.tensors.append(Tensor(shape, None))
        self.operators.append(Operator(kind, (*inputs, *range(first, output)), output, **options))
        return output

    def weights(self, *shape: int) -> np.ndarray:
        return self.random.uniform(-1, 1, shape).astype(np.float32)

    def expand(self, bias: np.ndarray) -> int:
        """A 1x1 convolution to len(bias) channels with a ReLU6: a weighted sum within -3 .. 3 and a bias."""
        parameters = (self.weights(len(bias), 1, 1, 3), bias.astype(np.float32))
        return self.add("conv", (1, 4, 4, len(bias)), (0,), parameters, activation="relu6")

    def depthwise(self, source: int, bias: float = 0.0) -> int:
        channels = self.tensors[source].shape[-1]
        parameters = (self.weights(1, 3, 3, channels), np.full(channels, bias, np.float32))
        return self.add("depthwise", (1, 4, 4, channels), (source,), parameters, activation="relu6")

    def project(self, source: int, kernel: int = 1) -> int:
        parameters = (self.weights(5, kernel, kernel, self.tensors[source].shape[-1]), self.weights(5))
        return self.add("conv", (1, 4, 4, 5), (source,), parameters)

    def graph(self, *outputs: int) -> Graph:
        return Graph(tuple(self.tensors), tuple(self.operators), (0,), outputs)


def biases(constant: dict[int, float]) -> np.ndarray:
    """One at which a channel varies, but where `constant` says another."""
    bias = np.full(MANY, 0.5)
    bias[list(constant)] = list(constant.values())
    return bias


def run(graph: Graph, images: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        return [output.numpy() for output in to_torch(graph)(torch.from_numpy(images).permute(0, 3, 1, 2))]


def widths(graph: Graph) -> list[int]:
    """Channels of what each operator computes."""
    return [graph.tensors[operator.output].shape[-1] for operator in graph.operators]


def assert_equal_outputs(graph: Graph, images: np.ndarray = IMAGE):
    for before, after in zip(run(graph, images), run(without_constant_channels(graph), images), strict=True):
        assert_allclose(after, before, rtol=0, atol=1e-5)


ALWAYS_0 = dict.fromkeys(range(3, 23), -3.5)  # channel 3 .. 22; 12 others
ALWAYS_6 = dict.fromkeys(range(3, 23), 9.5)


def test_bounds_are_the_sums_of_what_is_largest_with_positive_weights_and_least_with_negative_ones():
    maker = Maker()
    weight = np.array([[[[1.0, -2.0, 0.5]]], [[[-1.0, -1.0, 0.0]]]], np.float32)
    both = maker.add("conv", (1, 4, 4, 2), (0,), (weight, np.float32([0.25, -4])))
    clipped = maker.add("conv", (1, 4, 4, 2), (0,), (weight, np.float32([5.5, -4])), activation="relu6")
    together = maker.add("add", (1, 4, 4, 2), (both, clipped))
    bounds = channel_bounds(maker.graph(together))
    assert_allclose(bounds[both], [[-1.75, -6], [1.75, -4]])
    assert_allclose(bounds[clipped], [[3.5, 0], [6, 0]])
    assert_allclose(bounds[together], [[1.75, -6], [7.75, -4]])


def test_a_kernel_over_the_border_sees_zeros_beside_what_never_changes():
    maker = Maker()
    always_2 = maker.add("conv", (1, 4, 4, 1), (0,), (np.zeros((1, 1, 1, 3), np.float32), np.float32([2])))
    for same, least in ((True, 0), (False, 18)):
        ones = (np.ones((1, 3, 3, 1), np.float32), np.float32([0]))
        nine = maker.add("depthwise", (1, 4, 4, 1), (always_2,), ones, same=same)
        assert_allclose(channel_bounds(maker.graph(nine))[nine], [[least], [18]])


def test_an_expansion_loses_its_constant_channels_by_whole_vectors_and_the_outputs_stay():
    for constant in (ALWAYS_0, ALWAYS_6):
        maker = Maker()
        graph = maker.graph(maker.project(maker.expand(biases(constant))))
        assert widths(without_constant_channels(graph)) == [16, 5]  # 12 vary, 4 are kept to fill the vector
        assert_equal_outputs(graph)


def test_what_varies_in_the_last_vector_keeps_it():
    maker = Maker()
    graph = maker.graph(maker.project(maker.expand(biases(dict.fromkeys(range(15), -3.5)))))
    assert without_constant_channels(graph) is graph  # 17 vary


def test_a_zero_stays_zero_through_a_depthwise_convolution_and_both_shrink():
    maker = Maker()
    graph = maker.graph(maker.project(maker.depthwise(maker.expand(biases(ALWAYS_0)), bias=0.7)))
    assert widths(without_constant_channels(graph)) == [16, 16, 5]
    assert_equal_outputs(graph)


def test_a_channel_that_is_constant_inside_but_not_at_the_border_stays():
    maker = Maker()
    graph = maker.graph(maker.project(maker.depthwise(maker.expand(biases(ALWAYS_6)))))
    low, high = channel_bounds(graph)[graph.operators[0].output]
    assert (low == high).sum() == 20
    assert without_constant_channels(graph) is graph


def test_a_larger_kernel_cannot_take_a_constant_into_its_bias():
    maker = Maker()
    graph = maker.graph(maker.project(maker.expand(biases(ALWAYS_6)), kernel=3))
    assert without_constant_channels(graph) is graph


def test_the_mean_and_all_the_linear_layers_behind_it_shrink():
    maker = Maker()
    means = maker.add("mean", (1, MANY), (maker.expand(biases(ALWAYS_6)),), ([1, 2],))
    heads = [
        maker.add("linear", (1, count), (means,), (maker.weights(count, MANY), maker.weights(count)))
        for count in (1, 7)
    ]
    graph = maker.graph(*heads)
    assert widths(without_constant_channels(graph)) == [16, 16, 1, 7]
    assert_equal_outputs(graph)


def test_channels_stay_that_the_network_gives_out_too():
    maker = Maker()
    expanded = maker.expand(biases(ALWAYS_0))
    graph = maker.graph(maker.project(expanded), expanded)
    assert without_constant_channels(graph) is graph


@pytest.mark.parametrize("path", ["project", "depthwise"])
def test_channels_stay_that_another_operator_needs_too(path):
    maker = Maker()
    expanded = maker.expand(biases(ALWAYS_0))
    inside = expanded if path == "project" else maker.depthwise(expanded)
    other = maker.add("prelu", (1, 4, 4, MANY), (expanded,), (maker.weights(1, 1, MANY),))
    graph = maker.graph(maker.project(inside), other)
    assert without_constant_channels(graph) is graph


def test_nothing_is_known_behind_an_operator_that_is_not():
    maker = Maker()
    shifted = maker.add("prelu", (1, 4, 4, 3), (0,), (maker.weights(1, 1, 3),))
    weight, bias = np.ones((MANY, 1, 1, 3), np.float32), np.full(MANY, -100, np.float32)
    weight[5:25] = 0  # these are 0 whatever comes
    varying = maker.add("conv", (1, 4, 4, MANY), (shifted,), (weight, bias), activation="relu6")
    graph = maker.graph(maker.project(varying))
    low, high = channel_bounds(graph)[varying]
    assert_array_equal(low == high, (np.arange(MANY) >= 5) & (np.arange(MANY) < 25))
    assert widths(without_constant_channels(graph)) == [3, 16, 5]


def test_weights_that_are_computed_or_weigh_what_is_not_are_left_alone():
    maker = Maker()
    expanded = maker.expand(biases(ALWAYS_0))
    computed = len(maker.tensors)
    maker.tensors += [Tensor((5, 1, 1, MANY), None), Tensor((5,), np.zeros(5, np.float32)), Tensor((1, 4, 4, 5), None)]
    maker.operators.append(Operator("conv", (expanded, computed, computed + 1), computed + 2))
    of_a_constant = len(maker.tensors)
    maker.tensors += [Tensor((1, 4, 4, 3), np.ones((1, 4, 4, 3), np.float32)), Tensor((1, 4, 4, MANY), None)]
    maker.operators.append(Operator("conv", (of_a_constant, *maker.operators[0].inputs[1:]), of_a_constant + 1))
    graph = maker.graph(computed + 2, of_a_constant + 1)
    assert without_constant_channels(graph) is graph
    for index in graph.outputs:
        low, high = channel_bounds(graph)[index]
        assert (low < -1e38).all() and (high > 1e38).all()


def test_weights_that_two_layers_share_shrink_in_one_of_them_alone():
    maker = Maker()
    first = maker.depthwise(maker.expand(biases(ALWAYS_0)))
    second = maker.expand(biases({}))
    *_, parameters = (operator.inputs[1:] for operator in maker.operators if operator.kind == "depthwise")
    maker.tensors.append(Tensor((1, 4, 4, MANY), None))
    shared = len(maker.tensors) - 1
    maker.operators.append(Operator("depthwise", (second, *parameters), shared, activation="relu6"))
    graph = maker.graph(maker.project(first), maker.project(shared))
    assert widths(without_constant_channels(graph)) == [16, 16, MANY, MANY, 5, 5]
    assert_equal_outputs(graph)


REMOVED = {  # of the expansions that lose some, in order
    "hand_landmark_full": [32, 32, 560, 640, 736, 640],
    "hand_landmark_lite": [32, 96, 144, 208],
    "palm_detection_full": [],
    "palm_detection_lite": [],
}


@pytest.mark.parametrize("name", REMOVED)
def test_the_networks_lose_so_many_channels_and_say_the_same(name):
    try:
        graph = read_graph(weights.locate(name))
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    fewer = without_constant_channels(graph)
    assert [operator.kind for operator in fewer.operators] == [operator.kind for operator in graph.operators]
    lost = [before - after for before, after in zip(widths(graph), widths(fewer), strict=True)]
    of_expansions = [n for n, operator in zip(lost, graph.operators, strict=True) if operator.kind == "conv" and n]
    assert of_expansions == REMOVED[name]
    images = GOLDEN[f"{name.partition('_')[0]}_input"].astype(np.float32) / 255
    for before, after in zip(run(graph, images), run(fewer, images), strict=True):
        assert_allclose(after, before, rtol=1e-5, atol=2e-6)


def test_what_flows_through_the_landmark_network_stays_within_its_bounds():
    try:
        graph = read_graph(weights.locate("hand_landmark_full"))
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    inside = [operator.output for operator in graph.operators if len(graph.tensors[operator.output].shape) == 4]
    shown = Graph(graph.tensors, graph.operators, graph.inputs, tuple(inside))
    bounds = channel_bounds(graph)
    for index, values in zip(inside, run(shown, GOLDEN["hand_input"].astype(np.float32) / 255), strict=True):
        low, high = bounds[index]
        margin = 1e-4 * (1 + np.maximum(abs(low), abs(high)))
        assert (values.min(axis=(0, 2, 3)) >= low - margin).all()
        assert (values.max(axis=(0, 2, 3)) <= high + margin).all()
