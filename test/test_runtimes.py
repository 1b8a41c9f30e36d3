"""Every runtime gives the recorded outputs; what cannot run is refused with a remedy."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from handpose_ros import weights
from handpose_ros.crops.cropping import Region
from handpose_ros.runtimes import Network, default_threads, first_that_fits, open_network, torch_device
from handpose_ros.runtimes.torch_network import CudaNetwork

GOLDEN = np.load(Path(__file__).parent / "data" / "networks.npz")
PX, SCORE, METRE = 2e-3, 2e-5, 2e-6


def test_openvino_reports_nothing_and_forks_nothing():
    pytest.importorskip("openvino", reason="openvino is not installed")
    code = "import sys, handpose_ros.runtimes, openvino; print([m for m in sys.modules if 'telemetry.backend' in m])"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def network_file(name: str) -> Path:
    try:
        return weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")


def network(name: str, runtime: str, num_threads: int = 1) -> Network:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    return open_network(network_file(name), batch=2, device="cpu", runtime=runtime, num_threads=num_threads)


def recorded(name: str) -> list[np.ndarray]:
    return [GOLDEN[key] for key in sorted(GOLDEN) if key.startswith(f"{name}_") and key[-1].isdigit()]


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("name", ["hand_landmark_full", "hand_landmark_lite"])
def test_bytes_in_the_recorded_landmarks_scores_and_metres_out(name, runtime):
    outputs = network(name, runtime)(GOLDEN["hand_input"])
    for output, truth, atol in zip(outputs, recorded(name), (PX, SCORE, SCORE, METRE), strict=True):
        assert_allclose(output, truth, rtol=0, atol=atol)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("name", ["palm_detection_full", "palm_detection_lite"])
def test_bytes_in_the_recorded_palms_out_for_two_images_too(name, runtime):
    boxes, logits = network(name, runtime)(GOLDEN["palm_input"])
    assert (boxes.shape, logits.shape) == ((2, 2016, 18), (2, 2016, 1))
    anchors = GOLDEN[f"{name}_anchors"]
    true_boxes, true_logits = recorded(name)
    assert_allclose(boxes[:, anchors], true_boxes, rtol=0, atol=PX)
    assert_allclose(scores(logits[:, anchors]), scores(true_logits), rtol=0, atol=SCORE)


def scores(logits):
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_each_of_many_images_gets_its_own_outputs_however_they_share_the_threads(count, threads):
    images = GOLDEN["hand_input"][np.arange(count) % 2]
    outputs = network("hand_landmark_lite", "openvino", threads)(images)
    for output, truth, atol in zip(outputs, recorded("hand_landmark_lite"), (PX, SCORE, SCORE, METRE), strict=True):
        assert_allclose(output, truth[np.arange(count) % 2], rtol=0, atol=atol)


def test_outputs_stay_when_the_network_runs_again():
    run = network("hand_landmark_lite", "openvino")
    first = run(GOLDEN["hand_input"][:1])
    kept = [output.copy() for output in first]
    run(GOLDEN["hand_input"][1:])
    for output, copy in zip(first, kept, strict=True):
        assert_array_equal(output, copy)


# Bytes instead of floats


@pytest.fixture(scope="module")
def int8():
    try:
        return open_network(network_file("hand_landmark_full"), batch=2, device="cpu", num_threads=1, precision="int8")
    except ValueError as error:
        pytest.skip(f"this machine cannot: {error}")


def test_int8_moves_joints_by_a_pixel_and_2_mm_at_most_in_the_mean_and_keeps_hand_and_side(int8):
    landmarks, presence, right, world = int8(GOLDEN["hand_input"][:1])  # the other one shows no hand
    truth = [output[:1] for output in recorded("hand_landmark_full")]
    moved = np.linalg.norm((landmarks - truth[0]).reshape(-1, 21, 3)[..., :2], axis=-1)
    assert 1e-3 < moved.mean() < 1.0 and moved.max() < 5.0  # px of 224; 0.36 and 4.9 on 187 crops of photos
    assert np.linalg.norm((world - truth[3]).reshape(-1, 21, 3), axis=-1).mean() < 0.002
    assert_allclose([presence, right], truth[1:3], rtol=0, atol=0.1)


def test_the_ranges_of_the_recipe_are_those_that_the_tool_measures(need_weights):
    pytest.importorskip("openvino", reason="openvino is not installed")
    from handpose_ros.runtimes.quantization import RECIPES
    from tools.measure_ranges import crops, ranges

    for name, recipe in RECIPES.items():
        assert_allclose(recipe.ranges, ranges(name, crops()), rtol=0.02)  # another decoder gives other last digits


def test_an_int8_pair_is_what_each_of_it_is_alone(int8):
    together = int8(GOLDEN["hand_input"][:2])
    for index in (0, 1):
        alone = int8(GOLDEN["hand_input"][index : index + 1])
        for pair, single in zip(together, alone, strict=True):
            assert_allclose(pair[index], single[0], atol=1e-3)


def test_a_precision_that_cannot_be_is_refused_with_what_can():
    path = network_file("hand_landmark_lite")
    for precision, reason in (("bf16", "auto, float32, float16 or int8"), ("float16", "for a GPU"), ("int8", "full")):
        with pytest.raises(ValueError, match=reason):
            open_network(path, device="cpu", precision=precision)
    with pytest.raises(ValueError, match="openvino"):
        open_network(path, device="cpu", runtime="torch", precision="int8")


# Looking at crops


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_crops_show_is_what_their_samples_are(runtime, threads):
    image = np.concatenate([GOLDEN["hand"], GOLDEN["hand"][:, ::-1]], axis=1)
    squares = [Region(np.array([x, 120.0]), 200.0, angle) for x, angle in ((120, 0.0), (360, 0.3), (200, -0.2))]
    run = network("hand_landmark_lite", runtime, threads)
    seen = run.look(image, squares, "replicate")
    for output, truth in zip(seen, run(np.stack([s.sample(image, 224, "replicate") for s in squares])), strict=True):
        assert_array_equal(output, truth)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_look_that_is_begun_and_one_meanwhile_see_what_each_sees_alone(runtime, threads):
    image = np.concatenate([GOLDEN["hand"], GOLDEN["hand"][:, ::-1]], axis=1)
    whole, hands = [Region(np.array([240.0, 120.0]), 480.0)], [Region(np.array([x, 120.0]), 200.0) for x in (120, 360)]
    search, landmarks = (
        network("palm_detection_lite", runtime, threads),
        network("hand_landmark_lite", runtime, threads),
    )
    alone = search.look(image, whole, "black"), landmarks.look(image, hands, "replicate")
    wait = search.start_look(image, whole, "black")
    meanwhile = landmarks.look(image, hands, "replicate")
    for seen, truth in zip((*wait(), *meanwhile), (*alone[0], *alone[1]), strict=True):
        assert_allclose(seen, truth, rtol=1e-4, atol=1e-3)


def test_after_an_error_and_a_search_that_nobody_waited_for_the_next_image_is_seen():
    image, whole = GOLDEN["hand"], [Region(np.array([120.0, 120.0]), 240.0)]
    pytest.importorskip("openvino", reason="openvino is not installed")
    run = open_network(network_file("palm_detection_lite"), batch=1, device="cpu", runtime="openvino", num_threads=2)
    truth = run.look(image, whole, "black")
    with pytest.raises(AttributeError):
        run.look(image, [None], "black")
    for _ in range(3):
        run.start_look(image, whole, "black")
    for output, true in zip(run.look(image, whole, "black"), truth, strict=True):
        assert_allclose(output, true, rtol=1e-4, atol=1e-3)


# The GPU's way of computing, on the CPU


@pytest.fixture(scope="module")
def half_precision():
    return CudaNetwork(network_file("hand_landmark_lite"), 2, torch.device("cpu"))


def test_float16_moves_joints_by_less_than_a_fifth_of_a_pixel_and_0_4_mm(half_precision):
    truth = recorded("hand_landmark_lite")
    landmarks, presence, right, world = half_precision(GOLDEN["hand_input"])
    assert_allclose(landmarks, truth[0], rtol=0, atol=0.2)
    assert_allclose(world, truth[3], rtol=0, atol=4e-4)
    assert_allclose([presence, right], truth[1:3], rtol=0, atol=5e-3)


def test_a_batch_is_padded_and_cut_without_mixing_images_up(half_precision):
    together = half_precision(GOLDEN["hand_input"][[1, 0, 1]])  # a pair, and one that is left
    for output, truth, atol in zip(together, recorded("hand_landmark_lite"), (0.2, 5e-3, 5e-3, 4e-4), strict=True):
        assert_allclose(output, truth[[1, 0, 1]], rtol=0, atol=atol)
        assert output.dtype == np.float32


def test_who_waits_for_what_another_thread_replaced_is_told_so_and_not_given_its_hands(half_precision):
    image, whole = GOLDEN["hand"], [Region(np.array([120.0, 120.0]), 240.0)]
    first = half_precision.start_look(image, whole, "black")
    flipped = np.ascontiguousarray(image[:, ::-1])
    second = half_precision.start_look(flipped, whole * 2, "black")  # another size of a batch
    with pytest.raises(RuntimeError, match="two threads use one backend at once: let them use its shared"):
        first()
    for output, alone in zip(second(), half_precision.look(flipped, whole * 2, "black"), strict=True):
        assert_array_equal(output, alone)


def test_crops_sampled_where_the_network_runs_show_it_the_same_hands(half_precision):
    image = np.concatenate([GOLDEN["hand"], GOLDEN["hand"][:, ::-1]], axis=1)
    squares = [Region(np.array([x, 120.0]), 200.0, angle) for x, angle in ((120, 0.0), (360, 0.1), (125, -0.1))]
    there = half_precision.look(image, squares, "replicate")
    before = half_precision(np.stack([square.sample(image, 224, "replicate") for square in squares]))
    assert_allclose(there[0], before[0], rtol=0, atol=0.3)
    assert_allclose(there[3], before[3], rtol=0, atol=1e-3)


def test_a_hand_is_the_same_wherever_in_a_large_image_it_is(half_precision):
    square = Region(np.array([120.0, 120.0]), 200.0, 0.1)
    before = half_precision(square.sample(GOLDEN["hand"], 224, "replicate")[None])
    large = np.repeat(GOLDEN["hand"][:, -1:], 1920, axis=1)
    large = np.concatenate([np.zeros((1060, 1920, 3), np.uint8), large])  # too large for a GPU as a whole
    large[1060:, :240] = GOLDEN["hand"]
    hand = replace(square, center=square.center + [0, 1060])
    (alone, *_) = half_precision.look(large, [hand], "replicate")  # only its rows go up
    assert_allclose(alone, before[0], rtol=0, atol=0.3)
    (landmarks, *_) = half_precision.look(large, [hand, Region(np.array([900.0, 600.0]), 1900.0)], "replicate")
    assert_allclose(landmarks[:1], before[0], rtol=0, atol=0.3)


# Choice


def test_wrong_options_are_refused_with_the_right_ones():
    path = Path("nowhere.tflite")
    with pytest.raises(ValueError, match="'tensorrt'.*auto, openvino or torch"):
        open_network(path, runtime="tensorrt")
    for name in ("gpu", "cuda:x", "cuda:", "cpu:0"):
        with pytest.raises(ValueError, match=f"{name}.*auto, cpu, cuda or cuda:N"):
            open_network(path, device=name)
    with pytest.raises(ValueError, match="openvino runs on the CPU.*'cuda:1'"):
        open_network(path, device="cuda:1", runtime="openvino")
    with pytest.raises(ValueError, match="no device cuda:99"):
        torch_device("cuda:99")


def test_a_runtime_that_is_not_installed_is_named_with_its_remedy_and_auto_takes_torch():
    path = str(network_file("hand_landmark_lite"))
    code = (
        "import sys\n"
        "sys.modules['openvino'] = None\n"  # as if it were not installed
        "from handpose_ros.runtimes import open_network\n"
        f"print(open_network({path!r}, device='cpu').description)\n"
        f"open_network({path!r}, runtime='openvino')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("torch")
    assert "pip install 'handpose_ros[cpu]'" in done.stderr.splitlines()[-1]


def test_on_a_cpu_with_openvino_torch_is_not_even_imported():
    pytest.importorskip("openvino", reason="openvino is not installed")
    path = str(network_file("hand_landmark_lite"))
    code = (
        "import sys\nfrom handpose_ros.runtimes import open_network\n"
        f"print(open_network({path!r}, device='cpu').description, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OpenVINO") and done.stdout.strip().endswith("False")


def test_a_gpu_without_memory_is_given_up_for_the_cpu_with_one_warning():
    def full():
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.warns(UserWarning, match="too little free memory.*CPU") as caught:
        assert first_that_fits(full, lambda: "on the CPU", torch.OutOfMemoryError) == "on the CPU"
    assert len(caught) == 1
    assert first_that_fits(lambda: "on the GPU", full, torch.OutOfMemoryError) == "on the GPU"


def test_by_default_there_are_no_more_threads_than_cores_and_at_most_four():
    assert 1 <= default_threads() <= 4
