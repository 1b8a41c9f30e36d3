"""A torch function of fixed shapes that runs in one launch on a GPU, where launching its many small kernels one by
one would cost more than they do."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

_WARM_UP = 3  # runs before a capture, in which cuDNN chooses its kernels
_LARGE = 2**20  # bytes of an input of which only the rows that are given go up: more work for the host than a whole one


class Captured:
    """`function` of tensors on the device -> one tensor on it; called with arrays, it gives an array.

    On CUDA one graph holds its kernels, the way up from pinned memory and the way back: one launch, one wait.
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
        self._rows = [tensor.numpy() for tensor in self._sent]  # the same memory
        self._large = [index for index, tensor in enumerate(inputs) if on_gpu and tensor.nbytes > _LARGE]
        self._small = [index for index in range(len(inputs)) if on_gpu and index not in self._large]
        self._graph = None
        if on_gpu:
            self._stream = torch.cuda.Stream(device)
            self._graph, self._received = self._captured()

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """The function of `arrays`, each of the fixed shape or with fewer rows: the others keep what they held."""
        return self.start(*arrays)()

    @torch.inference_mode()
    def start(self, *arrays: np.ndarray) -> Callable[[], np.ndarray]:
        """Begins; what it returns waits for the result, before anything else is begun."""
        for index, (rows, array) in enumerate(zip(self._rows, arrays, strict=True)):
            if index not in self._large:
                rows[: len(array)] = array
        if self._graph is None:
            return lambda: self.without_graph().numpy()
        with torch.cuda.stream(self._stream):
            for index in self._large:
                count = len(arrays[index])
                self._sent[index][:count] = torch.from_numpy(arrays[index])  # by several threads
                self._inputs[index][:count].copy_(self._sent[index][:count], non_blocking=True)
            self._graph.replay()
        return self._wait

    def again(self):
        """Launches the graph on whatever came last, and waits for nothing."""
        with torch.cuda.stream(self._stream):
            self._graph.replay()

    @torch.inference_mode()
    def without_graph(self) -> torch.Tensor:
        """Launches the kernels one by one, on whatever came last."""
        return self._function(*self._inputs)

    def _wait(self):
        self._stream.synchronize()
        return self._received.numpy().copy()

    @torch.inference_mode()
    def _captured(self):
        """The graph, and where it leaves the result."""
        graph = torch.cuda.CUDAGraph()
        with torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                result = self.without_graph()
            received = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
            self._stream.synchronize()
            with torch.cuda.graph(graph, stream=self._stream):
                for index in self._small:
                    self._inputs[index].copy_(self._sent[index], non_blocking=True)
                received.copy_(self.without_graph(), non_blocking=True)
        return graph, received


def batch_sizes(most: int) -> list[int]:
    """1, 2, 4, ... and `most`: the few batches for which graphs are made."""
    return sorted({min(2**power, most) for power in range(most.bit_length() + 1)})
