"""Reads a TensorFlow Lite file into a graph of values: tensors and the operators between them.

Only what MediaPipe's four hand networks contain is understood; anything else is refused by name. The
layout is that of TensorFlow's schema.fbs: a table's fields are numbered, and those numbers appear below.
Weights are stored as float16 behind DEQUANTIZE operators; the reader hands them out as float32 constants.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KINDS = {
    0: "add",
    2: "concat",
    3: "conv",
    4: "depthwise",
    6: "dequantize",
    9: "linear",
    14: "sigmoid",
    17: "maxpool",
    22: "reshape",
    23: "resize",
    34: "pad",
    40: "mean",
    54: "prelu",
}
ACTIVATIONS = {0: "none", 3: "relu6"}
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph: an array that the file holds, or the result of an operator."""

    shape: tuple[int, ...]  # images are (1, height, width, channels)
    data: np.ndarray | None  # None: computed when the network runs


@dataclass(frozen=True)
class Operator:
    """One step of the network. Fields that its kind does not have keep their defaults."""

    kind: str  # a value of KINDS
    inputs: tuple[int, ...]  # indices into Graph.tensors
    output: int
    stride: int = 1
    kernel: int = 0  # of a pool; a convolution's weights say theirs
    same: bool = True  # SAME padding, otherwise VALID
    activation: str = "none"  # a value of ACTIVATIONS
    axis: int = 0  # of a concat


@dataclass(frozen=True)
class Graph:
    """A network as its file describes it, operators in the order of execution."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(path: Path | str) -> Graph:
    """The graph in a .tflite file, its weights as float32.

    Raises: ValueError, naming the file, if it is not a TensorFlow Lite file or needs what this reader does not know.
    """
    data = Path(path).read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path} is not a TensorFlow Lite file")
    try:
        return _graph(_Table(data, struct.unpack_from("<I", data)[0]))
    except (KeyError, IndexError, struct.error) as error:
        raise ValueError(f"{path} is damaged or uses an unknown type or operator: {error!r}") from error


class _Table:
    """A flatbuffer table: field numbers of the schema -> values."""

    def __init__(self, data: bytes, position: int):
        self._data = data
        self._position = position
        self._fields = position - struct.unpack_from("<i", data, position)[0]

    def scalar(self, field: int, code: str, default: int = 0) -> int:
        at = self._at(field)
        return default if at is None else struct.unpack_from("<" + code, self._data, at)[0]

    def table(self, field: int) -> "_Table | None":
        at = self._at(field)
        return None if at is None else _Table(self._data, self._follow(at))

    def array(self, field: int, dtype: str) -> np.ndarray:
        start, count = self._vector(field)
        return np.frombuffer(self._data, dtype, count, start) if count else np.zeros(0, dtype)

    def tables(self, field: int) -> list["_Table"]:
        start, count = self._vector(field)
        return [_Table(self._data, self._follow(start + 4 * i)) for i in range(count)]

    def _at(self, field: int) -> int | None:
        size = struct.unpack_from("<H", self._data, self._fields)[0]
        slot = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, self._fields + slot)[0] if slot < size else 0
        return self._position + offset if offset else None

    def _follow(self, at: int) -> int:
        return at + struct.unpack_from("<I", self._data, at)[0]

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._at(field)
        if at is None:
            return 0, 0
        start = self._follow(at)
        return start + 4, struct.unpack_from("<I", self._data, start)[0]


def _graph(model: _Table) -> Graph:
    # An operator's number is field 3; files older than that field have it in field 0.
    kinds = [KINDS[max(code.scalar(0, "b"), code.scalar(3, "i"))] for code in model.tables(1)]
    subgraph = model.tables(2)[0]
    buffers = model.tables(4)
    tensors = [_tensor(table, buffers) for table in subgraph.tables(0)]
    operators = []
    for table in subgraph.tables(3):
        operator = _operator(kinds[table.scalar(0, "I")], table)
        source = tensors[operator.inputs[0]]
        if operator.kind == "dequantize" and source.data is not None:
            tensors[operator.output] = Tensor(source.shape, source.data.astype(np.float32))
        else:
            operators.append(operator)
    inputs, outputs = (tuple(subgraph.array(field, "<i4").tolist()) for field in (1, 2))
    return Graph(tuple(tensors), tuple(operators), inputs, outputs)


def _tensor(table: _Table, buffers: list[_Table]) -> Tensor:
    shape = tuple(table.array(0, "<i4").tolist())
    raw = buffers[table.scalar(2, "I")].array(0, "u1")
    return Tensor(shape, raw.view(DTYPES[table.scalar(1, "b")]).reshape(shape) if raw.size else None)


def _operator(kind: str, table: _Table) -> Operator:
    inputs = tuple(table.array(1, "<i4").tolist())
    output = int(table.array(2, "<i4")[0])
    options = table.table(4)
    if kind in ("conv", "depthwise"):
        activation = ACTIVATIONS[options.scalar(3 if kind == "conv" else 4, "b")]
        return Operator(kind, inputs, output, _stride(options), same=not options.scalar(0, "b"), activation=activation)
    if kind == "maxpool":
        return Operator(kind, inputs, output, _stride(options), options.scalar(4, "i"), not options.scalar(0, "b"))
    if kind in ("add", "linear"):
        return Operator(kind, inputs, output, activation=ACTIVATIONS[options.scalar(0, "b") if options else 0])
    if kind == "concat":
        return Operator(kind, inputs, output, axis=options.scalar(0, "i"))
    if kind == "resize" and (options.scalar(2, "b") or not options.scalar(3, "b")):
        raise KeyError("a resize without half-pixel centres")
    return Operator(kind, inputs, output)


def _stride(options: _Table) -> int:
    across, down = options.scalar(1, "i"), options.scalar(2, "i")
    if across != down:
        raise KeyError(f"stride {across} x {down}")
    return down
