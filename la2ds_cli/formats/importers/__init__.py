"""Importers: pose data of other data sets and tools into a project, one file each.

To add one, write `importers/NAME.py` (a file that starts with `_` is no importer). Pose files of
a tool need `read_clips(path, options) -> list[FileClip]` only, which says what the people of each
frame are and raises PoseFileError; `_clips.import_files` does the rest: frames, times, the subject,
the video, rows and failed files. dlc_csv.py is a short one to start from. In full:

1. One function `import_NAME(project, root, ..., progress=None) -> list[ItemResult]`, where `root`
   is the file or folder as the source lays it out. Its docstring says which files it reads and
   what is dropped.
2. Read every clip into a `PoseSequence`: original pixels with (0, 0) at the centre of the first
   pixel, NaN for a joint that is not there (never 0 or -1), score in [0, 1], seconds that rise. A
   joint order the project does not know yet goes into la2ds_cli/core/skeleton.py, by name.
3. Write it with `project.write_pose` under a recipe of `step="import"`, the format and its
   choices in `config`, and the sha256 of the source file in `inputs`, so that a second run finds
   it current. Add all rows with one `project.add_videos` at the end: a killed run repeats cheaply.
4. A file that cannot be read fails alone (`ItemResult(status="failed")`); the others go on. A
   wrong folder or an unknown choice is a `UserError`.
5. Phase labels go through `_phase_labels`, which checks them before anything is written. A data set
   that gives split, group and phases with its clips says so in FileClip: h2o.py is an example.
   It gets an entry in la2ds_cli/formats/datasets.toml.
6. tests/importers/test_NAME.py writes a small file of the format and reads it back; a file with
   something wrong in it gives a sentence that says what and where.

A module outside this package serves as well: give its dotted path as the name.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import UserError


def importer_names() -> list[str]:
    """Names of the shipped importers; imports none of them."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_importer(name: str) -> Callable[..., list[ItemResult]]:
    """The function `import_NAME` of an importer, by name (`penn-action`) or by dotted path.

    UserError (exit 2) when there is none of that name.
    """
    plain = name.replace("-", "_")
    known = importer_names()
    if plain not in known and "." not in plain:
        near = get_close_matches(plain, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"importers: {', '.join(known)}"
        raise UserError(f"unknown importer '{name}'", hint=hint)
    path = f"{__name__}.{plain}" if plain in known else plain
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise  # a package that the importer itself needs
        raise UserError(f"cannot import '{name}': {error}", hint="check the dotted path") from error
    function = getattr(module, f"import_{path.rpartition('.')[2]}", None)
    if function is None:
        raise UserError(
            f"{path} has no function import_{path.rpartition('.')[2]}",
            hint="la2ds_cli/formats/importers/__init__.py says what an importer needs",
        )
    return function
