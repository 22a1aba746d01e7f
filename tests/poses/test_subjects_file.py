from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.subjects import read_subjects, subject_of


def write(folder: Path, text: str) -> Path:
    path = folder / "subjects.csv"
    path.write_text(text, "utf-8")
    return path


def test_rows_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "video,subject\nswing-a1b2,largest\n swing2.mp4 , 2\n")
    assert read_subjects(path) == {"swing-a1b2": "largest", "swing2.mp4": "2"}


def test_no_file_names_nobody(tmp_path: Path) -> None:
    assert read_subjects(tmp_path / "subjects.csv") == {}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a,largest\nb,biggest\n", "line 3 .*unknown subject 'biggest'"),
        ("a,largest\na,first\n", "line 3 .*'a' is there twice"),
        (",first\n", "line 2 .*the video is empty"),
        ("a,0\n", "line 2 .*unknown subject '0'"),
        ("a\n", "line 2 .*: it has 1 field, the header has 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read_subjects(write(tmp_path, "video,subject\n" + rows))
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert "video,subject" in caught.value.hint


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'subject' is missing"):
        read_subjects(write(tmp_path, "video,person\na,1\n"))


def test_the_id_comes_before_the_file_name_and_that_before_the_stem() -> None:
    source = Path("clips/swing.mp4")
    rows = {"swing": "first", "swing.mp4": "central", "swing-1": "2"}
    assert subject_of(rows, "swing-1", source) == "2"
    assert subject_of(rows, "swing-9", source) == "central"
    assert subject_of({"swing": "first"}, "swing-9", source) == "first"
    assert subject_of({"other": "first"}, "swing-9", source) is None
