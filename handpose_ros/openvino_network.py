"""A network on the CPU, run by OpenVINO: the fastest of the runtimes tried there."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from handpose_ros.constant_channels import without_constant_channels
from handpose_ros.cropping import Crop
from handpose_ros.quantization import RECIPES, quantized
from handpose_ros.tflite import read_graph
from handpose_ros.tflite_openvino import to_openvino

_ABREAST = 2  # images in work at once, of several: the usual number of hands


class OpenvinoNetwork:
    """See `handpose_ros.runtimes.Network`.

    All threads share the work on a single image. Of several images two are in work at once, each with half of the
    threads and sampled by them too: threads that share an image wait for the slowest of them after every layer. A
    single thread takes two as a batch.
    """

    def __init__(self, path: Path, batch: int, num_threads: int, precision: str = "float32"):
        """Compiles the network now, for several images too if `batch` says so: no image waits for it later.

        precision: "float32", or "int8" for a network that `quantization` has a recipe for.
        """
        core = openvino.Core()
        model = _for_bytes(to_openvino(without_constant_channels(read_graph(path))))
        if precision == "int8":
            model = quantized(model, RECIPES[path.stem])
        self.size: int = model.input(0).get_shape()[1]
        abreast = min(_ABREAST, batch, num_threads)
        self._alone = _Request(core, model, num_threads)
        self._abreast = [self._alone]
        if abreast > 1:
            self._abreast = [_Request(core, model, num_threads // abreast) for _ in range(abreast)]
        elif batch > 1:
            model.reshape([_ABREAST, *model.input(0).get_shape()[1:]])
            self._abreast = [_Request(core, model, num_threads)]
        self._threads = ThreadPoolExecutor(_ABREAST - 1, "hand network")  # beside the caller's
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

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        return partial(self.look, image, crops, border)  # the cores have enough to do

    def _run(self, fills: Sequence[Callable[[np.ndarray], object]]):
        """The outputs of the images that `fills` write into the array that each is given."""
        count, parts = self._abreast[0].batch * len(self._abreast), []
        for start in range(0, len(fills), count):
            some = fills[start : start + count]
            *others, own = self._abreast if len(some) == count else [self._alone]
            rest = zip(others, some[own.batch :], strict=True)
            running = [self._threads.submit(other.run, [fill]) for other, fill in rest]
            parts += [own.run(some[: own.batch]), *(each.result() for each in running)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(part) for part in zip(*parts, strict=True))


class _Request:
    """A network compiled for a batch and a number of threads, of which the one that calls is one."""

    def __init__(self, core: openvino.Core, model: openvino.Model, num_threads: int):
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 where the CPU has it: off by pixels
            "INFERENCE_NUM_THREADS": num_threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # a thread tied to a core waits for whoever else is busy there
        }
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._places = self._request.input_tensors[0].data  # (batch, size, size, 3), read by the network itself
        self.batch = len(self._places)

    def run(self, fills: Sequence[Callable[[np.ndarray], object]]) -> tuple[np.ndarray, ...]:
        """The outputs of `batch` images, which `fills` write."""
        for fill, place in zip(fills, self._places, strict=True):
            fill(place)
        self._request.infer()  # on this thread: handing it to another costs 0.2 ms of CPU
        return tuple(tensor.data.copy() for tensor in self._request.output_tensors)


def _for_bytes(model):
    """`model` with an input of bytes; what makes them floats becomes part of the first layer."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()
