"""Circles, arrows, strokes, known lengths and stopwatches, in a browser on both pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.annotations import metres_of
from la2ds_cli.core.stored_project import StoredProject
from tests.studio.browsing import SAVED, Seen, browsed
from tests.studio.marks import drawn
from tests.studio.test_pair_in_browser import TWO_CLIPS, frame
from tests.views.report.conftest import two_filmed


def kinds(project: StoredProject, clip: str = "a") -> list[str]:
    return [shape.kind for shape in drawn(project, clip)]


def lifetimes(project: StoredProject) -> list[tuple[float | None, float | None]]:
    rows = project.annotations()
    return [(row.at.seconds, row.other.seconds if row.other else None) for row in rows]


def listed(seen: Seen, *parts: str) -> None:
    for part in parts:
        seen.wait_for_text("drawings", part)


def test_each_kind_is_drawn_and_shown_as_long_as_is_said(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)  # 36 and 30 frames, 20 a second
    with browsed(browser, project) as seen:
        seen.go(TWO_CLIPS)
        frame(seen, "a")
        seen.scrub("scrub", 10)
        seen.press("r")
        seen.drag("stage-a", (0.5, 0.5), (0.6, 0.5))
        seen.wait_for("data.drawings.a.length === 1")
        seen.press("v")
        seen.drag("stage-a", (0.2, 0.2), (0.3, 0.4))
        seen.wait_for("data.drawings.a.length === 2")
        seen.press("h")
        seen.drag("stage-a", *((0.2 + 0.05 * k, 0.8 - 0.03 * k * (k % 2)) for k in range(8)))
        seen.wait_for("data.drawings.a.length === 3")
        seen.press("k")
        seen.page.mouse.click(*seen.place("stage-a", 0.8, 0.2))
        seen.wait_for("data.drawings.a.length === 4")
        assert kinds(project) == ["circle", "arrow", "freehand", "watch"]
        assert len(drawn(project, "a")[2].points) > 8
        assert lifetimes(project)[3] == (0.5, 1.75)
        a_known_length(seen, project)
        its_time(seen, project)
        seen.press("u")
        seen.wait_for("data.drawings.a[0].frames?.[0] === 10")
        seen.check()


def a_known_length(seen: Seen, project: StoredProject) -> None:
    seen.press("m")
    seen.drag("stage-a", (0.1, 0.1), (0.1, 0.9))
    seen.wait_for("data.drawings.a.length === 5")
    assert seen.page.evaluate("document.activeElement.id") == "draw-metres"
    seen.page.keyboard.type("1.8")
    seen.press("Enter")
    seen.wait_for("data.drawings.a[4].metres === 1.8")
    assert [metres_of(row.value) for row in project.annotations()][4] == 1.8
    listed(seen, "A: known length, 1.8 m", "A: circle, r 0.", "A: stopwatch, 0.50 s to 1.75 s")
    seen.press("m")  # another one takes its place
    seen.drag("stage-a", (0.1, 0.1), (0.1, 0.5))
    seen.wait_for("data.drawings.a[4].metres === 1.8 && data.drawings.a.length === 5")


def its_time(seen: Seen, project: StoredProject) -> None:
    """Of the circle, which is then seen no longer."""
    seen.page.click("#drawings li:nth-child(1) button")
    seen.page.click("#show-from")
    seen.wait_for("data.drawings.a[0].frames?.[0] === 10")
    seen.press("Escape")
    seen.scrub("scrub", 5)
    seen.page.click("#drawings li:nth-child(1) button")  # which shows a frame that has it
    assert seen.page.evaluate("state.row") == 10
    seen.page.click("#show-here")
    seen.wait_for("JSON.stringify(data.drawings.a[0].frames) === '[10,10]'")
    assert lifetimes(project)[0] == (0.5, None)
    seen.press("Escape")


def test_the_page_of_joints_draws_and_repeats_a_part(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    with browsed(browser, project) as seen:
        seen.go("/joints?clip=a")
        seen.scrub("scrub", 4)
        seen.page.click("#draw-circle")
        seen.drag("stage-a", (0.85, 0.2), (0.95, 0.2))
        seen.wait_for(SAVED)
        assert kinds(project) == ["circle"]
        assert "circle" in seen.page.inner_text("#drawings")
        seen.page.click("#drawings li button")
        x = drawn(project, "a")[0].points[0][0]
        seen.press("ArrowRight")
        seen.wait_for(SAVED)
        assert drawn(project, "a")[0].points[0][0] == pytest.approx(x + 1)
        assert seen.page.evaluate("document.body.dataset.row") == "4"  # the frame stays
        seen.page.click("#show-to")
        seen.wait_for(SAVED)
        assert lifetimes(project) == [(0.0, 0.2)]
        seen.press("Escape", "u", "u", "u")
        seen.wait_for("document.querySelectorAll('#drawings li').length === 0")
        seen.wait_for(SAVED)
        assert project.annotations() == []
        seen.page.click("#from-here")
        seen.scrub("scrub", 9)
        seen.page.click("#to-here")
        assert seen.page.inner_text("#section-said") == "0.20 to 0.45 s"
        seen.page.click("#no-section")
        seen.check()
