import threading
import time

import pytest

from handpose_ros.recordings.buffering import Behind, ahead


def test_items_come_in_order_and_all():
    assert list(ahead(range(100), depth=2)) == list(range(100))


def test_at_most_depth_items_are_made_in_advance():
    made = []
    items = ahead((made.append(k) or k for k in range(100)), depth=3)
    next(items)
    time.sleep(0.3)
    assert len(made) <= 1 + 3 + 1  # taken, waiting, in hand
    items.close()


def test_an_error_comes_in_its_place():
    def two_and_an_error():
        yield from (1, 2)
        raise ValueError("broken image")

    items = ahead(two_and_an_error())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="broken image"):
        next(items)


def test_the_thread_ends_when_its_reader_does():
    items = ahead(range(10**9), depth=1)
    next(items)
    items.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


def test_everything_put_is_done_in_order_by_the_end():
    done = []
    with Behind(done.append, depth=2) as behind:
        for k in range(50):
            behind.put(k)
    assert done == list(range(50))


def test_an_error_behind_is_raised_and_blocks_nobody():
    def fail(item):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Behind(fail, depth=1) as behind:
        for k in range(50):
            behind.put(k)
    with pytest.raises(OSError, match="disk full"), Behind(fail) as behind:
        behind.put(0)
