import threading
import time

import pytest

from handpose_ros.ros.stamp_buffer import StampBuffer

PATIENT = 20.0  # [s] a test that had to wait for it would be noticed


def buffer(stamps, patience=0.0, **options):
    made = StampBuffer(tolerance=0.02, patience=patience, **options)
    for stamp in stamps:
        made.put(stamp, f"depth {stamp}")
    return made


@pytest.mark.parametrize(
    "stamps, wanted, found",
    [
        ([1.0, 1.1, 1.2], 1.1, "depth 1.1"),
        ([1.0, 1.015], 1.01, "depth 1.015"),
        ([1.0], 1.019, "depth 1.0"),
        ([1.0], 1.021, None),
        ([1.1], 1.0, None),
        ([], 1.0, None),
    ],
)
def test_the_nearest_within_the_tolerance_is_found(stamps, wanted, found):
    assert buffer(stamps).nearest(wanted) == found


def test_of_equal_stamps_the_latest_is_found():
    depths = buffer([0.0])
    depths.put(0.0, "latest")
    assert depths.nearest(0.0) == "latest"


def test_without_stamps_what_came_long_ago_belongs_to_no_image():
    now = [0.0]
    depths = buffer([0.0], clock=lambda: now[0])
    assert depths.nearest(0.0) == "depth 0.0"
    now[0] = 1.5
    assert depths.nearest(0.0) is None


def test_one_that_is_under_way_is_waited_for_although_an_earlier_one_is_near():
    depths = buffer([1.0], PATIENT)
    later = threading.Timer(0.1, depths.put, (1.01, "its own"))
    later.start()
    assert depths.nearest(1.01) == "its own"


@pytest.mark.parametrize(
    "lately",
    [[1.0, 1.033, 1.1], [1.0, 1.033, 1.067, 1.067, 1.1], [1.0, 1.033, 1.066, 1.067, 1.1], [0.7, 0.733]],
    ids=["one was lost", "one came twice", "two came at once", "after a pause"],
)
def test_one_that_is_under_way_is_waited_for_however_unevenly_they_came(lately):
    depths = buffer(lately, PATIENT)
    later = threading.Timer(0.1, depths.put, (1.133, "its own"))
    later.start()
    assert depths.nearest(1.133) == "its own"


@pytest.mark.parametrize("wanted, found", [(1.115, "depth 1.1"), (1.125, None)])  # depth early, or half as often
def test_nothing_is_waited_for_when_the_next_one_would_be_further_away(wanted, found):
    period = 0.033 if found else 0.05
    begin = time.monotonic()
    assert buffer([1.1 - period, 1.1], PATIENT).nearest(wanted) == found
    assert time.monotonic() - begin < PATIENT / 2


def test_nothing_is_waited_for_when_a_later_one_is_there():
    begin = time.monotonic()
    assert buffer([2.0], PATIENT).nearest(1.0) is None
    assert time.monotonic() - begin < PATIENT / 2


def test_patience_ends():
    assert buffer([1.0], 0.05).nearest(2.0) is None


@pytest.mark.parametrize("silence", [1.5, None])
def test_a_silent_camera_is_not_waited_for(silence):
    now = [0.0]
    depths = buffer([1.0] if silence else [], PATIENT, clock=lambda: now[0])
    now[0] += silence or 0.0
    begin = time.monotonic()
    assert depths.nearest(3.0) is None
    assert time.monotonic() - begin < PATIENT / 2


def test_a_bag_that_starts_again_does_not_find_the_end_of_the_last_round():
    depths = buffer([9.9, 10.0])
    depths.put(0.0, "new")
    assert depths.nearest(0.0) == "new"
    assert depths.nearest(10.0) is None


def test_a_stream_that_nobody_takes_from_is_forgotten_from_its_beginning():
    depths = buffer([0.1 * k for k in range(100)])
    assert depths.nearest(0.0) is None
    assert depths.nearest(9.9) == f"depth {0.1 * 99}"
