"""A network run by torch: plainly on the CPU, as the reference, and on a GPU as one CUDA graph."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from handpose_ros.tflite import read_graph
from handpose_ros.tflite_torch import to_torch

_WARM_UP = 3  # runs before a capture, in which cuDNN chooses its kernels


class TorchNetwork:
    """See `handpose_ros.runtimes.Network`: the CPU, float32, any batch at once."""

    def __init__(self, path: Path, num_threads: int):
        """`num_threads` holds for all of torch in this process."""
        torch.set_num_threads(num_threads)
        self._module = to_torch(read_graph(path)).to(memory_format=torch.channels_last)
        self.description = f"torch {torch.__version__} on the CPU, {num_threads} threads, f32"

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        outputs = self._module(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        return tuple(output.numpy() for output in outputs)


class CudaNetwork:
    """See `handpose_ros.runtimes.Network`: a GPU, where launching dozens of small kernels costs more than they do.

    A CUDA graph launches them at once, but repeats fixed shapes: a batch is padded to the next of few sizes.
    Convolutions are float16, channels last: joints move by 0.2 px of a crop at most, where bfloat16 would move them
    by pixels. The linear layers at the end stay float32, because float16 cannot tell 200.00 from 200.12 px; TF32 is
    nowhere used. On the CPU as `device` the same runs without a graph.
    """

    def __init__(self, path: Path, batch: int, device: torch.device):
        """Takes up to `batch` images at once, more in several runs.

        Raises: torch.OutOfMemoryError, here and never later: all that a run needs is allocated now.
        """
        graph = read_graph(path)
        module = _mixed_precision(to_torch(graph)).to(device, memory_format=torch.channels_last)
        sizes = sorted({min(2**power, batch) for power in range(batch.bit_length() + 1)})
        self._runs = [_Run(module, (size, *graph.tensors[graph.inputs[0]].shape[1:]), device) for size in sizes]
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
        self.description = f"torch {torch.__version__} on {name}, f16"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        largest = self._runs[-1].size
        parts = [self._part(images[start : start + largest]) for start in range(0, len(images), largest)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    @torch.inference_mode()
    def run_without_graph(self):
        """Launches the kernels of the largest batch one by one, on whatever was there last."""
        self._runs[-1].together()

    def _part(self, images):
        return next(run for run in self._runs if run.size >= len(images))(images)


class _Run:
    """The network on one fixed shape: up from pinned memory, one launch, one transfer back, one synchronisation."""

    def __init__(self, module, shape, device):
        self.size = shape[0]
        self._module = module
        on_gpu = device.type == "cuda"
        self._sent = torch.zeros(shape, dtype=torch.uint8, pin_memory=on_gpu)
        self._images = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._stream = torch.cuda.Stream(device) if on_gpu else None
        with torch.inference_mode():
            self._shapes = [output.shape[1:] for output in self._outputs()]
            length = sum(shape.numel() for shape in self._shapes)
            self._received = torch.empty(self.size, length, pin_memory=on_gpu)
            self._launch = self._captured() if on_gpu else self.together

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        count = len(images)
        self._sent[:count] = torch.from_numpy(images)
        with torch.cuda.stream(self._stream):  # None: does nothing
            self._images.copy_(self._sent, non_blocking=True)
            self._received.copy_(self._launch(), non_blocking=True)
        if self._stream:
            self._stream.synchronize()
        together, ends = self._received[:count].numpy().copy(), np.cumsum([shape.numel() for shape in self._shapes])
        parts = np.split(together, ends[:-1], axis=1)
        return tuple(part.reshape(count, *shape) for part, shape in zip(parts, self._shapes, strict=True))

    def _outputs(self):
        return self._module(self._images.permute(0, 3, 1, 2).half() / 255)

    def together(self):
        """(size, all outputs flattened) float32."""
        return torch.cat([output.flatten(1).float() for output in self._outputs()], dim=1)

    def _captured(self):
        """A function that repeats `together` in one launch."""
        graph = torch.cuda.CUDAGraph()
        with torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                self.together()
            self._stream.synchronize()
            with torch.cuda.graph(graph, stream=self._stream):
                result = self.together()

        def launch():
            graph.replay()
            return result

        return launch


def _mixed_precision(module: nn.Module) -> nn.Module:
    """`module` in float16, its linear layers in float32."""
    module.half()
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    return module
