"""The leaderboard: what each row must be on movements whose course is known."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from la2ds_cli.core.clip import name_for_draws
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import terminal
from la2ds_cli.datasets import exercises
from la2ds_cli.datasets.exercises import Exercise, choose_exercises, list_text, make_exercises
from la2ds_cli.datasets.ui_prmd import read_recordings
from la2ds_cli.evaluation.event_transfer import TransferError, trim
from la2ds_cli.experiments.leaderboard import (
    ALL,
    COLUMNS,
    FEW,
    INSTRUMENT,
    LABELS,
    BoardRow,
    Leaderboard,
    count_error,
    leaderboard_csv,
    leaderboard_page,
    leaderboard_table,
    make_leaderboard,
)
from tests.datasets.squatters import many, write_arrays
from tests.processes import invoke

DRAWS, MOST_TRIM = 3, 0.3  # of the preset `default`


class Board:
    """A small set, and its leaderboard with a method that knows the course and one that knows
    nothing."""

    def __init__(self, root: Path) -> None:
        arrays = write_arrays(root / "arrays", many())
        self.rows = choose_exercises(read_recordings(arrays))
        self.set = root / "set"
        make_exercises(arrays, self.set, self.rows)
        self.perfect, self.still = root / "perfect", root / "still"
        for folder in (self.perfect, self.still):
            folder.mkdir()
        for row in self.rows:
            edges = [*(phase.start for phase in row.phases), row.length - 1]
            passed = np.interp(np.arange(row.length), edges, range(len(edges)))[:, None]
            np.save(self.perfect / f"{row.clip}.npy", passed)
            np.save(self.still / f"{row.clip}.npy", np.ones((row.length, 2)))
        self.found = self.leaderboard(self.perfect, self.still)

    def leaderboard(self, *folders: Path) -> Leaderboard:
        return make_leaderboard(self.set, folders, "cpu", self.rows)

    def figure(self, name: str, column: str, movement: str = ALL) -> float:
        (entry,) = (e for e in self.found.entries if (e.name, e.movement) == (name, movement))
        value = entry.figures[column]
        assert value is not None
        return value


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board(tmp_path_factory.mktemp("leaderboard"))


def clock_errors(board: Board, movement: str) -> list[tuple[float, int]]:
    """Errors of half ways, in %, when both trimmed clips are taken to last equally long, with the
    angle between the cameras: from the moments alone."""
    project = StoredProject.open(board.set / movement)
    ids = {Path(video.path).stem: video.id for video in project.videos()}
    rows = [row for row in board.rows if row.movement == movement and row.split == "test"]
    found = []
    for draw in range(DRAWS):
        cuts = {r.clip: trim(r.length, MOST_TRIM, name_for_draws(ids[r.clip]), draw) for r in rows}
        for a in rows:
            for b in (row for row in rows if row is not a):
                found += [
                    (error, abs(a.camera - b.camera))
                    for n in (1, 3)
                    if (error := clock_error(a, cuts[a.clip], b, cuts[b.clip], n)) is not None
                ]
    return found


def clock_error(a: Exercise, cut_a: range, b: Exercise, cut_b: range, n: int) -> float | None:
    start, truth = a.phases[n].start, b.phases[n].start
    if start not in cut_a or truth not in cut_b:
        return None
    landed = (start - cut_a.start) / (len(cut_a) - 1) * (len(cut_b) - 1) + cut_b.start
    return 100 * abs(landed - truth) / b.length


def test_the_clock_errs_as_it_must(board: Board):
    """To half of a frame, some 0.5 %, since the clock matches whole frames."""
    each = {movement: clock_errors(board, movement) for movement in ("m01", "m07")}
    for movement, errors in each.items():
        truth = np.median([error for error, _ in errors])
        assert board.figure("time_only", "moving", movement) == pytest.approx(truth, abs=0.5)
    pooled = [error for errors in each.values() for error in errors]
    value = np.array([error for error, _ in pooled])
    assert board.figure("time_only", "moving") == pytest.approx(np.median(value), abs=0.5)
    assert board.figure("time_only", "mean") == pytest.approx(value.mean(), abs=0.2)
    assert board.figure("time_only", "right") == pytest.approx((value <= 5).mean(), abs=0.02)
    for angle in (0, 45, 90):
        truth = np.median([error for error, apart in pooled if apart == angle])
        assert board.figure("time_only", f"apart_{angle}") == pytest.approx(truth, abs=0.5)


def test_perfect_embeddings_have_next_to_no_error(board: Board):
    # Clips of unlike rates are sampled alike, between their frames.
    assert board.figure("perfect", "moving") < 0.1
    assert board.figure("perfect", "right") == 1
    assert board.figure("perfect", "tau") == pytest.approx(1, abs=1e-3)
    assert board.figure(INSTRUMENT, "moving") < 0.1


def test_embeddings_that_say_nothing_are_worse_than_ours(board: Board):
    assert board.figure("still", "moving") > board.figure("base", "moving")
    assert board.figure("base", "moving") < board.figure("time_only", "moving")


def test_rows_are_in_the_order_of_their_error_and_repeat_alike(board: Board):
    medians = [entry.figures["moving"] for entry in board.found.overall]
    assert medians == sorted(medians, key=lambda value: value or 0)
    names = {entry.name for entry in board.found.overall}
    assert names == {*LABELS, "perfect", "still"}
    again = board.leaderboard(board.perfect, board.still)
    assert again.document() == board.found.document()


def test_settings_of_the_projects_do_not_matter(board: Board):
    path = board.set / "m01" / "project.toml"
    before = path.read_text()
    path.write_text(f"{before}\n[evaluate]\ntrim_draws = 1\nmax_trim = 0.05\n")
    again = board.leaderboard(board.perfect, board.still)
    path.write_text(before)
    assert again.document() == board.found.document()


def test_a_film_without_a_file_is_named(board: Board, tmp_path: Path):
    part = tmp_path / "part"
    part.mkdir()
    for path in board.perfect.iterdir():
        if path.stem != "m07_s05_e02":
            (part / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"part has no embeddings of 1 of \d+ clips") as caught:
        board.leaderboard(part)
    assert "m07-s05-e02" in caught.value.message
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_names_of_rows_are_taken(board: Board, tmp_path: Path):
    for name in ("base", INSTRUMENT):
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=f"has the name '{name}' already"):
            board.leaderboard(tmp_path / name)


def test_errors_count_to_the_moment_itself_also_within_a_rest():
    """The rule of `evaluate` for rests is younger than the set, whose measure is frozen, too."""
    error = TransferError(0, 0, 1, "turn", 0.0, 0.0, 0.0, False, True, 20.0, to_label=7.0)
    counted = count_error(error, first=3, cameras=[0, 90])
    assert (counted.error.a, counted.error.b, counted.apart) == (3, 4, 90)
    assert counted.error.percent == 7


def test_the_page_and_the_table_hold_the_figures(board: Board, monkeypatch: pytest.MonkeyPatch):
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(board.found))))
    assert len(rows) == 3 * len(board.found.overall)
    for row in rows:
        (entry,) = (
            e for e in board.found.entries if (e.label, e.movement) == (row["row"], row["movement"])
        )
        for column in COLUMNS:
            value = entry.figures[column]
            assert row[column] == ("" if value is None else f"{value:.4f}")
    page = leaderboard_page(board.found, date(2026, 12, 3))
    assert "films that differ from those of the frozen set" in page
    assert "3 December 2026" in page
    assert "--embeddings perfect --embeddings still" in page
    assert "$" not in page
    assert "| **perfect** | 0.0" in page
    monkeypatch.setattr(exercises, "DIGEST", board.found.digest)
    assert "differ from those" not in leaderboard_page(board.found)
    assert len(leaderboard_table(board.found).rows) == len(board.found.overall)


def test_a_terminal_shows_every_figure_in_full(board: Board):
    console = Console(width=80, file=io.StringIO())
    console.print(terminal(leaderboard_table(board.found, FEW)))
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for row in board.found.overall:
        (line,) = (line for line in shown.splitlines() if line.startswith(row.label + " " * 2))
        assert line.split()[-len(FEW) :] == [
            "–" if (value := row.figures[column]) is None else f"{value:.2f}" for column in FEW
        ]


RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_the_published_page_is_what_the_command_writes():
    """Of its figures, which stand beside it; its day is its own."""
    page = (RESULTS / "exercises.md").read_text("utf-8")
    names = {label: name for name, label in LABELS.items()}
    rows = []
    for line in csv.DictReader((RESULTS / "exercises.csv").open(encoding="utf-8")):
        ends = float(line["interval_low"]), float(line["interval_high"])
        figures = {column: float(line[column]) for column in COLUMNS}
        rows.append(BoardRow(names[line["row"]], line["movement"], figures, ends))
    day = re.search(r"rc1, (\d+ \w+ \d{4})", page)
    assert day is not None
    found = Leaderboard(exercises.DIGEST, rows, [], [])
    assert leaderboard_page(found, datetime.strptime(day[1], "%d %B %Y").date()) == page


@pytest.fixture
def listed(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small set stands for the frozen one."""
    (tmp_path / "list.csv").write_text(list_text(board.rows))
    monkeypatch.setattr(exercises, "LIST", tmp_path / "list.csv")


