"""exercises-1: a frozen set of films of exercises, made from the recordings of UI-PRMD.

A film is the joints of one repetition as a camera at 0 (in front), 45 or 90 degrees sees them. Its
events are an instrument's truth: moments at which the joints in space pass half of the way out, are
at the far end, and pass half of the way back. `exercises-1.csv` lists the films with their cameras,
rates, events and splits by person. It never changes: a set that differs gets another name.
Recordings are accepted if the rule finds the events of the list in them; `DIGEST` is that of the
whole content.

Nothing here depends on the order of files, on the machine, or on numpy's generators: every number
that is drawn comes from a digest of the film's name.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, Phase, PoseSequence
from la2ds_cli.datasets.ui_prmd import RATE, SKELETON, read_recordings
from la2ds_cli.formats import wide_csv
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_files

NAME = "exercises-1"
LIST = Path(__file__).with_name(f"{NAME}.csv")
# Of the whole content, from joints that were computed from the markers before (`check_set`).
DIGEST = "f02d7cb3e078532b3ce87f7466c26dd2a287ef44d30e843e7d1d6bf6130dd6fd"
MOVEMENTS = {
    "m01": "deep squat",
    "m02": "hurdle step",
    "m03": "inline lunge",
    "m04": "side lunge",
    "m05": "sit to stand",
    "m06": "straight leg raise",
    "m07": "shoulder abduction",
    "m08": "shoulder extension",
    "m09": "shoulder rotation",
    "m10": "shoulder scaption",
}
CAMERAS = (0, 45, 90)  # degrees to the side of the front
RATES = (30, 50, 60)  # frames a second
TEST = ("s05", "s06", "s07")  # people; the others are for training
EVENTS = ("half_out", "turn", "half_back")
PHASES = ("start", *EVENTS)  # named after the moment at which each begins
JITTER = 0.02  # of each joint, as a share of the torso in the picture
SIZE = (1280, 720)
_REPETITIONS = 6  # of a person, at most
_SLACK = 60, 400  # milliseconds: by which half ways, and the turn, may differ from the list
_FAR = 0.95  # of the way: the far end
_RESTS = 0.25  # of the way: where a repetition starts and ends, at most


@dataclass(frozen=True)
class Exercise:
    """A film of the set: a row of its list.

    clip: the recording. split: train or test. camera: degrees. fps: a second. mirrored: whether
    left and right are exchanged, so that all people work with the right side. frames: of the
    recording, RATE a second. Events in milliseconds.
    """

    clip: str
    person: str
    split: str
    camera: int
    fps: int
    mirrored: bool
    frames: int
    half_out: int
    turn: int
    half_back: int

    @property
    def movement(self) -> str:
        return self.clip[:3]

    @property
    def length(self) -> int:
        """Return the number of frames of the film."""
        return (self.frames - 1) * self.fps // int(RATE) + 1

    @property
    def phases(self) -> list[Phase]:
        """Return the phases, which begin at the frames nearest to the events."""
        starts = [(2 * getattr(self, e) * self.fps + 1000) // 2000 for e in EVENTS]
        edges = [0, *starts, self.length]
        return [Phase(edges[n], edges[n + 1], name) for n, name in enumerate(PHASES)]


class MadeSet(NamedTuple):
    """A set in a folder. digest: of its content. results: of its films. projects: a folder for
    each movement."""

    digest: str
    results: list[ItemResult]
    projects: list[Path]


def read_list(path: Path | None = None) -> list[Exercise]:
    """Read the list of a set, None = that of NAME. Raises UserError as `read_rows`."""
    return read_rows(LIST if path is None else path, _exercise, "install la2ds again")


def _exercise(row: Mapping[str, str]) -> Exercise:
    numbers = ("camera", "fps", "frames", *EVENTS)
    return Exercise(
        clip=row["clip"],
        person=row["person"],
        split=row["split"],
        mirrored=row["mirrored"] == "1",
        **{name: int(row[name]) for name in numbers},
    )


def list_text(exercises: Iterable[Exercise]) -> str:
    """Return the list of a set as CSV."""
    rows = [[int(v) if isinstance(v, bool) else v for v in vars(e).values()] for e in exercises]
    return table_text(Exercise.__dataclass_fields__, rows)


def make_exercises(
    recordings: Path,
    folder: Path,
    exercises: Sequence[Exercise] | None = None,
    progress: Progress = SILENT,
) -> MadeSet:
    """Write the films of a set, and a project of each movement with their poses, phases and splits.

    Parameters
    ----------
    recordings: of UI-PRMD, as for `read_recordings`.
    folder: gets a project for each movement, such as `m01`, with its films in `films`.
    exercises: the list of the set; None = that of NAME.
    progress: gets a unit for each film.

    Raises
    ------
    UserError
        Exit 3 as `read_recordings`; 5 for recordings that differ from the list, and for a folder
        that holds another set.
    """
    exercises = read_list() if exercises is None else exercises
    joints = read_recordings(recordings, {exercise.clip for exercise in exercises})
    for exercise in exercises:
        _check_recording(exercise, joints[exercise.clip])
    results: list[ItemResult] = []
    projects = []
    for movement in sorted({exercise.movement for exercise in exercises}):
        rows = {e.clip: e for e in exercises if e.movement == movement}
        project = StoredProject.create(folder / movement)
        with project.lock():
            paths = [_write_film(project, e, joints[e.clip]) for e in rows.values()]
            results += import_films(project, paths, rows, progress)
        projects.append(project.root)
    return MadeSet(check_set(folder, exercises), results, projects)


def import_films(
    project: StoredProject,
    paths: Sequence[Path],
    rows: Mapping[str, Exercise],
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Import films with their splits and phases.

    Parameters
    ----------
    project: of the movement.
    paths: of the films, which have the names of their recordings.
    rows: by recording.
    progress: gets a unit for each film.
    """

    def read(path: Path, options: ImportOptions) -> list[FileClip]:
        row = rows[path.stem]
        facts = {"split": row.split, "group": row.person, "phases": tuple(row.phases)}
        return [replace(c, size=SIZE, **facts) for c in wide_csv.read_clips(path, options)]

    return import_files(project, "wide-csv", paths, read, ImportOptions(), progress)


