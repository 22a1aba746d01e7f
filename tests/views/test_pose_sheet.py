from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.video.reader import read_frames
from la2ds_cli.views import pose_overlay as sheets
from la2ds_cli.views.pose_drawing import NOBODY
from la2ds_cli.views.pose_overlay import overlay_sheet
from tests.views.test_pose_overlay import walker


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def column(page: np.ndarray) -> np.ndarray:
    """The text beside the frames."""
    return page[sheets._HEADER :, : sheets._MARGIN + sheets._TEXT - 20]


def inks(part: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of about that colour."""
    return int((np.abs(part - colour).max(axis=-1) < 30).sum())


def test_a_row_for_each_clip(project: Project, tmp_path: Path) -> None:
    walker(project)
    heights = []
    for count in (1, 2, 3):
        (path,) = overlay_sheet(project, ["a"] * count, tmp_path / f"{count}.png", columns=4)
        heights.append(pixels(path).shape[0])
    assert heights[2] - heights[1] == heights[1] - heights[0] > 200


def test_many_clips_go_on_several_pages(project: Project, tmp_path: Path) -> None:
    walker(project)
    pages = overlay_sheet(project, ["a"] * (2 * sheets.ROWS + 1), tmp_path / "s.png", columns=1)
    assert [page.name for page in pages] == ["s.png", "s-2.png", "s-3.png"]
    assert pixels(pages[0]).shape == pixels(pages[1]).shape
    assert pixels(pages[2]).shape[0] < 500


def test_frames_are_evenly_spaced(project: Project, tmp_path: Path, monkeypatch) -> None:
    """The middles of four equal parts of 20 frames; no other is converted."""
    walker(project)
    read = []

    def counted(path, *options):
        for frame in read_frames(path, *options):
            read.append(frame.index)
            yield frame

    monkeypatch.setattr("la2ds_cli.video.reader.read_frames", counted)
    overlay_sheet(project, ["a"], tmp_path / "s.png", columns=4)
    assert read == [2, 7, 12, 17]


def test_a_short_clip_shows_every_frame_once(project: Project, tmp_path: Path) -> None:
    walker(project)
    pose, recipe = project.read_pose("a")
    project.write_pose("a", pose.cut(0, 3), recipe)
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=8)
    frames = pixels(path)[sheets._HEADER : sheets._HEADER + sheets._CELL[1]]
    step = sheets._CELL[0] + sheets._GAP
    start = sheets._MARGIN + sheets._TEXT
    filled = [frames[:, start + n * step :][:, : sheets._CELL[0]].std() > 15 for n in range(8)]
    assert filled == [True] * 3 + [False] * 5


def test_the_verdict_is_written_in_its_colour(project: Project, tmp_path: Path) -> None:
    walker(project)
    pose, recipe = project.read_pose("a")
    texts = []
    for info in ({}, {"truncated": True, "frames": 20, "seconds": 1.0, "seconds_declared": 9.0}):
        project.write_pose("a", type(pose)(**{**vars(pose), "info": info}), recipe)
        (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=1)
        texts.append(column(pixels(path)))
    good, bad = texts
    assert inks(good, sheets._GOOD) > 20
    assert not inks(good, sheets._BAD)
    assert not inks(bad, sheets._GOOD)
    assert inks(bad, sheets._BAD) > 100  # status, code and message


def test_frames_without_the_subject_have_a_red_border(project: Project, tmp_path: Path) -> None:
    walker(project)
    pose, recipe = project.read_pose("a")
    xy, box = pose.xy.copy(), pose.box.copy()
    xy[10:], box[10:] = np.nan, np.nan
    project.write_pose("a", type(pose)(**{**vars(pose), "xy": xy, "box": box}), recipe)
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=2)
    page = pixels(path)[sheets._HEADER :]
    start, wide = sheets._MARGIN + sheets._TEXT, sheets._CELL[0]
    seen, empty = page[:, start : start + wide], page[:, start + wide + sheets._GAP :][:, :wide]
    assert not inks(seen, NOBODY)
    assert inks(empty, NOBODY) > 4 * 2 * (sum(sheets._CELL) - 8)


@pytest.mark.parametrize("name", ["Übung Kniebeuge №3 – приседание.mp4", "深蹲 $x^2$ 😀.mp4"])
def test_names_in_any_script(project: Project, tmp_path: Path, name: str) -> None:
    """What the font lacks becomes a box; two names never look the same as none."""
    walker(project)
    (video,) = project.videos()
    source = project.source(video).rename(tmp_path / name)
    project.add_videos([replace(video, path=str(source))])
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=1)
    title = column(pixels(path))[:23]
    assert inks(title, sheets._INK) > 150


def test_an_uncertain_choice_shows_the_other_people_too(project: Project, tmp_path: Path) -> None:
    """Also where they are in the picture for a part of the clip only."""
    walker(project)
    pose, recipe = project.read_pose("a")
    subject = {"box": [40, 40, 80, 130], "first": 0, "last": 19}
    other = {"box": [200, 40, 230, 130], "first": 5, "last": 12}
    uncertain = {"person": 1, "people": 2, "margin": 0.01, "candidates": [subject, other]}
    project.write_pose("a", replace(pose, info=uncertain), recipe)
    box = sheets._views(project.read_pose("a")[0], ["V021"])
    assert (box[:, 0] <= 40).all()
    assert (box[:, 2] >= 230).all()
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=4)
    assert pixels(path).shape[0] > 200


def test_joints_alone_where_there_is_no_video(project: Project, tmp_path: Path) -> None:
    source = walker(project)
    source.unlink()
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.png", columns=1)
    cell = pixels(path)[sheets._HEADER :][: sheets._CELL[1], sheets._MARGIN + sheets._TEXT :]
    cell = cell[:, : sheets._CELL[0]]
    assert inks(cell, (255, 140, 0)) > 50
    assert inks(cell, sheets._EMPTY) > cell.size / 3 / 2


def test_the_suffix_names_the_format(project: Project, tmp_path: Path) -> None:
    walker(project)
    (path,) = overlay_sheet(project, ["a"], tmp_path / "s.JPG", columns=1)
    assert path.read_bytes()[:2] == b"\xff\xd8"
    with pytest.raises(UserError, match=r"sheet\.mp4") as caught:
        overlay_sheet(project, ["a"], tmp_path / "sheet.mp4")
    assert caught.value.exit_code == ExitCode.USAGE
