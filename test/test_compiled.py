"""What is compiled computes what it says, keeps to its types, and needs no place on disk."""

import math

import numpy as np
import pytest

from handpose_ros.compiled import compiled, inlined


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


def test_what_no_file_holds_is_compiled_and_not_kept():
    scope = {}
    exec("def double(x):\n    return 2 * x", scope)  # its source is nowhere on disk
    double = compiled("f8(f8)")(scope["double"])
    assert double(4.0) == 8.0 and not double.stats.cache_path
