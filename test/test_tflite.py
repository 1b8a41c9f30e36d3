"""The networks in torch and in OpenVINO against recorded outputs.

test/data/networks.npz is our own (tools/make_network_golden.py says how it is made); the outputs of the TensorFlow
Lite runtime itself are read from ../shared where that is present.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from handpose_ros import weights
from handpose_ros.runtimes.tflite import Graph, Operator, Tensor, read_graph
from handpose_ros.runtimes.tflite_torch import to_torch

torch.set_num_threads(1)  # on cores that are busy, torch's threads wait for each other

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "test" / "data" / "networks.npz"
RUNTIME_GOLDEN = ROOT / ".." / "shared" / "mediapipe" / "golden" / "networks.npz"
PX, SCORE, METRE = 2e-3, 2e-5, 2e-6
TOLERANCES = {"palm_detection": (PX, SCORE), "hand_landmark": (PX, SCORE, SCORE, METRE)}


def in_torch(graph: Graph, images: np.ndarray) -> list[np.ndarray]:
    """The outputs for (N, H, W, C) float32."""
    with torch.inference_mode():
        return [output.numpy() for output in to_torch(graph)(torch.from_numpy(images).permute(0, 3, 1, 2))]


def in_openvino(graph: Graph, images: np.ndarray) -> list[np.ndarray]:
    """The same, but images inside the network stay channels first."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    from handpose_ros.runtimes.tflite_openvino import to_openvino

    model = to_openvino(graph)
    model.reshape(images.shape)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return list(openvino.compile_model(model, "CPU", settings)(images).values())


BUILDERS = pytest.mark.parametrize("builder", [in_torch, in_openvino])


def outputs(name: str, images: np.ndarray, builder=in_torch) -> list[np.ndarray]:
    """The network's outputs, palm logits as scores."""
    try:
        path = weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    return scored(name, builder(read_graph(path), images.astype(np.float32) / 255))


def scored(name: str, results: list[np.ndarray]) -> list[np.ndarray]:
    return [results[0], 1 / (1 + np.exp(-results[1]))] if name.startswith("palm") else results


def assert_parity(name: str, actual: list[np.ndarray], expected: list[np.ndarray]):
    for value, truth, tolerance in zip(actual, expected, TOLERANCES[name.rpartition("_")[0]], strict=True):
        assert_allclose(value, truth, rtol=0, atol=tolerance)


@BUILDERS
@pytest.mark.parametrize("name", weights.DIGESTS)
def test_every_output_equals_that_of_the_tensorflow_lite_runtime(name, builder):
    if not RUNTIME_GOLDEN.exists():
        pytest.skip("the recorded outputs of the TensorFlow Lite runtime (../shared) are not here")
    golden = np.load(RUNTIME_GOLDEN)
    expected = [golden[key] for key in sorted(golden) if key.startswith(name)]
    actual = outputs(name, golden[f"{name.partition('_')[0]}_input"], builder)
    assert_parity(name, actual, scored(name, expected))


@BUILDERS
@pytest.mark.parametrize("name", weights.DIGESTS)
def test_every_output_equals_our_own_recorded_one(name, builder):
    golden = np.load(GOLDEN)
    actual = outputs(name, golden[f"{name.partition('_')[0]}_input"], builder)
    if name.startswith("palm"):
        actual = [value[:, golden[f"{name}_anchors"]] for value in actual]
    expected = [golden[f"{name}_{i}"] for i in range(len(actual))]
    assert_parity(name, actual, scored(name, expected))


@BUILDERS
@pytest.mark.parametrize("name", weights.DIGESTS)
def test_images_of_one_batch_do_not_influence_each_other(name, builder):
    images = np.load(GOLDEN)[f"{name.partition('_')[0]}_input"]
    together = outputs(name, images, builder)
    swapped = outputs(name, images[::-1].copy(), builder)
    assert_parity(name, [value[::-1] for value in swapped], together)
    assert abs(together[0][0] - together[0][1]).max() > 1  # the two images do differ


