"""Videos with the joints drawn in, and sheets of clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.video.reader import probe, read_frames
from la2ds_cli.views.film_strip import NOBODY
from la2ds_cli.views.pose_overlay import (
    ROWS,
    overlay_path,
    overlay_sheet,
    refresh_overlay,
    write_overlay,
)
from tests.movement import pose_of
from tests.poses.grey_people import PLACES, SIZE, film
from tests.told import refused


def walker(project: StoredProject, name: str = "a", *, step: int = 2, film_it: bool = True) -> Path:
    """A clip of 20 frames, in the project with its joints; the file."""
    source = project.root.parent / f"{name}.mp4"
    boxes = [(40 + step * t, 40, 80 + step * t, 130) for t in range(20)]
    if film_it:
        film(source, [{200: box} for box in boxes])
    corner = np.array(boxes, np.float64)
    xy = corner[:, None, :2] + PLACES * [39, 89]
    known = {"score": np.full((20, 17), 0.9), "box": corner, "size": SIZE, "skeleton": "coco17"}
    pose = pose_of(xy, fps=25, **known)
    project.write_pose(name, pose, Recipe("poses", 2, {"step": step}, {"video": name}))
    project.add_videos([Video(name, str(source), "0" * 64, 20, 25, *SIZE)])
    return source


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return StoredProject.create(tmp_path / "project")


def result(name: str, status: str = "ok") -> ItemResult:
    return ItemResult(f"{name}.mp4", name, status, 20)  # type: ignore[arg-type]


def drawn_at(path: Path, plain: Path, t: int) -> np.ndarray:
    """(H, W) bool of the pixels of frame t that a drawing changed."""
    frames = [list(read_frames(file))[t].image.astype(int) for file in (path, plain)]
    return np.abs(frames[0] - frames[1]).max(axis=2) > 80


def test_the_video_shows_the_joints_of_each_frame(project: StoredProject) -> None:
    source = walker(project)
    path = write_overlay(project, "a")
    assert path == overlay_path(project, "a")
    assert (probe(path).frames_declared, probe(path).width) == (20, SIZE[0])
    for t in (0, 19):
        columns = np.flatnonzero(drawn_at(path, source, t)[45:125].any(axis=0))
        assert abs(columns.min() - (40 + 2 * t)) <= 4
        assert abs(columns.max() - (79 + 2 * t)) <= 4


def test_frames_are_matched_by_number(project: StoredProject) -> None:
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


def test_a_current_overlay_is_kept(project: StoredProject) -> None:
    walker(project)
    refresh_overlay(project, result("a"))
    stamp = overlay_path(project, "a").stat().st_mtime_ns
    for status in ("ok", "cached"):
        refresh_overlay(project, result("a", status))
    assert overlay_path(project, "a").stat().st_mtime_ns == stamp


def test_a_stale_overlay_is_drawn_anew(project: StoredProject) -> None:
    """Also where the new run was one without --overlay, and the clip is cached now."""
    source = walker(project)
    refresh_overlay(project, result("a"))
    walker(project, step=4, film_it=False)
    refresh_overlay(project, result("a", "cached"))
    columns = np.flatnonzero(drawn_at(overlay_path(project, "a"), source, 19)[45:125].any(axis=0))
    assert columns.max() > 140


def test_no_stale_overlay_is_left_when_the_source_is_gone(project: StoredProject) -> None:
    source = walker(project)
    refresh_overlay(project, result("a"))
    walker(project, step=4, film_it=False)
    source.unlink()
    with refused(ExitCode.UNREADABLE):
        refresh_overlay(project, result("a"))
    assert not overlay_path(project, "a").exists()


# --- sheets ---------------------------------------------------------------------------------------

HEADER, TEXT, WIDE, TALL, GAP = 44, 336, 210, 260, 8  # pixels
ORANGE, GOOD, BAD, INK = (255, 140, 0), (0, 120, 80), (190, 80, 0), (30, 30, 30)


def sheet(project: StoredProject, **changed: Any) -> np.ndarray:
    """The page of the walker, whose poses are changed first."""
    pose, recipe = project.read_pose("a")
    project.write_pose("a", replace(pose, **changed), recipe)
    (path,) = overlay_sheet(project, ["a"], project.root.parent / "s.png")
    return pixels(path)


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def cell(page: np.ndarray, number: int) -> np.ndarray:
    left = TEXT + number * (WIDE + GAP)
    return page[HEADER : HEADER + TALL, left : left + WIDE]


def inks(part: np.ndarray, colour: tuple[int, ...]) -> int:
    """Pixels of about that colour."""
    return int((np.abs(part - colour).max(axis=-1) < 30).sum())


def test_clips_are_rows_and_many_go_on_several_pages(
    project: StoredProject, tmp_path: Path
) -> None:
    walker(project)
    heights = []
    for count in (1, 2, 3):
        (path,) = overlay_sheet(project, ["a"] * count, tmp_path / f"{count}.png")
        heights.append(pixels(path).shape[0])
    assert heights[2] - heights[1] == heights[1] - heights[0] > 200
    pages = overlay_sheet(project, ["a"] * (2 * ROWS + 1), tmp_path / "s.JPG")
    assert [page.name for page in pages] == ["s.JPG", "s-2.JPG", "s-3.JPG"]
    assert pages[0].read_bytes()[:2] == b"\xff\xd8"
    assert pixels(pages[0]).shape == pixels(pages[1]).shape
    assert pixels(pages[2]).shape[0] == heights[0]


@pytest.mark.parametrize("page", [2, 3])
def test_a_file_of_a_person_does_not_become_a_page(
    project: StoredProject, tmp_path: Path, page: int
) -> None:
    """Nor is a page written before it; pages that la2ds wrote are replaced."""
    walker(project)
    videos, mine = ["a"] * (2 * ROWS + 1), tmp_path / f"s-{page}.png"
    mine.write_bytes(b"the picture of a person")
    with refused(ExitCode.USAGE, rf"s-{page}.png is not as la2ds wrote it, and would be lost"):
        overlay_sheet(project, videos, tmp_path / "s.png")
    assert [path.name for path in tmp_path.glob("*.png")] == [mine.name]
    assert mine.read_bytes() == b"the picture of a person"
    mine.unlink()
    pages = overlay_sheet(project, videos, tmp_path / "s.png")
    assert overlay_sheet(project, videos, tmp_path / "s.png") == pages
    project.add_videos([Video("b", str(mine), "1" * 64)])
    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        overlay_sheet(project, videos, tmp_path / "s.png")


def test_a_drawn_clip_that_is_a_clip_itself_stays(project: StoredProject) -> None:
    walker(project)
    path = overlay_path(project, "a")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a film")
    project.add_videos([Video("b", str(path), "1" * 64)])
    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        write_overlay(project, "a")
    assert path.read_bytes() == b"a film"


def test_a_short_clip_shows_each_frame_once(project: StoredProject) -> None:
    walker(project)
    pose, recipe = project.read_pose("a")
    project.write_pose("a", pose.cut(0, 3), recipe)
    page = sheet(project)
    assert [cell(page, n).std() > 15 for n in range(8)] == [True] * 3 + [False] * 5


def test_the_verdict_is_written_in_its_colour(project: StoredProject) -> None:
    walker(project)
    cut_off = {"truncated": True, "frames": 20, "seconds": 1.0, "seconds_declared": 9.0}
    good, bad = (sheet(project, info=info)[HEADER:, : TEXT - 20] for info in ({}, cut_off))
    assert inks(good, GOOD) > 20
    assert not inks(good, BAD)
    assert not inks(bad, GOOD)
    assert inks(bad, BAD) > 100  # status, code and message


def test_frames_without_the_subject_have_a_red_border(project: StoredProject) -> None:
    walker(project)
    pose = project.read_pose("a")[0]
    pose.xy[10:], pose.box[10:] = np.nan, np.nan
    page = sheet(project, xy=pose.xy, box=pose.box)
    assert not inks(cell(page, 0), NOBODY)
    assert inks(cell(page, 7), NOBODY) >= 4 * 2 * (WIDE + TALL - 8)


def test_an_uncertain_choice_shows_the_other_people_too(project: StoredProject) -> None:
    """Also where they are in the picture for a part of the clip only."""
    walker(project)
    subject = {"box": [40, 40, 80, 130], "first": 0, "last": 19}
    other = {"box": [200, 40, 230, 130], "first": 5, "last": 12}
    told = {"person": 1, "candidates": [subject, other], "margin": 0.01}
    widths = []
    for ambiguous in (False, True):
        page = sheet(project, info=told | {"ambiguous": ambiguous})
        drawn = np.abs(cell(page, 0) - ORANGE).max(axis=-1) < 30
        widths.append(np.ptp(np.flatnonzero(drawn.any(axis=0))))
    assert 10 < widths[1] < 0.7 * widths[0]


def test_joints_alone_where_there_is_no_video(project: StoredProject) -> None:
    walker(project).unlink()
    page = sheet(project)
    assert inks(cell(page, 0), ORANGE) > 50
    assert inks(cell(page, 0), (225, 225, 222)) > WIDE * TALL / 2
    with refused(ExitCode.USAGE, r"sheet\.mp4"):
        overlay_sheet(project, ["a"], project.root / "sheet.mp4")
    with refused(ExitCode.USAGE, "poses belongs to the project"):
        overlay_sheet(project, ["a"], project.root / "poses" / "sheet.png")
