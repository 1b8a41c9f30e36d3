import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from handpose_ros import weights

NAMES = tuple(weights.DIGESTS)


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No cache, no choice of the user's, no package index, and weights that are a few bytes each."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDPOSE_WEIGHTS", raising=False)
    for name, value in {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": str(tmp_path / "index")}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setattr(weights, "DIGESTS", {name: hashlib.sha256(content(name)).hexdigest() for name in NAMES})
    (tmp_path / "index").mkdir()


def content(name: str) -> bytes:
    return f"the weights of {name}".encode()


def member(name: str) -> str:
    return f"mediapipe/modules/{name[: name.rindex('_')]}/{name}.tflite"


def write_wheel(directory: Path, **changed: bytes) -> Path:
    """A wheel that pip accepts, with all files, those in `changed` different."""
    path = directory / "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in NAMES:
            wheel.writestr(member(name), changed.get(name, content(name)))
        wheel.writestr(
            "mediapipe-0.10.21.dist-info/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        )
        wheel.writestr(
            "mediapipe-0.10.21.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
        )
        wheel.writestr("mediapipe-0.10.21.dist-info/RECORD", "")
    return path


def write_package(directory: Path) -> Path:
    """An installed mediapipe that must not be imported."""
    for name in NAMES:
        path = directory / member(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name))
    (directory / "mediapipe" / "__init__.py").write_text("raise RuntimeError('imported')")
    return directory / "mediapipe"


def test_a_wheel_that_the_user_gives_is_unpacked_into_the_cache_and_needed_only_once(tmp_path):
    wheel = write_wheel(tmp_path)
    path = weights.locate(NAMES[0], wheel)
    wheel.unlink()
    assert path.read_bytes() == content(NAMES[0])
    assert weights.locate(NAMES[0]) == path == tmp_path / "cache" / "handpose_ros" / f"{NAMES[0]}.tflite"


@pytest.mark.parametrize("place", ["site", "site/mediapipe"])
def test_a_directory_may_be_a_package_or_what_holds_it(tmp_path, place):
    write_package(tmp_path / "site")
    assert weights.locate(NAMES[2], tmp_path / place).read_bytes() == content(NAMES[2])
    assert not (tmp_path / "cache").exists()


def test_the_environment_variable_serves_as_the_users_choice_and_an_argument_beats_it(tmp_path, monkeypatch):
    for place in ("a", "b"):
        write_package(tmp_path / place)
    monkeypatch.setenv("HANDPOSE_WEIGHTS", str(tmp_path / "a"))
    assert tmp_path / "a" in weights.locate(NAMES[0]).parents
    assert tmp_path / "b" in weights.locate(NAMES[0], tmp_path / "b").parents


def test_a_wrong_file_is_refused_by_name_even_when_the_cache_has_the_right_one(tmp_path):
    weights.locate(NAMES[0], write_wheel(tmp_path))
    wrong = tmp_path / f"{NAMES[0]}.tflite"
    wrong.write_bytes(b"something else")
    with pytest.raises(ValueError, match=rf"{wrong} is not {NAMES[0]} .*give another directory or wheel"):
        weights.locate(NAMES[0], tmp_path)
    with pytest.raises(ValueError, match=f"{NAMES[1]}.*SHA-256"):
        weights.locate(NAMES[1], write_wheel(tmp_path, **{NAMES[1]: b"something else"}))
    assert not (tmp_path / "cache" / "handpose_ros" / f"{NAMES[1]}.tflite").exists()


def test_a_damaged_cache_is_refused_with_the_advice_to_delete_it(tmp_path):
    path = weights.locate(NAMES[0], write_wheel(tmp_path))
    path.write_bytes(content(NAMES[0])[:-1])
    with pytest.raises(ValueError, match=f"{path} .*delete it"):
        weights.locate(NAMES[0])


def test_fetching_replaces_what_is_damaged_in_the_cache(tmp_path):
    path = weights.locate(NAMES[0], write_wheel(tmp_path / "index"))
    path.write_bytes(content(NAMES[0])[:-1])
    weights.fetch()
    assert [(file.origin, file.ok) for file in weights.inventory()] == [("cache", True)] * 4


def test_a_place_without_the_file_is_said_to_be_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"has no {NAMES[0]}.tflite"):
        weights.locate(NAMES[0], tmp_path)
    with pytest.raises(FileNotFoundError, match="no weights at .*nowhere"):
        weights.locate(NAMES[0], tmp_path / "nowhere")


def test_an_installed_mediapipe_is_used_without_importing_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "site").parent))
    assert [(file.origin, file.ok) for file in weights.inventory()] == [("installed mediapipe", True)] * 4
    assert "mediapipe" not in sys.modules


def test_an_installed_mediapipe_with_other_files_is_passed_over(tmp_path, monkeypatch):
    package = write_package(tmp_path / "site")
    (package.parent / member(NAMES[0])).write_bytes(b"of another version")
    monkeypatch.syspath_prepend(str(package.parent))
    assert [file.origin for file in weights.inventory()] == ["missing"] + ["installed mediapipe"] * 3


def test_what_is_nowhere_is_fetched_once_and_all_four_are_kept(tmp_path):
    wheel = write_wheel(tmp_path / "index")
    assert [file.origin for file in weights.inventory()] == ["missing"] * 4
    assert weights.locate(NAMES[3]).read_bytes() == content(NAMES[3])
    wheel.unlink()
    assert [(file.origin, file.ok) for file in weights.inventory()] == [("cache", True)] * 4


def test_without_a_network_the_error_names_the_remedy():
    with pytest.raises(FileNotFoundError, match="set HANDPOSE_WEIGHTS to a wheel of mediapipe==0.10.21"):
        weights.locate(NAMES[0])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'foot'.*hand_landmark_full"):
        weights.locate("foot")
