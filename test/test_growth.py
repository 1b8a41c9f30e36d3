"""The cases of growth are measured in turns, and each camera's image is counted once."""

from concurrent.futures import ThreadPoolExecutor

from handpose_ros.benchmark.growth import _in_turn, _in_turns, _side_by_side
from handpose_ros.benchmark.latency import BLOCK


def test_every_block_has_a_turn_of_every_case_and_the_warm_up_does_not_count():
    calls = []

    def case(name, ms):
        return lambda first: calls.append((name, first)) or (ms * (100 if first < 2 * BLOCK else 1), 2 * ms, 3)

    one, two = _in_turns("hands", {"a": case("a", 5.0), "b": case("b", 7.0)}, blocks=3)
    assert calls == [(name, block * BLOCK) for block in range(5) for name in "ab"]
    assert (one.case, one.ms.median, one.ms.p99, one.cpu_ms.median, one.hands) == ("a", 5, 5, 10, 3)
    assert (two.kind, two.case, two.ms.median) == ("hands", "b", 7)


def test_cameras_in_turn_cost_the_sum_and_side_by_side_see_all_hands():
    runs = [lambda first: (5.0, 6.0, 2), lambda first: (7.0, 8.0, 1)]
    assert _in_turn(runs)(0) == (12, 14, 3)
    with ThreadPoolExecutor(2) as threads:
        assert _side_by_side(threads, runs)(0)[2] == 3
