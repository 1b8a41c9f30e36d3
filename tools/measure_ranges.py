"""How large the numbers are that flow through the landmark network on the demo clip's rendered hands.

    python tools/measure_ranges.py

prints the `ranges` of handpose_ros.quantization.RECIPES: for each convolution in integers, in order, the largest
absolute value of what it takes, where no ReLU6 limits it.
"""

import itertools

import numpy as np
import openvino

from handpose_ros import weights
from handpose_ros.backends.mediapipe import MediaPipe
from handpose_ros.camera import Frame
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.quantization import RECIPES, convolutions, limited
from handpose_ros.sources import open_source
from handpose_ros.tflite import read_graph
from handpose_ros.tflite_openvino import to_openvino

_FRAMES, _EVERY = 150, 3


class Sampled(MediaPipe):
    """The default backend, which keeps what it shows to the landmark network."""

    def __init__(self):
        super().__init__(device="cpu", num_threads=1)
        self.images = []

    def observe(self, frame, crops, glance=False):
        self.images += [crop.sample(frame.image, self._hands.size, "replicate") for crop in crops]
        return super().observe(frame, crops, glance)


def crops():
    """(N, 224, 224, 3) uint8 of the hands of the demo clip."""
    backend = Sampled()
    pipeline = HandPosePipeline(backend)
    with open_source("demo") as source:
        for number, image in enumerate(itertools.islice(source, _FRAMES)):
            pipeline(Frame(image, source.camera, number / 30))
    return np.stack(backend.images[::_EVERY])


def ranges(name, images):
    """The largest absolute values, in order."""
    model = to_openvino(read_graph(weights.locate(name)))
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
    images = crops()
    for name in RECIPES:
        rounded = np.ceil(10 * ranges(name, images)) / 10
        print(f"{name}, {len(images)} crops:", ", ".join(map(str, rounded)))
