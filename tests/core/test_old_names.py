"""Plugins written for la2ds 0.1 import what they need by the names of then."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from la2ds_cli.core.old_names import MOVED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_is_the_module_of_today(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    new = importlib.import_module(MOVED[old])
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MOVED[old]}"):
        module = importlib.import_module(old)
    assert module is new
    assert module.__spec__ is not None
    assert (module.__name__, module.__spec__.name) == (MOVED[old], MOVED[old])


def test_a_class_is_the_same_by_either_name_and_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from la2ds_cli.errors import UserError as a; "
        "from la2ds_cli.core.errors import UserError as b; assert a is b; "
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_other_names_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("la2ds_cli.no_such_room")
