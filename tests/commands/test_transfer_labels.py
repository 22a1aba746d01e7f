"""`la2ds transfer-labels` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.labels.swings import swings
from tests.processes import invoke


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return swings(tmp_path / "project", labelled=2)


def run(project: StoredProject, *arguments: str, code: int = 0) -> Result:
    return invoke("transfer-labels", *arguments, "--project", project.root, code=code)


def test_one_clip_to_all_others(project: StoredProject):
    result = run(project, "--from", "clip0")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["status", "clip", "frames", "message"]
    assert "6 ok" in lines
    assert "24 boundaries" not in result.stdout  # the clips' own ends are none
    assert "12 boundaries; check these first:" in lines
    assert "propagated from 1 labelled clip by base model" in lines
    folder = project.results_dir("transfer")
    assert lines[-2:] == [str(folder / f"{n}.csv") for n in ("phases", "boundaries")]
    assert "base model" not in result.stderr


def test_json_holds_phases_and_boundaries_and_nothing_else_is_printed(project: StoredProject):
    output = json.loads(run(project, "--from", "labelled", "-q", "--json").stdout)
    assert (output["schema_version"], output["command"]) == (1, "transfer-labels")
    assert output["sources"] == ["clip0", "clip1"]
    assert [clip["video"] for clip in output["clips"]] == [f"clip{n}" for n in range(2, 7)]
    clip = output["clips"][0]
    assert [phase["phase"] for phase in clip["phases"]] == ["begin", "middle", "end"]
    inner = clip["boundaries"][1]
    assert (inner["before"], inner["after"], inner["votes"]) == ("begin", "middle", 2)
    assert inner["frame"] == clip["phases"][1]["start"]
    assert inner["time_low"] < inner["time"] < inner["time_high"]
    assert output["merged"] is None


def test_write_tells_whose_labels_stayed_and_where_the_file_as_it_was_lies(project: StoredProject):
    before = project.phases_path.read_bytes()
    result = run(project, "--from", "clip0", "--write")
    assert "added propagated phases of 5 clips to phases.csv" in result.stdout
    assert "clips that kept their labels: clip1" in result.stdout
    text = project.phases_path.read_text()
    assert text.startswith(
        "video,start,end,phase,start_origin,end_origin,origin_clips,origin_time,origin_confidence\n"
    )
    assert text.count(",carried,clip0,") + text.count(",carried,clip,clip0,") == 15
    copy = project.results_dir("phases") / "before-1.csv"
    assert f"backup of phases.csv: {copy}" in result.stdout
    assert copy.read_bytes() == before


def test_a_bad_clip_ends_with_8_and_the_others_are_done(project: StoredProject):
    project.pose_path("clip3").write_bytes(b"no poses")
    result = run(project, "--from", "clip0", code=ExitCode.PARTIAL)
    assert "5 ok, 1 failed" in result.stdout
    assert "clip3" in result.stdout


def test_a_mistyped_clip_leaves_the_tables_of_another_time(project: StoredProject):
    run(project, "--from", "clip0")
    files = sorted(project.results_dir("transfer").glob("*.csv"))
    before = [file.read_bytes() for file in files]
    arguments = ["--from", "clip0", "--to", "clip77", "--write"]
    result = run(project, *arguments, code=ExitCode.UNUSABLE)
    assert "no such file: clip77" in result.stdout
    assert [file.read_bytes() for file in files] == before
    assert ".csv" not in result.stdout.splitlines()[-1]
