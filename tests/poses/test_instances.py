"""One instance per call at a time, and no more of them than needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest

from la2ds_cli.poses.threads import Instances


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

    with ThreadPoolExecutor(3) as threads:
        for _ in range(2):
            numbers = [threads.submit(call) for _ in range(3)]
            assert sorted(number.result() for number in numbers) == [0, 1, 2]


def test_an_instance_that_failed_is_not_used_again() -> None:
    pool = Instances(count().__next__)
    with pytest.raises(ValueError, match="broken"), pool.borrow():
        raise ValueError("broken")
    with pool.borrow() as number:
        assert number == 1
