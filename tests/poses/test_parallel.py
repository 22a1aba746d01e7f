from __future__ import annotations

import threading
import time

import pytest

from la2ds_cli.poses.threads import one_thread_each, ordered_map


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert list(ordered_map(slow_first, range(20), workers)) == [n * n for n in range(20)]


def test_items_are_worked_on_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)  # broken if the second never comes
    assert len(list(ordered_map(lambda _: both.wait(), range(4), 2))) == 4


def test_no_more_items_are_drawn_than_can_be_held() -> None:
    drawn = []

    def items():
        for n in range(100):
            drawn.append(n)
            yield n

    results = ordered_map(lambda n: n, items(), 2)
    assert next(results) == 0
    assert len(drawn) == 4
    results.close()


def test_a_failure_comes_in_its_turn_and_stops_what_is_under_way() -> None:
    stop = threading.Event()

    def work(n: int) -> int:
        if n == 1:
            raise ValueError("one")
        if n > 1:
            assert stop.wait(10)
        return n

    results = ordered_map(work, range(50), 2, stop)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert stop.is_set()


def test_torch_gets_its_threads_back() -> None:
    import torch

    before = torch.get_num_threads()
    with one_thread_each(2):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
