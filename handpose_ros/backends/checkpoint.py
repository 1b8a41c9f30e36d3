"""Reads the tensors of a training checkpoint and nothing else: no code from a file is ever run."""

import collections
import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import torch

_NAMED = 5  # keys that an error message names


class CheckpointError(ValueError):
    """A file that is not the checkpoint it should be."""

    def __init__(self, path: Path | str, reason: str, missing: Iterable[str] = (), unexpected: Iterable[str] = ()):
        super().__init__(f"{path} {reason}")
        self.missing, self.unexpected = sorted(missing), sorted(unexpected)


def read_state_dict(path: Path | str) -> dict[str, torch.Tensor]:
    """The tensors by name in the `state_dict` of a PyTorch or Lightning checkpoint.

    Raises: FileNotFoundError; CheckpointError for a file that is no such checkpoint.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    container = _read(path)
    state_dict = container.get("state_dict") if isinstance(container, dict) else None
    if not isinstance(state_dict, dict):
        raise CheckpointError(path, "is not a checkpoint: it holds no state_dict")
    strangers = [str(key) for key, value in state_dict.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise CheckpointError(path, f"is not a checkpoint: its state_dict holds no tensor as {_some(strangers)}")
    return dict(state_dict)


def load_strictly(
    module: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path | str, what: str, unused: Iterable[str] = ()
):
    """Gives `module` these `tensors`, which must have exactly its keys and shapes, and the keys `unused` besides.

    Raises: CheckpointError that says `path` is not `what`, with all missing and unexpected keys.
    """
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    expected = shapes.keys() | set(unused)
    missing, unexpected = expected - tensors.keys(), tensors.keys() - expected
    misshapen = [
        f"{key} {tuple(tensors[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    complaints = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
    found = [f"{len(keys)} {name} ({_some(keys)})" for name, keys in complaints if keys]
    if found:
        raise CheckpointError(path, f"is not {what}, of its tensors are {' and '.join(found)}", missing, unexpected)
    module.load_state_dict({key: tensors[key] for key in shapes}, assign=True)


def _some(keys):
    keys = sorted(keys)
    return ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")


def _read(path):
    try:
        _refuse_programs(path)
        return _read_around_strangers(path)
    except Exception as error:  # a broken pickle can raise anything
        raise CheckpointError(path, f"is not a checkpoint: {error}") from error


def _refuse_programs(path):
    """Raises for a TorchScript archive, which torch.load would make ready to run."""
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise ValueError("it is a TorchScript program")


def _read_around_strangers(path):
    """What torch.load reads, with an inert object in the place of whatever is neither tensor nor plain value."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # strangers beside the tensors
        reader = SimpleNamespace(__name__="tensors_only", Unpickler=_TensorsOnly)
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)


class _Inert:
    """Takes whatever a pickle does to an object, and does nothing."""

    def __new__(cls, *_, **__):
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _):
        pass

    def __setitem__(self, *_):
        pass

    def append(self, _):
        pass

    def extend(self, _):
        pass

    add = append

    def __call__(self, *_, **__):
        return self


_KNOWN = {
    "collections.OrderedDict": collections.OrderedDict,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
}


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module, name):
        return _KNOWN.get(f"{module}.{name}", _Inert)
