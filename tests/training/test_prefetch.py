"""Batches made ahead: in order, bounded, errors where they belong."""

from __future__ import annotations

import threading

import pytest

from la2ds_cli.training.loop import Prefetch


def test_every_step_gets_its_own_result_in_any_order() -> None:
    with Prefetch(lambda step: step * step) as ahead:
        assert [ahead.take(step) for step in (3, 4, 5, 0, 1)] == [9, 16, 25, 0, 1]


def test_only_one_result_is_made_ahead_and_none_after_the_last() -> None:
    made = []
    with Prefetch(made.append) as ahead:
        ahead.take(0)
        ahead.take(1)
    assert made in ([0, 1], [0, 1, 2])  # what has not begun when it is closed is left
    made.clear()
    with Prefetch(made.append) as ahead:
        ahead.take(0)
        ahead.take(1, last=True)
    assert made == [0, 1]


def test_the_next_result_is_made_while_this_one_is_used() -> None:
    begun = threading.Event()

    def make(step: int) -> int:
        if step == 1:
            begun.set()
        return step

    with Prefetch(make) as ahead:
        ahead.take(0)
        assert begun.wait(10)


def test_an_error_is_raised_by_its_own_step() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("step 2")
        return step

    with Prefetch(make) as ahead:
        assert ahead.take(1) == 1
        with pytest.raises(ValueError, match="step 2"):
            ahead.take(2)
