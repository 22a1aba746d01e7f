"""What people have set for moments of clips, said by frames as the pages do."""

from __future__ import annotations

from typing import NamedTuple

from la2ds_cli.core.annotations import (
    JOINT,
    POINTS,
    Annotation,
    ClipMoments,
    Moment,
    between,
    drawing_value,
    drawings_on,
    joint_of,
    points_of,
    turning_of,
)
from la2ds_cli.core.clip import family
from la2ds_cli.core.stored_project import StoredProject

Frames = tuple[int | None, int | None]
LINE = ((1.0, 2.0), (3.0, 4.0))


def moments(project: StoredProject, clip: str) -> ClipMoments:
    (video,) = [video for video in project.videos() if video.id == clip]
    return ClipMoments.of(clip, video.options, project.read_pose(clip)[0])


def put(
    project: StoredProject, kind: str, clips: tuple[str, str], frames: Frames, value: str = ""
) -> None:
    """Set an anchor or a note at frames of two clips."""
    a, b = (moments(project, clip).at(frame) for clip, frame in zip(clips, frames, strict=True))
    project.change_annotations([], [Annotation(kind, a, b, value, set="then")])


def shown(project: StoredProject, kind: str, a: str, b: str) -> list[tuple[Frames, str]]:
    """The anchors or notes that two clips show."""
    rows = between(project.annotations(), kind, moments(project, a), moments(project, b))
    return [(one.frames, one.row.value) for one in rows]


def drawing(clip: str, *points: tuple[float, float], turned: str = "") -> Annotation:
    """A line or an angle on a clip."""
    file, person = family(clip)
    kind = next(kind for kind, (_, most) in POINTS.items() if most == len(points))
    return Annotation(kind, Moment(file, int(person)), None, drawing_value(kind, points), turned)


def draw(project: StoredProject, clip: str, *points: tuple[float, float]) -> None:
    project.change_annotations([], [drawing(clip, *(points or LINE))])


class Shape(NamedTuple):
    kind: str
    points: list[tuple[float, float]]


def drawn(project: StoredProject, clip: str) -> list[Shape]:
    """The drawings that a clip shows as it is turned now."""
    turned = turning_of(project.read_pose(clip)[0].info)
    rows = drawings_on(project.annotations(), moments(project, clip), turned)
    return [Shape(row.kind, points_of(row.value)) for row in rows]


class Correction(NamedTuple):
    frame: int | None
    joint: str
    at: tuple[float, float] | None


def corrections(project: StoredProject, clip: str) -> list[Correction]:
    """The joints that have been corrected of a clip, in the order of the table."""
    at = moments(project, clip)
    rows = [row for row in project.annotations() if row.kind == JOINT]
    return [Correction(at.frame_at(row.at), *joint_of(row.value)) for row in rows]


def spans(project: StoredProject, clip: str = "a") -> list[tuple[int, int, str]]:
    """The phases that people have set: first frame, frame behind the last, name."""
    return [(p.start, p.end, p.name) for p in project.phases().get(clip, [])]
