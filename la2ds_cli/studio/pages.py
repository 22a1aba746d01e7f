"""What all pages of the studio share: the template with its navigation, and reading requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.views.page import template_text

# Name in the navigation, address. A page marks its own entry with `here`.
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
    """A page of the studio. template: a file in templates/, which extends frame.html. here: the
    address of its entry in the navigation. Values of the context are escaped."""
    return template_text(
        f"studio/templates/{template}",
        title=f"{title} · la2ds studio",
        heading=title,
        navigation=NAVIGATION,
        here=here,
        **context,
    )


class Notes(Progress):
    """Collects the notes for the user, each once."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def one_line(text: str) -> bool:
    """Whether a person may write this as one line: no control characters, no space at its ends.
    Hard spaces and what joins letters and emojis are allowed."""
    return text.strip() == text != "" and text.translate(_ALSO).isprintable()


async def posted(request: Request, **shapes: Any) -> dict[str, Any]:
    """The JSON object that a script has sent, by these names, whose values are of these shapes (see
    `_fits`). Raises UserError (exit 2) for anything else, for more than 1 MB, and for numbers and
    characters that no page sends: NaN, infinity, integers of 19 digits or more, halves of
    characters."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MOST:
            raise UserError("the studio takes at most 1 MB here")
    try:
        question = json.loads(content, parse_int=_short_int)
        json.dumps(question, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        question = None
    if not isinstance(question, dict) or not _fits(question, shapes):
        raise UserError(
            "this is not a request of the studio's own pages", hint="load the page again"
        )
    return {name: question.get(name) for name in shapes}


def _fits(value: Any, shape: Any) -> bool:
    """Whether a value has a shape: a type (float: any number), [shape] for a list, {name: shape}
    (further names do not count), (shape, ...) for one of them, or None, as a missing name is."""
    if isinstance(shape, tuple):
        return any(_fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if isinstance(shape, dict):
        known = isinstance(value, dict)
        return known and all(_fits(value.get(name), one) for name, one in shape.items())
    if shape is float:
        return type(value) in (int, float)
    return value is None if shape is None else type(value) is shape


def _short_int(digits: str) -> int:
    if len(digits) > 18:  # a float, or an array, may have no room for it
        raise ValueError(digits)
    return int(digits)


def read_result(path: Path, what: str, hint: str, parse: Callable[[Any], Found]) -> Found:
    """What `parse` makes of a JSON document that a command has written, which is `what`. Raises
    UserError (exit 5) if it is none."""
    try:
        return parse(json.loads(regular_file.text(path)))
    except artifact.FOREIGN as error:  # the folder is the user's
        raise Mismatch(
            f"{path.name} is not {what} ({type(error).__name__}: {error})"[:200], hint=hint
        ) from error


def with_names(notes: Iterable[str], clips: Iterable[Video]) -> list[str]:
    """Notes of a command, each with the name of a clip in place of the id at its beginning."""
    names = {clip.id: clip.title for clip in clips}
    split = (note.partition(": ") for note in notes)
    return [f"{names.get(clip, clip)}{colon}{rest}" for clip, colon, rest in split]
