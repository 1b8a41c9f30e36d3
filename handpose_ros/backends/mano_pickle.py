"""Reads MANO's Python 2 pickles without chumpy and without running anything they ask for.

A pickle may name any function for the reader to call. This one knows a closed list: numpy's arrays, and inert records
in the place of chumpy's and scipy's objects, whose numbers are read off the recorded state.
"""

import pickle
from pathlib import Path

import numpy as np

try:
    from numpy._core.multiarray import _reconstruct, scalar
except ImportError:  # numpy 1
    from numpy.core.multiarray import _reconstruct, scalar


def read_pickle(path: Path | str) -> dict:
    """The dictionary in a MANO pickle, its chumpy and scipy objects as arrays.

    Raises: FileNotFoundError; ValueError for a file that is no pickled dictionary or names anything else.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no MANO file {path}")
    try:
        with path.open("rb") as file:
            content = _ClosedUnpickler(file, encoding="latin1").load()
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, not a dictionary")
        return {key: value.array() if isinstance(value, _Record) else value for key, value in content.items()}
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f"{path} cannot be read as a MANO pickle: {error}") from error


class _Record:
    """The state of an object whose class is not run."""

    def __setstate__(self, state):
        self.state = dict(state)


class _Chumpy(_Record):
    """chumpy.ch.Ch: an array."""

    def array(self):
        return np.asarray(self.state["x"])


class _Select(_Record):
    """chumpy.reordering.Select: entries of another array, by their flat indices."""

    def array(self):
        source = self.state["a"]
        flat = np.ravel(source.array() if isinstance(source, _Record) else source)
        chosen = flat[np.asarray(self.state["idxs"], dtype=np.int64)]
        shape = self.state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(tuple(int(size) for size in shape))


class _SparseColumns(_Record):
    """scipy's csc_matrix, as a dense array."""

    def array(self):
        shape = self.state["_shape"] if "_shape" in self.state else self.state["shape"]
        dense = np.zeros(tuple(int(size) for size in shape))
        columns = np.repeat(np.arange(dense.shape[1]), np.diff(self.state["indptr"]))
        np.add.at(dense, (np.asarray(self.state["indices"]), columns), self.state["data"])
        return dense


def _record(kind, *_):
    """In the place of the ways to make an object without its constructor."""
    if kind is not object and not issubclass(kind, _Record):
        raise pickle.UnpicklingError(f"an object of {kind} is not part of MANO")
    return kind.__new__(kind)


def _encode(text, encoding="latin1"):
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in {encoding} are not part of MANO")
    return text.encode("latin1")


_KNOWN = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": scalar,
    "numpy._core.multiarray.scalar": scalar,
    "_codecs.encode": _encode,
    "copy_reg._reconstructor": _record,
    "copyreg._reconstructor": _record,
    "__builtin__.object": object,
    "builtins.object": object,
    "__builtin__.set": set,
    "builtins.set": set,
    "chumpy.ch.Ch": _Chumpy,
    "chumpy.reordering.Select": _Select,
    "scipy.sparse.csc.csc_matrix": _SparseColumns,
    "scipy.sparse._csc.csc_matrix": _SparseColumns,
}


class _ClosedUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        known = _KNOWN.get(f"{module}.{name}")
        if known is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not part of MANO")
        return known
