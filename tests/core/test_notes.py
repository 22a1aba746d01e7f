"""notes.csv: what a person has written beside moments of two clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.notes import Note, notes_of, read_notes, write_notes

ROWS = [
    ("a", "b", Note(12, 30, "hips first", "2026-01-01T00:00:00+00:00")),
    ("b", "a", Note(5, None, "only here", "")),
    ("a", "c", Note(None, 0, "another pair", "")),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_notes(tmp_path / "notes.csv") == []
    write_notes(tmp_path / "notes.csv", ROWS)
    assert read_notes(tmp_path / "notes.csv") == ROWS


def test_the_order_of_the_clips_does_not_matter(tmp_path: Path) -> None:
    write_notes(tmp_path / "notes.csv", ROWS)
    note, other = ROWS[0][2], ROWS[1][2]
    assert notes_of(tmp_path / "notes.csv", "a", "b") == [note, Note(None, 5, "only here")]
    assert notes_of(tmp_path / "notes.csv", "b", "a") == [other, note.exchanged]
    assert notes_of(tmp_path / "notes.csv", "c", "b") == []


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "@x", "-2+A1", "'quoted'", 'a, "b"; c', "ä→ß 🏌"])
def test_no_text_is_a_formula_and_each_comes_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.csv"
    write_notes(path, [("a", "b", Note(1, 2, text))])
    assert not any(cell.startswith(tuple("=+@-")) for cell in path.read_text().split(","))
    assert read_notes(path)[0][2].text == text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,x,b,2,hi,", "invalid literal"),
        ("a,-1,b,2,hi,", "-1 is not a frame"),
        ("a,,b,,hi,", "no frame"),
        ("a,1,b,2", "fields"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(f"a,frame_a,b,frame_b,text,set\na,1,b,2,fine,\n{line}\n")
    with pytest.raises(UserError, match=why) as raised:
        read_notes(path)
    assert raised.value.exit_code == ExitCode.MISMATCH
    assert "line 3" in raised.value.message
