from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError


def test_only_what_differs_from_the_defaults_is_written() -> None:
    assert ClipOptions().to_json() == {}
    assert ClipOptions(start=0.0, end=inf, rotate=360, slowmo=1).to_json() == {}
    options = ClipOptions(start=1.5, end=3, rotate=90, mirror=True, slowmo=8, fps=25)
    assert options.to_json() == {
        "start": 1.5,
        "end": 3,
        "rotate": 90,
        "mirror": True,
        "slowmo": 8,
        "fps": 25,
    }


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        (ClipOptions(), "", ""),
        (ClipOptions(rotate=90, mirror=True), "rotate=90 mirror=true", ""),
        (ClipOptions(start=1.5, end=4), "start=1.5 end=4", "1.5-4"),
        (ClipOptions(start=0.123456789, slowmo=8), "start=0.123456789 slowmo=8", "0.123456789-"),
        (ClipOptions(end=2, fps=29.97), "end=2 fps=29.97", "0-2"),
    ],
)
def test_the_text_of_options(options: ClipOptions, text: str, part: str) -> None:
    assert options.to_text() == text
    assert ClipOptions.from_text(text) == options
    assert options.part == part


def test_a_text_that_is_none() -> None:
    with pytest.raises(ValueError, match="zoom"):
        ClipOptions.from_text("zoom=2")
    with pytest.raises(ValueError, match="fast"):
        ClipOptions.from_text("slowmo=fast")
    with pytest.raises(ValueError, match="mirror is 'yes', write mirror=true or mirror=false"):
        ClipOptions.from_text("mirror=yes")


@pytest.mark.parametrize(
    ("text", "mirror"),
    [("true", True), ("True", True), ("TRUE", True), ("1", True), ("False", False), ("0", False)],
)
def test_mirror_as_people_write_it(text: str, mirror: bool) -> None:
    assert ClipOptions.from_text(f"mirror={text}").mirror is mirror


def test_turns_that_are_equal_are_one() -> None:
    assert ClipOptions(rotate=-90) == ClipOptions(rotate=270) == ClipOptions(rotate=630)


def test_whether_a_part_is_left_out() -> None:
    assert not ClipOptions(rotate=90, slowmo=4).is_cut
    assert ClipOptions(start=0.1).is_cut
    assert ClipOptions(end=9).is_cut


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("start", -1),
        ("start", inf),
        ("start", nan),
        ("end", 0),
        ("end", nan),
        ("rotate", 45),
        ("slowmo", 0),
        ("slowmo", -2),
        ("slowmo", inf),
        ("fps", -30),
        ("fps", nan),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{option} must be") as caught:
        ClipOptions(**{option: value})
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_clip_ends_after_it_starts() -> None:
    with pytest.raises(UserError, match=r"end must be later than the start \(2 s\), not 2"):
        ClipOptions(start=2, end=2)