def _write_film(project: StoredProject, exercise: Exercise, joints: FloatArray) -> Path:
    """Write the film of a recording, unless it is there, and return its path. Raises UserError
    (exit 5) if another file is there."""
    path = project.root / "films" / f"{exercise.clip}.csv"
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / path.name
        wide_csv.write_clip(film(exercise, joints), exercise.clip, made)
        content = made.read_bytes()
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        artifact.write_bytes(path, content)
    elif regular_file.content(path) != content:
        raise _differs(f"{path} has been changed")
    return path


# --- is it the set? ------------------------------------------------------------------------------


def check_set(folder: Path, exercises: Sequence[Exercise] | None = None) -> str:
    """Return the digest of the set in a folder: of names, people, splits, phases and joints, as its
    projects hold them.

    Parameters
    ----------
    folder: as from `make_exercises`.
    exercises: the list of the set; None = that of NAME.

    Raises
    ------
    UserError
        Exit 2 if a project is missing; 5 for a film that is missing or added, and for a split, a
        person, or phases that differ from the list.
    """
    exercises = read_list() if exercises is None else exercises
    total = hashlib.sha256()
    for movement in sorted({exercise.movement for exercise in exercises}):
        project = StoredProject.open(folder / movement)
        rows = {e.clip: e for e in exercises if e.movement == movement}
        posed = project.posed_videos()
        videos = {Path(video.path).stem: video for video in posed}
        phases = project.phases()
        if len(posed) > len(videos):
            raise _differs(f"{project.root} has two clips of a film")
        if other := sorted(rows.keys() ^ videos.keys()):
            what = "lacks" if other[0] in rows else "has more films than the list, first"
            raise _differs(f"{project.root} {what} {other[0]}")
        for name, row in sorted(rows.items()):
            video = videos[name]
            pose = project.read_pose(video.id)[0]
            mine = [(p.start, p.end, p.name) for p in phases.get(video.id, [])]
            for what, is_right in (
                ("split", video.split == row.split),
                ("group", video.group == row.person),
                ("phases", mine == [(p.start, p.end, p.name) for p in row.phases]),
                ("number of frames", len(pose) == row.length),
            ):
                if not is_right:
                    raise _differs(f"the {what} of {name} in {project.root} has been changed")
            total.update(f"{name} {vars(row)} {pose.fps:g}\n".encode())
            total.update(np.rint(pose.xy * 100).astype("<i4").tobytes())
    return total.hexdigest()


