"""Check which files an output may replace, before a command computes and again when it writes.

An output never replaces an input of its command, the source of a clip, or a file of the project. A
path that the user typed replaces any other file there. A name that la2ds derived, such as that of a
second page, replaces only a file that la2ds wrote and nobody has changed since: the digests of such
files are in `logs/written.json` (docs/reference/file-formats.md). `results/` belongs to la2ds.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.own_files import KEPT_FOLDERS, PROJECT_FILE, TABLES
from la2ds_cli.core.project_folder import real_path
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import VideoList

_LEDGER = "written.json"  # in logs/: path -> SHA-256 of content written, or about to be written


def checked_outputs(
    project: StoredProject,
    paths: Iterable[Path],
    what: str,
    suffixes: Collection[str],
    inputs: Iterable[str | Path] = (),
) -> list[Path]:
    """Check output paths that the user typed, and return them.

    Parameters
    ----------
    paths
        The output paths.
    what
        The kind of file, such as `a page`, for errors.
    suffixes
        Allowed suffixes, in lower case, with the dot.
    inputs
        Files, folders of images and clips that the command line names.

    Raises
    ------
    UserError
        Exit 2 for another suffix, and as `check_output`.
    """
    targets, named = list(paths), list(inputs)
    for path in targets:
        if path.suffix.lower() not in suffixes:
            only = "" if len(suffixes) == 1 else "one of: "
            raise UserError(
                f"cannot write {what} to '{path}': unknown file type",
                hint=f"end the name in {only}{', '.join(suffixes)}",
            )
        check_output(project, path, named)
    return targets


def check_output(project: StoredProject, path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise UserError (exit 2) for an output path that is needed for something else.

    That is an input, the source of a clip or a table of the project, under any name; and a path in
    a folder of images that is a clip, or in a folder of computed files.
    """
    if any(_is_file_of(path, name) for name in inputs):
        raise UserError(
            f"{path} is an input of this command and would be lost", hint="write to another file"
        )
    if _belongs_to(project, path):
        raise UserError(
            f"{path} belongs to the project and would be lost", hint="write to another file"
        )
    for folder in (real_path(path.parent), real_path(path).parent):  # of the path and of its target
        own = any(folder.is_relative_to(real_path(project.root / name)) for name in KEPT_FOLDERS)
        if own or project.video_list().of_source(folder):
            raise UserError(
                f"{folder} belongs to the project, which reads its files",
                hint="write to another folder",
            )


def write_output(project: StoredProject, path: Path, content: bytes | str) -> None:
    """Write a file after another `check_output`: its path may have become a clip since the command
    began.

    Raises UserError as `check_output` (exit 2) and `artifact.write_bytes` (exit 7).
    """
    data = artifact.encoded(content) if isinstance(content, str) else content
    check_output(project, path)
    if not _is_result(project, path):
        _remember(project, path, hashlib.sha256(data).hexdigest())
    artifact.write_bytes(path, data)


def remember_output(project: StoredProject, path: Path) -> None:
    """Note a file that was just written to a path that the user typed, such as a video, for
    `is_output`."""
    if not _is_result(project, path):
        _remember(project, path)


def is_output(project: StoredProject, path: Path) -> bool:
    """Return whether la2ds wrote a file at this path that nobody has changed since."""
    written = artifact.once(artifact.read_document, project.log_path(_LEDGER))
    digests = written.get(str(real_path(path)), ())
    return bool(digests) and path.is_file() and artifact.file_digest(path) in digests


# --- names that the user did not type -------------------------------------------------------------


def check_derived(project: StoredProject, path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise UserError (exit 2) for a derived path whose file la2ds did not write, or that was
    changed since; `results` of the project is exempt. Raises as `check_output`, too."""
    check_output(project, path, inputs)
    if _is_result(project, path) or not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file() or not _was_written(project, path):
        raise UserError(
            f"{path} is not as la2ds wrote it, and would be lost",
            hint="move that file away, or write to another place",
        )


def write_derived(project: StoredProject, path: Path, content: bytes | str) -> None:
    """Write a file to a derived path after `check_derived`. Raises UserError as `check_derived`
    (exit 2) and `artifact.write_bytes` (exit 7)."""
    data = artifact.encoded(content) if isinstance(content, str) else content
    check_derived(project, path)
    if not _is_result(project, path):
        _remember(project, path, hashlib.sha256(data).hexdigest())
    artifact.write_bytes(path, data)


def _is_result(project: StoredProject, path: Path) -> bool:
    return real_path(path.parent).is_relative_to(real_path(project.root / "results"))


def _was_written(project: StoredProject, path: Path) -> bool:
    """Return whether la2ds wrote the content of a file, here or before it was moved."""
    written = artifact.read_document(project.log_path(_LEDGER)).values()
    try:
        digest = artifact.file_digest(path)
    except OSError:  # unreadable
        return False
    return any(isinstance(digests, list) and digest in digests for digests in written)


def _remember(project: StoredProject, path: Path, digest: str = "") -> None:
    """Note the digest about to be written beside that of the file: after a kill, it is one of the
    two."""
    ledger, name = project.log_path(_LEDGER), str(real_path(path))
    with project.tables():
        written = artifact.read_document(ledger)
        before = [artifact.file_digest(path)] if path.is_file() else []
        artifact.write_json(ledger, written | {name: sorted({*before, digest} - {""})})


# --- one file under several names -----------------------------------------------------------------


def _is_file_of(path: Path, name: str | Path) -> bool:
    """Return whether a path is the file that an input names, or lies in its folder of images.

    name: a path, or `PATH#2`, the second person of a video.
    """
    for text in dict.fromkeys((str(name), re.sub(r"#[1-9]\d*$", "", str(name)))):
        if text and "\0" not in text:
            source = Path(text)
            if _is_same(path, source) or (source.is_dir() and _is_same(path.parent, source)):
                return True
    return False


def _belongs_to(project: StoredProject, path: Path) -> bool:
    """Return whether a path is a table, a computed file or the source of a clip of the project."""
    clips = project.video_list()
    if any(_is_same(path, own) for own in _tables(project)) or clips.of_source(path):
        return True
    try:
        links = path.stat().st_nlink
    except OSError:  # nothing is there
        return False
    names = _sources_by_name(clips).get(_plain(path.name), ())  # some systems ignore case
    if any(_is_same(path, project.root / source) for source in names):
        return True
    if links < 2:
        return False
    linked = (*(project.root / video.path for video in clips.videos), *_computed(project))
    return any(_is_same(path, each) for each in linked)


def _tables(project: StoredProject) -> Iterator[Path]:
    yield from (project.root / name for name in (PROJECT_FILE, *TABLES))


def _computed(project: StoredProject) -> Iterator[Path]:
    for folder in KEPT_FOLDERS:
        yield from (project.root / folder).rglob("*")


@lru_cache(maxsize=4)
def _sources_by_name(clips: VideoList) -> dict[str, list[str]]:
    """Return the sources of videos.csv by their file names in one spelling."""
    sources: dict[str, list[str]] = {}
    for path in dict.fromkeys(video.path for video in clips.videos):
        sources.setdefault(_plain(Path(path).name), []).append(path)
    return sources


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _is_same(a: Path, b: Path) -> bool:
    """Return whether two paths lead to one file, which need not exist."""
    try:
        return a.samefile(b)
    except OSError:  # one of them does not exist, or its name is longer than the system allows
        return real_path(a) == real_path(b)
