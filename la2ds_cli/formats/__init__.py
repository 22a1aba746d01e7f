"""Pose files of other tools and data sets: one file per format, reading and writing side by side.

Imports core, video and poses. To add a format, add its name to READ or WRITTEN, and write
`formats/NAME.py` with one or both of

* `SUFFIXES` and `read_clips(path, options) -> list[FileClip]`, an importer;
* `SUFFIX` and `write_clip(pose, name, path)`, an exporter.

An importer turns a file into `FileClip` (file_clip.py): the frames that the file lists, the people
in them, how their joints fill a skeleton (file_people.py), and times and size, if it has them.
Shared by the formats: import_export.py (batches of files into a project, and of clips out of it),
files.py (errors, text, JSON and tables).

An importer. `SUFFIXES` are the endings of its files in a folder. `read_clips` gets the path of such
a file and returns its clips, or raises PoseFileError; import_export.py does the rest: times, the
subject, the video, rows and failed files. dlc_csv.py is a short example.

1. If a clip is not simply a file, `sources(root)` returns the paths to read, as openpose_json.py.
2. Pixels are those of the original, with (0, 0) at the centre of the first pixel, NaN for a missing
   joint (never 0 or -1). A new joint order goes into core/skeletons.toml, by name.
3. The docstring states which files are read and what is dropped.
4. tests/formats/test_NAME.py writes a small file of the format and reads it back; the message
   about a broken file names the problem and its place in the file.

An exporter. `SUFFIX` is the ending of an exported file, such as `.json`, and empty for a folder.
`write_clip` writes the PoseSequence of the clip `name` to `path` atomically
(core.artifact.write_text or write_bytes). Its docstring states what is written, with which
precision, and what is lost. It raises FormatError for poses that the format cannot hold.
tests/formats/test_round_trip.py covers it where an importer has the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from la2ds_cli.core.errors import check_choice

READ = (
    *("c3d", "casa-npy", "coco-json", "dlc-csv", "mmpose-json", "openpose-json", "sleap", "trc"),
    "wide-csv",
)
WRITTEN = ("coco-json", "dlc-csv", "openpose-json", "trc", "wide-csv")


def load_format(name: str, names: Sequence[str]) -> ModuleType:
    """Import the module of a format. names: READ or WRITTEN; others raise UserError (exit 2)."""
    check_choice("format", name, names)
    return import_module(f"{__name__}.{name.replace('-', '_')}")
