"""Recordings of one performance shown in step, by films whose frames tell their number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.offset.find_offsets import align_recordings, match_by_clock
from la2ds_cli.offset.offset_result import Clock
from la2ds_cli.offset.pair_offset import pair_offset
from la2ds_cli.views import sync
from tests.movement import add_sequence
from tests.offset.recordings import film, performed
from tests.processes import invoke
from tests.views.synced import add_film, grey_frames, halves, number

LAG = 0.4
DIFFERENT = 64  # pictures of `grey_frames`, which are shown again and again


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Two films of one performance; front begins LAG seconds after side, and lasts longer.
    capture: the same by motion capture. take: another performance."""
    project = StoredProject.create(tmp_path_factory.mktemp("project"))
    points = performed(1)
    begins = 30 * LAG / (len(points) - 1)
    grey = grey_frames(DIFFERENT, (240, 320))
    for name, pose in {
        "front": film(points, 0, 25, (begins, 1), lag=-LAG),
        "side": film(points, 50, 30, (0, 0.9)),
    }.items():
        add_film(project, name, pose, [grey[t % DIFFERENT] for t in range(len(pose))])
    add_sequence(project, "capture", film(points, 90, 100, lag=2.0))
    add_sequence(project, "take", film(performed(1, 1), 30))
    return project


def run(project: StoredProject, *arguments: str | Path, code: int = 0) -> Result:
    return invoke(*arguments, "--same-performance", "--project", project.root, code=code)


def test_each_moment_shows_the_frame_of_the_same_moment(
    project: StoredProject, tmp_path: Path
) -> None:
    request = AlignRequest(project.config(), same_only=True)
    result = align_recordings(project, "front", "side", request, Progress())
    out = tmp_path / "side.mp4"
    sync.write_sync(project, result, Progress(), out=out, skeleton=False)
    pictures = halves(project, result, out)
    assert len(pictures) == len(result.pose_a)
    matched = result.matched_a
    last = float(result.pose_b.time[-1])
    for t, (a, b) in enumerate(pictures):
        seconds = t / 25 + LAG
        if seconds <= last:
            assert number(a) == t % DIFFERENT
            off = number(b) - 30 * seconds
            assert abs((off + DIFFERENT / 2) % DIFFERENT - DIFFERENT / 2) < 1
        elif seconds > last + 1 / 30:
            assert not matched[t]
    assert matched[0]
    assert 5 < (~matched).sum() < 40


def test_a_sure_clock_is_sure_to_within_its_interval(project: StoredProject) -> None:
    request = AlignRequest(project.config(), same_only=True)
    result = align_recordings(project, "front", "capture", request, Progress())
    time_b = matched_time(result.position, result.time_b)
    np.testing.assert_allclose(time_b, result.pose_a.time + 2.0 + LAG, atol=0.02)
    assert set(result.certainty) == {"sure"}
    within = result.within
    assert 0 < within.min() <= within.max() < 0.05
    assert result.overall_ratio == pytest.approx(1, abs=0.02)


def test_what_is_not_sure_holds_its_rivals() -> None:
    poses = film(performed(1), 0, 25), film(performed(1), 40, 30)
    pair = pair_offset(poses, (0, 1), ("a", "b"))
    away = replace(pair.best, lag=pair.best.lag + 1.0)
    clock = Clock(pair.best.lag, 0.01, None, None, 1.0, sure=False)
    match, sure = match_by_clock(poses, clock, replace(pair, rivals=(away,)))
    t = 25
    assert sure.confidence[t] <= 0.5
    assert (match.position[t] - sure.low[t]) / 30 == pytest.approx(0.01, abs=1e-6)
    assert (sure.high[t] - match.position[t]) / 30 == pytest.approx(1.01, abs=1e-6)


@pytest.mark.parametrize("command", ["sync", "report"])
def test_the_commands(project: StoredProject, tmp_path: Path, command: str) -> None:
    out = tmp_path / ("s.mp4" if command == "sync" else "s.html")
    result = run(project, command, "front", "side", "--out", out)
    assert out.stat().st_size > 1000
    assert "side.mp4: seconds of front.mp4 plus 0.4" in result.stderr
    document = json.loads(run(project, "sync", "front", "side", "--json").stdout)
    assert (document["method"], document["features"]) == ("offset", "pose")
    assert "seconds of A plus 0.4" in document["reason"]

    refused = run(project, command, "front", "take", code=ExitCode.OTHER_MOVEMENT)
    assert "take does not show the performance of front" in refused.stderr
    forced = run(project, command, "front", "take", "--force", "--out", out)
    assert (
        "the lag of take.mat is not sure, nor that it shows the same performance" in forced.stderr
    )
