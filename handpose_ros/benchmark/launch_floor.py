"""The least time in which a GPU can get through a network's kernels, however short each of them is."""

import time
from dataclasses import dataclass

import torch

from handpose_ros.runtimes.torch_network import CudaNetwork

_LAUNCHES = 1000  # empty kernels in the graph that is timed
_REPEATS = 20
_RUNS = 200  # of the network


@dataclass(frozen=True)
class LaunchFloor:
    """Kernels of one run of a network, times what launching one costs inside a CUDA graph."""

    kernels: int
    launch_us: float  # [us] of one kernel that does next to nothing
    ms: float  # [ms] that a run takes the GPU, the way there and back of all but the image included

    @property
    def floor_ms(self) -> float:
        """[ms] below which no graph of so many kernels comes."""
        return self.kernels * self.launch_us / 1000


def launch_floor(network: CudaNetwork) -> LaunchFloor:
    """Measured on the network's GPU."""
    with torch.cuda.device(network.device):
        return LaunchFloor(_kernels(network), _launch_us(), _run_ms(network))


def _kernels(network):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        network.run_without_graph()
        torch.cuda.synchronize()
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())


def _run_ms(network):
    """One after the other: the GPU never waits for the host, which is quicker."""
    network.run_again()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(_RUNS):
        network.run_again()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start) / _RUNS


def _launch_us():
    number = torch.zeros(1, device="cuda")
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        number.add_(1)
        stream.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(_LAUNCHES):
                number.add_(1)
        graph.replay()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(_REPEATS):
            graph.replay()
        end.record()
    end.synchronize()
    return 1000 * start.elapsed_time(end) / (_LAUNCHES * _REPEATS)
