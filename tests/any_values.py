"""Strategies of hypothesis for whatever a table or a file of la2ds may hold."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.core.types import MOST_FPS, MOST_PIXELS, MOST_SECONDS, PoseSequence

# What ends a row or a cell, begins a formula, turns the direction of the text or escapes something.
_PIECES = [*"\n\r\t,;\"'=+-@\uff1d\u202e\u200f\u2028\ufeff\x7f\x85\\ .é"]
_PIECES += ["\r\n", "%41", "file:", "#2", "\x1b[2J"]

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.one_of(
    st.text(characters, max_size=30), st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)
)
cells = texts.filter(bool)


def _name(content: bytes) -> str:
    return os.fsdecode(content.replace(b"\0", b"0").replace(b"/", b"_"))


# As the system may list a file: 1 to 255 bytes, UTF-8 or not.
file_names = st.one_of(
    cells.map(lambda text: _name(text.encode()[:255])),
    st.binary(min_size=1, max_size=255).map(_name),
)
_plain = st.none() | st.booleans() | st.integers() | texts | file_names
json_values: st.SearchStrategy[Any] = st.recursive(
    _plain | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def clip_options(draw: st.DrawFn) -> ClipOptions | None:
    """Options of a clip; None for values that are refused."""
    seconds = st.one_of(st.floats(0, 1e9), st.floats(0, 10), st.just(float("inf")))
    rate = st.one_of(st.floats(0, 1e6), st.floats(), st.just(1.0))
    try:
        return ClipOptions(
            start=draw(st.one_of(st.just(0.0), seconds)),
            end=draw(seconds),
            rotate=draw(st.sampled_from([0, 90, 180, 270, -90, 450])),
            mirror=draw(st.booleans()),
            slowmo=draw(rate),
            fps=draw(st.one_of(st.just(0.0), rate)),
        )
    except UserError:
        return None


def _float32(low: float, high: float, shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    values = st.one_of(st.floats(low, high, width=32), st.just(float("nan")))
    return arrays.arrays(np.float32, shape, elements=values, fill=st.just(np.float32(low)))


@st.composite
def poses(
    draw: st.DrawFn,
    *,
    farthest: float = 2.0**100,
    skeletons: tuple[str, ...] = tuple(sorted(SKELETONS)),
    first: int = 10**6,
    plain: bool = False,
) -> PoseSequence:
    """A sequence of 1 to 5 frames, of any values that it may hold. farthest: the largest pixel.
    first: the largest number of the first frame. plain: every frame has the next number, a joint
    that is seen has both coordinates, and the first one is seen."""
    skeleton = draw(st.sampled_from(skeletons))
    length, joints = draw(st.integers(2 if plain else 1, 5)), len(get_skeleton(skeleton).joints)
    steps = st.lists(st.floats(1e-3, MOST_SECONDS / 8), min_size=length, max_size=length)
    time = np.cumsum(draw(steps)) + draw(st.floats(0, MOST_SECONDS / 8))
    xy = draw(_float32(-farthest, farthest, (length, joints, 2)))
    if plain:
        xy = np.where(np.isnan(xy).any(axis=2, keepdims=True), np.nan, xy)
        xy[0, 0] = 1
        xy[(np.abs(xy) < 1e-3).all(axis=2)] = 1  # the origin stands for a missing joint in files
    score = np.nan_to_num(draw(_float32(0, 1, (length, joints))))
    frame = np.arange(length) + draw(st.integers(0, first))
    if not plain:
        numbers = st.integers(-(2**63), 2**63 - 1)
        frame = draw(arrays.arrays(np.int64, length, elements=numbers))
    sides = st.integers(1, MOST_PIXELS)
    return PoseSequence(
        xy=xy,
        score=np.where(np.isnan(xy).any(axis=2), 0, score),
        box=draw(_float32(-farthest, farthest, (length, 4))),
        frame=frame,
        time=time,
        fps=draw(st.floats(1e-3 if plain else 5e-324, MOST_FPS)),
        size=(draw(sides), draw(sides)),
        skeleton=skeleton,
        info=draw(st.dictionaries(texts, json_values, max_size=3)),
        world=draw(st.one_of(st.none(), _float32(-1e3, 1e3, (length, joints, 3)))),
    )
