"""What runs a network, and where: OpenVINO on the CPU, torch on a GPU, or torch on the CPU as the reference."""

import ctypes
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from handpose_ros.interrupts import held_back

if TYPE_CHECKING:
    import numpy as np
    import torch

    from handpose_ros.crops.cropping import Crop

# OpenVINO would report its use over the network, from a fork of this process that may hang, and with it the exit.
sys.modules.setdefault("openvino_telemetry", None)

PRECISIONS = ("auto", "float32", "float16", "int8")
RUNTIMES = ("auto", "openvino", "torch")
TWO_THREADS = "two threads use one backend at once: let them use its shared()"  # what is raised then
_MOST_THREADS = 4  # by default: the layers are small, and camera, DDS and the robot's own nodes need cores too


class Network(Protocol):
    """A .tflite file that runs."""

    description: str  # runtime, device, threads and precision, for people
    size: int  # [px] side of the images it takes

    def __call__(self, images: "np.ndarray") -> "tuple[np.ndarray, ...]":
        """(N, size, size, 3) uint8 RGB, N > 0 -> the file's outputs, float32, N in front."""

    def look(self, image: "np.ndarray", crops: "Sequence[Crop]", border: str) -> "tuple[np.ndarray, ...]":
        """The same of what N > 0 `crops` show of `image` (H, W, 3) uint8 RGB; border: as in `Region.sample`."""

    def start_look(
        self, image: "np.ndarray", crops: "Sequence[Crop]", border: str
    ) -> "Callable[[], tuple[np.ndarray, ...]]":
        """Begins to look, where something else can be done meanwhile; what it returns waits for the outputs.

        Nothing else may be asked of the network before.
        """


def open_network(
    path: Path,
    *,
    batch: int = 1,
    device: str = "auto",
    runtime: str = "auto",
    num_threads: int = 0,
    precision: str = "auto",
) -> Network:
    """The network in a .tflite file, made for up to `batch` images at once; more are taken in several runs.

    device: "cpu", "cuda" or "cuda:N"; "auto": a GPU where there is one. runtime: one of RUNTIMES; "auto": on the CPU
    OpenVINO where it is installed, torch otherwise. num_threads: on the CPU; 0: `default_threads()`. Torch's are those
    of the whole process. precision: one of PRECISIONS; "auto": float32 on a CPU, float16 on a GPU, each
    the only float there; "int8": of the full landmark network, with OpenVINO on a CPU that has VNNI. A GPU without
    enough free memory is given up for the CPU, with a warning.
    Raises: ValueError naming the wrong option, and for a runtime that is not installed the remedy.
    """
    _check_runtime(runtime, device)
    _check_precision(precision, Path(path).stem, device, runtime)
    threads = num_threads or default_threads()
    name = device_name(device, runtime)
    if name == "cpu":
        return _on_cpu(path, batch, runtime, threads, precision)
    import torch

    from handpose_ros.runtimes.torch_network import CudaNetwork

    gpu = torch_device(name)
    return first_that_fits(
        lambda: CudaNetwork(path, batch, gpu),
        lambda: _on_cpu(path, batch, runtime, threads, "auto"),
        torch.OutOfMemoryError,
    )


def first_that_fits(on_gpu: Callable[[], Network], on_cpu: Callable[[], Network], error: type) -> Network:
    """What `on_gpu` returns; where that raises `error`, for want of memory, what `on_cpu` returns, and a warning."""
    try:
        return on_gpu()
    except error:
        warnings.warn("the GPU has too little free memory: the hand networks run on the CPU", stacklevel=2)
        return on_cpu()


def torch_device(name: str) -> "torch.device":
    """The device called "cpu", "cuda" or "cuda:N"; for "auto" a GPU where there is one.

    Raises: ValueError if it is called otherwise or is not there.
    """
    import torch

    name = device_name(name, "torch")
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {name}: torch sees {torch.cuda.device_count()} CUDA devices")
    return torch.device(name)


def device_name(device: str, runtime: str = "auto") -> str:
    """`device` with "auto" decided: "cpu", "cuda" or "cuda:N". Raises: ValueError if it is called otherwise."""
    kind, colon, index = device.partition(":")
    if device not in ("auto", "cpu") and (kind != "cuda" or (colon and not index.isdigit())):
        raise ValueError(f"device is {device!r}, it must be auto, cpu, cuda or cuda:N")
    if device != "auto":
        return device
    if runtime == "openvino" or not _has_cuda_driver():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_threads() -> int:
    """Physical cores that this process may use, at most 4. Two threads on one core only take turns."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return min(os.cpu_count() or 1, _MOST_THREADS)
    siblings = [Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") for cpu in usable]
    cores = {file.read_text() if file.exists() else str(file) for file in siblings}
    return min(len(cores), _MOST_THREADS)


def _check_runtime(runtime, device):
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}, it must be {', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}")
    if runtime == "openvino" and device not in ("auto", "cpu"):
        raise ValueError(f"runtime openvino runs on the CPU, and device is {device!r}: set one of them to auto")
    if runtime == "openvino" and not _installed("openvino"):
        raise ValueError("runtime openvino is not installed: pip install 'handpose_ros[cpu]', or set runtime to auto")


def _check_precision(precision, network, device, runtime):
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, it must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")
    on_cpu = device_name(device, runtime) == "cpu"
    if precision == "float16" and on_cpu:
        raise ValueError("precision float16 is for a GPU: set it to auto, or device to cuda")
    if precision in ("float32", "int8") and not on_cpu:
        raise ValueError(f"precision {precision} is for a CPU: set it to auto, or device to cpu")
    if precision == "int8":
        if runtime == "torch" or not _installed("openvino"):
            raise ValueError("precision int8 needs runtime openvino: pip install 'handpose_ros[cpu]', or set float32")
        if not _has_vnni():
            raise ValueError("precision int8 needs a CPU with VNNI, which this one lacks: set it to float32")
        from handpose_ros.runtimes.quantization import RECIPES

        if network not in RECIPES:
            raise ValueError(f"precision int8 is for {', '.join(RECIPES)}, not {network}: set complexity to full")


def _on_cpu(path, batch, runtime, threads, precision):
    if runtime == "openvino" or (runtime == "auto" and _installed("openvino")):
        with held_back():  # a KeyboardInterrupt in its extension would become an ImportError
            from handpose_ros.runtimes.openvino_network import OpenvinoNetwork

        return OpenvinoNetwork(path, batch, threads, "int8" if precision == "int8" else "float32")
    from handpose_ros.runtimes.torch_network import TorchNetwork

    return TorchNetwork(path, threads)


def _installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # someone put None in its place
        return False


def _has_vnni():
    """Whether the CPU multiplies bytes without overflow: others saturate in the middle of a sum."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return False


def _has_cuda_driver():
    """Whether asking torch for a GPU is worth the time that importing it takes (1.5 s of one core)."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