def _differs(problem: str) -> Mismatch:
    return Mismatch(
        f"this is not {NAME}: {problem}",
        hint="figures of a changed set cannot be compared: make it again, in an empty folder",
    )


def _check_recording(exercise: Exercise, joints: FloatArray) -> None:
    """Raise UserError (exit 5) if a recording is not the one of the list."""
    listed = [getattr(exercise, event) for event in EVENTS]
    problem = ""
    if abs(len(joints) - exercise.frames) > 1:
        problem = f"it has {len(joints)} frames, {RATE:g} a second, not {exercise.frames}"
    elif (found := find_moments(joints)) is None:
        problem = "it does not go out and come back"
    else:
        slack = (_SLACK[0], _SLACK[1], _SLACK[0])
        for event, mine, theirs, most in zip(EVENTS, found, listed, slack, strict=True):
            if abs(mine - theirs) > most:
                problem = problem or f"{event} is at {mine} ms, not at {theirs} ms"
    if problem:
        raise Mismatch(
            f"the recording {exercise.clip} is not that of {NAME}: {problem}",
            hint="take the recordings as they were published, without changes",
        )


# --- the moments of a repetition -----------------------------------------------------------------


def find_moments(joints: FloatArray) -> tuple[int, int, int] | None:
    """Return the milliseconds of EVENTS; None if the joints do not go out and come back once.

    The way is the line from the first pose to the one that is farthest from it. Half ways are where
    the joints pass the middle between the ends and the far pose; the turn is the middle of the time
    beyond _FAR of the way.

    Parameters
    ----------
    joints: (T, K, 3) in space, RATE frames a second.
    """
    flat = joints.reshape(len(joints), -1)
    moved = flat - flat[0]
    farthest = int((moved**2).sum(axis=1).argmax())
    along = (moved * moved[farthest]).sum(axis=1)
    rest = (along[0] + along[-1]) / 2
    if along[farthest] <= 2 * abs(rest):
        return None
    share = (along - rest) / (along[farthest] - rest)
    beyond = share >= 0.5
    changes = np.flatnonzero(beyond[1:] != beyond[:-1])
    if len(changes) != 2 or beyond[0] or max(share[0], share[-1]) > _RESTS:
        return None
    out, back = (at + (0.5 - share[at]) / (share[at + 1] - share[at]) for at in changes.tolist())
    far = np.flatnonzero(share >= _FAR)
    moments = (out, (far[0] + far[-1]) / 2, back)
    half_out, turn, half_back = (round(1000 * float(moment) / RATE) for moment in moments)
    return (half_out, turn, half_back) if half_out < turn < half_back else None


def choose_exercises(recordings: Mapping[str, FloatArray]) -> list[Exercise]:
    """Return the list of a set from its recordings: the first repetitions of each person that go
    out and come back, each with a camera and a rate, which take turns.

    Parameters
    ----------
    recordings: joints by name, as from `read_recordings`.
    """
    taken: dict[str, int] = {}
    chosen = []
    for name in sorted(name for name in recordings if not name.endswith("_inc")):
        joints, person = recordings[name], name[4:7]
        moments = find_moments(joints)
        number = taken.get(name[:7], 0)
        if moments is None or number == _REPETITIONS:
            continue
        taken[name[:7]] = number + 1
        turn_of_rate = number + number // len(CAMERAS) + int(name[1:3]) + int(person[1:])
        chosen.append(
            Exercise(
                name,
                person,
                "test" if person in TEST else "train",
                CAMERAS[number % len(CAMERAS)],
                RATES[turn_of_rate % len(RATES)],
                works_left(joints),
                len(joints),
                *moments,
            )
        )
    return chosen


def works_left(joints: FloatArray) -> bool:
    """Return whether a person (T, 13, 3) works with the left side: the hips go far to the left, or
    the limbs of the left side move clearly more than those of the right."""
    placed = _upright(joints)
    farthest = int(((placed - placed[0]) ** 2).sum(axis=(1, 2)).argmax())
    aside = placed[farthest, 7:9, 0].mean() - placed[0, 7:9, 0].mean()
    if abs(aside) > 0.3:
        return bool(aside > 0)
    reach = np.linalg.norm(joints.max(axis=0) - joints.min(axis=0), axis=1)
    return bool(reach[[3, 5, 9, 11]].sum() > 1.15 * reach[[4, 6, 10, 12]].sum())


