"""Read the user's input, files, folders, patterns and CSV manifests, as a list of clips; and probe
the file of each.
"""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip import (
    FLAGS,
    SPLITS,
    ClipOptions,
    Video,
    id_within,
    path_of_cell,
    video_id,
)
from la2ds_cli.core.clip_names import ClipName, as_on_disk
from la2ds_cli.core.csv_tables import read_rows
from la2ds_cli.core.errors import Mismatch, Unusable, UserError
from la2ds_cli.core.output_paths import is_output
from la2ds_cli.core.own_files import is_own, own_names
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import listed_as
from la2ds_cli.poses.known_people import NOBODY, FilmPeople
from la2ds_cli.poses.subjects import check_subject
from la2ds_cli.video.media_files import (
    image_files,
    is_image_folder,
    is_video_file,
    natural_order,
    refuse_url,
    unreadable,
)
from la2ds_cli.video.reader import VideoInfo, probe
from la2ds_cli.video.source_version import SourceChanged, SourceVersion, read_version

_LEAST_IMAGES = 2  # in a folder below the named one; a single image is a cover or a thumbnail


@dataclass(frozen=True)
class Entry:
    """A clip named by the user: a file or folder, how to read it, and its row in videos.csv.

    subject: whom to follow; group: performer or session; split: one of SPLITS. Empty = not given.
    explicit: names of the options that the command or a row of a manifest gives, even if with their
    default value (`mirror` is false). The others are those of the clip, if the project has it.
    """

    name: str
    options: ClipOptions = field(default_factory=ClipOptions)
    subject: str = ""
    group: str = ""
    split: str = ""
    explicit: frozenset[str] = frozenset()

    @property
    def names_part(self) -> bool:
        """Whether the entry names a part of the file, which may be all of it."""
        return bool({"start", "end"} & self.explicit)

    def amend(self, options: ClipOptions) -> ClipOptions:
        """Return the options of a clip, replaced by those that this entry gives."""
        return options.amended({name: getattr(self.options, name) for name in self.explicit})


def collect_entries(
    paths: Sequence[str],
    defaults: Mapping[str, Any] | None = None,
    project: StoredProject | None = None,
) -> list[Entry]:
    """Return the clips that the user named, with their options, in the order named.

    Folders are searched recursively, links included, and patterns (`*`, `?`, `**`) expanded, both
    in natural order. A named folder with images and no video in it or below is one clip. Further
    down, a folder with two or more images is one clip if neither it nor a folder below it contains
    another clip. *.csv are manifests. A folder or pattern without a clip stays in the list under
    its own name, so that it gets a row in the report. A clip that is named twice with the same
    options and subject is listed once.

    Parameters
    ----------
    paths
        Videos, folders, patterns and manifests.
    defaults
        Options by name that hold where a manifest says nothing; fps is kept only for folders of
        images.
    project
        Files that la2ds wrote for this project are left out, as are those inside any project
        (core/own_files.py), in folders and patterns.

    Raises
    ------
    UserError
        For a URL or an option out of range (exit 2), for a part of a file that is to be read in two
        ways (exit 5), and as `read_manifest` does.
    """
    defaults = defaults or {}
    options = ClipOptions(**defaults)
    named: list[Entry] = []
    for path in paths:
        refuse_url(path)
        for name in _expand(path, project):
            is_table = Path(name).suffix.lower() == ".csv"
            entry = Entry(name, options, explicit=frozenset(defaults))
            named += read_manifest(name, defaults) if is_table else [entry]
    entries: dict[tuple[Path, str], Entry] = {}  # by file and part, which make the id
    for entry in named:
        for name in _expand(entry.name, project):
            new = replace(entry, name=name, options=_without_rate(name, entry.options))
            old = entries.setdefault((Path(name).resolve(), new.options.part), new)
            if (old.options, old.subject, old.explicit) != (new.options, new.subject, new.explicit):
                raise _mismatch(
                    f"{name} is listed twice, with different options or subjects", _ONE_WAY
                )
    return list(entries.values())


