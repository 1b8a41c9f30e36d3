"""How large the numbers are that flow through the landmark network on the demo clip's rendered hands.

    python -m tools.measure_ranges

prints the `ranges` of `quantization.RECIPES`: for each convolution in integers, in order, the largest
absolute value of what it takes, where no ReLU6 limits it. The network looks where the hands truly are: where the
pipeline looks changes with the pipeline, and these numbers by a few per cent with it.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import openvino

from handpose_ros import weights
from handpose_ros.backends.mediapipe import SIZE, tracked_squares
from handpose_ros.crops.aiming import place
from handpose_ros.recordings.sources import DEMO_TRUTH, open_source
from handpose_ros.recordings.summary import load_truth
from handpose_ros.runtimes.constant_channels import without_constant_channels
from handpose_ros.runtimes.quantization import RECIPES, convolutions, limited
from handpose_ros.runtimes.tflite import read_graph
from handpose_ros.runtimes.tflite_openvino import to_openvino

_EVERY = 3  # images


def crops() -> Iterator[np.ndarray]:
    """(224, 224, 3) uint8 of the hands of the demo clip."""
    truth = load_truth(DEMO_TRUTH)
    joints_2d = truth.camera.project(truth.joints_3d)
    with open_source("demo") as source:
        for image, joints in islice(zip(source, joints_2d, strict=True), 0, None, _EVERY):
            yield from (crop.sample(image, SIZE, "replicate") for crop in place(tracked_squares, joints, truth.camera))


def ranges(name, images):
    """The largest absolute values, in order."""
    model = to_openvino(without_constant_channels(read_graph(weights.locate(name))))
    chosen = [node for number, node in enumerate(convolutions(model)) if number not in RECIPES[name].in_float]
    sources = {source.get_node().get_friendly_name(): source for source in (node.input_value(0) for node in chosen)}
    wanted = [source for source in sources.values() if not limited(source)]
    model.add_outputs(wanted)
    run = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    largest = np.zeros(len(wanted))
    for image in images:
        run.infer([image[None].astype(np.float32) / 255])
        largest = np.maximum(largest, [np.abs(tensor.data).max() for tensor in run.output_tensors[-len(wanted) :]])
    return largest


if __name__ == "__main__":
    images = list(crops())
    for name in RECIPES:
        rounded = np.ceil(10 * ranges(name, images)) / 10
        print(f"{name}, {len(images)} crops:", ", ".join(map(str, rounded)))
