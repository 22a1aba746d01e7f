"""How many repetitions each clip of a project holds, counted once per version of its poses."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from la2ds_cli.alignment.aligned_repetitions import cut_clip
from la2ds_cli.core import artifact
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project

VERSION = 2  # raised when the same poses give another count
FILE = "repetitions.json"  # in logs/


def repetition_counts(project: Project, clips: Iterable[str]) -> dict[str, int]:
    """The number of repetitions in each of the clips (ids) that has poses, 0 if nothing repeats.

    Counts are cached in logs/ under the key of the poses' recipe, so that only new poses take time:
    some 10 ms for a clip of a few seconds, 0.7 s for a minute of repetitions. Poses that cannot be
    read are left out; other steps report why.
    """
    path = project.log_path(FILE)
    known = _read(path)
    counts, changed = {}, False
    for clip in clips:
        try:
            key = project.pose_header(clip)[0].key
            if known.get(clip, {}).get("poses") != key:
                count = len(cut_clip(project.read_pose(clip)[0]))
                known[clip] = {"poses": key, "count": count}
                changed = True
            counts[clip] = int(known[clip]["count"])
        except (UserError, OSError, artifact.ArtifactError):
            continue
    if changed:
        with suppress(UserError):  # without write access, they are counted every time
            artifact.write_json(path, {"version": VERSION, "clips": known})
    return counts


def _read(path: Any) -> dict[str, Any]:
    """The counts of an earlier run; empty if there are none of this version."""
    try:
        document = artifact.read_document(path)
        if document["version"] != VERSION:
            return {}
        return {
            str(clip): {"poses": str(row["poses"]), "count": int(row["count"])}
            for clip, row in document["clips"].items()
        }
    except artifact.FOREIGN:
        return {}


def note_on_repetitions(project: Project, clips: Iterable[str] | None = None) -> str:
    """A sentence if clips (ids, None = all that have poses) seem to hold several repetitions, with
    the commands that show and cut them; otherwise an empty string."""
    counts = repetition_counts(project, sorted(project.posed()) if clips is None else clips)
    several = {clip: count for clip, count in counts.items() if count > 1}
    if not several:
        return ""
    clip = max(several, key=lambda one: several[one])
    video = project.find(clip)
    name = video.name if video else clip
    held = f"{name} seems to hold {several[clip]} repetitions"
    if len(several) > 1:
        held = f"{len(several)} clips seem to hold several repetitions, {name} {several[clip]}"
    return (
        f"{held}: la2ds align {name} {name} --repetition all lists them, extract-poses with "
        "--time-range keeps one"
    )


def hint_of_repetitions(project: Project, clips: tuple[str, str], names: tuple[str, str]) -> str:
    """A sentence if one or both of two clips (ids) seem to hold several repetitions, otherwise an
    empty string. names: of the clips, as the user gave them."""
    counts = repetition_counts(project, dict.fromkeys(clips))
    several = [max(counts.get(clip, 1), 1) for clip in clips]
    if min(several) > 1 and clips[0] != clips[1]:
        return (
            f"{names[0]} and {names[1]} seem to hold {several[0]} and {several[1]} repetitions: "
            "--repetition all aligns each one of B with the most typical one of A"
        )
    if several[0] == 1 < several[1]:
        return (
            f"{names[1]} seems to hold {several[1]} repetitions: --repetition all aligns each of "
            "them"
        )
    if several[1] == 1 < several[0]:
        return (
            f"{names[0]} seems to hold {several[0]} repetitions: name {names[1]} first, and "
            "--repetition all aligns each of them"
        )
    return ""