def run(builder, operator: Operator, constants: list, image: np.ndarray, shape_out: tuple = (0,)) -> np.ndarray:
    """One operator on (N, H, W, C), its result channels first."""
    tensors = [Tensor((1, *image.shape[1:]), None), *(Tensor(c.shape, c) for c in constants), Tensor(shape_out, None)]
    return builder(Graph(tuple(tensors), (operator,), (0,), (operator.output,)), image)[0]


COUNTING = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)  # 0 1 2 3 / 4 5 6 7 / ...


@BUILDERS
@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_a_stride_of_two_pads_at_the_bottom_and_right_only(kind, builder):
    constants = [np.ones((1, 3, 3, 1), np.float32), np.zeros(1, np.float32)]
    result = run(builder, Operator(kind, (0, 1, 2), 3, stride=2), constants, COUNTING)
    assert_allclose(
        result[0, 0],
        [[0 + 1 + 2 + 4 + 5 + 6 + 8 + 9 + 10, 2 + 3 + 6 + 7 + 10 + 11], [8 + 9 + 10 + 12 + 13 + 14, 10 + 11 + 14 + 15]],
    )


@BUILDERS
def test_relu6_is_applied_where_the_operator_says_so(builder):
    constants = [np.ones((1, 1, 1, 1), np.float32), np.full(1, -3, np.float32)]
    operator = Operator("conv", (0, 1, 2), 3, activation="relu6")
    assert_allclose(run(builder, operator, constants, COUNTING).ravel(), np.clip(np.arange(16) - 3, 0, 6))


@BUILDERS
def test_a_head_is_flattened_row_by_row_with_channels_last(builder):
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    operator = Operator("reshape", (0, 1), 2)
    constants = [np.array([1, 8, 1], np.int32)]
    result = run(builder, operator, constants, np.concatenate([image, -image]), (1, 8, 1))
    assert_allclose(result[..., 0], [np.arange(8), -np.arange(8)])


@BUILDERS
def test_a_pad_adds_channels_behind(builder):
    paddings = np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32)
    result = run(builder, Operator("pad", (0, 1), 2), [paddings], COUNTING)
    assert result.shape == (1, 3, 4, 4)
    assert_allclose(result[0, 0], COUNTING[0, :, :, 0])
    assert (result[0, 1:] == 0).all()


@BUILDERS
def test_a_resize_has_half_pixel_centres(builder):
    image = np.array([0, 1], np.float32).reshape(1, 1, 2, 1).repeat(2, axis=1)
    result = run(builder, Operator("resize", (0, 1), 2), [np.array([4, 4], np.int32)], image)
    assert_allclose(result[0, 0, 0], [0, 0.25, 0.75, 1])


def test_what_torch_is_not_taught_is_refused_by_name():
    with pytest.raises(ValueError, match="padded pool of 3"):
        run(in_torch, Operator("maxpool", (0,), 1, stride=2, kernel=3), [], COUNTING)
    with pytest.raises(ValueError, match="stride 2 on 5 rows"):
        run(in_torch, Operator("maxpool", (0,), 1, stride=2, kernel=2), [], np.zeros((1, 5, 5, 1), np.float32))


@BUILDERS
def test_what_neither_is_taught_is_refused_by_name(builder):
    with pytest.raises(ValueError, match="mean over other axes"):
        run(builder, Operator("mean", (0, 1), 2), [np.array([3], np.int32)], COUNTING)
    with pytest.raises(ValueError, match="concatenation of images"):
        run(builder, Operator("concat", (0, 0), 1, axis=3), [], COUNTING, (1, 4, 4, 2))
    with pytest.raises(ValueError, match="a prelu whose input 1 is computed"):
        run(builder, Operator("prelu", (0, 0), 1), [], COUNTING)


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
