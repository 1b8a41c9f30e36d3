"""The networks in torch against recorded outputs.

test/data/networks.npz is our own (tools/make_network_golden.py says how it is made); the outputs of the TensorFlow
Lite runtime itself are read from ../shared where that is present.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from handpose_ros import weights
from handpose_ros.tflite import Graph, Operator, Tensor, read_graph
from handpose_ros.tflite_torch import to_torch

torch.set_num_threads(1)  # on cores that are busy, torch's threads wait for each other

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "test" / "data" / "networks.npz"
RUNTIME_GOLDEN = ROOT / ".." / "shared" / "mediapipe" / "golden" / "networks.npz"
PX, SCORE, METRE = 2e-3, 2e-5, 2e-6
TOLERANCES = {"palm_detection": (PX, SCORE), "hand_landmark": (PX, SCORE, SCORE, METRE)}


def outputs(name: str, images: np.ndarray) -> list[np.ndarray]:
    """The network's outputs, palm logits as scores."""
    try:
        path = weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    network = to_torch(read_graph(path))
    with torch.inference_mode():
        results = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    return scored(name, [result.numpy() for result in results])


def scored(name: str, results: list[np.ndarray]) -> list[np.ndarray]:
    return [results[0], 1 / (1 + np.exp(-results[1]))] if name.startswith("palm") else results


def assert_parity(name: str, actual: list[np.ndarray], expected: list[np.ndarray]):
    for value, truth, tolerance in zip(actual, expected, TOLERANCES[name.rpartition("_")[0]], strict=True):
        assert_allclose(value, truth, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", weights.DIGESTS)
def test_every_output_equals_that_of_the_tensorflow_lite_runtime(name):
    if not RUNTIME_GOLDEN.exists():
        pytest.skip("the recorded outputs of the TensorFlow Lite runtime (../shared) are not here")
    golden = np.load(RUNTIME_GOLDEN)
    expected = [golden[key] for key in sorted(golden) if key.startswith(name)]
    actual = outputs(name, golden[f"{name.partition('_')[0]}_input"])
    assert_parity(name, actual, scored(name, expected))


@pytest.mark.parametrize("name", weights.DIGESTS)
def test_every_output_equals_our_own_recorded_one(name):
    golden = np.load(GOLDEN)
    actual = outputs(name, golden[f"{name.partition('_')[0]}_input"])
    if name.startswith("palm"):
        actual = [value[:, golden[f"{name}_anchors"]] for value in actual]
    expected = [golden[f"{name}_{i}"] for i in range(len(actual))]
    assert_parity(name, actual, scored(name, expected))


@pytest.mark.parametrize("name", weights.DIGESTS)
def test_images_of_one_batch_do_not_influence_each_other(name):
    images = np.load(GOLDEN)[f"{name.partition('_')[0]}_input"]
    together = outputs(name, images)
    swapped = outputs(name, images[::-1].copy())
    assert_parity(name, [value[::-1] for value in swapped], together)
    assert abs(together[0][0] - together[0][1]).max() > 1  # the two images do differ


def run(operator: Operator, shape: tuple, constants: list, image: np.ndarray, shape_out: tuple = (0,)) -> np.ndarray:
    """One operator on (N, H, W, C), its result in torch's order."""
    tensors = [Tensor(shape, None), *(Tensor(c.shape, c) for c in constants), Tensor(shape_out, None)]
    network = to_torch(Graph(tuple(tensors), (operator,), (0,), (operator.output,)))
    return network(torch.from_numpy(image).permute(0, 3, 1, 2))[0].numpy()


COUNTING = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)  # 0 1 2 3 / 4 5 6 7 / ...


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_a_stride_of_two_pads_at_the_bottom_and_right_only(kind):
    constants = [np.ones((1, 3, 3, 1), np.float32), np.zeros(1, np.float32)]
    result = run(Operator(kind, (0, 1, 2), 3, stride=2), (1, 4, 4, 1), constants, COUNTING)
    assert_allclose(
        result[0, 0],
        [[0 + 1 + 2 + 4 + 5 + 6 + 8 + 9 + 10, 2 + 3 + 6 + 7 + 10 + 11], [8 + 9 + 10 + 12 + 13 + 14, 10 + 11 + 14 + 15]],
    )


def test_relu6_is_applied_where_the_operator_says_so():
    constants = [np.ones((1, 1, 1, 1), np.float32), np.full(1, -3, np.float32)]
    operator = Operator("conv", (0, 1, 2), 3, activation="relu6")
    assert_allclose(run(operator, (1, 4, 4, 1), constants, COUNTING).ravel(), np.clip(np.arange(16) - 3, 0, 6))


def test_a_head_is_flattened_row_by_row_with_channels_last():
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    operator = Operator("reshape", (0, 1), 2)
    result = run(operator, image.shape, [np.array([1, 8, 1], np.int32)], np.concatenate([image, -image]), (1, 8, 1))
    assert_allclose(result[..., 0], [np.arange(8), -np.arange(8)])


def test_a_pad_adds_channels_behind():
    paddings = np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32)
    result = run(Operator("pad", (0, 1), 2), (1, 4, 4, 1), [paddings], COUNTING)
    assert result.shape == (1, 3, 4, 4)
    assert_allclose(result[0, 0], COUNTING[0, :, :, 0])
    assert (result[0, 1:] == 0).all()


def test_a_resize_has_half_pixel_centres():
    image = np.array([0, 1], np.float32).reshape(1, 1, 2, 1).repeat(2, axis=1)
    result = run(Operator("resize", (0, 1), 2), (1, 2, 2, 1), [np.array([4, 4], np.int32)], image)
    assert_allclose(result[0, 0, 0], [0, 0.25, 0.75, 1])


def test_what_the_builder_does_not_know_is_refused_by_name():
    with pytest.raises(ValueError, match="padded pool of 3"):
        run(Operator("maxpool", (0,), 1, stride=2, kernel=3), (1, 4, 4, 1), [], COUNTING)
    with pytest.raises(ValueError, match="stride 2 on 5 rows"):
        run(Operator("maxpool", (0,), 1, stride=2, kernel=2), (1, 5, 5, 1), [], np.zeros((1, 5, 5, 1), np.float32))


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\xff\xd8\xff\xe0 not a network")
    with pytest.raises(ValueError, match=r"photo\.tflite is not a TensorFlow Lite file"):
        read_graph(path)


def test_half_a_file_is_refused_by_name(tmp_path):
    path = tmp_path / "half.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(20))
    with pytest.raises(ValueError, match=r"half\.tflite is damaged"):
        read_graph(path)
