"""A network on the CPU, run by OpenVINO: the fastest of the runtimes tried there."""

from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

_LARGEST = 2  # images that one run takes: on a CPU larger batches cost as much as several of two


class OpenvinoNetwork:
    """See `handpose_ros.runtimes.Network`. OpenVINO reads the .tflite file itself."""

    def __init__(self, path: Path, batch: int, num_threads: int):
        """Compiles the network for one image and, for a `batch` of several, for two: nothing waits for it later."""
        core = openvino.Core()
        models = {size: _model(core, path, size) for size in range(min(batch, _LARGEST), 0, -1)}
        # Files whose heads flatten the batch too (the palm networks) take images one by one.
        fitting = {size: model for size, model in models.items() if all(o.shape[0] == size for o in model.outputs)}
        self._requests = {size: _request(core, model, num_threads) for size, model in fitting.items()}
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]} on the CPU, {num_threads} threads, f32"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        parts, start = [], 0
        while start < len(images):
            size = next(size for size in self._requests if size <= len(images) - start)  # the largest first
            parts.append(_infer(self._requests[size], images[start : start + size]))
            start += size
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _model(core, path, size):
    """The network for `size` images of bytes; what makes them floats becomes part of the first layer."""
    model = core.read_model(path)
    model.reshape([size, *model.input(0).shape[1:]])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()


def _request(core, model, num_threads):
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 where the CPU has it: off by pixels
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": num_threads,
        "ENABLE_CPU_PINNING": False,  # a thread tied to a core waits for whoever else is busy there
    }
    return core.compile_model(model, "CPU", settings).create_infer_request()


def _infer(request, images):
    request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(images), shared_memory=True))
    request.infer()
    return tuple(tensor.data.copy() for tensor in request.output_tensors)
