"""A network on the CPU, run by OpenVINO: the fastest of the runtimes tried there."""

from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

_ABREAST = 2  # images in work at once, of several: the usual number of hands


class OpenvinoNetwork:
    """See `handpose_ros.runtimes.Network`. OpenVINO reads the .tflite file itself.

    All threads share the work on a single image. Of several images two are in work at once, each with half of the
    threads: as fast as a batch of two while the cores are free, and 1.6 times as fast where they are busy, because
    threads that share an image wait for the slowest of them after every layer.
    """

    def __init__(self, path: Path, batch: int, num_threads: int):
        """Compiles the network now, for several images too if `batch` says so: no image waits for it later."""
        core = openvino.Core()
        model = _for_bytes(core.read_model(path))
        self._alone = _requests(core, model, num_threads, 1)
        self._abreast = _requests(core, model, num_threads, _ABREAST) if min(batch, num_threads) > 1 else self._alone
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]} on the CPU, {num_threads} threads, f32"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        count, parts = len(self._abreast), []
        for start in range(0, len(images), count):
            some = images[start : start + count]
            parts += _run(self._alone if len(some) == 1 else self._abreast, some)
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _run(requests, images):
    """The outputs of each image."""
    for request, image in zip(requests, images, strict=True):
        request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(image[None]), shared_memory=True))
        request.start_async()
    for request in requests:
        request.wait()
    return [[tensor.data.copy() for tensor in request.output_tensors] for request in requests]


def _for_bytes(model):
    """`model` with an input of bytes; what makes them floats becomes part of the first layer."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()


def _requests(core, model, num_threads, count):
    """Requests that can be in work at once, `num_threads` in all."""
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 where the CPU has it: off by pixels
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": count,
        "ENABLE_CPU_PINNING": False,  # a thread tied to a core waits for whoever else is busy there
    }
    compiled = core.compile_model(model, "CPU", settings)
    return [compiled.create_infer_request() for _ in range(count)]
