"""A network on the CPU, run by OpenVINO: the fastest of the runtimes tried there."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from handpose_ros.crops.cropping import Crop
from handpose_ros.runtimes import TWO_THREADS
from handpose_ros.runtimes.constant_channels import without_constant_channels
from handpose_ros.runtimes.quantization import RECIPES, quantized
from handpose_ros.runtimes.tflite import read_graph
from handpose_ros.runtimes.tflite_openvino import to_openvino
from handpose_ros.wording import counted

_ABREAST = 2  # images in work at once, of several: the usual number of hands


class OpenvinoNetwork:
    """See `handpose_ros.runtimes.Network`.

    All threads share the work on a single image. Of several images two are in work at once, each with half of the
    threads and sampled by them too: threads that share an image wait for the slowest of them after every layer. So are
    an image that this network was asked for and one that another network was begun with. A single thread takes two
    images as a batch.
    """

    _begun: ClassVar[Future | None] = None  # the last look of this process that something else is done beside

    def __init__(self, path: Path, batch: int, num_threads: int, precision: str = "float32"):
        """Compiles the network now, for several images too if `batch` says so: no image waits for it later.

        precision: "float32", or "int8" for a network that `quantization` has a recipe for.
        """
        core = openvino.Core()
        model = _for_bytes(to_openvino(without_constant_channels(read_graph(path))))
        if precision == "int8":
            model = quantized(model, RECIPES[path.stem])
        self.size: int = model.input(0).get_shape()[1]
        self._alone = _Request(core, model, num_threads)
        self._halves = []  # as many as there may be at once; none of a single thread
        self._pair = None
        if num_threads > 1:
            self._halves = [_Request(core, model, num_threads // _ABREAST) for _ in range(min(_ABREAST, batch))]
        elif batch > 1:
            model.reshape([_ABREAST, *model.input(0).get_shape()[1:]])
            self._pair = _Request(core, model, num_threads)
        self._own: list[Future] = []  # the last look that this network was begun with
        self._threads = ThreadPoolExecutor(_ABREAST - 1, "hand network")  # beside the caller's
        name = "f32" if precision == "float32" else precision
        version, threads = openvino.__version__.split("-")[0], counted(num_threads, "thread")
        self.description = f"OpenVINO {version} on the CPU, {threads}, {name}"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        def fill(image):
            return lambda place: np.copyto(place, image)

        return self._run([fill(image) for image in images])

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        return self._run(self._sampling(image, crops, border))

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        if not self._halves:
            return partial(self.look, image, crops, border)
        wait(self._own)  # nobody may have waited for it, after an error in between
        begun = self._threads.submit(_one_by_one, self._halves[-1], self._sampling(image, crops, border))
        self._own, OpenvinoNetwork._begun = [begun], begun
        return begun.result

    def _sampling(self, image, crops, border):
        def fill(crop):
            return lambda place: crop.sample(image, self.size, border, place)

        return [fill(crop) for crop in crops]

    def _run(self, fills: Sequence[Callable[[np.ndarray], object]]):
        """The outputs of the images that `fills` write into the array that each is given."""
        wait(self._own)
        begun = OpenvinoNetwork._begun
        if self._halves and begun is not None and not begun.done():
            return _one_by_one(self._halves[0], fills)
        parts = [self._run_pair(fills[start : start + _ABREAST]) for start in range(0, len(fills), _ABREAST)]
        return parts[0] if len(parts) == 1 else _one_after_the_other(parts)

    def _run_pair(self, fills):
        """The outputs of one or two images."""
        if len(fills) == 1:
            return self._alone.run(fills)
        if self._pair is not None:
            return self._pair.run(fills)
        if len(self._halves) < _ABREAST:
            return _one_by_one(self._alone, fills)
        other = self._threads.submit(self._halves[1].run, fills[1:])
        return _one_after_the_other([self._halves[0].run(fills[:1]), other.result()])


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
        self._free = threading.Lock()
        self._places = self._request.input_tensors[0].data  # (batch, size, size, 3), read by the network itself

    def run(self, fills: Sequence[Callable[[np.ndarray], object]]) -> tuple[np.ndarray, ...]:
        """The outputs of as many images as it is compiled for, which `fills` write."""
        if not self._free.acquire(blocking=False):
            raise RuntimeError(TWO_THREADS)
        try:
            for fill, place in zip(fills, self._places, strict=True):
                fill(place)
            self._request.infer()  # on this thread: handing it to another costs 0.2 ms of CPU
            return tuple(tensor.data.copy() for tensor in self._request.output_tensors)
        finally:
            self._free.release()


def _one_by_one(request, fills):
    """The outputs of images that a request for single ones takes in turn."""
    parts = [request.run([fill]) for fill in fills]
    return parts[0] if len(parts) == 1 else _one_after_the_other(parts)


def _one_after_the_other(parts):
    """The outputs of all images of those of some of them."""
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _for_bytes(model):
    """`model` with an input of bytes; what makes them floats becomes part of the first layer."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()
