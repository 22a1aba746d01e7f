"""Lines and angles that a person draws on the pictures of a pair, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studio.browsing import Seen, browsed
from tests.studio.marks import Shape, draw, drawn
from tests.studio.test_pair_in_browser import frame, open_pair, scrub
from tests.views.report.conftest import two_filmed

YELLOW = [255, 228, 92]
Point = tuple[float, float]


def on_page(seen: Seen, side: str, share: Point) -> Point:
    """Where a share of a stage's width and height is in the window."""
    box = seen.page.locator(f"#stage-{side}").bounding_box()
    return box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]


def in_picture(seen: Seen, side: str, share: Point) -> list[float]:
    """Pixels of the picture, by the part of it that the stage should show."""
    row = frame(seen, side)
    window, size = seen.page.evaluate(f"[data.{side}.window[{row}], data.{side}.size]")
    whole = seen.page.is_checked("#show-whole")
    left, top, right, bottom = [-0.5, -0.5, size[0] - 0.5, size[1] - 0.5] if whole else window
    return [left + share[0] * (right - left), top + share[1] * (bottom - top)]


def drag(seen: Seen, side: str, start: Point, end: Point) -> None:
    mouse = seen.page.mouse
    mouse.move(*on_page(seen, side, start))
    mouse.down()
    mouse.move(*on_page(seen, side, end), steps=4)
    mouse.up()


def click(seen: Seen, side: str, *shares: Point) -> None:
    for share in shares:
        seen.page.mouse.click(*on_page(seen, side, share))


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


def leaning(line: Shape) -> int:
    """Degrees from the vertical."""
    across, along = np.abs(np.diff(line.points, axis=0))[0]
    return round(float(np.degrees(np.arctan(across / along))))


def opening(angle: Shape) -> int:
    end, vertex, other = np.array(angle.points)
    one, two = end - vertex, other - vertex
    cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    return round(float(np.degrees(np.arccos(cosine))))


def middle(points: Any) -> list[float]:
    (x, y), (other_x, other_y) = points[:2]
    return [(x + other_x) / 2, (y + other_y) / 2]


def test_a_line_and_an_angle_are_drawn_kept_taken_back_and_removed(
    browser: Any, tmp_path: Path
) -> None:
    project = two_filmed(tmp_path)  # 36 and 30 frames
    line, angle = ((0.2, 0.3), (0.4, 0.9)), ((0.3, 0.2), (0.5, 0.6), (0.8, 0.55))
    with browsed(browser, project) as seen:
        open_pair(seen)
        page = seen.page
        scrub(seen, "scrub", 20)
        wanted = [in_picture(seen, "a", share) for share in line]
        page.click("#draw-line")
        assert page.get_attribute("#draw-line", "aria-pressed") == "true"
        drag(seen, "a", *line)
        count(seen, "a", 1)
        assert page.get_attribute("#draw-line", "aria-pressed") == "false"
        (first,) = drawn(project, "a")
        assert first.kind == "line"
        for point, right in zip(first.points, wanted, strict=True):
            assert point == pytest.approx(right, abs=1)
        page.check("#show-whole")
        wanted = [in_picture(seen, "b", share) for share in angle]
        page.keyboard.press("a")
        click(seen, "b", *angle[:1])
        click(seen, "a", (0.5, 0.5))  # it lies on one clip
        click(seen, "b", *angle[1:])
        count(seen, "b", 1)
        (other,) = drawn(project, "b")
        assert other.kind == "angle"
        for point, right in zip(other.points, wanted, strict=True):
            assert point == pytest.approx(right, abs=1)
        said = page.inner_text("#drawings")
        assert f"A: line, {leaning(first)}° from vertical" in said
        assert f"B: angle, {opening(other)}°" in said

        open_pair(seen)  # another day
        for row in (0, 35):
            scrub(seen, "scrub", row)
            for whole in (False, True):
                page.set_checked("#show-whole", whole)
                assert colour(seen, "a", middle(first.points)) == pytest.approx(YELLOW, abs=8)
                assert colour(seen, "b", middle(other.points)) == pytest.approx(YELLOW, abs=8)
                assert colour(seen, "a", middle(other.points)) != YELLOW
        page.select_option("#overlay", "film")
        assert colour(seen, "a", middle(first.points)) == pytest.approx(YELLOW, abs=8)
        assert colour(seen, "a", middle(other.points)) != YELLOW

        page.keyboard.press("u")
        count(seen, "b", 0)
        assert drawn(project, "b") == []
        assert colour(seen, "b", middle(other.points)) != YELLOW
        page.click("#drawings button[aria-label^='Remove: A: line']")
        count(seen, "a", 0)
        assert project.annotations() == []
        assert colour(seen, "a", middle(first.points)) != YELLOW
        page.click("#undo")
        count(seen, "a", 1)
        assert colour(seen, "a", middle(first.points)) == pytest.approx(YELLOW, abs=8)
        assert seen.errors == []


