import threading

import pytest

from handpose_ros.thread_map import thread_map

PATIENCE = 20.0  # [s] for what takes no time on an idle machine


def test_results_are_in_the_order_of_the_items_whoever_is_quicker():
    done = threading.Event()

    def wait_for_the_second(item):
        if item == 0:
            assert done.wait(PATIENCE)
        if item == 1:
            done.set()
        return 10 * item

    assert thread_map([wait_for_the_second] * 2, range(5)) == [0, 10, 20, 30, 40]
    assert thread_map([wait_for_the_second] * 2, []) == []


def test_a_worker_does_one_item_at_a_time_and_all_of_them_work():
    together = threading.Barrier(3)

    def worker():
        alone = threading.Lock()

        def work(item):
            assert alone.acquire(blocking=False)
            together.wait(PATIENCE)
            alone.release()
            return threading.get_ident()

        return work

    assert len(set(thread_map([worker() for _ in range(3)], range(3)))) == 3


def test_no_more_items_are_taken_than_there_are_workers():
    taken, lock = [], threading.Lock()

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    def left(item):
        with lock:
            return len(taken) - item

    assert max(thread_map([left] * 2, items())) <= 3  # one behind, and one that was taken meanwhile


@pytest.mark.parametrize("count", [1, 4])
def test_what_the_first_bad_item_raises_is_raised_and_none_is_begun_after_it(count):
    begun, both = [], threading.Barrier(min(count, 2))

    def work(item):
        begun.append(item)
        if item in (3, 4):
            if item == 3:
                both.wait(PATIENCE)  # the other one has failed before
            elif count > 1:
                both.wait(PATIENCE)
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 3"):
        thread_map([work] * count, range(100))
    assert max(begun) < 3 + 2 * count


def test_an_item_that_cannot_be_had_is_an_error_of_its_own_place():
    def items():
        yield 0
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        thread_map([abs, abs], items())