@pytest.mark.usefixtures("listed")
def test_the_commands_make_the_set_and_the_page(board: Board, tmp_path: Path):
    arrays, out = board.set.parent / "arrays", tmp_path / "made"
    made = invoke("lab", "exercises", str(arrays), "--out", str(out))
    assert made.stdout.splitlines()[-1] == f"exercises-1: 24 films in {out}"
    assert board.found.digest in made.stderr
    assert "some joints differ" in made.stderr
    assert f"next: la2ds lab leaderboard {out}" in made.stderr
    found = json.loads(invoke("lab", "exercises", str(arrays), "--out", str(out), "--json").stdout)
    assert (found["command"], found["digest"], found["frozen"]) == (
        *("exercises", board.found.digest, False),
    )
    assert {item["status"] for item in found["items"]} == {"cached"}

    line = ("lab", "leaderboard", str(out), "--embeddings", str(board.perfect), "--device", "cpu")
    shown = invoke(*line)
    assert "la2ds, base model" in shown.stdout
    page, table = (out / "leaderboard" / f"exercises{end}" for end in (".md", ".csv"))
    assert shown.stdout.splitlines()[-2:] == [str(page), str(table)]
    assert "perfect" in page.read_text()
    target = tmp_path / "other"
    printed = invoke(*line, "--out", str(target), "--json").stdout
    document = json.loads(printed)
    assert (document["schema_version"], document["command"]) == (1, "leaderboard")
    assert document["files"] == [str(target / "exercises.md"), str(target / "exercises.csv")]
    assert (target / "exercises.csv").read_text() == table.read_text()


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("exercises", "nothing"), ExitCode.UNREADABLE, "there is no nothing"),
        (("exercises",), ExitCode.USAGE, "missing argument 'RECORDINGS'"),
        (("leaderboard", "nothing"), ExitCode.USAGE, "nothing"),
        (("leaderboard", "SET", "--embeddings", "nothing"), ExitCode.UNREADABLE, "no folder"),
    ],
)
def test_commands_that_are_refused(board: Board, line: tuple[str, ...], code: int, words: str):
    result = invoke("lab", *(str(board.set) if w == "SET" else w for w in line), code=code)
    assert words in result.stderr
    assert not result.stdout
