"""Lines and angles that a person draws on the pictures of a pair, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.project import Project
from tests.studio.browsing import Seen, browsed
from tests.studio.marks import Shape, drawn
from tests.studio.test_pair_in_browser import TWO_CLIPS, frame
from tests.views.report.conftest import two_filmed

YELLOW = [255, 228, 92]
Point = tuple[float, float]


def in_picture(seen: Seen, side: str, share: Point) -> list[float]:
    """Pixels of the picture, by the part of it that the stage should show."""
    row = frame(seen, side)
    window, size = seen.page.evaluate(f"[data.{side}.window[{row}], data.{side}.size]")
    whole = seen.page.is_checked("#show-whole")
    left, top, right, bottom = [-0.5, -0.5, size[0] - 0.5, size[1] - 0.5] if whole else window
    return [left + share[0] * (right - left), top + share[1] * (bottom - top)]


def click(seen: Seen, side: str, *shares: Point) -> None:
    for share in shares:
        seen.page.mouse.click(*seen.place(f"stage-{side}", *share))


def count(seen: Seen, side: str, length: int) -> None:
    seen.wait_for(f"data.drawings.{side}.length === {length}")


def colour(seen: Seen, side: str, point: list[float]) -> list[int]:
    """Red, green and blue where a stage shows a point of its picture."""
    row = frame(seen, side)
    return seen.page.evaluate(
        "([side, row, [x, y]]) => { const stage = stages[side], { canvas } = stage;"
        " const [left, top, , bottom] = stage.view(row), size = canvas.height / (bottom - top);"
        " return [...canvas.getContext('2d').getImageData(Math.round((x - left) * size),"
        " Math.round((y - top) * size), 1, 1).data].slice(0, 3); }",
        [side, row, point],
    )


def is_drawn(seen: Seen, side: str, point: list[float]) -> bool:
    return colour(seen, side, point) == pytest.approx(YELLOW, abs=8)


def middle(points: Any) -> list[float]:
    (x, y), (other_x, other_y) = points[:2]
    return [(x + other_x) / 2, (y + other_y) / 2]


def degrees(shape: Shape) -> int:
    """Of a line from the vertical, or of an angle at its vertex."""
    end, vertex, *other = np.array(shape.points)
    one = end - vertex
    two = other[0] - vertex if other else np.array([0.0, one[1]])
    cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    return round(float(np.degrees(np.arccos(cosine))))


def test_lines_and_angles_are_drawn_kept_moved_and_taken_back(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)  # 36 and 30 frames
    with browsed(browser, project) as seen:
        seen.go(TWO_CLIPS)
        line, angle = draw_with_the_pointer(seen, project)
        seen.go(TWO_CLIPS)  # another day
        seen.page.uncheck("#show-skeleton")
        lie_on_every_picture(seen, line, angle)
        take_back(seen, project, line, angle)
        draw_with_keys(seen, project)
        drag_points(seen, project)
        say_refusals(seen, project)
        seen.check()


def draw_with_the_pointer(seen: Seen, project: Project) -> tuple[Shape, Shape]:
    page, line, angle = seen.page, ((0.2, 0.3), (0.4, 0.9)), ((0.3, 0.2), (0.5, 0.6), (0.8, 0.55))
    seen.scrub("scrub", 20)
    wanted = [in_picture(seen, "a", share) for share in line]
    page.click("#draw-line")
    assert page.get_attribute("#draw-line", "aria-pressed") == "true"
    seen.drag("stage-a", *line)
    count(seen, "a", 1)
    assert page.get_attribute("#draw-line", "aria-pressed") == "false"
    (first,) = drawn(project, "a")
    assert first.kind == "line"
    assert np.array(first.points) == pytest.approx(np.array(wanted), abs=1)
    page.check("#show-whole")
    wanted = [in_picture(seen, "b", share) for share in angle]
    seen.press("a")
    click(seen, "b", *angle[:1])
    click(seen, "a", (0.5, 0.5))  # it lies on one clip
    click(seen, "b", *angle[1:])
    count(seen, "b", 1)
    (other,) = drawn(project, "b")
    assert other.kind == "angle"
    assert np.array(other.points) == pytest.approx(np.array(wanted), abs=1)
    said = page.inner_text("#drawings")
    assert f"A: line, {degrees(first)}° from vertical" in said
    assert f"B: angle, {degrees(other)}°" in said
    return first, other


def lie_on_every_picture(seen: Seen, line: Shape, angle: Shape) -> None:
    for row in (0, 35):
        seen.scrub("scrub", row)
        for whole in (False, True):
            seen.page.set_checked("#show-whole", whole)
            assert is_drawn(seen, "a", middle(line.points))
            assert is_drawn(seen, "b", middle(angle.points))
            assert not is_drawn(seen, "a", middle(angle.points))
    seen.page.select_option("#overlay", "film")
    assert is_drawn(seen, "a", middle(line.points))
    assert not is_drawn(seen, "a", middle(angle.points))
    seen.page.select_option("#overlay", "")


def take_back(seen: Seen, project: Project, line: Shape, angle: Shape) -> None:
    remove = "#drawings button[aria-label^='Remove: {}']"
    assert seen.page.is_hidden("#undo")
    seen.page.click(remove.format("A: line"))
    count(seen, "a", 0)
    assert not is_drawn(seen, "a", middle(line.points))
    seen.page.click(remove.format("B: angle"))
    count(seen, "b", 0)
    assert not is_drawn(seen, "b", middle(angle.points))
    assert project.annotations() == []
    seen.press("u")
    count(seen, "b", 1)
    seen.page.click("#undo")
    count(seen, "a", 1)
    assert is_drawn(seen, "a", middle(line.points))
    assert seen.page.is_hidden("#undo")
    for side, name in (("a", "A: line"), ("b", "B: angle")):
        seen.page.click(remove.format(name))
        count(seen, side, 0)


def draw_with_keys(seen: Seen, project: Project) -> None:
    page = seen.page
    seen.press("Home", "Shift+ArrowRight", "l", "d", "Enter")  # on B, which leads
    count(seen, "b", 1)
    ((x, high), (same, low)) = drawn(project, "b")[0].points
    assert x == same
    assert high < low
    row = page.evaluate("state.rowB")
    seen.press("ArrowRight", "ArrowRight", "ArrowUp", "p", "Shift+ArrowLeft")
    seen.wait_for(f"data.drawings.b[0].points[1][0] === {round(x - 10, 2)}")
    moved = drawn(project, "b")[0].points
    assert moved[0] == pytest.approx((x + 2, high - 1))
    assert moved[1] == pytest.approx((x - 10, low))
    assert page.evaluate("state.rowB") == row
    seen.press("Escape", "ArrowRight")
    assert page.evaluate("state.rowB") == row + 1
    page.focus("#drawings button")
    seen.press("Enter")
    assert page.get_attribute("#drawings button", "aria-pressed") == "true"
    seen.press("u")  # the last move
    seen.wait_for(f"data.drawings.b[0].points[1][0] === {x}")
    seen.press("Delete")
    count(seen, "b", 0)
    assert page.evaluate("document.activeElement.id") == "draw-line"
    seen.press("a", "Escape")
    assert page.get_attribute("#draw-angle", "aria-pressed") == "false"
    seen.press("?", "d", "?")  # the list is open
    assert page.get_attribute("#draw-line", "aria-pressed") == "false"
    assert project.annotations() == []


def drag_points(seen: Seen, project: Project) -> None:
    """Also where a clip is shown mirrored."""
    page = seen.page
    seen.go(TWO_CLIPS)
    page.check("#show-whole")
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
    page.evaluate("B.flipped = true")
    seen.press("d")
    click(seen, "b", (0.25, 0.25), (0.5, 0.75))
    count(seen, "b", 2)
    points = drawn(project, "b")[1].points
    wanted = np.array([(319 - 79.5, 59.5), (319 - 159.5, 179.5)])
    assert np.array(points) == pytest.approx(wanted, abs=1)
    x, y = middle(points)
    assert is_drawn(seen, "b", [319 - x, y])
    page.click("#drawings li:nth-child(2) button")
    seen.press("ArrowRight")  # to the right on the screen
    seen.wait_for(f"data.drawings.b[1].points[0][0] === {round(points[0][0] - 1, 2)}")
    seen.press("Escape")


def say_refusals(seen: Seen, project: Project) -> None:
    page = seen.page
    project.change_annotations(project.annotations(), [])  # by somebody else
    page.click("#drawings button[aria-label^=Remove]")
    assert "changed or removed" in seen.trouble()
    assert page.locator("#drawings li").count() == 2
    seen.go(TWO_CLIPS)
    pose, recipe = project.read_pose("a")  # turned in another tab
    project.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
    seen.press("d")
    seen.drag("stage-a", (0.3, 0.3), (0.6, 0.6))
    assert "mirrored meanwhile" in seen.trouble()
    assert page.locator("#drawings li").count() == 0
    assert project.annotations() == []
