"""`la2ds remove`: a clip leaves the project."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    JsonOption,
    ProjectOption,
    QuietOption,
    open_project,
)
from la2ds_cli.core.errors import ExitCode, UserError

_MOST_NAMED = 5  # files


def remove(
    videos: Annotated[
        list[str], typer.Argument(metavar="CLIP", help="Clips by file or id; NAME#2: one person.")
    ],
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Take clips out of the project.

    Deletes their joints and whatever else was computed for them. The videos stay. So does what
    people have set for the clips, such as phases, groups and corrected joints: it counts again if
    the same video is extracted again from the same place.

    \b
      la2ds remove swings-anna-1a2b3c4d --project swings
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.removal import exported, take_out

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        with opened.lock():
            clips = {name: opened.find(name) for name in videos}
            for name, clip in clips.items():
                if clip is None:
                    raise UserError(
                        f"the project has no clip {name}; nothing was removed",
                        hint="videos.csv lists the clips of the project",
                        exit_code=ExitCode.UNREADABLE,
                    )
            gone = list(dict.fromkeys(clip.id for clip in clips.values() if clip is not None))
            there = any(opened.source(clip).exists() for clip in clips.values() if clip is not None)
            for video in gone:
                take_out(opened, video)
                shutil.rmtree(opened.film_dir(video), ignore_errors=True)
                console.line(f"removed {video}")
        left = sorted({file for video in gone for file in exported(opened, video)})
        console.document("remove", {"project": opened.root, "removed": gone, "exported": left})
        if there:
            console.note(
                "extract-poses brings a clip back if its video is in a folder that it is given"
            )
        if left:
            console.note(f"files that you made of it stay: {_named(left)}")


def _named(files: list[str]) -> str:
    """The files or, of many, how many there are in which folders."""
    if len(files) <= _MOST_NAMED:
        return ", ".join(files)
    folders = Counter(file.rpartition("/")[0] for file in files)
    return ", ".join(
        f"1 file in {folder}" if count == 1 else f"{count} files in {folder}"
        for folder, count in folders.items()
    )
