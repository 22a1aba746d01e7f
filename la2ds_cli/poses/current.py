"""Which clip a file belongs to, and whether its poses are up to date with file and settings.

A file with the content of a clip whose own file is gone belongs to that clip, which keeps its id
and gets the new path. A file whose content differs from the clips of its path is another clip. In
both cases the names in phases.csv still mean the same clips.

Separate from the extraction, so that a command on existing poses does not load it.
"""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.clip_names import ClipName, as_on_disk, current_folder, nfc
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import Unreadable
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import first_people
from la2ds_cli.poses.networks import detector_identities, pose_identities
from la2ds_cli.poses.subjects import read_subjects, subject_of
from la2ds_cli.video.media_files import content_digest, is_image_folder

STEP = "poses"
VERSION = 4  # raised when the same settings give other joints
_NAMED = 3  # most clips that a note names
_SETTINGS = ("detect_threshold", "detect_rate", "joint_threshold", "subjects")


def current_clip(project: StoredProject, typed: str, config: PosesConfig) -> str | None:
    """Return the id of a clip if its poses are current; None if they must be extracted, or its file
    was moved. typed, and the errors raised: as find_clip."""
    video, file = find_clip(project, typed)
    if video is None or moved_to(project, video, typed) is not None:
        return None
    return video.id if is_current(project, config, video, file) else None


def find_clip(project: StoredProject, typed: str) -> tuple[Video | None, Path | None]:
    """Return the clip that a person means by a name, and the file of that name.

    The forms of a name and their order: core/clip_names.py. A file that exists stands for its
    content: one of the same name in another folder is another clip, and a renamed file is the clip
    that it was.

    Parameters
    ----------
    typed
        A video file, a folder of images, or a name of a clip.

    Returns
    -------
    The clip, None if the project does not have it; and the file if it is the source of the clip,
    whose content may have changed.

    Raises
    ------
    UserError
        Exit 5 if several films fit, or a film of which the project has only parts.
    """
    listed = project.video_list()
    if not listed.videos:
        return None, None
    file, key = (None, ClipName(typed)) if listed.has_id(typed) else named_file(typed)
    if file is None:
        return listed.find(typed, current_folder()), None
    rows = listed.of_source(file)
    if len({video.sha256 for video in rows}) == 1:
        return listed.choose(rows, key, typed), file

    with suppress(OSError):  # as in is_current
        digest = content_digest(file)
        rows = [video for video in rows if video.sha256 == digest]
        rows = rows or listed.of_content(file, digest) or listed.copies(file, digest)
        return listed.choose(rows, key, typed), None
    return None, None


def clip_named(project: StoredProject, typed: str) -> Video:
    """Return the clip that a person means by a name, as `find_clip`.

    Raises UserError: exit 3 if the project has no such clip, and as `find_clip`.
    """
    video, _ = find_clip(project, typed)
    if video is not None:
        return video
    file, key = named_file(typed)
    if file is None or key.has_keys:
        raise project.no_clip(typed)
    alike = [v for v in project.videos() if nfc(Path(v.path).name) == nfc(file.name)]
    others = ", ".join(str(project.source(video)) for video in alike[:_NAMED])
    raise Unreadable(
        f"the project has no clip of the file {typed}",
        hint=f"clips of that name from other files: {others}"
        if others
        else f"la2ds extract-poses {shlex.quote(typed)} makes one",
    )


def moved_to(project: StoredProject, video: Video, typed: str) -> Path | None:
    """Return the new file of a clip that `find_clip` found by its content and whose own file is
    gone; None otherwise."""
    file = None if project.video_list().has_id(typed) else named_file(typed)[0]
    there = file is None or os.path.lexists(project.source(video))
    return None if there or file is None else file.resolve()


def named_file(typed: str) -> tuple[Path | None, ClipName]:
    """Return the file or folder of images of this name, as the file system spells it, None if there
    is none; and the part and the person that the name adds to it."""
    for key in dict.fromkeys((ClipName(typed), ClipName.parse(typed))):
        with suppress(OSError, ValueError):  # such as a name longer than the system allows
            path = as_on_disk(key.film)
            if Path(path).is_file() or is_image_folder(path):
                return Path(path), key
    return None, ClipName.parse(typed)


