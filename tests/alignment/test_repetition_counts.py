"""Which clips of a project hold several repetitions: counted once, noticed by the commands."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import repetition_counts as step
from la2ds_cli.alignment.aligned_repetitions import cut_clip
from la2ds_cli.core.project import Project
from la2ds_cli.formats.file_clip import ImportOptions, to_sequence
from la2ds_cli.formats.penn_action import import_penn_action
from la2ds_cli.formats.wide_csv import read_clips
from tests.movement import add_sequence, sequence

SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
PENN, PEOPLE = SHARED / "penn_action", SHARED / "human_events" / "repetitions"


def repeated(*frames: int) -> np.ndarray:
    return np.concatenate([(1 - np.cos(2 * np.pi * np.arange(n) / n)) / 2 for n in frames])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path)
    add_sequence(project, "one", sequence(repeated(50)))
    add_sequence(project, "three", sequence(repeated(40, 30, 50), fps=25.0))
    return project


def test_clips_are_counted_once(project: Project, monkeypatch) -> None:
    assert step.repetition_counts(project, ["one", "three", "absent"]) == {"one": 0, "three": 3}
    monkeypatch.setattr(step, "cut_clip", lambda pose: pytest.fail("counted again"))
    assert step.repetition_counts(project, ["three"]) == {"three": 3}


def test_new_poses_and_another_version_are_counted_again(project: Project, monkeypatch) -> None:
    step.repetition_counts(project, ["one", "three"])
    counted: list[int] = []
    monkeypatch.setattr(step, "cut_clip", lambda pose: counted.append(len(pose)) or [])
    pose, recipe = project.read_pose("three")
    changed = replace(recipe, inputs={"labels": "another digest"})
    project.write_pose("three", pose.cut(0, 60), changed)
    assert step.repetition_counts(project, ["one", "three"]) == {"one": 0, "three": 0}
    assert counted == [60]
    monkeypatch.setattr(step, "VERSION", step.VERSION + 1)
    step.repetition_counts(project, ["one", "three"])
    assert sorted(counted) == [50, 60, 60]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"version": 1, "clips": {"three": 3}}', "{", "[" * 100_000),
        '{"version": 1, "clips": {"three": {"poses": "", "count": 1e999}}}',
    ],
)
def test_a_damaged_file_of_counts_is_made_anew(project: Project, text: str) -> None:
    path = project.log_path(step.FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert step.repetition_counts(project, ["three"]) == {"three": 3}
    assert json.loads(path.read_text())["clips"]["three"]["count"] == 3


def test_the_note_names_the_clip_and_the_command(project: Project) -> None:
    assert step.note_on_repetitions(project, ["one"]) == ""
    assert step.note_on_repetitions(project) == (
        "three.mat seems to hold 3 repetitions: la2ds align three.mat three.mat --repetition all "
        "lists them, extract-poses with --time-range keeps one"
    )
    add_sequence(project, "five", sequence(repeated(30, 40, 30, 36, 44)))
    assert step.note_on_repetitions(project).startswith(
        "2 clips seem to hold several repetitions, five.mat 5: la2ds align five.mat five.mat"
    )


def test_compare_notices_repetitions(project: Project) -> None:
    from typer.testing import CliRunner

    from la2ds_cli.main import app

    options = ["--project", str(project.root), "--features", "pose"]
    out = ["--out", str(project.root / "c.json")]
    result = CliRunner().invoke(app, ["compare", "one", "three", *options, *out])
    assert result.exit_code == 0, result.output
    assert "three.mat seems to hold 3 repetitions" in " ".join(result.output.split())
    result = CliRunner().invoke(app, ["compare", "one", "one", *options, *out])
    assert "repetitions" not in result.output


@pytest.mark.skipif(not (PENN / "labels").is_dir(), reason="needs the labels of Penn Action")
@pytest.mark.parametrize("action", ["golf_swing", "squat"])
def test_clips_of_one_movement_raise_no_alarm(tmp_path: Path, action: str) -> None:
    project = Project.create(tmp_path)
    import_penn_action(project, PENN, action)
    clips = sorted(project.posed())[::4]
    assert len(clips) > 30
    assert max(step.repetition_counts(project, clips).values()) == 0
    assert step.note_on_repetitions(project, clips) == ""


@pytest.mark.skipif(not (PEOPLE / "whole").is_dir(), reason="needs repetitions that people marked")
def test_short_videos_are_counted_as_people_did() -> None:
    """Those of at most 900 frames: half of them were never used to set a constant."""
    true: dict[str, int] = {}
    with (PEOPLE / "repetitions.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            true[row["video"]] = true.get(row["video"], 0) + 1
    options = ImportOptions(fps=30.0, size=(160, 160), skeleton="mediapipe33")
    right = total = 0
    for video, count in true.items():
        path = PEOPLE / "whole" / f"{video}.csv"
        if path.exists() and len(path.read_text().splitlines()) <= 900:
            (clip,) = read_clips(path, options)
            total += 1
            right += abs(len(cut_clip(to_sequence(clip, options, None))) - count) <= 1
    assert total >= 10
    assert right >= 0.85 * total
