"""A torch function of fixed shapes that runs in one launch on a GPU, where launching its many small kernels one by
one would cost more than they do."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

_WARM_UP = 3  # runs before a capture, in which cuDNN chooses its kernels


class Captured:
    """`function` of tensors on the device -> one tensor on it; called with arrays, it gives an array.

    On CUDA its kernels are one CUDA graph: up from pinned memory, one launch, one transfer back, one synchronisation.
    On the CPU as device the same runs without a graph.
    """

    def __init__(self, function: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor], device: torch.device):
        """`inputs` have the shapes and types of what the function takes; their values are there until others come.

        Raises: torch.OutOfMemoryError, here and never later: all that a run needs is allocated now.
        """
        on_gpu = device.type == "cuda"
        self._function = function
        self._sent = [tensor.pin_memory() if on_gpu else tensor for tensor in inputs]
        self._inputs = [tensor.to(device) for tensor in self._sent]  # on the CPU the same tensors
        self._stream = torch.cuda.Stream(device) if on_gpu else None
        self._launch, self._received = self.without_graph, None
        if on_gpu:
            self._launch, result = self._captured()
            self._received = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)

    @torch.inference_mode()
    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """The function of `arrays`, each of the fixed shape or with fewer rows: the others keep what they held."""
        return self.start(*arrays)()

    @torch.inference_mode()
    def start(self, *arrays: np.ndarray) -> Callable[[], np.ndarray]:
        """Begins; what it returns waits for the result, before anything else is begun."""
        for sent, array in zip(self._sent, arrays, strict=True):
            sent[: len(array)] = torch.from_numpy(array)
        if self._stream is None:
            return lambda: self._launch().numpy()
        with torch.cuda.stream(self._stream):
            for there, sent, array in zip(self._inputs, self._sent, arrays, strict=True):
                there[: len(array)].copy_(sent[: len(array)], non_blocking=True)
            self._received.copy_(self._launch(), non_blocking=True)
        return self._wait

    def _wait(self):
        self._stream.synchronize()
        return self._received.numpy().copy()

    @torch.inference_mode()
    def without_graph(self) -> torch.Tensor:
        """Launches the kernels one by one, on whatever came last."""
        return self._function(*self._inputs)

    @torch.inference_mode()
    def _captured(self):
        """A function that repeats `without_graph` in one launch, and the tensor that it writes and returns."""
        graph = torch.cuda.CUDAGraph()
        with torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                self.without_graph()
            self._stream.synchronize()
            with torch.cuda.graph(graph, stream=self._stream):
                result = self.without_graph()

        def launch():
            graph.replay()
            return result

        return launch, result


def batch_sizes(most: int) -> list[int]:
    """1, 2, 4, ... and `most`: the few batches for which graphs are made."""
    return sorted({min(2**power, most) for power in range(most.bit_length() + 1)})
