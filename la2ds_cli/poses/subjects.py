"""Choose the subject of a clip, one track over all frames; and read and write subjects.csv, which
overrides the automatic choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, IntArray, Json
from la2ds_cli.poses import boxes
from la2ds_cli.poses.tracking import Track, concatenate, same_person, select_rows, side_by_side

AMBIGUOUS_MARGIN = 0.25
NO_SUCH_PERSON = "V026"
_CLOSE_UP = 0.5  # side of a box over that of the frame; larger boxes count as this large
_STILL = 0.3  # factor of a person who does not move at all
_LIVELY = 0.05  # spread of the joints, in body heights, that counts as 63 % of full motion
_SEEN = 0.3  # joints scored below this are not seen
_PERSON = 0.1  # least share of the best score of anybody reported
_COMPARABLE = 0.3  # least share of the usual box area of the subject in another view
_TOGETHER = 0.2  # share of common frames above which two tracks are side by side


def check_subject(subject: str) -> None:
    """Raise UserError (exit 2) unless the text is `auto` or a number."""
    if subject != "auto" and not _rank(subject):
        raise UserError(
            f"unknown subject '{subject}'", hint="auto, or the number of the person: 1, 2, ..."
        )


def _rank(subject: str) -> int:
    """Return the number of the person that is named, 0 if none is."""
    return int(subject) if re.fullmatch(r"[0-9]{1,9}", subject) else 0


def subject_scores(tracks: Sequence[Track], size: tuple[int, int], length: int) -> FloatArray:
    """Return scores (n,) that rate each track as the subject of a clip.

    The clip has `length` frames of size (width, height). A score is the product, over the whole
    clip, of area: side of the mean box relative to that of the frame, at most 0.5, so that a
    close-up does not win by size; time: share of the frames; centrality: 1 in the middle to 0.5 in
    a corner; motion: 0.3 for a person who stands still, approaching 1 for one whose joints move;
    confidence: mean score of the joints, lower if few are seen at all, or of the boxes before
    joints are estimated.
    """
    return np.array([_score(track, size, length) for track in tracks])


def choose_subject(
    tracks: Sequence[Track],
    size: tuple[int, int],
    length: int,
    subject: str = "auto",
    followed: int | None = None,
) -> tuple[int, float]:
    """Choose the subject among the tracks of a clip.

    Parameters
    ----------
    tracks
        At least one track.
    size, length
        Width and height of the frames in pixels, and their number.
    subject
        `auto`: the best of `subject_scores`. "1", "2", ...: this rank of `rank_people`.
    followed
        Index of the person whom this choice meant before, who stays the subject whatever the order
        is now.

    Returns
    -------
    The index of the subject, and the margin over the runner-up in [0, 1]: 0 = equal, 1 = no rival
    or a choice by rank. Tracks that show a part of the chosen person are not runners-up.

    Raises
    ------
    UserError
        Exit 4, V026, for a rank that the clip does not have.
    """
    if _rank(subject) and followed is not None:
        return followed, 1.0
    if rank := _rank(subject):
        persons = rank_people(tracks, size, length)
        if rank > len(persons):
            raise _no_such_person(rank, len(persons))
        return persons[rank - 1], 1.0
    score = subject_scores(tracks, size, length)
    best = int(score.argmax()) if followed is None else followed
    rivals = [i for i, t in enumerate(tracks) if i != best and not same_person(t, tracks[best])]
    if not rivals:
        return best, 1.0
    if score[best] <= 0:
        return best, 0.0
    return best, max(float(1 - score[rivals].max() / score[best]), 0.0)


def _no_such_person(rank: int, number: int) -> UserError:
    shown = "1 person" if number == 1 else f"{number} people"
    numbers = "give 1" if number == 1 else f"give a number from 1 to {number}"
    return Unusable(
        f"the clip shows {shown}; there is no person {rank}",
        hint=f"{numbers}, or auto",
        code=NO_SUCH_PERSON,
    )


def _score(track: Track, size: tuple[int, int], length: int) -> float:
    frame_size = np.array(size, np.float64)
    side = np.sqrt(boxes.area(track.box).mean() / frame_size.prod())
    offset = np.abs(boxes.centre(track.box) / frame_size * 2 - 1)
    closeness = 1 - np.clip(np.linalg.norm(offset, axis=1) / np.sqrt(2), 0, 1).mean()
    confidence = track.score.mean()
    if track.posed:
        seen = (track.joint_score >= _SEEN).mean()
        confidence = track.joint_score.mean() * min(1, 2 * seen)
    liveliness = _STILL + (1 - _STILL) * (1 - np.exp(-_motion(track) / _LIVELY))
    area, share = min(float(side), _CLOSE_UP), len(track) / length
    return float(area * share * (0.5 + 0.5 * closeness) * liveliness * confidence)


def _motion(track: Track) -> float:
    """Return the spread of the joints over time, weighted by their scores, in body heights.

    The spread is a standard deviation computed from the middle 80 % of the frames, so that a few
    bad frames do not count as movement.
    """
    points = track.xy if track.posed else track.box.reshape(-1, 2, 2)
    weight = track.joint_score.mean(axis=0) if track.posed else np.ones(2)
    height = np.median(track.box[:, 3] - track.box[:, 1])
    low, high = np.percentile(points, [10, 90], axis=0)
    spread = np.linalg.norm(high - low, axis=1) / 2.56 / np.sqrt(2)
    return float((spread * weight).sum() / max(weight.sum(), 1e-6) / max(height, 1e-6))


def rank_people(tracks: Sequence[Track], size: tuple[int, int], length: int) -> list[int]:
    """Return the indices of the tracks that are distinct people worth reporting, best first.

    No two show parts of each other, and each has at least a tenth of the best score.
    """
    score = subject_scores(tracks, size, length)
    order = np.argsort(-score, kind="stable")
    persons: list[int] = []
    for i in order[score[order] >= _PERSON * score.max(initial=0)]:
        if not any(same_person(tracks[i], tracks[j]) for j in persons):
            persons.append(int(i))
    return persons


def describe(track: Track) -> dict[str, Json]:
    """Return the JSON facts of a track: first and last row, and mean box in xyxy pixels."""
    box = [round(float(side), 1) for side in track.box.mean(axis=0)]
    return {"first": int(track.frame[0]), "last": int(track.frame[-1]), "box": box}


def ranks(count: int, subject: str) -> list[int]:
    """Return the rank of each of `count` people of a clip, in the order of their description: the
    person chosen by `subject` first, then the others in the automatic order."""
    chosen = min(max(_rank(subject), 1), count)
    return [*([chosen] if count else []), *(i for i in range(1, count + 1) if i != chosen)]


def follow_cuts(
    index: int, tracks: Sequence[Track], *, least: int, cuts: Sequence[int] | None = None
) -> tuple[Track, int]:
    """Return a track continued over cuts of the film, and the number of pieces added.

    Where the track has no detection, another track continues it if it shows the only person of
    comparable size at that time: after a change of view, the same person. A track seen together
    with it is somebody else and never continues it.

    Parameters
    ----------
    index, tracks
        All tracks of the clip, and the index of the one to continue.
    least
        Least number of frames that a piece adds.
    cuts
        Frames where a new shot begins, over which alone a track is continued; None = unknown.
    """
    chosen, added = tracks[index], 0
    typical = np.median(boxes.area(chosen.box))
    rest = [track for i, track in enumerate(tracks) if i != index]
    rest = [t for t in rest if np.median(boxes.area(t.box)) >= _COMPARABLE * typical]
    for track in sorted(rest, key=len, reverse=True):
        piece = select_rows(track, ~np.isin(track.frame, chosen.frame))
        if (
            side_by_side(track, chosen)
            or len(piece) < least
            or not _cut_between(piece, chosen, cuts)
        ):
            continue
        others = [t for t in rest if t is not track and _share(piece.frame, t.frame) > _TOGETHER]
        if all(same_person(piece, other) for other in others):
            chosen, added = concatenate(chosen, piece), added + 1
    return chosen, added


def _cut_between(piece: Track, chosen: Track, cuts: Sequence[int] | None) -> bool:
    """Return whether a new shot begins at an end of the piece, next to the chosen track."""
    if cuts is None:
        return True
    first, last = piece.frame[0], piece.frame[-1]
    sides = [(frame, first) for frame in chosen.frame[chosen.frame < first][-1:]]
    sides += [(last, frame) for frame in chosen.frame[chosen.frame > last][:1]]
    return any(a < cut <= b for a, b in sides for cut in cuts)


def _share(frame: IntArray, other: IntArray) -> float:
    """Return the share of the first track's frames that the second also has."""
    return float(np.isin(frame, other).mean())


