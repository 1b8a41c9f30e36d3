import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from handpose_ros.apart import Apart
from handpose_ros.processes import ProcessDied

HERE = Path(__file__).parent


class Collector:
    """Returns what it was given. In `folder` there is a file "open" from the first item until its block is left."""

    def __init__(self, folder):
        self._file, self._items = Path(folder) / "open", []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        time.sleep(0.05)  # a signal may come now
        self._file.unlink()

    def add(self, item):
        print("this is no answer")
        self._file.touch()
        if isinstance(item, Failure):
            raise item.kind(*item.arguments)
        self._items.append(item)

    def finish(self):
        return os.getpid(), self._items


@dataclass(frozen=True)
class Failure:
    """Makes a Collector fail."""

    kind: type
    arguments: tuple


class Stubborn(ValueError):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def gone(pid):
    """Waits until there is no process `pid`, or only one that has ended and was not asked."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_added_arrives_in_order_in_another_process(tmp_path, capfd):
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)  # larger than the pipe
    with Apart(Collector, tmp_path) as collector:
        for item in (1, None, image):
            collector.add(item)
        pid, (first, second, third) = collector.finish()
    assert pid == collector.pid != os.getpid() and (first, second) == (1, None)
    np.testing.assert_array_equal(third, image)
    assert gone(pid) and list(tmp_path.iterdir()) == [] and capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "failure, kind, said",
    [
        (Failure(OSError, (28, "No space left", "a.mp4")), OSError, "No space left: 'a.mp4'"),
        (Failure(Stubborn, ("no", "pickle")), RuntimeError, "Stubborn: no pickle"),
    ],
)
def test_an_error_there_is_raised_here_and_says_where_it_was(tmp_path, failure, kind, said):
    with pytest.raises(kind, match=said) as failed, Apart(Collector, tmp_path) as collector:
        collector.add(failure)
        for _ in range(100):
            collector.add(bytes(1 << 20))
    assert "in add" in str(failed.value.__cause__) and gone(collector.pid)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_here_leaves_the_block_there(tmp_path, error):
    with pytest.raises(error), Apart(Collector, tmp_path) as collector:
        collector.add(1)
        wait_for((tmp_path / "open").exists)
        raise error
    assert gone(collector.pid) and list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_is_said_to_be():
    with pytest.raises(ProcessDied, match="ended by SIGKILL: is there enough memory"), Apart(list) as process:
        os.kill(process.pid, signal.SIGKILL)
        for _ in range(100):
            process.add(bytes(1 << 20))


def run_script(folder, end):
    """A user's script without a main guard, which counts how often it runs, and then does `end`."""
    script = folder / "script.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(HERE.parent)!r}, {str(HERE)!r}]\n"
        f"from handpose_ros.apart import Apart\nfrom test_apart import Collector\nprint('runs', flush=True)\n"
        f"with Apart(Collector, {str(folder)!r}) as collector:\n    print(collector.pid, flush=True)\n    {end}\n"
    )
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)


def test_a_script_needs_no_main_guard(tmp_path):
    script = run_script(tmp_path, "collector.add('item'); print(collector.finish()[1])")
    runs, _, items = script.communicate(timeout=60)[0].splitlines()
    assert (runs, items) == ("runs", "['item']")


def test_no_process_outlives_a_killed_parent(tmp_path):
    parent = run_script(tmp_path, "collector.add(1); import time; time.sleep(600)")
    pid = int([parent.stdout.readline() for _ in range(2)][1])
    wait_for((tmp_path / "open").exists)
    parent.kill()
    parent.wait()
    assert gone(pid) and not (tmp_path / "open").exists()
