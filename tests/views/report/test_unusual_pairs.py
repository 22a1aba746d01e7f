"""Pages of unusual pairs in a real browser: hostile names, no pictures, odd lengths."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence, shaken, warped_phase
from tests.views.report.conftest import (
    Open,
    add_filmed,
    counterpart,
    drawn,
    report_pair,
    shaded_video,
)


def test_a_hostile_file_name_is_text(tmp_path: Path, open_page: Open) -> None:
    project = StoredProject.create(tmp_path / "project")
    name = "<img src=x onerror=alert(1)>.mp4"
    add_filmed(project, shaded_video(tmp_path / name, 20), sequence(warped_phase(20, 1)), "a")
    add_filmed(
        project,
        shaded_video(tmp_path / "\"' onload=alert(2) &lt;.mp4", 20),
        sequence(warped_phase(20, 2)),
        "b",
    )
    project.phases_path.write_text(
        "video,start,end,phase\na,0,20,</script><script>window.hit = 1</script>\nb,0,20,<b>x\n"
    )
    made = report_pair(project, "a", "b")
    opened = open_page(made.file)
    assert opened.page.title() == f"{name} and \"' onload=alert(2) &lt;.mp4 · la2ds"
    assert opened.page.inner_text("#player-a .name") == name
    assert "</script>" in opened.page.inner_text("#phase-legend")
    assert "</script>" in opened.page.inner_text("#moment-a")
    assert opened.page.locator("img, b:text-is('x')").count() == 0
    assert opened.page.locator("script").count() == 4  # three of data, one that runs
    assert opened.page.evaluate("window.hit") is None
    opened.harmless()


def test_privacy_leaves_no_picture(
    filmed: StoredProject, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the video was read")

    monkeypatch.setattr("la2ds_cli.video.reader.VideoFile.frames", read)
    made = report_pair(filmed, "a", "b", privacy=True)
    content = made.file.read_bytes()
    assert b"UklGR" not in content  # RIFF, with which every WebP begins, in base64
    assert b"/9j/" not in content  # and every JPEG
    assert content.count(b"iVBORw0KGgo") == 1  # one PNG: the distance matrix
    opened = open_page(made.file)
    assert "only joints" in opened.page.inner_text("#notes")
    assert opened.page.is_hidden("#film-choice")
    assert drawn(opened, "a") > 200
    assert drawn(opened, "b") > 200
    opened.harmless()


def test_a_clip_without_video_is_drawn(tmp_path: Path, open_page: Open) -> None:
    project = StoredProject.create(tmp_path / "project", {"align": {"open_ends": False}})
    add_sequence(project, "a", sequence(warped_phase(20, 1)))
    film = shaded_video(tmp_path / "b.mp4", 26, 25.0)
    add_filmed(project, film, sequence(warped_phase(26, 2), fps=25.0))
    made = report_pair(project, "a", "b")
    opened = open_page(made.file)
    assert "A: the video is not available" in opened.page.inner_text("#notes")
    assert drawn(opened, "a") > 200
    assert opened.frame("b") == counterpart(made, 0)
    opened.harmless()


@pytest.mark.parametrize(
    ("length", "other", "method"),
    [(1, 20, "linear"), (20, 1, "linear"), (2, 2, "dtw"), (400, 30, "dtw")],
)
def test_clips_of_any_length(
    tmp_path: Path, open_page: Open, length: int, other: int, method: str
) -> None:
    project = StoredProject.create(tmp_path / "project")
    add_sequence(project, "a", sequence(np.linspace(0, 1, length)))
    add_sequence(project, "b", sequence(np.linspace(1, 0, other), fps=25.0))
    made = report_pair(project, "a", "b", method=method)
    opened = open_page(made.file)
    opened.page.keyboard.press("End")
    assert opened.row() == length - 1
    opened.page.keyboard.press("Home")
    opened.page.keyboard.press(" ")
    opened.page.wait_for_timeout(100)
    opened.page.keyboard.press(" ")
    opened.settle()
    opened.harmless()


def test_a_clip_beside_itself_and_a_skeleton_of_hands(tmp_path: Path, open_page: Open) -> None:
    project = StoredProject.create(tmp_path / "project")
    hand = get_skeleton("hand21")
    rng = np.random.default_rng(0)
    still = rng.uniform(50, 250, (1, 21, 2))
    pose = replace(
        sequence(np.linspace(0, 1, 20)),
        xy=still + 20 * np.sin(np.linspace(0, 3, 20))[:, None, None] * rng.normal(size=(1, 21, 2)),
        score=np.ones((20, 21)),
        skeleton=hand.name,
    )
    add_sequence(project, "a", pose)
    made = report_pair(project, "a", "a")
    opened = open_page(made.file)
    names = opened.page.evaluate("data.angles.names")
    assert len(names) == opened.page.locator(".label.rows div").count() > 8
    assert opened.page.locator("#track-angles").bounding_box()["height"] >= 12 * len(names)
    opened.seek(7)
    assert opened.page.evaluate("document.body.dataset.rowB") == "7"
    opened.harmless()


def test_a_thinned_film_shows_the_nearest_picture_and_says_so(
    filmed: StoredProject, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pictures are taken for so large that one in a few frames gets one.
    monkeypatch.setattr("la2ds_cli.views.report.pair_data._BYTES_PER_PIXEL", 15.0)
    made = report_pair(filmed, "a", "b")
    opened = open_page(made.file)
    opened.page.uncheck("#show-skeleton")
    note = opened.page.inner_text("#notes")
    told = re.search(r"A: .*one frame in (\d) has a picture \(([\d.]+) per second", note)
    assert told is not None
    every = int(told[1])
    assert 3 <= every <= 6
    assert told[2] == f"{20 / every:.1f}"
    for row in (0, every + 1, 2 * every - 1):
        opened.seek(row)
        nearest = every * round(row / every)
        assert opened.frame("a") == nearest, row
        assert opened.page.get_attribute("#stage-a", "data-row") == str(row)
        assert opened.page.get_attribute("#stage-a", "data-picture") == str(nearest)
    opened.harmless()


def test_weaknesses_are_told(filmed: StoredProject, open_page: Open) -> None:
    pose, recipe = filmed.read_pose("b")
    filmed.write_pose("b", shaken(pose, 8), recipe)
    made = report_pair(filmed, "a", "b")
    (told,) = open_page(made.file).page.locator("#notes li").all_inner_texts()
    assert told.startswith("B: ")
    assert "(V028)" in told
