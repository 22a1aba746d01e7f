"""Pose files of other tools and data sets: one file per format, reading and writing side by side.

Imports core, video and poses. To add a format, write `formats/NAME.py` with one or both of

* `import_NAME(project, root, ..., progress=None) -> list[ItemResult]`, an importer;
* `SUFFIX` and `export_NAME(pose, name, path)`, an exporter.

A module outside this package serves as well: its dotted path is its name. What formats share:
importing.py (a batch of files into a project), exporting.py (clips of a project to files),
file_clip.py (people of a file to the PoseSequence of its subject), joints.py, checks.py (checked
values, and what can be wrong), phase_labels.py, plain_pickle.py; datasets.py lists the data sets.

An importer. Pose files of a tool need `read_clips(path, options) -> list[FileClip]` only, which
says who the people of each frame are and raises PoseFileError; `importing.import_files` does the
rest: frames, times, the subject, the video, rows and failed files. dlc_csv.py is a short one to
start from. In full:

1. `root` is the file or folder as the source lays it out. The docstring says which files are read
   and what is dropped.
2. Read every clip into a `PoseSequence`: original pixels with (0, 0) at the centre of the first
   pixel, NaN for a joint that is not there (never 0 or -1), score in [0, 1], seconds that rise. A
   joint order the project does not know yet goes into core/skeleton.py, by name.
3. Write it with `project.write_pose` under a recipe of `step="import"`, the format and its choices
   in `config`, and the sha256 of the source file in `inputs`, so that a second run finds it
   current. Add all rows with one `project.add_videos` at the end: a killed run repeats cheaply.
4. A file that cannot be read fails alone (`ItemResult(status="failed")`); the others go on. A wrong
   folder or an unknown choice is a `UserError`.
5. Phase labels go through phase_labels.py, which checks them before anything is written. A data set
   that gives split, group and phases with its clips says so in FileClip: h2o.py is an example. It
   gets an entry in datasets.toml.
6. tests/formats/test_NAME.py writes a small file of the format and reads it back; a file with
   something wrong in it gives a sentence that says what and where.

An exporter. `SUFFIX` is the ending of the file that a clip becomes, such as `.json`, and empty for
a folder. `export_NAME` writes the PoseSequence of the clip `name` to `path`, whole or not at all
(core.artifact.write_text or write_bytes). Its docstring says what is written, with which precision,
and what is lost. It raises FormatError for poses that the format cannot hold.
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
    """The files of this folder that define the function `VERB_NAME` of their own name."""
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

    UserError (exit 2) when there is none of that name.
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
            hint="la2ds_cli/formats/__init__.py says what an importer needs",
        )
    return function


def load_exporter(name: str) -> tuple[Export, str]:
    """The function `export_NAME` and the SUFFIX of an exporter, by name or by dotted path.

    UserError (exit 2) when there is none of that name.
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
            hint="la2ds_cli/formats/__init__.py says what an exporter needs",
        )
    return function, suffix


def _function_name(verb: str, module: ModuleType) -> str:
    return f"{verb}_{module.__name__.rpartition('.')[2]}"


def _module(name: str, plain: str, known: list[str]) -> ModuleType:
    """The module of a shipped format, or of a dotted path; UserError where the path leads nowhere.

    What the module itself fails to import is raised as it is.
    """
    path = f"{__name__}.{plain}" if plain in known else plain
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise UserError(f"cannot import '{name}': {error}", hint="check the dotted path") from error
