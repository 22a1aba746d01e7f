"""`la2ds remove`: a clip leaves the project."""

from __future__ import annotations

import shutil
from collections import Counter

from la2ds_cli.commands.options import Here, argument

_MOST_NAMED = 5  # files


def remove(
    videos: list[str] = argument("CLIP", "Clips by file or id; NAME#2: one person."),
    *,
    here: Here,
) -> None:
    """Take clips out of the project.

    \b
      la2ds remove swings-anna-1a2b3c4d --project swings

    Deletes their joints and whatever else was computed for them. The videos stay. So does what
    people have set for the clips, such as phases, groups and corrected joints: it counts again if
    the same video is extracted again from the same place.
    """
    from la2ds_cli.core.removal import exported, take_out

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            clips = list(map(opened.named, videos))  # before any is removed
            gone = list(dict.fromkeys(clip.id for clip in clips))
            there = any(opened.source(clip).exists() for clip in clips)
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
