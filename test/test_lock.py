"""One run at a time in a directory of results."""

import errno

import pytest

from handpose_ros.recordings import lock
from handpose_ros.recordings.lock import exclusive


def test_a_second_run_is_kept_out_as_long_as_the_first_one_lasts(tmp_path):
    with exclusive(tmp_path):
        with pytest.raises(OSError, match="another run is writing to .*choose another --out"), exclusive(tmp_path):
            pass
    with exclusive(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_directory_is_made_and_stays_if_something_came_into_it(tmp_path):
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert not (tmp_path / "a" / "b").exists()
    with exclusive(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


def test_an_empty_directory_that_was_there_stays(tmp_path):
    with exclusive(tmp_path):
        pass
    assert tmp_path.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch, number):
    def without(*_):
        raise OSError(number, "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", without)
    with exclusive(tmp_path / "out"):
        (tmp_path / "out" / "result").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result"]
