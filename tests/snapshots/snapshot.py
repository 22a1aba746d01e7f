"""Text that is kept in a file and reviewed like code.

With LA2DS_UPDATE_SNAPSHOTS=1 the tests write the files anew; read the difference before you commit
it.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

from safetensors import safe_open

FOLDER = Path(__file__).parent
UPDATE = "LA2DS_UPDATE_SNAPSHOTS"
# The ids of films end in a digest of their content, which depends on the encoder.
_DIGEST = re.compile(r"-([0-9a-f]{8}|[0-9a-f]{16})(?=[.\-/]|$)")
# Compressed bytes: how many depends on the version of zstd.
_COMPRESSED = {"data"}


def assert_matches(name: str, lines: Iterable[str]) -> None:
    """The lines are those of the file `name`, which is written instead where UPDATE is set."""
    path = FOLDER / name
    text = "\n".join(lines) + "\n"
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8")
    changed = "\n".join(
        unified_diff(path.read_text("utf-8").splitlines(), text.splitlines(), n=0, lineterm="")
    )
    assert not changed, f"{path}: {UPDATE}=1 writes it anew\n{changed}"


def key_lines(documents: Iterable[Any]) -> list[str]:
    """`path: types` for every key of JSON documents that have one form, sorted; the items of a list
    are one, `[]`."""
    types: dict[str, set[str]] = {}
    for document in documents:
        for path, kind in _keys(document, ""):
            types.setdefault(path, set()).add(kind)
    return [f"{path}: {' | '.join(sorted(types[path]))}" for path in sorted(types)]


def _keys(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if path:
            yield path, "object"
        for key, item in value.items():
            # Which events two trimmed clips share depends on rounding, and so on releases of torch.
            name = "EVENT" if path.endswith(".by_event") else key
            yield from _keys(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, "list"
        for item in value:
            yield from _keys(item, f"{path}[]")
    else:
        yield path, "null" if value is None else type(value).__name__


def file_lines(root: Path) -> list[str]:
    """Every file below `root` by its path; of tables the header, and of the first file of arrays in
    a folder their names, types and shapes."""
    lines = []
    told: set[Path] = set()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        lines.append(_DIGEST.sub("-DIGEST", path.relative_to(root).as_posix()))
        if path.suffix == ".safetensors" and path.parent not in told:
            told.add(path.parent)
            lines += [f"    {line}" for line in _array_lines(path)]
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as table:
                lines.append("    " + ",".join(next(csv.reader(table))))
    return lines


def _array_lines(path: Path) -> list[str]:
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["la2ds"])
        recipe = header["recipe"]
        lines = [f"step {recipe['step']}, version {recipe['version']}"]
        for name in sorted(file.keys()):
            part = file.get_slice(name)
            shape = ["bytes"] if name in _COMPRESSED else part.get_shape()
            lines.append(f"{name} {part.get_dtype()} ({', '.join(map(str, shape))})")
    return lines


def header_of(path: Path) -> dict[str, Any]:
    """What a .safetensors file says of itself."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["la2ds"])
