"""The table of the repetitions of a clip, for squats of known depth and times."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.repetition_table import COLUMNS, measure_repetitions, tabulate_repetitions
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from tests.movement import add_sequence, figure, pose_of, sequence
from tests.processes import invoke
from tests.told import Notes

STANDING = 170.0  # degrees of the knee


def body(knee: FloatArray) -> FloatArray:
    """Joints (T, 13, 2) in pixels from the side, by the angle (T,) of the knees in degrees."""
    bent = np.radians(180 - knee) / 2
    up, zero = np.cos(bent), np.zeros_like(bent)
    at = {"ankle": (zero, zero), "knee": (np.sin(bent), up), "hip": (zero, 2 * up)}
    at["shoulder"] = (1.2 * np.sin(bent / 2), 2 * up + 1.2 * np.cos(bent / 2))
    at["elbow"], at["wrist"] = (
        (at["shoulder"][0] + out, at["shoulder"][1] - down) for out, down in ((0.1, 0.6), (0.2, 1))
    )
    at["head"] = (at["shoulder"][0], at["shoulder"][1] + 0.5)
    names = [name.split("_")[-1] for name in get_skeleton("penn13").joints]
    xy = np.stack([np.stack(at[name], axis=-1) for name in names], axis=1)
    return xy * [100, -100] + [300, 500]


def squats(depth: list[float], back: list[float], fps: float, jitter: float = 0.0) -> PoseSequence:
    """A clip of squats: 0.3 s of standing, 1 s down, 0.4 s at the bottom, `back` seconds up and
    0.3 s of standing, each to its `depth` of the knee."""
    shape, start = [], 0.0
    for low, up in zip(depth, back, strict=True):
        moments = start + np.cumsum([0.3, 1.0, 0.4, up, 0.3])
        shape.append((moments, low))
        start = moments[-1]
    time = np.arange(0, start, 1 / fps)
    knee = np.full(len(time), STANDING)
    for moments, low in shape:
        share = np.interp(time, moments[:4], [0.0, 1.0, 1.0, 2.0])
        here = (time >= moments[0]) & (time <= moments[3])
        knee[here] -= ((STANDING - low) * (1 - np.cos(np.pi * share)) / 2)[here]
    xy = body(knee)
    return pose_of(xy + np.random.default_rng(1).normal(0, jitter, xy.shape), fps=fps)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("jitter", [0.0, 2.0])
def test_depth_and_times_of_squats_are_those_that_were_performed(fps: float, jitter: float) -> None:
    depth, back = [80.0, 85.0, 90.0, 95.0, 100.0], [0.8, 0.9, 1.0, 1.1, 1.2]
    angle, rows = measure_repetitions(squats(depth, back, fps, jitter))
    assert angle is not None
    assert angle.endswith("knee")
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    start = 0.3
    for row, low, up in zip(rows, depth, back, strict=True):
        assert row.moments is not None
        assert row.moments.start == pytest.approx(start, abs=0.12)
        assert row.seconds == pytest.approx((1.0, 0.4, up), abs=0.13)
        assert row.angle_at_turn == pytest.approx(low, abs=4)
        assert row.range == pytest.approx(STANDING - low, abs=5)
        assert row.speed[1] == pytest.approx((STANDING - low) / up, rel=0.15)
        start += 2.0 + up


def test_speed_lost_is_relative_to_the_fastest(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    pose = squats([90.0] * 4, [0.8, 0.6, 0.9, 1.2], 30.0)
    add_sequence(project, "set", pose)
    table = tabulate_repetitions(project, "set")
    lost = [back for _, back in table.speed_lost()]
    assert lost == pytest.approx([1 - 0.6 / up for up in (0.8, 0.6, 0.9, 1.2)], abs=0.08)
    assert min(lost) == 0
    assert max(out for out, _ in table.speed_lost()) < 0.1
    assert table.clip.id == "set"


def test_a_joint_that_is_not_seen_leaves_cells_empty(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    pose = squats([90.0] * 3, [1.0] * 3, 25.0)
    xy = np.array(pose.xy)
    xy[:, 1:] = np.nan  # only the head
    add_sequence(project, "head", pose_of(xy, fps=25.0, score=np.isfinite(xy[..., 0])))
    table = tabulate_repetitions(project, "head")
    assert table.angle is None
    assert all(record["range"] is None for record in table.records())
    json.dumps(table.to_json(), allow_nan=False)


def test_a_clip_without_repetitions_is_a_single_one(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "once", squats([85.0], [1.0], 60.0))
    add_sequence(project, "away", sequence(np.linspace(0, 0.5, 40)))
    add_sequence(project, "still", pose_of(figure(np.zeros(40))))
    progress = Notes()
    (row,) = tabulate_repetitions(project, "once", progress=progress).rows
    assert row.range == pytest.approx(STANDING - 85, abs=5)
    assert "no repetition found in once: it counts as a single one" in progress.lines
    for name in ("away", "still"):
        (record,) = tabulate_repetitions(project, name).records()
        assert (record["turn"], record["speed_lost_back"]) == (None, None)


def test_the_command_writes_and_prints_the_table(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "p")
    add_sequence(project, "set", squats([90.0] * 3, [0.8, 1.0, 1.2], 30.0))
    table, document = tmp_path / "set.csv", tmp_path / "set.json"
    outs = ["--out", table, "--out", document]
    printed = invoke("repetitions", "set", *outs, "--project", project.root).stdout
    assert "3 repetitions" in printed
    assert "knee" in printed
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["repetition"] for row in rows] == ["1", "2", "3"]
    written = json.loads(document.read_text())
    assert [str(one["turn"]) for one in written["repetitions"]] == [row["turn"] for row in rows]
    answer = invoke("repetitions", "set", "--out", "set.png", "--project", project.root, code=2)
    assert "unknown file type" in answer.stderr
