"""Earlier joints of a clip, kept when it is read with other options or for another person, so that
they can be restored.

They are stored in the project as `aside/poses/<id>/N.safetensors`. N counts up and is the same for
all persons of a file that were read together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.poses.current import STEP
from la2ds_cli.poses.subjects import ClipSubjects


def read_together(project: Project, video: Video) -> list[Video]:
    """The clips of all persons that were read together from a file."""
    how = (video.path, video.options)
    return [each for each in project.videos() if (each.path, each.options) == how]


def keep(project: Project, video: Video) -> int:
    """Keep the joints of a clip and of the clips read with it; return their number, 0 if there are
    none. Joints that are already kept are not kept twice."""
    clips = [one for one in read_together(project, video) if project.pose_path(one.id).is_file()]
    if not clips:
        return 0
    contents = {one.id: _content(project.pose_path(one.id)) for one in clips}
    numbers = _numbers(project, video.id)
    for number in numbers:
        paths = {name: _path(project, name, number) for name in contents}
        if all(_content(path) == contents[name] for name, path in paths.items()):
            return number
    last = max((n for one in clips for n in _numbers(project, one.id)), default=0)
    for name, content in contents.items():
        if content is not None:
            artifact.write_bytes(_path(project, name, last + 1), content)
    return last + 1


def earlier(project: Project, video: str) -> list[dict[str, Any]]:
    """The kept joints of a clip, latest first, without its current ones: number, when they were
    kept (UTC), frames, the pose network, the person (`subject`) and the options."""
    now = _content(project.pose_path(video))
    told = []
    for number in reversed(_numbers(project, video)):
        path = _path(project, video, number)
        content = _content(path)
        if content is None or content == now:
            continue
        try:
            recipe, facts = artifact.read_header(path)
        except artifact.ArtifactError:
            continue  # damaged: there is nothing to restore
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        info = facts.get("info", {})
        told.append(
            {
                "number": number,
                "time": when.isoformat(timespec="seconds"),
                "frames": info.get("frames", 0),
                "pose": info.get("pose", ""),
                "subject": str(recipe.config.get("subject", "")),
                "options": str(recipe.config.get("options", "")),
            }
        )
    return told


def bring_back(project: Project, video: Video, number: int) -> None:
    """Restore the joints kept under a number, for a clip and those read with it; their current
    joints are kept in turn.

    Call it with the project locked. Raises UserError if the number does not exist.
    """
    if number not in _numbers(project, video.id):
        raise UserError("these joints are no longer kept", hint="load the page again")
    keep(project, video)
    with project.tables():
        _put_back(project, read_together(project, video), number)


def as_before(project: Project, videos: Sequence[Video], number: int, subject: str) -> None:
    """Undo a reading that did not give the intended joints. videos: as listed before; number: of
    their kept joints; subject: their entry in subjects.csv before."""
    with project.tables():
        if number:
            _put_back(project, videos, number)
        ClipSubjects.read(project).add({videos[0].id: subject})


def _put_back(project: Project, videos: Sequence[Video], number: int) -> None:
    rows = []
    for video in videos:
        content = _content(_path(project, video.id, number))
        if content is None:
            continue
        if content != _content(project.pose_path(video.id)):
            artifact.write_bytes(project.pose_path(video.id), content)
        pose, recipe = project.read_pose(video.id)
        if recipe.step != STEP:  # imported: not read from the video
            continue
        size = dict(zip(("width", "height"), pose.size, strict=True))
        options = str(recipe.config.get("options", ""))
        rows.append(replace(video, options=options, fps=round(pose.fps, 6), **size))
        if video.person == 1:
            ClipSubjects.read(project).add({video.id: str(recipe.config["subject"])})
    project.add_videos(rows)


def _path(project: Project, video: str, number: int) -> Path:
    return project.earlier_poses(video) / f"{number}.safetensors"


def _numbers(project: Project, video: str) -> list[int]:
    names = artifact.files_in(project.earlier_poses(video))
    return sorted(int(name) for name in names if name.isdecimal())


def _content(path: Path) -> bytes | None:
    try:
        return regular_file.content(path, most=None)
    except FileNotFoundError:
        return None
