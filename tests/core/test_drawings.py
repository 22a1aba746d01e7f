"""drawings.csv: lines and angles on the pictures of clips."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from la2ds_cli.core.drawings import (
    Drawing,
    checked_drawing,
    drawings_of,
    read_drawings,
    write_drawings,
)
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import spare_project
from la2ds_cli.core.project import Project

LINE = Drawing("line", ((12.5, -0.5), (30.25, 140.0)), "", "2026-01-01T00:00:00+00:00")
ANGLE = Drawing("angle", ((1.0, 2.0), (3.0, 4.0), (5.0, 1.0)), "rotate=90 mirror=true", "")
ROWS = [("a", LINE), ("b", LINE), ("a", ANGLE), ("gone", ANGLE)]
HEADER = "video,kind,x1,y1,x2,y2,x3,y3,turned,set"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "drawings.csv"
    assert read_drawings(path) == []
    write_drawings(path, ROWS)
    assert path.read_text().splitlines()[0] == HEADER
    assert read_drawings(path) == ROWS
    assert [one.set for _, one in read_drawings(path)] == [one.set for _, one in ROWS]


def test_a_clip_shows_its_own_that_were_drawn_as_it_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "drawings.csv"
    write_drawings(path, ROWS)
    assert drawings_of(path, "a", "") == [LINE]
    assert drawings_of(path, "a", "rotate=90 mirror=true") == [ANGLE]
    assert drawings_of(path, "a", "rotate=90") == []
    assert drawings_of(path, "nobody", "") == []


def test_positions_are_those_that_are_written_so_that_a_drawing_is_found_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "drawings.csv"
    path.write_text(f"{HEADER}\na,line,0.123456,2,3,4,,,,\n")
    (row,) = read_drawings(path)
    assert row == ("a", checked_drawing("line", [[0.12, 2], [3, 4]], at="whenever"))
    write_drawings(path, [row])
    assert read_drawings(path) == [row]


def test_a_table_by_hand_may_leave_out_the_last_columns(tmp_path: Path) -> None:
    path = tmp_path / "drawings.csv"
    path.write_text("video,kind,x1,y1,x2,y2,x3,y3\na,angle,1,2,3,4,5,1\n")
    assert read_drawings(path) == [("a", Drawing("angle", ANGLE.points))]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,circle,1,2,3,4,,,,", "'circle' is neither a line nor an angle"),
        ("a,line,1,2,3,x,,,,", "could not convert"),
        ("a,line,1,2,3,nan,,,,", "not lie in a picture"),
        ("a,line,1,2,inf,4,,,,", "not lie in a picture"),
        ("a,line,1,2,3,1e9,,,,", "not lie in a picture"),
        ("a,line,1,2,,,,,,", "points must be 2, not 1"),
        ("a,line,1,2,3,4,5,6,,", "points must be 2, not 3"),
        ("a,angle,1,2,3,4,,,,", "points must be 3, not 2"),
        ("a,line,1,2,3,,,,,", "given together"),
        ("a,line,1,2,,,3,4,,", "in their order"),
        ("a,line,1,2,1.001,2,,,,", "are the same"),
        ("a,line,1,2,3,4", "fields"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "drawings.csv"
    path.write_text(f"{HEADER}\na,line,1,2,3,4,,,,\n{line}\n")
    with pytest.raises(UserError, match=why) as raised:
        read_drawings(path)
    assert raised.value.exit_code == ExitCode.MISMATCH
    assert "line 3" in raised.value.message


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "drawings.csv"
    path.write_text("video,kind,x1,y1,x2,y2\na,line,1,2,3,4\n")
    with pytest.raises(UserError, match="column 'x3' is missing"):
        read_drawings(path)


@pytest.mark.parametrize("side", [math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_no_number_without_an_end_is_a_position(side: float) -> None:
    with pytest.raises(ValueError, match="not lie in a picture"):
        checked_drawing("line", [[1, 2], [3, side]])


def test_no_command_writes_over_the_table(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    with pytest.raises(UserError, match="would be lost"):
        spare_project(project, [project.drawings_path])
