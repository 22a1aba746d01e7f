"""A section that is repeated, and notes at moments, in a real browser: by keys, by dragging, and in
the page of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.annotations import NOTE
from la2ds_cli.core.project import Project
from tests.studio.browsing import Seen, browsed
from tests.studio.marks import put, shown
from tests.studio.test_pair_in_browser import open_pair
from tests.views.report.conftest import two_filmed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25


def section(seen: Seen) -> list[int] | None:
    return seen.page.evaluate("clock.section")


def drag(seen: Seen, canvas: str, start: float, end: float, shift: bool = False) -> None:
    """From one share of the width of a bar to another."""
    box = seen.page.locator(canvas).bounding_box()
    place = lambda share: box["x"] + box["width"] * share  # noqa: E731
    if shift:
        seen.page.keyboard.down("Shift")
    seen.page.mouse.move(place(start), box["y"] + box["height"] / 2)
    seen.page.mouse.down()
    seen.page.mouse.move(place((start + end) / 2), box["y"] + box["height"] / 2)
    seen.page.mouse.move(place(end), box["y"] + box["height"] / 2)
    seen.page.mouse.up()
    if shift:
        seen.page.keyboard.up("Shift")


def rows_played(seen: Seen, row: str, wanted: set[int] | None = None) -> set[int]:
    """Rows that are shown while it plays, from one look after the other: 60 of them, and more until
    the `wanted` rows have been seen, which a busy machine may leave out for some rounds."""
    rows: set[int] = set()
    for look in range(600):
        rows.add(seen.page.evaluate(f"new Promise((done) => setTimeout(() => done({row}), 40))"))
        if look >= 60 and (wanted or set()) <= rows:
            break
    return rows


def test_a_section_of_a_pair_is_repeated(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_pair(seen)
        page, press = seen.page, seen.page.keyboard.press
        page.evaluate("seek(10)")
        press("i")
        page.evaluate("seek(20)")
        press("e")
        assert section(seen) == [10, 20]
        assert page.inner_text("#section-said") == "0.50 to 1.00 s"
        page.click("#play")
        played = rows_played(seen, "state.row", {10, 20})
        assert {10, 20} < played <= set(range(10, 21))
        assert page.evaluate("state.playing")  # it does not stop at its end
        page.click("#play")
        press("l")  # in B it is where B shows the same
        matched = page.evaluate("[10, 20].map((row) => Math.round(data.position[row]))")
        assert section(seen) == matched
        press("x")
        assert section(seen) is None
        assert page.is_hidden("#no-section")
        assert seen.errors == []


def test_its_ends_are_dragged_in_the_bar(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_pair(seen)
        drag(seen, "#band-a", 0.26, 0.74, shift=True)
        assert section(seen) == [9, 26]  # of 36
        drag(seen, "#band-a", 0.25, 0.51)
        assert section(seen) == [18, 26]
        assert seen.page.evaluate("state.row") == 18  # what is dragged is shown
        drag(seen, "#band-a", 0.75, 0.1)
        assert section(seen) == [18, 18]  # not beyond the other end
        drag(seen, "#band-b", 0.3, 0.6, shift=True)  # A leads: it is only where to go
        assert section(seen) == [18, 18]
        drag(seen, "#band-a", 0.1, 0.2)  # far from its ends: to go there
        assert (section(seen), seen.page.evaluate("state.row")) == ([18, 18], 7)
        assert seen.errors == []


def test_a_section_of_a_clip_with_phases(browser: Any, project: Project) -> None:
    project.phases_path.write_text("video,start,end,phase\na,0,18,down\na,18,36,up\n")
    with browsed(browser, project) as seen:
        seen.go("/phases?clip=a")
        seen.wait_for("document.body.dataset.ready === 'true'")
        press = seen.page.keyboard.press
        for key in ("Shift+ArrowRight", "i", "Shift+ArrowRight", "e"):
            press(key)
        assert seen.page.get_attribute("body", "data-section") == "10 20"
        press(" ")
        assert rows_played(seen, "Number(document.body.dataset.row)") <= set(range(10, 21))
        press(" ")
        drag(seen, "#line", 21 / 36, 30.5 / 36)  # its end, not the border at 18
        assert seen.page.get_attribute("body", "data-section") == "10 30"
        drag(seen, "#line", 0.5, 12.5 / 36)  # the border
        seen.wait_for("document.getElementById('saved').textContent === 'saved'")
        assert [(p.start, p.end) for p in project.phases()["a"]] == [(0, 12), (12, 36)]
        assert seen.page.get_attribute("body", "data-section") == "10 30"
        seen.page.click("#clips a:has-text('b.mp4')")
        seen.wait_for("document.body.dataset.clip === 'b'")
        assert seen.page.get_attribute("body", "data-section") == ""  # it was of the other clip
        assert seen.errors == []


def test_notes_are_written_listed_removed_and_taken_back(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_pair(seen)
        page, press = seen.page, seen.page.keyboard.press
        page.evaluate("seek(18)")
        other = page.evaluate("state.rowB")
        press("t")
        page.keyboard.type("hips <b>first</b> ?xu")  # none of these is a key here
        press("Enter")
        seen.wait_for("data.written.length === 1")
        assert page.evaluate("document.activeElement.id") != "note-text"
        assert shown(project, NOTE, "a", "b")[0][0] == (18, other)
        assert page.query_selector("#written b") is None
        page.evaluate("seek(3)")
        page.click("#written button:has-text('A 0.90 s')")
        assert page.evaluate("state.row") == 18
        page.click("#written button:has-text('Remove')")
        seen.wait_for("data.written.length === 0")
        press("u")
        seen.wait_for("data.written.length === 1")
        assert "hips <b>first</b> ?xu" in page.inner_text("#written")
        press("t")
        page.keyboard.type("never mind")
        press("Escape")
        press("ArrowRight")
        assert page.evaluate("state.row") == 19
        assert seen.errors == []


def test_the_page_of_a_report_has_both(browser: Any, project: Project, tmp_path: Path) -> None:
    put(project, NOTE, ("b", "a"), (15, 18), "hips <b>first</b>")
    with browsed(browser, project) as seen:
        open_pair(seen)
        seen.page.click("#exports button[data-kind=page]")
        seen.wait_for("document.querySelector('#exported a') !== null")
        with seen.page.expect_download() as download:
            seen.page.click("#exported a")
        saved = tmp_path / "page.html"
        download.value.save_as(saved)
        seen.page.goto(saved.as_uri())
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert "hips <b>first</b>" in seen.page.inner_text("#written")
        seen.page.click("#written button")
        assert seen.page.evaluate("state.row") == 18
        seen.page.keyboard.press("i")
        assert section(seen) == [18, 35]
        drag(seen, "#band-a", 0.5, 0.26)
        assert section(seen) == [9, 35]
        assert seen.errors == []
