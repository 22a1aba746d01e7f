"""Kernels are compiled when that pays, and say the same before."""

from __future__ import annotations

import pytest

from la2ds_cli.core import device as module
from la2ds_cli.core.device import LOADING, compiled, compiling_pays


def test_compiling_pays_once_as_much_was_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_done_without", 0.0)
    assert compiling_pays(1.1 * LOADING)  # at once, and nothing was done without
    assert not compiling_pays(0.6 * LOADING)
    assert compiling_pays(0.6 * LOADING)
    assert not compiling_pays(0.3 * LOADING)
    assert compiling_pays(0.2 * LOADING)


def test_a_function_runs_as_it_is_until_compiling_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    @compiled(lambda count: asked.append(count) or count)
    def total(count):
        result = 0
        for n in range(count):
            result += n
        return result

    for pays in (False, True, False):
        monkeypatch.setattr(module, "compiling_pays", lambda seconds, pays=pays: pays)
        assert total(5) == 10
    assert asked == [5, 5, 5]
    assert total.__name__ == "total"