# --- subjects.csv ---------------------------------------------------------------------------------

_HINT = "columns video,subject: the id of a clip, and auto or the number of the person"


def read_subjects(project: StoredProject) -> dict[str, str]:
    """Return whom to follow, by Video.shared_id; empty without subjects.csv.

    Raises UserError (exit 5) that names the line of an empty or repeated clip or unknown subject.
    """
    subjects: dict[str, str] = {}

    def parse(row: dict[str, str]) -> None:
        video, subject = row["video"].strip(), row["subject"].strip()
        if not video or video in subjects:
            raise ValueError(f"video '{video}' is listed twice" if video else "the video is empty")
        try:
            check_subject(subject)
        except UserError as error:
            raise ValueError(error.message) from error
        subjects[video] = subject

    if project.subjects_path.exists():
        read_rows(project.subjects_path, parse, _HINT)
    return subjects


def subject_of(subjects: Mapping[str, str], video: Video) -> str:
    """Return the subject of a clip by subjects.csv; empty if the settings decide."""
    return subjects.get(video.shared_id, "")


def set_subjects(project: StoredProject, chosen: Mapping[str, str]) -> None:
    """Store whom to follow, by Video.shared_id; an empty subject is removed.

    Call it with the tables locked, and only for clips that were read by this choice.
    """
    before = read_subjects(project)
    rows = {video: subject for video, subject in {**before, **chosen}.items() if subject}
    if rows != before:
        text = table_text(["video", "subject"], rows.items())
        artifact.write_text(project.subjects_path, text)
