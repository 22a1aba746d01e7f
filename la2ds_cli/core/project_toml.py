"""project.toml, edited: choices that later steps must share are written to it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import PROJECT_FILE, Project


@contextmanager
def remembered(
    project: Project, section: str, chosen: Mapping[str, str | int | None]
) -> Iterator[Config]:
    """The configuration with `chosen` in `section`, also written to project.toml.

    None leaves a setting alone; a model file is written by its absolute path. A choice that turns
    out to be impossible (UserError of usage or environment) is taken back. The caller holds the
    lock of the project.
    """
    path = project.root / PROJECT_FILE
    wanted = {key: _absolute(value) for key, value in chosen.items() if value is not None}
    before = path.read_text("utf-8")
    after = set_values(before, section, wanted)
    config = load_config(tomllib.loads(after))
    _write(path, before, after)
    project.settings.update(tomllib.loads(after))
    try:
        yield config
    except UserError as error:
        if error.exit_code in (ExitCode.USAGE, ExitCode.UNREADABLE, ExitCode.ENVIRONMENT):
            _write(path, after, before)
        raise


def _absolute(value: str | int) -> str | int:
    """Model files by their absolute paths, also those in `plugin:FILE,FILE`."""
    if not isinstance(value, str):
        return value
    plugin, colon, rest = value.partition(":")
    if not colon:
        return _absolute_file(value)
    return f"{plugin}:{','.join(_absolute_file(part) for part in rest.split(','))}"


def _absolute_file(name: str) -> str:
    is_model = name.lower().endswith((".onnx", ".pt", ".pth", ".py", ".tflite"))
    return str(Path(name).resolve()) if is_model else name


def _write(path: Path, old: str, new: str) -> None:
    if new != old:
        artifact.write_text(path, new)


def set_values(text: str, section: str, values: Mapping[str, str | int]) -> str:
    """TOML text with `values` set in [section]; comments and other lines are kept.

    Text laid out in a way that a line edit cannot follow is written anew, without comments. A new
    key goes below the header of its section: tomlkit, which would do all this, puts it after the
    comment that stands above the next section.
    """
    import tomli_w

    settings = tomllib.loads(text)
    wanted = {**settings, section: {**settings.get(section, {}), **values}}
    if wanted == settings or not values:
        return text
    edited = text
    for key, value in values.items():
        edited = _set_line(edited, section, key, tomli_w.dumps({key: value}))
    try:
        faithful = tomllib.loads(edited) == wanted
    except tomllib.TOMLDecodeError:
        faithful = False
    return edited if faithful else tomli_w.dumps(wanted)


def _set_line(text: str, section: str, key: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    header = next((n for n, row in enumerate(lines) if row.strip() == f"[{section}]"), None)
    if header is None:
        gap = "\n" if text and not text.endswith("\n") else ""
        return f"{text}{gap}\n[{section}]\n{line}"
    for number in range(header + 1, len(lines)):
        if lines[number].lstrip().startswith("["):
            break
        if re.match(rf"\s*{re.escape(key)}\s*=", lines[number]):
            lines[number] = line
            return "".join(lines)
    lines.insert(header + 1, line)
    return "".join(lines)