def _without_rate(name: str, options: ClipOptions) -> ClipOptions:
    """Drop the frame rate where it has no effect, so that changing it keeps poses current."""
    if options.fps and not is_image_folder(name):
        return replace(options, fps=0.0)
    return options


def _expand(path: str, project: StoredProject | None = None) -> list[str]:
    """Return the clips that a path or pattern refers to; the path itself if there are none."""
    try:
        path = as_on_disk(path)
        if Path(path).is_dir():
            return _clips_of(path, project) or [path]
        if not Path(path).exists() and glob.has_magic(path):
            # Path.glob takes no absolute pattern.
            matches = glob.glob(path, recursive=True)  # noqa: PTH207
            inside = is_own(_fixed_part(path))  # the user asks for files of la2ds
            clips = [
                name
                for name in matches
                if (Path(name).is_file() or is_image_folder(name))
                and (inside or not is_own(Path(name)))
                and not _is_output(project, Path(name))
            ]
            return natural_order(clips) or [path]
    except OSError:  # such as a name longer than the system allows; the probe will say so
        pass
    return [path]


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a pattern before its first one with a wildcard."""
    return next(folder for folder in Path(pattern).parents if not glob.has_magic(str(folder)))


def _is_output(project: StoredProject | None, path: Path) -> bool:
    return project is not None and is_output(project, path)


def stands_for_clips(path: str) -> bool:
    """Return whether a path, pattern or URL for extract-poses refers to anything: a file, or a
    folder with a video or an image in it or below."""
    if "://" in path:
        return True
    try:
        clips = [Path(clip) for clip in _expand(path)]
        return any(clip.is_file() or (clip.is_dir() and image_files(clip)) for clip in clips)
    except OSError:  # such as an unreadable folder; the probe will say so
        return True


def _clips_of(folder: str, project: StoredProject | None) -> list[str]:
    path = Path(folder)
    if path.name in own_names(path.parent):
        return []
    clips = _clips_below(folder, set(), project)
    if is_image_folder(folder) and not any(Path(clip).is_file() for clip in clips):
        return [folder]
    return natural_order(clips)


def _clips_below(folder: str, seen: set[str], project: StoredProject | None) -> list[str]:
    """Return videos and image folders in a folder and below. seen: folders already searched, so
    that circular links end."""
    seen.add(os.path.realpath(folder))
    try:
        entries = [e for e in Path(folder).iterdir() if not e.name.startswith(".")]
    except OSError:  # one folder that may not be read does not hide the others
        return []
    own = own_names(Path(folder), [entry.name for entry in entries])
    entries = [entry for entry in entries if entry.name not in own]
    clips = [str(e) for e in entries if is_video_file(e) and not _is_output(project, e)]
    for entry in entries:
        if entry.is_dir() and os.path.realpath(entry) not in seen:
            clips += _clips_below(str(entry), seen, project)
    images = [] if clips else image_files(Path(folder))
    if len([image for image in images if not _is_output(project, image)]) >= _LEAST_IMAGES:
        return [folder]
    return clips


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError
    return value


def _flag(text: str) -> bool:
    if text.lower() not in FLAGS:
        raise ValueError
    return FLAGS[text.lower()]


def _split(text: str) -> str:
    if text not in SPLITS:
        raise ValueError
    return text


def _subject(text: str) -> str:
    try:
        check_subject(text)
    except UserError as error:
        raise ValueError from error
    return text


# Column -> the function that reads a cell, and the values that it allows.
_CELLS: dict[str, tuple[Callable[[str], Any], str]] = {
    "start": (_number, "seconds such as 1.5"),
    "end": (_number, "seconds such as 4"),
    "rotate": (int, "0, 90, 180 or 270"),
    "mirror": (_flag, "true, false, 1 or 0"),
    "slowmo": (_number, "a factor such as 8"),
    "fps": (_number, "images per second such as 30"),
    "subject": (_subject, "auto, or the number of the person: 1, 2, ..."),
    "group": (str, "text"),
    "split": (_split, " or ".join(SPLITS)),
}
_FACTS = ("subject", "group", "split")  # the others are options
_COLUMNS = ("path", *_CELLS)
_ONE_WAY = "list it once, or give each entry its own start and end"
_HINT = f"one row per clip, separated by commas; columns: {', '.join(_COLUMNS)}; path is required"


def read_manifest(path: str | Path, defaults: Mapping[str, Any] | None = None) -> list[Entry]:
    """Return the entries of a manifest, a CSV table with a header, in order.

    Columns: path (required; relative to the folder of the table), start, end, rotate, mirror,
    slowmo, fps, subject, group, split. Empty cells and missing columns mean the `defaults`, options
    by name.

    Raises UserError: V006 no such file (exit 3); exit 5 for an unknown column or a value that is
    not allowed, naming file, line and column.
    """
    path = Path(path)
    if not path.is_file():
        raise unreadable(f"no such file: {path}", "check the spelling of the path", "V006")
    options = defaults or {}
    entries = read_rows(path, lambda row: _entry(row, path.parent, options), _HINT)
    if not entries:
        raise _mismatch(f"{path} lists no clips", _HINT)
    return entries


def _entry(row: dict[str, str], folder: Path, defaults: Mapping[str, Any]) -> Entry:
    """Return the entry of a row. Raises ValueError or KeyError; read_rows adds the line to it."""
    unknown = [column for column in row if column not in _COLUMNS]
    if unknown:
        raise ValueError(f"column '{unknown[0]}' is unknown; allowed are {', '.join(_COLUMNS)}")
    cells = {column: text.strip() for column, text in row.items()}
    name = path_of_cell(cells.pop("path"))
    if not name:
        raise ValueError("column path is empty; it names a video file or a folder of images")
    try:
        refuse_url(name)
    except UserError as error:
        raise ValueError(f"column path: {error.message}") from error
    values = {c: _read(c, cells[c]) for c in _CELLS if cells.get(c)}
    facts = {c: values.pop(c) for c in _FACTS if c in values}
    try:
        options = ClipOptions(**{**defaults, **values})
    except UserError as error:
        raise ValueError(f"column {error.message.removeprefix('--')}") from error
    is_pattern = glob.has_magic(name) and not (folder / name).exists()
    path = Path(glob.escape(str(folder)) if is_pattern else folder, name)
    return Entry(str(path), options, **facts, explicit=frozenset({*defaults, *values}))


def _read(column: str, text: str) -> Any:
    parse, allowed = _CELLS[column]
    try:
        return parse(text)
    except ValueError:
        raise ValueError(f"column {column} is '{text}'; allowed: {allowed}") from None


def _mismatch(message: str, hint: str) -> UserError:
    return Mismatch(message, hint=hint)


@dataclass(frozen=True, kw_only=True)
class ClipSource(Entry):
    """A clip whose file passed the probe.

    subject: whom to follow in this clip, empty = as in the settings.
    choice: the subject to store in subjects.csv with the poses; empty = remove it, None = leave it.
    version: the file when it was hashed.
    listed_as: id of the file in the project, empty = the id of its name and content.
    people: the people of the film that the project knows.
    """

    info: VideoInfo
    version: SourceVersion
    choice: str | None = None
    listed_as: str = ""
    people: FilmPeople = field(default=NOBODY, compare=False, repr=False)

    @property
    def file(self) -> str:
        """Id of the first person in the whole file, see core.clip.family."""
        return self.listed_as or video_id(self.path, self.digest)

    @property
    def path(self) -> Path:
        """The file, with links resolved."""
        return self.version.path

    @property
    def digest(self) -> str:
        """SHA-256 of the content of the file."""
        return self.version.digest

    def id(self, person: int = 1) -> str:
        """Return the project id of a person in this clip, by number."""
        return id_within(self.file, self.options.part, person)

    @property
    def content(self) -> tuple[str, str, str]:
        """Equal for two sources with equal poses."""
        return self.digest, self.options.to_text(), self.subject

    def row(self, project: StoredProject, person: int, frames: int) -> Video:
        """Return the row of videos.csv for a person in this clip."""
        return Video(
            id=self.id(person),
            path=project.path_cell(self.path),
            sha256=self.digest,
            frames=frames,
            fps=round(self.info.fps, 6),
            width=self.info.width,
            height=self.info.height,
            split=self.split,
            group=self.group,
            person=person,
            options=self.options.to_text(),
        )


def load_source(
    project: StoredProject,
    entry: Entry,
    *,
    max_duration: float,
    version: SourceVersion | None = None,
) -> ClipSource:
    """Probe and hash the file of an entry, and return its clip.

    Parameters
    ----------
    project, entry
        The project, and the clip as the user named it.
    max_duration
        Seconds of the longest part that may be read.
    version
        The version of the file if it has been hashed already.

    Raises
    ------
    UserError
        With the code of the problem, such as V032 (exit 4) for a part that is too long, or V014
        (exit 3) for a file that changed since it was hashed.
    """
    name, options = entry.name, entry.options
    try:
        version = version or read_version(Path(name))
    except (OSError, ValueError):
        probe(name, options)  # raises an error that says what is wrong
        raise
    info = probe(name, options)
    if info.duration > max_duration:
        raise Unusable(
            f"{name} is {info.duration:.0f} s long, more than {max_duration:g} s",
            hint=f"extract only the movement with la2ds extract-poses {shlex.quote(name)} "
            "--time-range START:END, or set max_duration = SECONDS under [poses] in "
            "project.toml",
            code="V032",
        )
    if Path(name).resolve() != version.path:  # a link now leads elsewhere
        raise SourceChanged(Path(name))
    version = version.verified()  # the file that was hashed is the one that was probed
    listed = listed_as(project, version.path, version.digest)
    return ClipSource(**vars(entry), info=info, version=version, listed_as=listed)


def load_single(
    project: StoredProject, name: str, options: ClipOptions, *, max_duration: float
) -> ClipSource:
    """Load a clip as `load_source`, for commands without options for reading: an error names the
    extract-poses command that helps, or the clip of the project that was meant.

    Raises UserError as `load_source`, and V026 (exit 4) if `name` is `NAME#2` or `NAME#1.5-4` and
    the project has no second person, or no such part, of NAME.
    """
    name, key = as_on_disk(name), ClipName.parse(name)
    if key.has_keys and not os.path.lexists(name):
        film = as_on_disk(key.film)
        video = None if os.path.lexists(film) else project.find(film)
        path = str(project.source(video)) if video else film
        if os.path.lexists(path):
            raise _absent(key, path)
    try:
        return load_source(project, Entry(name, options), max_duration=max_duration)
    except UserError as error:
        if error.code == "V010":
            error.hint = (
                f"la2ds extract-poses {shlex.quote(name)} --fps N, with the rate of the camera; "
                "then run the same command again"
            )
        elif error.code == "V006" and not os.path.lexists(name):
            videos = project.videos()
            stems = [Path(video.path).stem for video in videos]
            if any(name == str(project.source(video)) for video in videos):
                error.hint = (
                    "it is listed in videos.csv, but has no usable joints: put it back, or run "
                    "la2ds extract-poses on the file where it is now"
                )
            elif near := get_close_matches(Path(name).stem, stems, n=1):
                error.hint = f"did you mean '{near[0]}'? videos.csv lists the clips of the project"
        raise


def _absent(key: ClipName, path: str) -> UserError:
    """Return the error for a part or a person of a file that the project does not have."""
    command, lacking = f"la2ds extract-poses {shlex.quote(path)}", []
    if key.part is not None:
        start, end = (f"{second:.10g}" if isfinite(second) else "" for second in key.part)
        command += f" --time-range {start}:{end}"
        lacking.append(f"part {start}-{end}")
    if key.person:
        command += " --subject auto" if key.person == 1 else f" --subjects {key.person}"
        lacking.append(f"person {key.person}")
    message = f"the project has no {', '.join(lacking)} of {key.film}"
    return Unusable(message, hint=command, code="V026")
