"""Names of clips inside a project: readable, and the same wherever the project lies."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and single hyphens; never empty, at most 60 characters."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:60].strip("-") or "clip"


def video_id(path: Path, digest: str, *, part: str = "", person: int = 1) -> str:
    """Project id of a clip: slug of `folder-stem` and 8 hex digits of the sha256 of its source.

    Two files of one name in two folders get two ids; renaming the project changes none. part: the
    seconds that the clip takes from its source, such as `1.5-4`; person: the number of the person,
    which is named from the second on.
    """
    source = path.resolve()
    parts = [slug(f"{source.parent.name}-{source.stem}"), digest[:8]]
    parts += [f"t{part}"] if part else []
    parts += [f"p{person}"] if person > 1 else []
    return "-".join(parts)
