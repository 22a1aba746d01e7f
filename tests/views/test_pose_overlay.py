from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.video.reader import probe, read_frames
from la2ds_cli.views import pose_overlay as overlay
from la2ds_cli.views.pose_overlay import overlay_path, refresh_overlay, write_overlay
from tests.poses.grey_people import PLACES, SIZE, film


def walker(project: Project, name: str = "a", *, step: int = 2, film_it: bool = True) -> Path:
    """A clip of 20 frames, in the project with its joints; the file."""
    source = project.root.parent / f"{name}.mp4"
    boxes = [(40 + step * t, 40, 80 + step * t, 130) for t in range(20)]
    if film_it:
        film(source, [{200: box} for box in boxes])
    corner = np.array(boxes, np.float64)
    xy = corner[:, None, :2] + PLACES * [39, 89]
    pose = PoseSequence(
        xy=xy,
        score=np.full((20, 17), 0.9),
        box=corner,
        frame=np.arange(20),
        time=np.arange(20) / 25,
        fps=25,
        size=SIZE,
        skeleton="coco17",
    )
    project.write_pose(name, pose, Recipe("poses", 2, {"step": step}, {"video": name}))
    project.add_videos([Video(name, str(source), "0" * 64, 20, 25, *SIZE)])
    return source


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def result(name: str, status: str = "ok") -> ItemResult:
    return ItemResult(f"{name}.mp4", name, status, 20)  # type: ignore[arg-type]


def drawn_at(path: Path, plain: Path, t: int) -> np.ndarray:
    """(H, W) bool of the pixels of frame t that a drawing changed."""
    frames = [list(read_frames(file))[t].image.astype(int) for file in (path, plain)]
    return np.abs(frames[0] - frames[1]).max(axis=2) > 80


def test_the_video_shows_the_joints_of_each_frame(project: Project) -> None:
    source = walker(project)
    path = write_overlay(project, "a")
    assert path == overlay_path(project, "a")
    assert (probe(path).frames_declared, probe(path).width) == (20, SIZE[0])
    for t in (0, 19):
        columns = np.flatnonzero(drawn_at(path, source, t)[45:125].any(axis=0))
        assert abs(columns.min() - (40 + 2 * t)) <= 4
        assert abs(columns.max() - (79 + 2 * t)) <= 4


def test_frames_are_matched_by_number(project: Project) -> None:
    """Joints of frames 5 to 14 only; the overlay shows these frames."""
    source = walker(project)
    pose, recipe = project.read_pose("a")
    project.write_pose("a", pose.cut(5, 15), recipe)
    path = write_overlay(project, "a")
    assert probe(path).frames_declared == 10
    first = next(read_frames(path)).image.astype(int)
    columns = np.flatnonzero((first[45:125].max(axis=2) > 100).any(axis=0))
    assert abs(columns.min() - 50) <= 4
    assert source.exists()


def test_a_current_overlay_is_kept(project: Project) -> None:
    walker(project)
    refresh_overlay(project, result("a"))
    stamp = overlay_path(project, "a").stat().st_mtime_ns
    for status in ("ok", "cached"):
        refresh_overlay(project, result("a", status))
    assert overlay_path(project, "a").stat().st_mtime_ns == stamp


def test_a_stale_overlay_is_drawn_anew(project: Project) -> None:
    """Also where the new run was one without --overlay, and the clip is cached now."""
    source = walker(project)
    refresh_overlay(project, result("a"))
    walker(project, step=4, film_it=False)
    refresh_overlay(project, result("a", "cached"))
    columns = np.flatnonzero(drawn_at(overlay_path(project, "a"), source, 19)[45:125].any(axis=0))
    assert columns.max() > 140


def test_no_stale_overlay_is_left_when_the_source_is_gone(project: Project) -> None:
    source = walker(project)
    refresh_overlay(project, result("a"))
    walker(project, step=4, film_it=False)
    source.unlink()
    with pytest.raises(UserError) as caught:
        refresh_overlay(project, result("a"))
    assert caught.value.exit_code == ExitCode.UNREADABLE
    assert not overlay_path(project, "a").exists()


def test_a_large_video_is_drawn_small(project: Project, monkeypatch) -> None:
    walker(project)
    monkeypatch.setattr(overlay, "_SIDE", 120)
    info = probe(write_overlay(project, "a"))
    assert (info.width, info.height) == (120, 80)
