"""Lines and angles that a person draws on the pictures of a pair, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.studio.browsing import Seen, browsed
from tests.studio.marks import Shape, drawn
from tests.studio.test_pair_in_browser import TWO_CLIPS, frame
from tests.views.report.conftest import two_filmed

YELLOW = [255, 228, 92]
LINE, ANGLE = ((0.2, 0.3), (0.4, 0.9)), ((0.3, 0.2), (0.5, 0.6), (0.8, 0.55))  # shares
Point = tuple[float, float]


def in_picture(seen: Seen, side: str, shares: Any) -> np.ndarray:
    """Pixels of the picture, by the parts of it that the stage should show."""
    row = frame(seen, side)
    window, size = seen.page.evaluate(f"[data.{side}.window[{row}], data.{side}.size]")
    whole = seen.page.is_checked("#show-whole")
    left, top, right, bottom = [-0.5, -0.5, size[0] - 0.5, size[1] - 0.5] if whole else window
    return [left, top] + np.array(shares) * [right - left, bottom - top]


def click(seen: Seen, side: str, *shares: Point) -> None:
    for share in shares:
        seen.page.mouse.click(*seen.place(f"stage-{side}", *share))


def count(seen: Seen, side: str, length: int) -> None:
    seen.wait_for(f"data.drawings.{side}.length === {length}")


def is_drawn(seen: Seen, side: str, shape: Shape, flipped: bool = False) -> bool:
    """Whether a stage shows the middle of a line, or of the first side of an angle."""
    row = frame(seen, side)
    x, y = np.mean(shape.points[:2], axis=0)
    colour = seen.page.evaluate(
        "([side, row, [x, y]]) => { const stage = stages[side], { canvas } = stage;"
        " const [left, top, , bottom] = stage.view(row), size = canvas.height / (bottom - top);"
        " return [...canvas.getContext('2d').getImageData(Math.round((x - left) * size),"
        " Math.round((y - top) * size), 1, 1).data].slice(0, 3); }",
        [side, row, [319 - x if flipped else x, y]],
    )
    return colour == pytest.approx(YELLOW, abs=8)


def test_lines_and_angles_are_drawn_kept_moved_and_taken_back(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)  # 36 and 30 frames
    with browsed(browser, project) as seen:
        seen.go(TWO_CLIPS)
        line, angle = draw_with_the_pointer(seen, project)
        seen.go(TWO_CLIPS)  # another day
        seen.page.uncheck("#show-skeleton")
        for row in (0, 35):
            seen.scrub("scrub", row)
            seen.press("w")
            assert is_drawn(seen, "a", line)
            assert is_drawn(seen, "b", angle)
        take_back(seen, project, line, angle)
        draw_with_keys(seen, project)
        drag_points(seen, project)
        say_refusals(seen, project)
        seen.check()


def draw_with_the_pointer(seen: Seen, project: StoredProject) -> tuple[Shape, Shape]:
    page = seen.page
    seen.scrub("scrub", 20)
    wanted = in_picture(seen, "a", LINE)
    page.click("#draw-line")
    seen.drag("stage-a", *LINE)
    count(seen, "a", 1)
    assert page.get_attribute("#draw-line", "aria-pressed") == "false"
    (line,) = drawn(project, "a")
    assert np.array(line.points) == pytest.approx(wanted, abs=1)
    page.check("#show-whole")
    wanted = in_picture(seen, "b", ANGLE)
    seen.press("a")
    click(seen, "b", *ANGLE[:1])
    click(seen, "a", (0.5, 0.5))  # it lies on one clip
    click(seen, "b", *ANGLE[1:])
    count(seen, "b", 1)
    (angle,) = drawn(project, "b")
    assert (line.kind, angle.kind) == ("line", "angle")
    assert np.array(angle.points) == pytest.approx(wanted, abs=1)
    assert "° from vertical" in page.inner_text("#drawings li:first-child")
    return line, angle


def take_back(seen: Seen, project: StoredProject, line: Shape, angle: Shape) -> None:
    assert seen.page.is_hidden("#undo")
    for side, name in (("a", "A: line"), ("b", "B: angle")):
        seen.page.click(f"#drawings button[aria-label^='Remove: {name}']")
        count(seen, side, 0)
    assert not is_drawn(seen, "b", angle)
    assert project.annotations() == []
    seen.press("u")
    count(seen, "b", 1)
    seen.page.click("#undo")
    count(seen, "a", 1)
    assert is_drawn(seen, "a", line)
    assert seen.page.is_hidden("#undo")
    project.change_annotations(project.annotations(), [])
    seen.go(TWO_CLIPS)


def draw_with_keys(seen: Seen, project: StoredProject) -> None:
    page = seen.page
    seen.press("Home", "Shift+ArrowRight", "l", "d", "Enter")  # on B, which leads
    count(seen, "b", 1)
    ((x, high), (_, low)) = drawn(project, "b")[0].points
    row = page.evaluate("state.rowB")
    seen.press("ArrowRight", "ArrowRight", "ArrowUp", "p", "Shift+ArrowLeft")
    seen.wait_for(f"data.drawings.b[0].points[1][0] === {round(x - 10, 2)}")
    moved = np.array(drawn(project, "b")[0].points)
    assert moved == pytest.approx(np.array([(x + 2, high - 1), (x - 10, low)]))
    seen.press("Escape", "ArrowRight")
    assert page.evaluate("state.rowB") == row + 1
    page.focus("#drawings button")
    seen.press("Enter", "u")  # it is chosen, and its last move taken back
    seen.wait_for(f"data.drawings.b[0].points[1][0] === {x}")
    seen.press("Delete")
    count(seen, "b", 0)
    assert page.evaluate("document.activeElement.id") == "draw-line"
    seen.press("a", "Escape", "?", "d", "?")  # a key of the list
    pressed = "[aria-pressed=true][id^=draw]"
    assert page.locator(pressed).count() == 0


def drag_points(seen: Seen, project: StoredProject) -> None:
    """Also where a clip is shown mirrored."""
    seen.go(TWO_CLIPS)
    seen.page.check("#show-whole")
    frame(seen, "b")
    seen.press("d")
    click(seen, "b", (100.5 / 320, 60.5 / 240), (160.5 / 320, 180.5 / 240))
    count(seen, "b", 1)
    seen.press("a")
    click(seen, "b", (0.3, 0.3), (0.5, 0.5))
    seen.press("Escape")  # what is not finished is cancelled
    click(seen, "b", (0.8, 0.2))  # nothing lies there
    seen.drag("stage-b", (160.5 / 320, 180.5 / 240), (0.75, 0.5))
    seen.wait_for("data.drawings.b[0].points[1][0] > 200")
    moved = np.array(drawn(project, "b")[0].points)
    assert moved == pytest.approx(np.array([(100, 60), (239.5, 119.5)]), abs=1)
    seen.drag("stage-b", (0.75, 0.5), (1.4, 0.5))  # no further than the picture
    seen.wait_for("data.drawings.b[0].points[1][0] === 319.5")
    seen.page.evaluate("B.flipped = true")
    seen.press("d")
    click(seen, "b", (0.25, 0.25), (0.5, 0.75))
    count(seen, "b", 2)
    shape = drawn(project, "b")[1]
    wanted = np.array([(319 - 79.5, 59.5), (319 - 159.5, 179.5)])
    assert np.array(shape.points) == pytest.approx(wanted, abs=1)
    assert is_drawn(seen, "b", shape, flipped=True)
    seen.page.click("#drawings li:nth-child(2) button")
    seen.press("ArrowRight")  # to the right on the screen
    seen.wait_for(f"data.drawings.b[1].points[0][0] === {round(shape.points[0][0] - 1, 2)}")
    seen.press("Escape")


def say_refusals(seen: Seen, project: StoredProject) -> None:
    project.change_annotations(project.annotations(), [])  # by somebody else
    seen.page.click("#drawings button[aria-label^=Remove]")
    assert "changed meanwhile" in seen.trouble()
    seen.wait_for("document.querySelectorAll('#drawings li').length === 0")  # as it is now
    seen.go(TWO_CLIPS)
    pose, recipe = project.read_pose("a")  # turned in another tab
    project.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
    seen.press("d")
    seen.drag("stage-a", (0.3, 0.3), (0.6, 0.6))
    assert "changed meanwhile" in seen.trouble()
    seen.wait_for("document.querySelectorAll('#drawings li').length === 0")
