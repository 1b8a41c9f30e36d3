"""What is compiled computes what it says, keeps to its types, and needs no place on disk."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handpose_ros.compiled import compiled, inlined, plain

ROOT = Path(__file__).parents[1]


@inlined
def _square(x):
    return x * x


@compiled("f8(f8[::1], f8)")
def ratio(values, divisor):
    total = 0.0
    for value in values:
        total += _square(value)
    return total / divisor


def test_loops_and_what_they_call_are_compiled_for_the_types_of_the_signature():
    assert ratio.signatures and ratio(np.array([3.0, 4.0]), 5.0) == 5.0
    for values in (np.array([3, 4]), np.array([3.0, 4.0], np.float32), np.ones((3, 2))[:, 0]):
        with pytest.raises(TypeError, match="No matching definition"):
            ratio(values, 5.0)


def test_dividing_by_zero_is_infinite_or_nan_as_in_numpy():
    assert ratio(np.ones(1), 0.0) == math.inf and math.isnan(ratio(np.zeros(1), 0.0))


def test_plain_arrays_are_what_compiled_functions_take_and_nobody_elses():
    given = np.arange(12).reshape(3, 4)[:, ::2]
    given.setflags(write=False)
    taken = plain(given)
    assert taken.dtype == float and taken.flags.c_contiguous and taken.flags.writeable
    assert taken.tolist() == given.tolist() and not np.shares_memory(taken, given)


def test_what_no_file_holds_is_compiled_and_not_kept():
    scope = {}
    exec("def double(x):\n    return 2 * x", scope)  # its source is nowhere on disk
    double = compiled("f8(f8)")(scope["double"])
    assert double(4.0) == 8.0 and not double.stats.cache_path


SOURCE = """
import resource, sys
from handpose_ros.compiled import compiled
if "full" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
@compiled("f8(f8)")
def double(x):
    return 2 * x
print(double(4.0), sum(double.stats.cache_hits.values()) if hasattr(double, "stats") else "plain")
"""


@pytest.fixture
def start(tmp_path):
    """Runs a program with a compiled function, and gives what it prints: a result, and how often the disk had it."""
    (tmp_path / "program.py").write_text(SOURCE)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}

    def run(*arguments, **more):
        command = [sys.executable, str(tmp_path / "program.py"), *arguments]
        return subprocess.check_output(command, env=environment | more, cwd=ROOT, text=True).split()

    return run


def test_the_next_start_takes_it_from_disk(start):
    assert [start(), start()] == [["8.0", "0"], ["8.0", "1"]]


@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("left", [b"", b"\0" * 100, None], ids=["nothing", "zeros", "the beginning"])
def test_what_a_power_failure_left_on_disk_is_compiled_again(start, tmp_path, kind, left):
    start()
    (path,) = (tmp_path / "kept").rglob(kind)
    path.write_bytes(path.read_bytes()[:100] if left is None else left)
    assert [start(), start()] == [["8.0", "0"], ["8.0", "1"]]


def test_a_full_disk_keeps_nothing_from_being_compiled(start, tmp_path):
    assert start("full") == ["8.0", "0"]
    assert not list((tmp_path / "kept").rglob("*.nbc"))


def test_who_debugs_with_numbas_switch_has_plain_python(start):
    assert start(NUMBA_DISABLE_JIT="1") == ["8.0", "plain"]
