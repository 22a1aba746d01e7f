"""The grid of a timeline: which frame of which clip is shown when, and that it is read once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, clips_of
from la2ds_cli.alignment.timeline_result import TimelineResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.main import app
from la2ds_cli.views import side_by_side, timeline_video
from la2ds_cli.views.side_by_side import PLAIN, Grid
from la2ds_cli.views.timeline_video import GRID_CLIPS, check_video, grid_of
from tests.movement import add_sequence, sequence, warped_phase
from tests.views.report.conftest import FIRST, SHADE, add_filmed, shaded_video

LENGTHS = {"anna": (30, 20.0, 1), "ben": (38, 25.0, 2), "carl": (34, 24.0, 3)}  # frames, fps, seed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Anna and Ben with videos whose shade tells the frame, Carl with joints alone."""
    project = Project.create(tmp_path / "p", {"align": {"open_ends": False}})
    for name, (length, fps, seed) in LENGTHS.items():
        pose = sequence(warped_phase(length, seed), fps=fps)
        if name == "carl":
            add_sequence(project, name, pose)
        else:
            add_filmed(project, shaded_video(tmp_path / f"{name}.mp4", length, fps), pose)
    return project


def put(project: Project, reference: str | None = "anna") -> TimelineResult:
    request = AlignRequest(project.config(), features="pose")
    return align_all(project, clips_of(project), request, reference=reference)


def shade(frame: np.ndarray, grid: Grid, number: int) -> float:
    """Of the picture of a clip, at its upper left, where no joint is."""
    return float(frame[grid.region(number)][8:24, 8:24].mean())


def test_every_clip_shows_the_moment_of_the_reference(project: Project):
    result = put(project)
    grid = grid_of(project, result, timeline_video.shown_clips(result))
    assert [cell.name for cell in grid.cells] == ["anna.mp4", "ben.mp4", "carl.mat"]
    frames = list(grid.frames(Progress()))
    assert len(frames) == 30
    phases = {name: warped_phase(length, seed) for name, (length, _, seed) in LENGTHS.items()}
    for k in range(30):
        assert shade(frames[k], grid, 0) == pytest.approx(FIRST + SHADE * k, abs=3)
        if grid.cells[1].matched[k]:
            expected = np.interp(phases["anna"][k], phases["ben"], np.arange(38))
            assert shade(frames[k], grid, 1) == pytest.approx(FIRST + SHADE * expected, abs=14)
        assert shade(frames[k], grid, 2) == pytest.approx(np.mean(PLAIN), abs=40)
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    assert frames[0].shape[0] <= 1080
    assert frames[0].shape[1] <= 1920


def test_what_a_clip_does_not_show_is_grey_and_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    add_sequence(project, "late", sequence(warped_phase(30, 4, start=0.4), fps=20.0))
    add_sequence(project, "mirrored", mirror(sequence(warped_phase(45, 5), fps=30.0)))
    said: list[str] = []
    real = side_by_side.write_text

    def write(image: Any, text: str, *rest: Any, **options: Any) -> None:
        said.append(text)
        real(image, text, *rest, **options)

    monkeypatch.setattr(side_by_side, "write_text", write)
    settings = project.config(overrides=["align.open_ends=true"])
    request = AlignRequest(settings, features="pose")
    result = align_all(project, clips_of(project), request, reference="anna")
    assert [clip.video.id for clip in result.clips if clip.mirrored] == ["mirrored"]
    grid = grid_of(project, result, timeline_video.shown_clips(result))
    matched = grid.cells[3].matched
    assert 0.1 < (~matched).mean() < 0.6
    assert matched[-6:-3].all()
    assert not matched[:4].any()
    list(grid.frames(Progress()))
    assert Counter(said)["mirrored"] == 30
    missing = sum(int((~cell.matched).sum()) for cell in grid.cells)
    assert Counter(said)["no counterpart"] == missing
    assert {"anna.mp4", "ben.mp4", "carl.mat", "late.mat"} <= set(said)
    assert "100 % of anna.mp4, the reference" in said


def test_of_many_clips_the_reference_and_some_others_are_shown(tmp_path: Path):
    project = Project.create(tmp_path / "many")
    for number in range(20):
        length, fps = 30 + number, 20.0 + number % 3
        add_sequence(project, f"clip{number:02}", sequence(warped_phase(length, number), fps=fps))
    result = put(project, reference="clip07")
    assert len(result.clips) == 20
    shown = [clip.video.id for clip in timeline_video.shown_clips(result)]
    assert shown[0] == "clip07"
    assert len(set(shown)) == len(shown) == GRID_CLIPS == 16
    assert shown[1:] == sorted(shown[1:])
    assert (shown[1], shown[-1]) == ("clip00", "clip19")
    grid = grid_of(project, result, timeline_video.shown_clips(result))
    frame = next(grid.frames(Progress()))
    assert frame.shape[0] <= 1080
    assert frame.shape[1] <= 1920
    assert min(grid.widths) >= 190  # room for a name


def test_the_command_writes_the_video_beside_the_other_files(project: Project, tmp_path: Path):
    out, video = tmp_path / "t.csv", tmp_path / "grid.mp4"
    arguments = ["timeline", "--project", str(project.root), "--features", "pose"]
    arguments += ["--reference", "ben", "--out", str(out), "--video", str(video)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert str(video) in done.output.replace("\n", "")
    assert out.is_file()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate or 0) == 25.0
        assert sum(1 for _ in container.decode(stream)) == 38


def test_names_that_are_refused(project: Project, tmp_path: Path):
    with pytest.raises(UserError, match="unknown file type") as caught:
        check_video(project, tmp_path / "grid.gif")
    assert caught.value.exit_code == ExitCode.USAGE
    with pytest.raises(UserError, match="belongs to the project"):
        check_video(project, tmp_path / "anna.mp4")