# --- the camera ----------------------------------------------------------------------------------

_SWAPPED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]  # left and right of penn13


def film(exercise: Exercise, joints: FloatArray) -> PoseSequence:
    """Return what a camera sees of a repetition: pixels of penn13, with jitter.

    Parameters
    ----------
    exercise: its camera, rate and side.
    joints: (T, 13, 3), RATE frames a second.
    """
    placed = _upright(joints)
    if exercise.mirrored:
        placed = placed[:, _SWAPPED] * [-1, 1, 1]
    rate = int(RATE)
    moment = np.arange(exercise.length) * rate
    row = np.minimum(moment // exercise.fps, len(placed) - 1)
    after = np.minimum(row + 1, len(placed) - 1)
    share = (moment % exercise.fps / exercise.fps)[:, None, None]
    seen = _seen(placed[row] * (1 - share) + placed[after] * share, exercise)
    torso = np.linalg.norm(seen[:, 1:3].mean(axis=1) - seen[:, 7:9].mean(axis=1), axis=1)
    xy = seen + JITTER * float(np.median(torso)) * _jitter(exercise.clip, seen.shape)
    return PoseSequence(
        xy=np.rint(xy * 100) / 100,
        score=np.ones(xy.shape[:2]),
        box=np.full((len(xy), 4), np.nan),
        frame=np.arange(len(xy)),
        time=np.arange(len(xy)) / exercise.fps,
        fps=float(exercise.fps),
        size=SIZE,
        skeleton=SKELETON,
    )


def _upright(joints: FloatArray) -> FloatArray:
    """Return joints in torso lengths: the hips of the first frame in the middle, x to the person's
    left, z up."""
    first = joints[0]
    across = first[7, :2] - first[8, :2]
    cos, sin = across / np.sqrt((across**2).sum())
    torso = first[1:3].mean(axis=0) - first[7:9].mean(axis=0)
    moved = joints - first[7:9].mean(axis=0)
    x, y, z = moved[..., 0], moved[..., 1], moved[..., 2]
    turned = np.stack([x * cos + y * sin, y * cos - x * sin, z], axis=-1)
    return turned / np.sqrt((torso**2).sum())


def _seen(placed: FloatArray, exercise: Exercise) -> FloatArray:
    """Return pixels (T, 13, 2) of joints (T, 13, 3) in torso lengths, from a camera that stands up
    to 6 degrees aside, 2 below to 8 above, and 7 to 14 torso lengths away."""
    aside, above, away = _uniform(f"{exercise.clip} camera", 3)
    azimuth = np.radians(exercise.camera + 12 * aside - 6)
    elevation = np.radians(10 * above - 2)
    distance = 7 + 7 * away
    x, y, z = placed[..., 0], placed[..., 1], placed[..., 2] - placed[..., 2].mean()
    level = y * np.cos(azimuth) - x * np.sin(azimuth)  # away from the camera
    depth = distance + level * np.cos(elevation) - z * np.sin(elevation)
    right = x * np.cos(azimuth) + y * np.sin(azimuth)
    up = level * np.sin(elevation) + z * np.cos(elevation)
    return np.stack([640 + 900 * right / depth, 360 - 900 * up / depth], axis=-1)


def _uniform(name: str, count: int) -> FloatArray:
    """Return (count,) numbers in [0, 1) that depend on a name alone."""
    content = hashlib.shake_256(f"{NAME} {name}".encode()).digest(4 * count)
    return np.frombuffer(content, "<u4") / 2.0**32


def _jitter(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return nearly normal numbers with standard deviation 1, each the sum of twelve uniform ones:
    whole numbers until the last step, so they are the same everywhere."""
    count = int(np.prod(shape))
    content = hashlib.shake_256(f"{NAME} {name} jitter".encode()).digest(24 * count)
    total = np.frombuffer(content, "<u2").reshape(count, 12).astype(np.int64).sum(axis=1)
    return ((total - 6 * 65535) / 65536.0).reshape(shape)
