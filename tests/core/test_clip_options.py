"""How a file is read, as text and as values; tests/core/test_any_value_read_again.py has any."""

from __future__ import annotations

from math import inf, nan

import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        (ClipOptions(), "", ""),
        (ClipOptions(start=0.0, end=inf, rotate=360, slowmo=1), "", ""),
        (ClipOptions(rotate=-90, mirror=True), "rotate=270 mirror=true", ""),
        (ClipOptions(start=1.5, end=4), "start=1.5 end=4", "1.5-4"),
        (ClipOptions(start=0.123456789, slowmo=8), "start=0.123456789 slowmo=8", "0.123456789-"),
        (ClipOptions(end=2, fps=29.97), "end=2 fps=29.97", "0-2"),
    ],
)
def test_the_text_of_options(options: ClipOptions, text: str, part: str) -> None:
    assert options.to_text() == text
    assert list(options.to_json()) == [item.partition("=")[0] for item in text.split()]
    assert (options.part, options.is_cut) == (part, bool(part))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zoom=2", "unknown option 'zoom'"),
        ("slowmo=fast", "fast"),
        ("mirror=yes", "mirror is 'yes', write mirror=true or mirror=false"),
    ],
)
def test_a_text_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ClipOptions.from_text(text)


def test_mirror_as_people_write_it() -> None:
    read = [ClipOptions.from_text(f"mirror={text}").mirror for text in ("True", "1", "FALSE", "0")]
    assert read == [True, True, False, False]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("start", (-1, inf, nan)),
        ("end", (0, nan)),
        ("rotate", (45,)),
        ("slowmo", (0, -2, inf)),
        ("fps", (-30, nan)),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, values: tuple[float, ...]) -> None:
    for value in values:
        with pytest.raises(UserError, match=f"^{option} must be") as caught:
            ClipOptions(**{option: value})  # pyright: ignore[reportArgumentType]
        assert caught.value.exit_code == ExitCode.USAGE
    with pytest.raises(UserError, match=r"end must be later than the start \(2 s\), not 2"):
        ClipOptions(start=2, end=2)
