"""Pose files of other tools and data sets: one file per format, reading and writing side by side.

Imports core, video and poses. To add a format, write `formats/NAME.py` with one or both of

* `SUFFIXES` and `read_clips(path, options) -> list[FileClip]`, an importer;
* `SUFFIX` and `write_clip(pose, name, path)`, an exporter.

A module outside this package works as well: its dotted path is its name. Between a file and the
poses of a project lies `FileClip` (file_clip.py): the frames that the file lists, the people in
them (people.py), how their joints fill a skeleton (joints.py), and what the file knows of times and
size. What formats share: importing.py (a batch of files into a project), exporting.py (clips of a
project to files), tables.py, checks.py (checked values and the errors of a pose file),
plain_pickle.py.

An importer. `SUFFIXES` are the endings of its files in a folder. `read_clips` gets one of them and
returns its clips, or raises PoseFileError; importing.py does the rest: times, the subject, the
video, rows and failed files. dlc_csv.py is a short one to start from.

1. If a clip is not simply a file, `sources(root)` returns the paths to read, as openpose_json.py.
2. Pixels are those of the original, with (0, 0) at the centre of the first pixel, NaN for a missing
   joint (never 0 or -1). A new joint order goes into core/skeleton.py, by name.
3. The docstring states which files are read and what is dropped.
4. tests/formats/test_NAME.py writes a small file of the format and reads it back; the message
   about a broken file names the problem and where in the file it is.

A data set has a function `import_NAME(project, root, ..., progress)` and a command of its own, as
h2o.py. It calls `importing.import_files` with the paths of its clips; split, group and phases are
set in FileClip. A wrong folder or an unknown choice raises UserError.

An exporter. `SUFFIX` is the ending of the file that a clip becomes, such as `.json`, and empty for
a folder. `write_clip` writes the PoseSequence of the clip `name` to `path` atomically
(core.artifact.write_text or write_bytes). Its docstring states what is written, with which
precision, and what is lost. It raises FormatError for poses that the format cannot hold.
tests/formats/test_round_trip.py covers it where an importer has the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from la2ds_cli.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.project import Project
    from la2ds_cli.core.types import PoseSequence
    from la2ds_cli.formats.file_clip import ImportOptions


@cache
def format_names(function: str) -> list[str]:
    """The shipped formats that have `read_clips` or `write_clip`, but data sets, sorted; imports
    none of them."""
    names = []
    for item in resources.files(__name__).iterdir():
        text = item.read_text("utf-8") if item.name.endswith(".py") else ""
        if re.search(rf"^def {function}\(", text, re.MULTILINE):
            names.append(item.name.removesuffix(".py"))
    return sorted(names)


def load_importer(name: str) -> Callable[..., list[ItemResult]]:
    """The importer of a format, by name (`coco-json`) or by dotted path: a function of a project, a
    file or folder, options (None = none) and progress.

    Raises UserError (exit 2) if no importer has that name.
    """
    module = _load(name, "read_clips", "SUFFIXES")

    def run(
        project: Project,
        root: Path,
        options: ImportOptions | None = None,
        progress: Progress | None = None,
    ) -> list[ItemResult]:
        from la2ds_cli.formats.file_clip import ImportOptions
        from la2ds_cli.formats.importing import files_of, import_files

        find = getattr(module, "sources", None)
        paths = files_of(root, module.SUFFIXES) if find is None else find(root)
        options = options or ImportOptions()
        own_name = module.__name__.rpartition(".")[2].replace("_", "-")
        return import_files(project, own_name, paths, module.read_clips, options, progress)

    return run


def load_exporter(name: str) -> tuple[Callable[[PoseSequence, str, Path], None], str]:
    """The function `write_clip` and the SUFFIX of an exporter, by name or by dotted path.

    Raises UserError (exit 2) if no exporter has that name.
    """
    module = _load(name, "write_clip", "SUFFIX")
    return module.write_clip, module.SUFFIX


def _load(name: str, function: str, constant: str) -> ModuleType:
    """The module of a shipped format, or of a dotted path, which has the function and the constant.

    Raises UserError (exit 2); an ImportError from inside the module is raised unchanged.
    """
    plain, known = name.replace("-", "_"), format_names(function)
    if plain not in known and "." not in plain:
        shown = [one.replace("_", "-") for one in known]
        hint = f"{did_you_mean(name, shown)}formats: {', '.join(shown)}"
        raise UserError(f"unknown format '{name}'", hint=hint)
    path = f"{__name__}.{plain}" if plain in known else plain
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise UserError(f"cannot import '{name}': {error}", hint="check the dotted path") from error
    if not (hasattr(module, function) and hasattr(module, constant)):
        raise UserError(
            f"{module.__name__} has no function {function} or no {constant}",
            hint="la2ds_cli/formats/__init__.py says what a format needs",
        )
    return module
