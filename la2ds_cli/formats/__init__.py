"""Pose files of other tools and data sets: one file per format, reading and writing side by side.

Imports core, video and poses. To add a format, write `formats/NAME.py` with one or both of

* `import_NAME(project, root, ..., progress=None) -> list[ItemResult]`, an importer;
* `SUFFIX` and `export_NAME(pose, name, path)`, an exporter.

A module outside this package works as well: its dotted path is its name. What formats share:
importing.py (a batch of files into a project), exporting.py (clips of a project to files),
file_clip.py (people of a file to the PoseSequence of its subject), joints.py, checks.py (checked
values and the errors of a pose file), phase_labels.py, plain_pickle.py; datasets.py lists the data
sets.

An importer. Pose files of a tool need only `read_clips(path, options) -> list[FileClip]`, which
returns the people of each frame and raises PoseFileError; `importing.import_files` does the rest:
frames, times, the subject, the video, rows and failed files. dlc_csv.py is a short one to start
from. In full:

1. `root` is the file or folder as the source lays it out. The docstring states which files are
   read and what is dropped.
2. Read every clip into a `PoseSequence`: original pixels with (0, 0) at the centre of the first
   pixel, NaN for a missing joint (never 0 or -1), scores in [0, 1], increasing seconds. A new joint
   order goes into core/skeleton.py, by name.
3. Write it with `project.write_pose` under a recipe of `step="import"`, the format and its choices
   in `config`, and the sha256 of the source file in `inputs`, so that a second run finds it
   current. Add all rows with one `project.add_videos` at the end: repeating a killed run is cheap.
4. A file that cannot be read becomes a failed item (`ItemResult(status="failed")`) and the others
   are imported. A wrong folder or an unknown choice raises `UserError`.
5. Phase labels go through phase_labels.py, which checks them before anything is written. A data set
   that gives split, group and phases with its clips sets them in FileClip, as h2o.py does. It
   also gets an entry in datasets.toml.
6. tests/formats/test_NAME.py writes a small file of the format and reads it back; the message
   about a broken file names the problem and where in the file it is.

An exporter. `SUFFIX` is the ending of the file that a clip becomes, such as `.json`, and empty for
a folder. `export_NAME` writes the PoseSequence of the clip `name` to `path` atomically
(core.artifact.write_text or write_bytes). Its docstring states what is written, with which
precision, and what is lost. It raises FormatError for poses that the format cannot hold.
tests/formats/test_round_trip.py covers it where an importer has the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.types import PoseSequence


class Export(Protocol):
    """Writes one clip."""

    def __call__(self, pose: PoseSequence, name: str, path: Path) -> None: ...


def importer_names() -> list[str]:
    """Names of the shipped importers, sorted; imports none of them."""
    return _formats_with("import")


def exporter_names() -> list[str]:
    """Names of the shipped exporters, sorted; imports none of them."""
    return _formats_with("export")


@cache
def _formats_with(verb: str) -> list[str]:
    """Names of the files in this folder that define `VERB_NAME`, NAME being that of the file."""
    names = []
    for item in resources.files(__name__).iterdir():
        name = item.name.removesuffix(".py")
        if item.name.endswith(".py") and re.search(
            rf"^def {verb}_{name}\(", item.read_text("utf-8"), re.MULTILINE
        ):
            names.append(name)
    return sorted(names)


def load_importer(name: str) -> Callable[..., list[ItemResult]]:
    """The function `import_NAME` of an importer, by name (`penn-action`) or by dotted path.

    Raises UserError (exit 2) if no importer has that name.
    """
    plain, known = name.replace("-", "_"), importer_names()
    if plain not in known and "." not in plain:
        near = get_close_matches(plain, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"importers: {', '.join(known)}"
        raise UserError(f"unknown importer '{name}'", hint=hint)
    module = _module(name, plain, known)
    function = getattr(module, _function_name("import", module), None)
    if function is None:
        raise UserError(
            f"{module.__name__} has no function {_function_name('import', module)}",
            hint="la2ds_cli/formats/__init__.py lists what an importer needs",
        )
    return function


def load_exporter(name: str) -> tuple[Export, str]:
    """The function `export_NAME` and the SUFFIX of an exporter, by name or by dotted path.

    Raises UserError (exit 2) if no exporter has that name.
    """
    plain, known = name.replace("-", "_"), exporter_names()
    if plain not in known and "." not in plain:
        shown = [n.replace("_", "-") for n in known]
        near = get_close_matches(name, shown, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UserError(f"unknown format '{name}'", hint=f"{hint}formats: {', '.join(shown)}")
    module = _module(name, plain, known)
    function = getattr(module, _function_name("export", module), None)
    suffix = getattr(module, "SUFFIX", None)
    if function is None or not isinstance(suffix, str):
        raise UserError(
            f"{module.__name__} has no function {_function_name('export', module)} or no SUFFIX",
            hint="la2ds_cli/formats/__init__.py lists what an exporter needs",
        )
    return function, suffix


def _function_name(verb: str, module: ModuleType) -> str:
    return f"{verb}_{module.__name__.rpartition('.')[2]}"


def _module(name: str, plain: str, known: list[str]) -> ModuleType:
    """The module of a shipped format, or of a dotted path; raises UserError if it does not exist.

    An ImportError from inside the module is raised unchanged.
    """
    path = f"{__name__}.{plain}" if plain in known else plain
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise UserError(f"cannot import '{name}': {error}", hint="check the dotted path") from error
