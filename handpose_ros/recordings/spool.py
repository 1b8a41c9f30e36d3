"""A list that grows on disk, so that a recording may last for hours."""

import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from handpose_ros.failures import writing


class Spool(Sequence):
    """Items in the order in which they were added, in a file without a name that ends with the process.

    An item that is asked for is a new copy each time. One thread at a time.
    """

    def __init__(self, directory: Path | str | None = None, items: Iterable = ()):
        """`directory`: where the file is; None: where temporary files are."""
        self._directory = str(directory or tempfile.gettempdir())
        self._places = array("q")  # where each item begins
        self._file = tempfile.TemporaryFile(dir=self._directory)
        for item in items:
            self.append(item)

    def append(self, item: Any):
        """Raises OSError with a remedy where the disk is full."""
        with writing(self._directory):
            self._places.append(self._file.seek(0, 2))
            pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Any:
        self._file.seek(self._places[index])
        return pickle.load(self._file)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))
