"""The recordings of a batch: how they are found, where their results go, and how an unchanged one is recognised."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handpose_ros.recordings.job import is_bag

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
SUMMARY = "processing_summary.json"  # what a batch leaves in its directory
MANIFEST = "manifest.json"  # and in that of each recording's results
MANIFEST_KEYS = {"sha256", "version", "options", "files", "outcome"}
_RESULTS = {"overlay.mp4": "summary.json", "hands.mcap": "report.html"}  # of other commands, and what lies beside them
_BLOCK = 1 << 20  # [bytes] read at once


@dataclass(frozen=True)
class Recording:
    """A video or a bag."""

    path: Path
    name: str  # of its results, relative to the batch's directory
    size: int  # [bytes]

    def digest(self) -> str:
        """SHA-256 of the content; of a rosbag2 directory, of its files' names and contents."""
        if not self.path.is_dir():
            return _digest(self.path)
        lines = [f"{_digest(file)} {file.relative_to(self.path)}\n" for file in _files(self.path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_recordings(sources: Path | str | Sequence[Path | str], out: Path | str) -> tuple[Recording, ...]:
    """The videos and bags among `sources` or in them, searched recursively, in order of name.

    Leaves out hidden files, `out`, and the results of other batches, videos and bags. A file given in `sources` counts
    whatever its name.
    Raises FileNotFoundError or ValueError with a remedy.
    """
    found: dict[str, Path] = {}
    sources, out = [sources] if isinstance(sources, (str, Path)) else sources, Path(out)
    for source in map(Path, sources):
        if not source.exists():
            raise FileNotFoundError(f"there is no {source}: give directories, videos or bags")
        for path in sorted(_recordings(source, out.resolve())):
            own = Path(os.path.abspath(path)).name  # also of ".."
            name = own if path == source else path.relative_to(source).as_posix()
            if path.resolve().is_relative_to((out / name).resolve()):
                raise ValueError(f"the results of {path} would take its place: choose another --out")
            other = found.setdefault(name, path)
            if other.resolve() != path.resolve():
                raise ValueError(f"{other} and {path} would both be {out / name}: give the directory that holds both")
    if not found:
        raise FileNotFoundError(
            f"no videos ({', '.join(VIDEO_SUFFIXES)}) and no bags in {', '.join(map(str, sources))}: name files that "
            "are called otherwise one by one"
        )
    return tuple(Recording(path, name, _size(path)) for name, path in sorted(found.items()))


def read_manifest(results: Path) -> dict | None:
    """The manifest in a directory; None if no batch left one."""
    try:
        manifest = json.loads((results / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.keys() >= MANIFEST_KEYS else None


def _recordings(source: Path, out: Path) -> Iterator[Path]:
    if is_bag(source) or not source.is_dir():
        yield source
        return
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        inside = [here / name for name in folders if not name.startswith(".") and (here / name).resolve() != out]
        inside = [path for path in inside if read_manifest(path) is None]
        yield from filter(is_bag, inside)
        folders[:] = [path.name for path in inside if not is_bag(path)]
        paths = [here / name for name in files if not name.startswith(".") and _RESULTS.get(name) not in files]
        yield from (path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES or is_bag(path))


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path) if file.exists())  # a dangling link fails when it is read


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
