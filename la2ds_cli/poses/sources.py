"""What the user named, as a list of video files: files, folders, patterns."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from la2ds_cli.video import VIDEO_SUFFIXES, refuse_url


def collect_sources(paths: Sequence[str]) -> list[str]:
    """Files in the order named; folders are searched recursively, patterns (`*`, `?`, `**`)
    expanded, both in natural order; no file twice.

    A folder or pattern without a video stays in the list under its own name, so that it gets its
    row in the report. UserError (exit 2) for a URL.
    """
    found: dict[Path, str] = {}
    for path in paths:
        refuse_url(path)
        for name in _expand(path):
            found.setdefault(Path(name).resolve(), name)
    return list(found.values())


def _expand(path: str) -> list[str]:
    if Path(path).is_dir():
        return natural_order(str(p) for p in Path(path).rglob("*") if _is_video(p)) or [path]
    if not Path(path).exists() and glob.has_magic(path):
        # Path.glob takes no absolute pattern.
        matches = [n for n in glob.glob(path, recursive=True) if Path(n).is_file()]  # noqa: PTH207
        return natural_order(matches) or [path]
    return [path]


def _is_video(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not hidden


def natural_order(names: Iterable[str]) -> list[str]:
    """Sorted with numbers by value: clip2 before clip10."""

    def key(name: str) -> list[tuple[bool, int, str]]:
        parts = re.findall(r"\d+|\D+", name)
        return [(False, int(p), "") if p.isdecimal() else (True, 0, p.lower()) for p in parts]

    return sorted(names, key=key)
