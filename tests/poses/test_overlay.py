from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.overlay import draw_pose, overlay_path, overlay_sheet
from la2ds_cli.project import Project
from la2ds_cli.types import PoseSequence
from la2ds_cli.video import probe, read_frames
from tests.poses.grey_people import SIZE, film
from tests.poses.test_extract import CONFIG, walk


def sequence(missing: bool = False) -> PoseSequence:
    """One frame: left joints on the right of the picture, as of a person who faces it."""
    xy = np.zeros((1, 17, 2))
    xy[0, :, 0] = np.where(np.arange(17) % 2 == 1, 150, 50)
    xy[0, :, 1] = 20 + 8 * np.arange(17)
    if missing:
        xy[:] = np.nan
    return PoseSequence(
        xy=xy,
        score=np.ones((1, 17)),
        box=np.array([[40, 10, 160, 155]]) if not missing else np.full((1, 4), np.nan),
        frame=np.array([7]),
        time=np.array([0.28]),
        fps=25,
        size=SIZE,
        skeleton="coco17",
    )


def test_sides_have_their_colours() -> None:
    image = draw_pose(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), sequence(), 0, label=False)
    left, right = image[80:150, 145:156].reshape(-1, 3), image[80:150, 45:56].reshape(-1, 3)
    assert left[:, 0].max() > 200 > left[:, 2].max()  # orange
    assert right[:, 2].max() > 200 > right[:, 0].max()  # blue


def test_nothing_is_drawn_for_nobody() -> None:
    image = draw_pose(np.zeros((160, 240, 3), np.uint8), sequence(missing=True), 0, label=False)
    assert not image.any()


def test_joints_darken_with_doubt() -> None:
    sure = sequence()
    doubt = PoseSequence.from_arrays(
        *({**sure.to_arrays()[0], "score": np.full((1, 17), 0.2)}, sure.to_arrays()[1])
    )
    blank = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    ankle = int(sure.xy[0, 15, 1]), int(sure.xy[0, 15, 0])
    bright = draw_pose(blank.copy(), sure, 0, label=False)[ankle]
    dark = draw_pose(blank.copy(), doubt, 0, label=False)[ankle]
    assert int(dark.max()) == pytest.approx(0.2 * int(bright.max()), abs=2)


def test_overlay_video_and_sheet(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", walk(20))
    film(tmp_path / "b.mp4", [*walk(30, step=0), *[{}] * 60, *walk(30, step=0)])
    project = Project.create(tmp_path / "project")
    sources = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    results = extract_poses(project, sources, CONFIG, overlay=True)
    path = overlay_path(project, results[0].video)
    assert probe(path).frames_declared == 20
    drawn = next(read_frames(path)).image
    plain = next(read_frames(tmp_path / "a.mp4")).image
    assert drawn.shape == plain.shape
    assert np.abs(drawn.astype(int) - plain).max() > 80
    sheet = project.results_dir("overlay") / "sheet.png"
    assert sheet.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    path.unlink()
    extract_poses(project, sources, CONFIG, overlay=True)
    assert path.exists()  # poses are cached, the missing picture is drawn


def test_sheet_has_a_row_for_each_clip(tmp_path: Path) -> None:
    import cv2

    film(tmp_path / "a.mp4", walk(20))
    project = Project.create(tmp_path / "project")
    (result,) = extract_poses(project, [str(tmp_path / "a.mp4")], CONFIG)
    heights = []
    for count in (1, 3):
        path = overlay_sheet(project, [result.video] * count, tmp_path / f"{count}.png", columns=4)
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        heights.append(picture.shape[0])
    assert heights[1] == 3 * heights[0]
