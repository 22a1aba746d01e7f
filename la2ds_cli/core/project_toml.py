"""Edit project.toml: store choices that later steps must share."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import encoded
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import trust
from la2ds_cli.core.stored_project import PROJECT_FILE, StoredProject, settings_text


class Choice:
    """Settings of a section that the user chose for this run and, once they worked, later ones."""

    def __init__(
        self, project: StoredProject, section: str, chosen: Mapping[str, str | int | None]
    ) -> None:
        """Apply the settings `chosen` to `project` in memory; None leaves a setting unchanged.

        A model file is stored by its absolute path. Raises UserError (exit 2) for a value that does
        not fit.
        """
        self._root = project.root
        self._section = section
        self._wanted = {k: _absolute(value) for k, value in chosen.items() if value is not None}
        for value in (*chosen.values(), *self._wanted.values()):
            trust(value)
            if isinstance(value, str) and encoded(value) != os.fsencode(value):
                raise UserError(
                    f"{value} cannot be kept in {PROJECT_FILE}: its name is not UTF-8",
                    hint="rename the file",
                )
        settings = tomllib.loads(set_values(settings_text(self._root), section, self._wanted))
        self.config: Config = load_config(settings)
        project.settings.update(settings)

    def keep(self) -> None:
        """Write the choice to project.toml.

        Call it with the project locked, and only once something was computed with the choice, so
        that a choice that never worked does not break later runs.
        """
        before = settings_text(self._root)
        after = set_values(before, self._section, self._wanted)
        if after != before:
            artifact.write_text(self._root / PROJECT_FILE, after)


def _absolute(value: str | int) -> str | int:
    """Return a value with absolute paths of model files, including those in `plugin:FILE,FILE`."""
    parts = re.split("([:,])", value) if isinstance(value, str) else ()
    model = (".onnx", ".pt", ".pth", ".py", ".tflite")
    files = (str(Path(p).resolve()) if p.lower().endswith(model) else p for p in parts)
    return "".join(files) if isinstance(value, str) else value


def set_values(text: str, section: str, values: Mapping[str, str | int]) -> str:
    """Return TOML text with `values` set in [section]; comments and other lines are kept.

    Text with a layout that cannot be edited line by line is rewritten without comments. A new key
    goes below the header of its section; tomlkit would put it after the comment above the next
    section.
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
