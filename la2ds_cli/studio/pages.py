"""What all pages of the studio share: the template with its navigation, and reading requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.clip_names import ShownNames
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.views.page import template_text

# Name in the navigation, address. A page marks its own entry as `here`.
NAVIGATION = (
    ("Clips", "/"),
    ("Pair", "/pair"),
    ("Phases", "/phases"),
    ("Search", "/search"),
    ("Timeline", "/timeline"),
    ("Train", "/train"),
)
Found = TypeVar("Found")
_MOST = 1 << 20  # bytes of a request
_ALSO: dict[int, str] = dict.fromkeys(
    (0xA0, 0x200C, 0x200D), "x"
)  # which Python does not count as printable


def page(template: str, title: str, *, here: str = "", **context: Any) -> str:
    """Return a page of the studio; values of the context are escaped.

    Parameters
    ----------
    template: a file in templates/ that extends frame.html.
    here: the address of its entry in the navigation.
    """
    return template_text(
        f"studio/templates/{template}",
        title=f"{title} · la2ds studio",
        heading=title,
        navigation=NAVIGATION,
        here=here,
        **context,
    )


class Notes(Progress):
    """Collect the notes for the user, each once."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def one_line(text: str) -> bool:
    """Return whether a text is one line without control characters and without space at its ends.
    Non-breaking spaces and joiners of letters and emojis are allowed."""
    return text.strip() == text != "" and text.translate(_ALSO).isprintable()


async def posted(request: Request, **shapes: Any) -> dict[str, Any]:
    """Return the named values of the JSON object that a script has sent.

    Raises UserError (exit 2) unless they have these shapes (see `_fits`), for more than 1 MB, and
    for numbers and characters that no page sends: NaN, infinity, integers of 19 digits or more,
    lone surrogates.
    """
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MOST:
            raise UserError("this request is larger than 1 MB")
    try:
        document = json.loads(content, parse_int=_short_int)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not _fits(document, shapes):
        raise UserError("this request is not from a page of the studio", hint="reload the page")
    return {name: document.get(name) for name in shapes}


def _fits(value: Any, shape: Any) -> bool:
    """Return whether a value has a shape: a type (float = any number), [shape] for a list, {name:
    shape} for an object (which may have more names), (shape, ...) for a choice, or None, also for a
    missing name."""
    if isinstance(shape, tuple):
        return any(_fits(value, choice) for choice in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        is_object = isinstance(value, dict)
        return is_object and all(_fits(value.get(name), part) for name, part in shape.items())
    if shape is float:
        return type(value) in (int, float)
    return value is None if shape is None else type(value) is shape


def _short_int(digits: str) -> int:
    if len(digits) > 18:  # may not fit into an int64 or a float
        raise ValueError(digits)
    return int(digits)


def read_result(path: Path, what: str, hint: str, parse: Callable[[Any], Found]) -> Found:
    """Parse a JSON document that a command has written.

    Parameters
    ----------
    what: the kind of document, for the message.

    Raises
    ------
    UserError: (exit 5) if `parse` fails, with this hint.
    """
    try:
        return parse(json.loads(regular_file.text(path)))
    except artifact.FOREIGN as error:  # people may put other files here
        raise Mismatch(
            f"{path.name} is not {what} ({type(error).__name__}: {error})"[:200], hint=hint
        ) from error


def with_names(notes: Iterable[str], clips: Iterable[Video]) -> list[str]:
    """Return the notes of a command, with clip names instead of the ids at their beginning."""
    names = ShownNames((clip.id, clip.title) for clip in clips)
    split = (note.partition(": ") for note in notes)
    return [f"{names[clip]}{colon}{rest}" for clip, colon, rest in split]
