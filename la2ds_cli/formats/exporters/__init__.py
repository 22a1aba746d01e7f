"""Exporters: the poses of a project as files of other tools, one format each.

To add one, write `exporters/NAME.py` (a file that starts with `_` is no exporter):

1. `SUFFIX`: the ending of the file that a clip becomes, such as `.json`; empty for a folder.
2. One function `export_NAME(pose, name, path)`: writes the PoseSequence of the clip `name` to
   `path`, whole or not at all (core.artifact.write_text or write_bytes). Its docstring says
   what is written, with which precision, and what is lost. `FormatError` for poses that the format
   cannot hold.
3. tests/formats/exporters/test_round_trip.py takes it up where an importer has the same name.

A module outside this package serves as well: give its dotted path as the name.
"""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Protocol

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import PoseSequence


class FormatError(ValueError):
    """The format cannot hold these poses; the message says why."""


class Export(Protocol):
    """Writes one clip."""

    def __call__(self, pose: PoseSequence, name: str, path: Path) -> None: ...


def exporter_names() -> list[str]:
    """Names of the shipped exporters; imports none of them."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_exporter(name: str) -> tuple[Export, str]:
    """The function `export_NAME` and the SUFFIX of an exporter, by name or by dotted path.

    UserError (exit 2) when there is none of that name.
    """
    plain = name.replace("-", "_")
    known = exporter_names()
    if plain not in known and "." not in plain:
        shown = [n.replace("_", "-") for n in known]
        near = get_close_matches(name, shown, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UserError(f"unknown format '{name}'", hint=f"{hint}formats: {', '.join(shown)}")
    path = f"{__name__}.{plain}" if plain in known else plain
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise  # a package that the exporter itself needs
        raise UserError(f"cannot import '{name}': {error}", hint="check the dotted path") from error
    function = getattr(module, f"export_{path.rpartition('.')[2]}", None)
    if function is None or not isinstance(getattr(module, "SUFFIX", None), str):
        raise UserError(
            f"{path} has no function export_{path.rpartition('.')[2]} or no SUFFIX",
            hint="la2ds_cli/formats/exporters/__init__.py says what an exporter needs",
        )
    return function, module.SUFFIX
