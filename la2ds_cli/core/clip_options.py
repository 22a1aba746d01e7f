"""How the user wants a clip to be read: which part of it, which way up, at which speed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any

from la2ds_cli.core.errors import UserError


@dataclass(frozen=True)
class ClipOptions:
    """Options of one clip; the defaults change nothing.

    start, end: seconds of the file as a player shows them, end exclusive. rotate: degrees
    clockwise, a multiple of 90 (kept as 0, 90, 180 or 270), on top of what the file itself asks
    for. mirror: left and right exchanged, after the rotation. slowmo: seconds of the file per
    second of the movement, 8 for footage slowed down 8 times. fps: images per second, for folders
    of images only; 0 = not given.

    Raises UserError (exit 2), naming the option, for a value that makes no sense.
    """

    start: float = 0.0
    end: float = inf
    rotate: int = 0
    mirror: bool = False
    slowmo: float = 1.0
    fps: float = 0.0

    def __post_init__(self) -> None:
        _check(self.start >= 0 and isfinite(self.start), "start", "0 s or later", self.start)
        _check(self.end > self.start, "end", f"later than the start ({self.start:g} s)", self.end)
        _check(self.rotate % 90 == 0, "rotate", "a multiple of 90 degrees", self.rotate)
        _check(self.slowmo > 0 and isfinite(self.slowmo), "slowmo", "above 0", self.slowmo)
        _check(self.fps >= 0 and isfinite(self.fps), "fps", "above 0", self.fps)
        object.__setattr__(self, "rotate", int(self.rotate) % 360)

    @property
    def is_cut(self) -> bool:
        """Whether a part of the file is left out."""
        return self.start > 0 or self.end < inf

    def to_json(self) -> dict[str, Any]:
        """The values that differ from the defaults, by name: {} for none."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in values.items() if value != defaults[name]}

    def to_text(self) -> str:
        """`start=1.5 rotate=90`: the values that differ from the defaults, as in videos.csv."""
        return " ".join(f"{name}={_text(value)}" for name, value in self.to_json().items())

    @classmethod
    def from_text(cls, text: str) -> ClipOptions:
        """Inverse of to_text; ValueError for another text."""
        values: dict[str, Any] = {}
        kinds = {field.name: type(field.default) for field in fields(cls)}
        for word in text.split():
            name, _, value = word.partition("=")
            if name not in kinds:
                raise ValueError(f"unknown option '{name}'")
            values[name] = value == "true" if kinds[name] is bool else kinds[name](value)
        return cls(**values)

    @property
    def part(self) -> str:
        """`1.5-4`: the seconds that a clip takes from its file; empty for all of it."""
        if not self.is_cut:
            return ""
        return f"{_text(self.start)}-{_text(self.end) if self.end < inf else ''}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.10g}"


def _check(good: bool, option: str, allowed: str, value: float) -> None:
    if not good:
        raise UserError(f"{option} must be {allowed}, not {value:g}")
