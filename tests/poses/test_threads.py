"""Work by several threads: order, instances, full batches."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest

from la2ds_cli.poses import threads
from la2ds_cli.poses.threads import (
    Instances,
    SharedCores,
    one_thread_each,
    ordered_map,
)


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


def test_calls_one_after_the_other_share_an_instance() -> None:
    pool = Instances(count().__next__)
    for _ in range(3):
        with pool.borrow() as number:
            assert number == 0


def test_calls_at_the_same_time_do_not() -> None:
    pool, together = Instances(count().__next__), Barrier(3)

    def call() -> int:
        with pool.borrow() as number:
            together.wait(timeout=30)
            return number

    with ThreadPoolExecutor(3) as callers:
        for _ in range(2):
            numbers = [callers.submit(call) for _ in range(3)]
            assert sorted(number.result() for number in numbers) == [0, 1, 2]


def test_an_instance_that_failed_is_not_used_again() -> None:
    pool = Instances(count().__next__)
    with pytest.raises(ValueError, match="broken"), pool.borrow():
        raise ValueError("broken")
    with pool.borrow() as number:
        assert number == 1


def test_a_call_uses_the_threads_that_the_other_calls_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    pool = SharedCores(lambda threads: [threads])
    with pool.borrow() as alone, pool.borrow() as second, pool.borrow() as third:
        assert [*alone, *second, *third] == [4, 2, 1]
    with pytest.raises(ValueError, match="broken"), pool.borrow():
        raise ValueError("broken")
    with pool.borrow() as again:
        assert again == [4]
        assert again is not alone  # the one that failed
