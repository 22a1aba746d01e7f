"""What the user named, as a list of clips: files, folders, patterns, tables."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.poses.manifest import Entry, read_manifest
from la2ds_cli.video.media_files import (
    image_files,
    is_image_folder,
    is_video_file,
    natural_order,
    refuse_url,
)

_LEAST_IMAGES = 2  # in a folder found on the way down; a single one is a cover or a thumbnail


def collect_sources(paths: Sequence[str]) -> list[str]:
    """Files and folders of images in the order named; no clip twice.

    Folders are searched recursively, links included, and patterns (`*`, `?`, `**`) expanded, both
    in natural order. A named folder with images and no video in it or below is one clip. Further
    down, a folder with two images or more is one clip if neither it nor a folder below it holds
    another.

    A folder or pattern without a clip stays in the list under its own name, so that it gets its
    row in the report. UserError (exit 2) for a URL.
    """
    found: dict[Path, str] = {}
    for path in paths:
        refuse_url(path)
        for name in _expand(path):
            found.setdefault(Path(name).resolve(), name)
    return list(found.values())


def collect_entries(paths: Sequence[str], options: ClipOptions | None = None) -> list[Entry]:
    """What `collect_sources` finds, with the options of each clip; *.csv are manifests.

    options: what holds where a manifest says nothing; its fps is kept for folders of images only.
    A clip that is named twice with the same options and subject comes once. Raises UserError as
    `collect_sources` and `read_manifest` do.
    """
    usual = options or ClipOptions()
    named: list[Entry] = []
    for path in paths:
        refuse_url(path)
        for name in _expand(path):
            is_table = Path(name).suffix.lower() == ".csv"
            named += read_manifest(name, usual) if is_table else [Entry(name, usual)]
    found: dict[tuple[Path, ClipOptions, str], Entry] = {}
    for entry in named:
        for name in _expand(entry.name):
            kept = _without_rate(name, entry.options)
            key = (Path(name).resolve(), kept, entry.subject)
            found.setdefault(key, replace(entry, name=name, options=kept))
    return list(found.values())


def _without_rate(name: str, options: ClipOptions) -> ClipOptions:
    """A rate that changes nothing must not make poses stale when it changes."""
    if options.fps and not is_image_folder(name):
        return replace(options, fps=0.0)
    return options


def _expand(path: str) -> list[str]:
    try:
        if Path(path).is_dir():
            return _clips_of(path) or [path]
        if not Path(path).exists() and glob.has_magic(path):
            # Path.glob takes no absolute pattern.
            matches = glob.glob(path, recursive=True)  # noqa: PTH207
            clips = [name for name in matches if Path(name).is_file() or is_image_folder(name)]
            return natural_order(clips) or [path]
    except OSError:  # such as a name longer than the system allows; reading it will say so
        pass
    return [path]


def _clips_of(folder: str) -> list[str]:
    clips = _clips_below(folder, set())
    if is_image_folder(folder) and not any(Path(clip).is_file() for clip in clips):
        return [folder]
    return natural_order(clips)


def _clips_below(folder: str, seen: set[str]) -> list[str]:
    """Videos and image folders in a folder and below. `seen`: folders already searched, so that
    links that lead in a circle end."""
    seen.add(os.path.realpath(folder))
    try:
        entries = [e for e in Path(folder).iterdir() if not e.name.startswith(".")]
    except OSError:  # one folder that may not be read does not hide the others
        return []
    clips = [str(entry) for entry in entries if is_video_file(entry)]
    for entry in entries:
        if entry.is_dir() and os.path.realpath(entry) not in seen:
            clips += _clips_below(str(entry), seen)
    if not clips and len(image_files(Path(folder))) >= _LEAST_IMAGES:
        return [folder]
    return clips
