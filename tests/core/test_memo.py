"""A bounded cache: its size changes how often a value is computed, and never a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core import memo
from la2ds_cli.core.memo import Memo

KEYS = st.lists(st.integers(0, 6), max_size=8)


@given(room=st.integers(1, 8), asked=st.lists(KEYS, max_size=12))
def test_every_key_has_its_value_whatever_there_is_room_for(
    room: int, asked: list[list[int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo, "MOST_KEPT", room)
        kept = Memo()
        for keys in asked:
            alive = [None] * len(keys)
            values = kept.each(keys, alive, lambda new, keys=keys: [keys[n] ** 2 for n in new])
            assert values == [key**2 for key in keys]
            for key in keys[:1]:
                assert kept.once(key, None, lambda key=key: key**2) == key**2


@given(asked=st.lists(KEYS, max_size=12))
def test_with_room_for_all_no_call_computes_what_an_earlier_one_did(asked: list[list[int]]) -> None:
    kept = Memo()
    for n, keys in enumerate(asked):
        known = {key for earlier in asked[:n] for key in earlier}
        new = list[int]()
        kept.each(
            keys, [None] * len(keys), lambda missing, new=new: [new.append(m) for m in missing]
        )
        assert known.isdisjoint(keys[m] for m in new)


def test_the_least_recently_used_value_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "MOST_KEPT", 2)
    kept, computed = Memo(), list[str]()

    def value(key: str) -> str:
        return kept.once(key, None, lambda: [computed.append(key), key][1])

    for key in "abaca":
        assert value(key) == key
    assert computed == ["a", "b", "c"]
    assert value("b") == "b"
    assert computed[-1] == "b"
