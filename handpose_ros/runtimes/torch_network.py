"""A network run by torch: plainly on the CPU, as the reference, and on a GPU as one CUDA graph."""

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from handpose_ros.crops.cropping import CELL, Crop, node_pixels
from handpose_ros.runtimes import TWO_THREADS, torch_sampling
from handpose_ros.runtimes.constant_channels import without_constant_channels
from handpose_ros.runtimes.cuda_graph import Captured, batch_sizes
from handpose_ros.runtimes.tflite import read_graph
from handpose_ros.runtimes.tflite_torch import to_torch
from handpose_ros.wording import counted

_PIXELS = 1920 * 1200  # of an image, for which a GPU keeps memory


class TorchNetwork:
    """See `handpose_ros.runtimes.Network`: the CPU, float32, any batch at once."""

    def __init__(self, path: Path, num_threads: int):
        """`num_threads` holds for all of torch in this process."""
        torch.set_num_threads(num_threads)
        graph = without_constant_channels(read_graph(path))
        self.size: int = graph.tensors[graph.inputs[0]].shape[1]
        self._module = to_torch(graph).to(memory_format=torch.channels_last)
        self.description = f"torch {torch.__version__} on the CPU, {counted(num_threads, 'thread')}, f32"

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        outputs = self._module(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        return tuple(output.numpy() for output in outputs)

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        return self(np.stack([crop.sample(image, self.size, border) for crop in crops]))

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        return partial(self.look, image, crops, border)


class CudaNetwork:
    """See `handpose_ros.runtimes.Network`: a GPU, one CUDA graph for each of few sizes of a batch.

    Convolutions are float16, channels last: joints move by 0.2 px of a crop at most, where bfloat16 would move them
    by pixels. The linear layers at the end stay float32, because float16 cannot tell 200.00 from 200.12 px; TF32 is
    nowhere used. Where Triton works, a layer is one kernel (`fused_layers`), else they are torch's. On the CPU as
    `device` the latter run without a graph.
    """

    def __init__(self, path: Path, batch: int, device: torch.device):
        """Takes up to `batch` images at once, more in several runs; a batch is padded to the next size.

        Raises: torch.OutOfMemoryError, here and never later.
        """
        self.device = device
        graph = without_constant_channels(read_graph(path))
        self._module, self._sample = _on(device, to_torch(graph))
        shapes = [graph.tensors[index].shape[1:] for index in graph.outputs]
        ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
        self._parts = [
            (slice(start, end), shape) for start, end, shape in zip([0, *ends[:-1]], ends, shapes, strict=True)
        ]  # of all outputs side by side
        shape = graph.tensors[graph.inputs[0]].shape[1:]
        self.size: int = shape[0]
        self._runs = {size: Captured(self._together, [_bytes(size, *shape)], device) for size in batch_sizes(batch)}
        count = self.size // CELL + 2  # nodes in a row
        pixels = _bytes(_PIXELS, 3)
        pixels = pixels.pin_memory() if device.type == "cuda" else pixels  # once for all sizes of a batch
        self._looks = {
            size: Captured(self._look, [torch.zeros(size, count, count, 2), pixels, _extent()], device)
            for size in self._runs
        }
        self._numbers, self._latest = itertools.count(1), 0  # of what was begun: all sizes of a batch share the image
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
        kernels = "torch's" if self._sample is torch_sampling.sample else "Triton's"
        self.description = f"torch {torch.__version__} on {name}, f16, {kernels} kernels"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return self._start(self._runs, images)()

    def look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> tuple[np.ndarray, ...]:
        return self.start_look(image, crops, border)()

    def start_look(self, image: np.ndarray, crops: Sequence[Crop], border: str) -> Callable[[], tuple[np.ndarray, ...]]:
        """What of the image the crops show goes up, and they are sampled where the network runs; huge ones before."""
        nodes = node_pixels(crops, self.size)
        first, end = _rows_shown(nodes, len(image))
        pixels = np.ascontiguousarray(image[first:end]).reshape(-1, 3)
        if len(pixels) > _PIXELS:
            return self._start(self._runs, np.stack([crop.sample(image, self.size, border) for crop in crops]))
        nodes[..., 1] -= first
        return self._start(self._looks, nodes, pixels, np.array([image.shape[1], end - first, border == "replicate"]))

    def run_again(self):
        """Runs a look at the largest batch, on whatever was there last; waits for nothing."""
        self._looks[max(self._looks)].again()

    def run_without_graph(self):
        """Launches the kernels of a look at the largest batch one by one, on whatever was there last."""
        self._looks[max(self._looks)].without_graph()

    def _start(self, runs, rows, *others):
        """What waits for the file's outputs of `rows`, in the smallest of `runs` that takes them."""
        most = max(runs)
        if len(rows) > most:
            parts = [rows[start : start + most] for start in range(0, len(rows), most)]
            each = (self._start(runs, part, *others)() for part in parts)
            return lambda: tuple(np.concatenate(output) for output in zip(*each, strict=True))
        run = next(run for size, run in runs.items() if size >= len(rows))
        number = self._latest = next(self._numbers)
        wait = run.start(rows, *others)

        def outputs():
            together = wait()
            if number != self._latest:  # another thread's images took the place of these
                raise RuntimeError(TWO_THREADS)
            return self._separate(together[: len(rows)])

        return outputs

    def _separate(self, together):
        """The file's outputs of (N, all of them flattened)."""
        return tuple(together[:, part].reshape(-1, *shape) for part, shape in self._parts)

    def _look(self, nodes, pixels, extent):
        return self._flattened(self._sample(pixels, extent, nodes, self.size))

    def _together(self, images):
        return self._flattened(images.permute(0, 3, 1, 2))

    def _flattened(self, images):
        """(N, all outputs flattened) float32 of `images` (N, 3, size, size) with the values of bytes."""
        return torch.cat([output.flatten(1).float() for output in self._module(images)], dim=1)


class _HalfPrecision(nn.Module):
    """A network of torch's layers in float16, its linear layers in float32, for images with the values of bytes."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self._module = module.half()
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    def forward(self, images):
        return self._module(images.contiguous(memory_format=torch.channels_last).half() / 255)


def _on(device, module):
    """What runs `module` on `device`, for images with the values of bytes, and what samples them there."""
    if device.type == "cuda" and _triton_works(device):
        from handpose_ros.runtimes import fused_layers, triton_sampling

        return fused_layers.fused(module).to(device), triton_sampling.sample
    return _HalfPrecision(module).to(device, memory_format=torch.channels_last), torch_sampling.sample


@cache
def _triton_works(device):
    """Whether its kernels can be built and run; without, a GPU takes four times as long."""
    try:
        from handpose_ros.runtimes import triton_layers

        with torch.cuda.device(device):
            triton_layers.mean(torch.zeros(1, 1, 1, 1, dtype=torch.half, device=device))
    except Exception as error:  # not installed, no C compiler, a GPU that it does not know: whatever it is
        warnings.warn(f"Triton does not work here, so the hand networks run slower on the GPU: {error}", stacklevel=2)
        return False
    return True


def _bytes(*shape):
    return torch.zeros(shape, dtype=torch.uint8)


def _extent():
    """Of an image of one pixel, as `torch_sampling.sample` takes it."""
    return torch.ones(3, dtype=torch.int64)


def _rows_shown(nodes, height):
    """First row, and the one behind the last, of an image of this `height` that crops with these `nodes` show."""
    low, high = nodes[..., 1].min(), nodes[..., 1].max()
    first = int(min(max(low, 0), height - 1))
    return first, int(min(max(high + 2, first + 1), height))