def test_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    with browsed(browser, project) as seen:
        open_pair(seen)
        press = seen.page.keyboard.press
        for key in ("Shift+ArrowRight", "l", "d", "Enter"):  # on B, which leads
            press(key)
        count(seen, "b", 1)
        (new,) = drawn(project, "b")
        (x, high), (same, low) = new.points
        assert x == same
        assert high < low
        row = seen.page.evaluate("state.rowB")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "p", "Shift+ArrowLeft"):
            press(key)
        seen.wait_for(
            f"data.drawings.b.length && data.drawings.b[0].points[1][0] === {round(x - 10, 2)}"
        )
        (moved,) = drawn(project, "b")
        assert moved.points[0] == pytest.approx((x + 2, high - 1))
        assert moved.points[1] == pytest.approx((x - 10, low))
        assert seen.page.evaluate("state.rowB") == row
        press("Escape")
        press("ArrowRight")
        assert seen.page.evaluate("state.rowB") == row + 1
        seen.page.focus("#drawings button")
        press("Enter")
        assert seen.page.get_attribute("#drawings button", "aria-pressed") == "true"
        press("u")  # the last move
        seen.wait_for(f"data.drawings.b[0].points[1][0] === {x}")
        press("Delete")
        count(seen, "b", 0)
        assert seen.page.evaluate("document.activeElement.id") == "draw-line"
        press("a")
        press("Escape")
        assert seen.page.get_attribute("#draw-angle", "aria-pressed") == "false"
        press("?")
        press("d")  # the list is open
        press("?")
        assert seen.page.get_attribute("#draw-line", "aria-pressed") == "false"
        assert project.annotations() == []
        assert seen.errors == []


def test_points_are_dragged_also_where_a_clip_is_shown_mirrored_and_refusals_are_said(
    browser: Any, tmp_path: Path
) -> None:
    project = two_filmed(tmp_path)
    draw(project, "b", (100.0, 60.0), (160.0, 180.0))
    with browsed(browser, project) as seen:
        open_pair(seen)
        page = seen.page
        page.check("#show-whole")
        frame(seen, "b")
        page.keyboard.press("a")
        click(seen, "b", (0.3, 0.3), (0.5, 0.5))
        page.keyboard.press("Escape")  # what is not finished is cancelled
        click(seen, "b", (0.8, 0.2))  # nothing lies there
        drag(seen, "b", (160.5 / 320, 180.5 / 240), (0.75, 0.5))
        seen.wait_for("data.drawings.b[0].points[1][0] > 200")
        (moved,) = drawn(project, "b")
        assert moved.points[0] == (100, 60)
        assert moved.points[1] == pytest.approx((239.5, 119.5), abs=1)
        drag(seen, "b", (0.75, 0.5), (1.4, 0.5))  # no further than the picture
        seen.wait_for("data.drawings.b[0].points[1][0] === 319.5")

        page.evaluate("B.flipped = true")
        page.keyboard.press("d")
        click(seen, "b", (0.25, 0.25), (0.5, 0.75))  # two clicks
        count(seen, "b", 2)
        line = drawn(project, "b")[1]
        assert line.points[0] == pytest.approx((319 - 79.5, 59.5), abs=1)
        assert line.points[1] == pytest.approx((319 - 159.5, 179.5), abs=1)
        x, y = middle(line.points)
        assert colour(seen, "b", [319 - x, y]) == pytest.approx(YELLOW, abs=8)
        page.click("#drawings li:nth-child(2) button")
        page.keyboard.press("ArrowRight")  # to the right on the screen
        seen.wait_for(f"data.drawings.b[1].points[0][0] === {round(line.points[0][0] - 1, 2)}")
        page.keyboard.press("Escape")
        assert seen.errors == []

        project.change_annotations(project.annotations(), [])  # by somebody else
        page.click("#drawings button[aria-label^=Remove]")
        seen.wait_for("/changed or removed/.test(document.getElementById('problem').textContent)")
        assert page.locator("#drawings li").count() == 2
        open_pair(seen)
        pose, recipe = project.read_pose("a")  # turned in another tab
        project.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
        page.keyboard.press("d")
        drag(seen, "a", (0.3, 0.3), (0.6, 0.6))
        seen.wait_for("/mirrored meanwhile/.test(document.getElementById('problem').textContent)")
        assert page.locator("#drawings li").count() == 0
        assert project.annotations() == []
