"""The thread count follows the measurement."""

from __future__ import annotations

import pytest
import torch

from la2ds_cli.core.device import available_cores
from la2ds_cli.training import tuning


@pytest.fixture(autouse=True)
def _keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "expected"), [({1: 1.0, 2: 0.5}, 2), ({1: 1.0, 2: 7.0}, 1), ({1: 1.0, 2: 0.95}, 1)]
)
def test_the_faster_count_wins_and_more_must_pay(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], expected: int
) -> None:
    monkeypatch.setattr(
        tuning, "_fastest_step", lambda run, first: seconds[torch.get_num_threads()]
    )
    assert tuning.fastest_threads(lambda step: None, 2) == expected
    assert torch.get_num_threads() == expected


def test_available_cores_is_positive() -> None:
    assert available_cores() >= 1
