"""Work by several threads: order, instances, full batches."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import numpy as np
import pytest

from la2ds_cli.poses import threads
from la2ds_cli.poses.threads import (
    FullBatches,
    Instances,
    MergedBatches,
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


def crops(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None, None, None] * np.ones((1, 3, 2, 2), np.float32)


class Recorder:
    """The mean of each crop; remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        self.sizes.append(len(crop))
        return crop.mean(axis=(1, 2, 3))


def test_batches_are_always_full() -> None:
    forward = Recorder()
    np.testing.assert_array_equal(FullBatches(forward, 4)(crops(*range(6))), np.arange(6))
    assert forward.sizes == [4, 4]


def test_a_network_with_two_outputs() -> None:
    both = FullBatches(lambda crop: (crop.mean(axis=(1, 2, 3)), crop[:, 0, 0]), 4)(
        crops(1, 2, 3, 4, 5)
    )
    np.testing.assert_array_equal(both[0], [1, 2, 3, 4, 5])
    assert both[1].shape == (5, 2)


@pytest.mark.parametrize("merged", [False, True])
def test_joints_do_not_depend_on_the_company_of_a_crop(merged: bool) -> None:
    """Bit for bit, on the real network: the last bits depend on the shape of a batch."""
    import torch

    from la2ds_models.pose import build_pose_network

    torch.manual_seed(0)
    network = build_pose_network("hrnet-demo", 17).eval()

    def forward(crop: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(crop)).numpy()

    rng = np.random.default_rng(0)
    crop = rng.standard_normal((7, 3, 128, 96)).astype(np.float32)
    batches = (MergedBatches if merged else FullBatches)(forward, 4)
    together = batches(crop)
    alone = np.concatenate([batches(crop[n : n + 1]) for n in range(7)])
    if isinstance(batches, MergedBatches):
        batches.close()
    np.testing.assert_array_equal(together, alone)


def test_crops_of_several_callers_share_a_batch() -> None:
    """The first call holds the network until the others wait."""
    entered, go = threading.Event(), threading.Event()
    record = Recorder()

    def forward(crop: np.ndarray) -> np.ndarray:
        entered.set()
        assert go.wait(10)
        return record(crop)

    merged = MergedBatches(forward, 4)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(merged, crops(9))
        assert entered.wait(10)
        others = [pool.submit(merged, crops(n)) for n in range(4)]
        while merged._waiting.qsize() < 4:
            pass
        go.set()
        assert [float(f.result()[0]) for f in (first, *others)] == [9, 0, 1, 2, 3]
    merged.close()
    assert record.sizes == [4, 4]


def test_a_failure_reaches_every_caller_and_the_next_call_works() -> None:
    def forward(crop: np.ndarray) -> np.ndarray:
        if crop.max() > 5:
            raise ValueError("too bright")
        return crop.mean(axis=(1, 2, 3))

    merged = MergedBatches(forward, 2)
    with pytest.raises(ValueError, match="too bright"):
        merged(crops(1, 9))
    np.testing.assert_array_equal(merged(crops(1, 2)), [1, 2])
    merged.close()
