"""What la2ds writes into a table it reads again, whatever a name holds; no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import read_phase_table
from la2ds_cli.core.project import Project
from la2ds_cli.core.untrusted_text import cell_of_path, path_of_cell


def test_paths_that_any_table_holds_are_written_as_they_are():
    for path in ("clips/anna.mp4", "/home/me/Été (2).mp4", "深蹲.mp4", "a 'b'.mp4", "C:/a.mp4"):
        assert cell_of_path(path) == path == path_of_cell(path)
    assert cell_of_path("caf\udce9.mp4") == "file:caf%E9.mp4"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": -5}, "width is '-5'"),
        ({"fps": float("inf")}, "fps is 'inf'"),
        ({"fps": float("nan")}, "fps is 'nan'"),
        ({"frames": 10**30}, "of at most 1,000,000,000"),
        ({"height": 10**7}, "of at most 1,000,000"),
        ({"options": "slowmo=0"}, "slowmo must be above 0"),
    ],
)
def test_no_row_is_written_that_would_be_refused(tmp_path: Path, values: dict, said: str):
    project = Project.create(tmp_path)
    project.add_videos([Video("a", "a.mp4", "1")])
    before = project.videos_path.read_bytes()
    with pytest.raises(UserError, match=said):
        project.add_videos([replace(Video("b", "b.mp4", "1"), **values)])
    assert project.videos_path.read_bytes() == before


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,five,9,down", "start is 'five', not a frame number"),
        ("a,5,5,up", "start 5 must be before end 5"),
        ("a,-1,5,up", "start -1"),
        ("a,0", "it has 2 fields, but the header has 4"),
        *((f"a,0,{end},b", "end is '.*', not a frame number") for end in ("1e3", "", "1000000001")),
        *((f"a,0,{end},b", "end is '9*', not a frame number") for end in ("9" * 30, "9" * 5000)),
    ],
)
def test_a_bad_row_of_phases_is_named(tmp_path: Path, row: str, problem: str):
    path = tmp_path / "phases.csv"
    path.write_text(f"video,start,end,phase\na,0,1000000000,b\n{row}\n")
    with pytest.raises(UserError, match=f"line 3 cannot be read: {problem}") as caught:
        read_phase_table(path)
    assert len(caught.value.message) < 300
    assert (caught.value.exit_code, "video,start,end,phase" in caught.value.hint) == (5, True)
    path.write_text("video,start,phase\na,0,up\n")
    with pytest.raises(UserError, match="line 2 cannot be read: column 'end' is missing"):
        read_phase_table(path)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("'=x", "''=x"),
        ("a;=x", "a;'=x"),  # another cell, where semicolons separate them
        ("a\n@x;'+y", "a\n'@x;''+y"),
        ("\uff1d1+1", "'\uff1d1+1"),  # of full width
        ("-0.53", "-0.53"),
        (-0.53, "-0.53"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_a_formula(cell: object, written: str):
    text = table_text(["name", "=head"], [[cell, 1]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name", "'=head"], [written, "1"]]


def test_an_empty_video_list_is_no_project_without_clips(tmp_path: Path):
    project = Project.create(tmp_path)
    assert project.videos() == []
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        project.videos_path.write_bytes(content)
        with pytest.raises(UserError, match="it is empty") as caught:
            project.videos()
        assert caught.value.exit_code == ExitCode.MISMATCH


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_a_batch_with_names_of_any_bytes_goes_on(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    clips = os.fsencode(tmp_path / "clips")
    for name in (
        b"caf\xe9.mp4",
        b"two\rlines.mp4",
        b"a\nb.mp4",
        b"=1+1.mp4",
        b"\xff" * 200 + b".mp4",
    ):
        with open(os.path.join(clips, name), "wb") as handle:  # noqa: PTH118, PTH123 (bytes)
            handle.write(b"no video")
    command = ["extract-poses", "clips", "--project", "p", "--json", "--pose", "blazepose"]
    done = subprocess.run(
        [sys.executable, "-c", "from la2ds_cli.main import main; main()", *command],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LA2DS_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 4, done.stderr
    items = json.loads(done.stdout)["items"]
    assert [item["code"] for item in items] == ["V001"] * 5
    assert {os.fsencode(Path(item["path"]).name) for item in items} == set(
        os.listdir(clips)  # noqa: PTH208 (bytes)
    )
    assert not (tmp_path / "p" / "videos.csv").exists()  # no project without a clip is left
