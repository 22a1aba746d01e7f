"""Which clips `transfer-labels` reads labels from, and which it carries them to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase

GROUPS = ("all", "labelled", "train", "test")
"""Names that stand for several clips: all of videos.csv, those that people labelled, and by split
(`train`: not marked test)."""


def labelled_clips(project: Project) -> dict[str, list[Phase]]:
    """Phases by a person of each clip. UserError (exit 4) when phases.csv labels none."""
    phases = project.phases()
    if phases:
        return phases
    only = " but what was carried" if project.phases(propagated=True) else ""
    raise UserError(
        f"no clip of the project has phases by a person in phases.csv{only}",
        hint="label one clip there: video,start,end,phase (frame numbers, end exclusive)",
        exit_code=ExitCode.UNUSABLE,
    )


def choose_sources(
    project: Project, names: Sequence[str], phases: Mapping[str, Sequence[Phase]]
) -> list[str]:
    """Ids of the labelled clips that `names` mean: clips, lists of them with commas, or GROUPS (of
    which those without labels are left out).

    UserError: exit 3 for a name that is no clip, 5 for a clip without labels, 4 for an empty group.
    """
    found: list[str] = []
    for name in _split(project, names):
        if name in GROUPS:
            group = [video.id for video in _group(project, name, phases) if video.id in phases]
            if not group:
                raise UserError(
                    f"--from {name}: no clip of this kind is labelled",
                    hint=f"labelled clips: {_some(phases)}",
                    exit_code=ExitCode.UNUSABLE,
                )
            found += group
            continue
        video = project.find(name)
        if video is None:
            raise _unknown(project, name)
        if video.id not in phases:
            raise UserError(
                f"'{name}' has no phases by a person in phases.csv",
                hint=f"labelled clips: {_some(phases)}",
                exit_code=ExitCode.MISMATCH,
            )
        found.append(video.id)
    return list(dict.fromkeys(found))


def choose_targets(
    project: Project,
    names: Sequence[str],
    phases: Mapping[str, Sequence[Phase]],
    *,
    without: Collection[str] = (),
) -> list[str]:
    """Clips to carry to: ids, or names as they are where they are not in the project (yet).
    without: ids that are left out of groups."""
    found: list[str] = []
    for name in _split(project, names):
        if name in GROUPS:
            group = _group(project, name, phases)
            found += [video.id for video in group if video.id not in without]
        else:
            video = project.find(name)
            found.append(video.id if video else name)
    return list(dict.fromkeys(found))


def _split(project: Project, names: Sequence[str]) -> list[str]:
    """Single names; one with a comma in it counts as a whole where it is a clip."""
    parts: list[str] = []
    for name in names:
        whole = "," not in name or project.find(name)
        parts += [name] if whole else [part.strip() for part in name.split(",")]
    return [part for part in parts if part]


def _group(project: Project, name: str, phases: Mapping[str, Sequence[Phase]]) -> list[Video]:
    videos = project.videos()
    if name == "labelled":
        return [video for video in videos if video.id in phases]
    if name == "train":
        return [video for video in videos if video.split != "test"]
    if name == "test":
        return [video for video in videos if video.split == "test"]
    return videos


def _unknown(project: Project, name: str) -> UserError:
    known = [word for video in project.videos() for word in (video.name, video.id)]
    near = get_close_matches(name, known, n=1)
    return UserError(
        f"there is no clip '{name}' in the project",
        hint=f"did you mean '{near[0]}'?" if near else "videos.csv lists the clips",
        exit_code=ExitCode.UNREADABLE,
    )


def _some(ids: Mapping[str, object]) -> str:
    shown = sorted(ids)
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