def is_current(
    project: StoredProject, config: PosesConfig, video: Video, file: Path | None
) -> bool:
    """Return whether the poses of a clip are current: imported, or made with these settings.

    file: the source of the clip if the user named it; then its content must be unchanged, too.
    """
    try:
        recipe, _ = artifact.read_header(project.pose_path(video.id))
    except ArtifactError:
        return False
    if recipe.step != STEP:
        return True

    try:
        if file is not None and content_digest(file) != video.sha256:
            return False
    except OSError:  # the extraction will say what is wrong
        return False
    return recipe.key in {current.key for current in PoseRecipes(project, config).of(video)}


class PoseRecipes:
    """The recipes that current poses may have; several, since `auto` may mean several networks.

    The files of the networks and subjects.csv are read once. subjects: see read_subjects.
    """

    def __init__(self, project: StoredProject, config: PosesConfig) -> None:
        self._config, self.subjects = config, read_subjects(project)

    @cached_property
    def _networks(self) -> list[tuple[str, str]]:
        return networks_of(self._config)

    def of(self, video: Video) -> list[Recipe]:
        """Return the recipes of a clip. Raises UserError as `networks_of`."""
        subject = subject_of(self.subjects, video)
        person = {"options": video.options, "subject": subject, "person": video.person}
        return [pose_recipe(self._config, *each, video.sha256, **person) for each in self._networks]


def pose_recipe(
    config: PosesConfig,
    pose: str,
    detector: str,
    digest: str,
    *,
    options: str = "",
    subject: str = "",
    person: int = 1,
) -> Recipe:
    """Return the recipe of the poses of one person in a clip.

    Parameters
    ----------
    config
        Settings; of these, only those that change poses are part of the recipe.
    pose, detector
        Identities of the two networks.
    digest
        SHA-256 of the content of the video.
    options
        How the file is read, as ClipOptions.to_text.
    subject
        Whom to follow in this clip, empty = as in the settings.
    person
        Number of the person.
    """
    used = {
        "detector": detector,
        "pose": pose,
        **{name: getattr(config, name) for name in _SETTINGS},
        "subject": subject or config.subject,
    }
    used |= {"options": options} if options else {}
    used |= {"person": person} if person > 1 else {}
    return Recipe(STEP, VERSION, used, {"video": digest})


def networks_of(config: PosesConfig) -> list[tuple[str, str]]:
    """Return the pairs of pose network and detector, by identity, whose poses are current; several
    if a setting is `auto`. Raises UserError as `extract_poses` does for these two settings."""
    identities = pose_identities(config.pose), detector_identities(config.detector)
    return list(itertools.product(*identities))


# --- files that were renamed, moved or replaced since the project listed them ---------------------


def listed_as(project: StoredProject, path: Path, digest: str) -> str:
    """Return the id under which the project lists a file (`core.clip.id_within`); empty if it does
    not have the content, or gave it an id of another form."""
    ids = {family(row.id)[0] for row in project.video_list().of_content(path, digest)}
    listed = next(iter(ids)) if len(ids) == 1 else ""
    return listed if listed.endswith(f"-{digest[:8]}") else ""


def follow_files(project: StoredProject, files: Sequence[tuple[Path, str]]) -> str:
    """Give the clips of renamed and moved files their new path; return a note for the user.

    Call it with the project locked, before the files are read.

    Parameters
    ----------
    files
        Resolved path and SHA-256 of the content of each file.

    Returns
    -------
    One line about renamed, moved and replaced files; empty if all are where they were.

    Raises
    ------
    UserError
        Exit 5 for a table that cannot be read.
    """
    listed, now = project.video_list(), {os.fspath(path): digest for path, digest in files}
    moved: dict[str, Video] = {}
    places, others = [], []
    for path, digest in files:
        rows = listed.of_content(
            path, digest, lambda file, digest=digest: _holds(file, digest, now)
        )
        if rows and (project.source(rows[0]) == path or rows[0].id in moved):
            continue
        moved |= {row.id: replace(row, path=project.path_cell(path)) for row in rows}
        places += [f"{row.id} is now {path.name}" for row in rows[:1]]
        others += [row for row in listed.of_source(path) if row.sha256 != digest]
    replaced = [row for row in others if row.id not in moved]
    project.add_videos(moved.values())
    notes = [f"renamed or moved: {_some(places)}"] if places else []
    if replaced:
        names = _some([row.id for row in first_people(replaced)])
        notes.append(f"replaced by another file: {names} (la2ds remove takes a clip out)")
    return "; ".join(notes)


def _holds(file: str, digest: str, now: Mapping[str, str]) -> bool:
    """Return whether a file exists and has this content, or its content is not in `now`, digests by
    path."""
    return os.path.lexists(file) and now.get(file, digest) == digest


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
