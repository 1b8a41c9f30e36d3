"""A network on the CPU, run by OpenVINO: the fastest of the runtimes tried there."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from handpose_ros.cropping import Crop
from handpose_ros.quantization import RECIPES, quantized

_ABREAST = 2  # images in work at once, of several: the usual number of hands


class OpenvinoNetwork:
    """See `handpose_ros.runtimes.Network`. OpenVINO reads the .tflite file itself.

    All threads share the work on a single image. Of several images two are in work at once, each with half of the
    threads: as fast as a batch of two while the cores are free, and 1.6 times as fast where they are busy, because
    threads that share an image wait for the slowest of them after every layer. A single thread takes two as a batch.
    """

    def __init__(self, path: Path, batch: int, num_threads: int, precision: str = "float32"):
        """Compiles the network now, for several images too if `batch` says so: no image waits for it later.

        precision: "float32", or "int8" for a network that `quantization` has a recipe for.
        """
        core = openvino.Core()
        model = _for_bytes(core.read_model(path))
        if precision == "int8":
            model = quantized(model, RECIPES[path.stem])
        self.size: int = model.input(0).get_shape()[1]
        streams = min(_ABREAST, batch, num_threads)
        self._several = min(_ABREAST, batch) if streams > 1 or _takes_batches(model) else 1
        self._alone = self._abreast = _requests(core, model, num_threads, 1)
        if self._several > 1:
            model.reshape([self._several // streams, *model.input(0).get_shape()[1:]])
            self._abreast = _requests(core, model, num_threads, streams)
        name = "f32" if precision == "float32" else precision
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]} on the CPU, {num_threads} threads, {name}"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        def fill(image):
            return lambda place: np.copyto(place, image)

        return self._run([fill(image) for image in images])

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        def fill(crop):
            return lambda place: crop.sample(image, self.size, border, place)

        return self._run([fill(crop) for crop in crops])

    def _run(self, fills: Sequence[Callable[[np.ndarray], object]]):
        """The outputs of the images that `fills` write into the array that each is given."""
        parts = []
        for start in range(0, len(fills), self._several):
            some = fills[start : start + self._several]
            requests = self._abreast if len(some) == self._several else self._alone
            waiting = iter(some)
            for request in requests:
                request.start(waiting)
            parts += [request.finish() for request in requests]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(part) for part in zip(*parts, strict=True))


class _Request:
    """A network that works on its images while others are being made."""

    def __init__(self, compiled: openvino.CompiledModel, in_background: bool):
        self._request, self._in_background = compiled.create_infer_request(), in_background
        self._places = self._request.input_tensors[0].data  # (batch, size, size, 3), read by the network itself

    def start(self, fills):
        """Takes one of `fills` for each of its images, and starts."""
        for place in self._places:
            next(fills)(place)
        if self._in_background:
            self._request.start_async()

    def finish(self) -> tuple[np.ndarray, ...]:
        """Waits for the outputs."""
        if self._in_background:
            self._request.wait()
        else:
            self._request.infer()  # on this thread: handing it to another costs 0.2 ms of CPU
        return tuple(tensor.data.copy() for tensor in self._request.output_tensors)


def _takes_batches(model):
    """Whether no operator has a batch of one written into it, as the palm networks' last ones have."""
    return all(node.get_type_name() != "Reshape" for node in model.get_ops())


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
    return [_Request(compiled, in_background=count > 1) for _ in range(count)]
