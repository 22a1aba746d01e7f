"""The leaderboard of a frozen set of exercises: a clock, raw poses, the base model, and the
embeddings of others, all scored by `evaluate`, which knows nothing of the set.

Each movement is a project and is scored by itself, since a squat has no moment of a lunge. Errors
of transferred events are then taken together, and the other figures averaged over the movements.
The settings are those of the preset `default`, whatever the projects say.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from la2ds_cli import __version__
from la2ds_cli.core.config import load_config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import Cell, Column, Table, markdown
from la2ds_cli.core.types import FloatArray
from la2ds_cli.datasets import exercises
from la2ds_cli.datasets.exercises import Exercise
from la2ds_cli.evaluation.evaluate import Request, Scored, score_request
from la2ds_cli.evaluation.event_transfer import TransferError, measure_transfer
from la2ds_cli.evaluation.given_embeddings import name_methods
from la2ds_cli.evaluation.measure import interval
from la2ds_cli.evaluation.other_methods import TAKEN, WHOLE_TIME

INSTRUMENT = "instrument"  # the row of the events' own course
BASELINES = ("time_only", "raw_pose", "raw_pose_best", "base")
LABELS = {
    "time_only": "time only",
    WHOLE_TIME: "time of the whole clip",
    "raw_pose": "raw poses",
    "raw_pose_best": "raw poses, best variant",
    "base": "la2ds, base model",
    INSTRUMENT: "the instrument itself",
}
ALL = "all"
_MOVING = ("half_out", "half_back")
_RIGHT = 5.0  # per cent of B
_PAGE = Path(__file__).with_name("leaderboard.md")


@dataclass(frozen=True)
class PooledError:
    """An error of a transferred event, with the angle between the two cameras in degrees."""

    error: TransferError
    apart: int


@dataclass(frozen=True)
class BoardRow:
    """A row of the leaderboard.

    name: of the feature set. movement: such as `m01`, or ALL. figures: by column, None = undefined.
    interval: of the median, 95 % over the films.
    """

    name: str
    movement: str
    figures: Mapping[str, float | None]
    interval: tuple[float, float] | None

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True)
class Leaderboard:
    """digest: of the set. entries: those of ALL first, the lowest median first. methods: names of
    the folders. warnings: of all evaluations, each once."""

    digest: str
    entries: Sequence[BoardRow]
    methods: Sequence[str]
    warnings: Sequence[str]

    @property
    def overall(self) -> list[BoardRow]:
        """Return the rows of all movements together."""
        return [entry for entry in self.entries if entry.movement == ALL]

    def document(self) -> dict[str, Any]:
        """Return plain JSON types."""
        rows = [
            {"name": e.name, "movement": e.movement, **e.figures, "interval": e.interval}
            for e in self.entries
        ]
        return {
            "set": exercises.NAME,
            "digest": self.digest,
            "frozen": self.digest == exercises.DIGEST,
            "rows": rows,
            "warnings": list(self.warnings),
        }


Pick = Callable[[PooledError], bool]
_PICKS: dict[str, Pick] = {
    "moving": lambda e: e.error.event in _MOVING,
    **{
        f"apart_{angle}": lambda e, angle=angle: e.error.event in _MOVING and e.apart == angle
        for angle in (0, 45, 90)
    },
    "turn": lambda e: e.error.event == "turn",
}
COLUMNS = {  # key -> heading
    "moving": "in motion",
    "mean": "mean",
    "right": f"right\nto {_RIGHT:g} %",
    "apart_0": "same\nside",
    "apart_45": "45°\napart",
    "apart_90": "90°\napart",
    "turn": "turn",
    "phases": "phases",
    "progress": "progress",
    "ap10": "AP@10",
    "tau": "tau",
}
# Those that fit a terminal of 80 columns.
FEW = ("moving", "right", "apart_0", "apart_45", "apart_90", "turn", "tau")
_MEANS = {  # of the movements: column -> metric and part of `evaluate`
    "phases": ("phase_classification", "100 %"),
    "progress": ("phase_progression", ""),
    "ap10": ("precision_at_k", "10"),
    "tau": ("kendalls_tau", ""),
}


def make_leaderboard(
    folder: Path,
    embeddings: Sequence[Path] = (),
    device: DeviceName = "auto",
    listed: Sequence[Exercise] | None = None,
    progress: Progress = SILENT,
) -> Leaderboard:
    """Score the baselines and other people's embeddings on a set of exercises.

    Parameters
    ----------
    folder: as from `make_exercises`.
    embeddings: a folder for each method, with a file for each film of all movements.
    device: for the base model.
    listed: the list of the set; None = that of `exercises.NAME`.
    progress: gets a task for each movement.

    Raises
    ------
    UserError: as `check_set`, `name_methods` and `score_request` do.
    """
    listed = exercises.read_list() if listed is None else listed
    methods = name_methods(embeddings, (*TAKEN, INSTRUMENT))
    digest = exercises.check_set(folder, listed)
    errors: dict[str, dict[str, list[PooledError]]] = {}
    scored: dict[str, dict[str, Scored]] = {}
    warnings: dict[str, None] = {}
    count = 0
    for movement in sorted({exercise.movement for exercise in listed}):
        rows = {e.clip: e for e in listed if e.movement == movement}
        project = StoredProject.open(folder / movement)
        with tempfile.TemporaryDirectory() as place:
            own = _write_courses(project, rows, Path(place) / INSTRUMENT)
            request = Request(
                project,
                load_config({"preset": "default"}),
                features=BASELINES,
                device=device,
                embeddings=[*embeddings, own],
            )
            result = score_request(request, progress=progress)
        names = {video.id: Path(video.path).stem for video in project.videos()}
        camera = [rows[names[clip.id]].camera for clip in result.inputs.clips]
        for name, by_run in result.scored.items():
            found = by_run[""]
            scored.setdefault(name, {})[movement] = found
            errors.setdefault(name, {})[movement] = [
                count_error(error, count, camera) for error in found.errors
            ]
        count += len(camera)
        warnings |= dict.fromkeys(result.document["warnings"])
    entries = [_entry(name, ALL, errors[name], scored[name], count) for name in scored]
    entries.sort(key=_median)
    for name in [entry.name for entry in entries]:
        for movement, found in scored[name].items():
            mine = {movement: errors[name][movement]}
            entries.append(_entry(name, movement, mine, {movement: found}, count))
    return Leaderboard(digest, entries, list(methods), list(warnings))


def count_error(error: TransferError, first: int, cameras: Sequence[int]) -> PooledError:
    """Return an error as the set counts it: to the moment itself, also within a rest.

    `evaluate` counts to the nearer end of a rest, but a frozen set keeps its measure.

    Parameters
    ----------
    first: number of the movement's first film among all films.
    cameras: of the movement's films, in degrees.
    """
    apart = abs(cameras[error.a] - cameras[error.b])
    a, b = first + error.a, first + error.b
    return PooledError(replace(error, a=a, b=b, percent=error.to_label), apart)


def _median(entry: BoardRow) -> float:
    value = entry.figures["moving"]
    return np.inf if value is None else value


def _entry(
    name: str,
    movement: str,
    errors: Mapping[str, Sequence[PooledError]],
    scored: Mapping[str, Scored],
    films: int,
) -> BoardRow:
    """Return a row. errors, scored: of its movements. films: number of all scored films."""
    pooled = [error for of in errors.values() for error in of]
    figures: dict[str, float | None] = {}
    for column, pick in _PICKS.items():
        chosen = [e.error.percent for e in pooled if pick(e)]
        figures[column] = float(np.median(chosen)) if chosen else None
    moving = [e.error for e in pooled if _PICKS["moving"](e)]
    measures = measure_transfer(moving, films, 0)
    median = measures["median_percent"]
    figures["mean"] = measures["mean_percent"].value
    figures["right"] = float(np.mean([e.percent <= _RIGHT for e in moving])) if moving else None
    for column, key in _MEANS.items():
        values = [s.measures[key].value if key in s.measures else None for s in scored.values()]
        known = [value for value in values if value is not None]
        figures[column] = float(np.mean(known)) if len(known) == len(values) else None
    spread = interval(median.resampled) if median.value is not None else None
    return BoardRow(name, movement, {column: figures[column] for column in COLUMNS}, spread)


def _write_courses(project: StoredProject, rows: Mapping[str, Exercise], folder: Path) -> Path:
    """Write embeddings of what the instrument knows, and return their folder: the number of events
    passed, straight between them. Their error is what whole frames leave."""
    folder.mkdir()
    for video in project.posed_videos():
        row = rows[Path(video.path).stem]
        np.save(folder / f"{row.clip}.npy", course_of(row))
    return folder


def course_of(exercise: Exercise) -> FloatArray:
    """Return the number of events that have passed at each frame (T, 1), straight between them."""
    last = 1000 * (exercise.length - 1) / exercise.fps
    at = [0.0, *(float(getattr(exercise, event)) for event in exercises.EVENTS), last]
    milliseconds = 1000 * np.arange(exercise.length) / exercise.fps
    return np.interp(milliseconds, at, np.arange(len(at)))[:, None]


# --- the page ------------------------------------------------------------------------------------


def leaderboard_table(board: Leaderboard, columns: Sequence[str] = tuple(COLUMNS)) -> Table:
    """Return the table of all movements together. columns: of COLUMNS."""
    headings = [Column("", left=True), *(Column(COLUMNS[column]) for column in columns)]
    rows = []
    for row in board.overall:
        cells = [Cell(row.label, mark="**" if row.name in board.methods else "")]
        for column in columns:
            value = row.figures[column]
            ends = row.interval if column == "moving" else None
            text = "–" if value is None else f"{value:.2f}"
            cells.append(Cell(text, ["{:.2f}–{:.2f}".format(*ends)] if ends else []))
        rows.append(cells)
    return Table(headings, rows)


def leaderboard_csv(board: Leaderboard) -> str:
    """Return a line for each row and movement."""
    header = ["row", "movement", *COLUMNS, "interval_low", "interval_high"]
    lines = [
        [
            *(entry.label, entry.movement),
            *("" if v is None else f"{v:.4f}" for v in entry.figures.values()),
            *(f"{end:.4f}" for end in entry.interval or ()),
        ]
        for entry in board.entries
    ]
    return table_text(header, [line + [""] * (len(header) - len(line)) for line in lines])


def leaderboard_page(board: Leaderboard, day: date | None = None) -> str:
    """Return the page in Markdown. day: None = today."""
    day = day or date.today()
    frozen = board.digest == exercises.DIGEST
    given = "".join(f" --embeddings {shlex.quote(name)}" for name in board.methods)
    return Template(_PAGE.read_text("utf-8")).substitute(
        set=exercises.NAME,
        state="" if frozen else ", **with films that differ from those of the frozen set**",
        digest=board.digest[:16],
        version=__version__,
        day=f"{day.day} {day:%B %Y}",
        table="\n".join(markdown(leaderboard_table(board))),
        right=f"{_RIGHT:g}",
        given=given,
    )
