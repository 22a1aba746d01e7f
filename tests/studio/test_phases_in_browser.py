"""The page of the phases in a real browser: labels by keys, dragged borders, the review, a file for
another tool; and a server that is slow, busy or away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import FIRST, SAVED, SHADE, Seen, browsed
from tests.studio.marks import spans
from tests.views.report.conftest import two_filmed

SET = "video,start,end,phase\nb,0,10,down\nb,10,20,up\nb,20,30,rest\n"
CARRIED = (
    "video,start,end,phase,start_origin,end_origin,origin_clips,origin_confidence,mine\n"
    "a,0,12,down,clip,carried,b,0.9 0.9,\na,12,24,up,carried,carried,b,0.9 0.3,x\n"
    "a,24,36,rest,carried,clip,b,0.3 0.9,\n"
    "b,0,10,down,person,person,,,y\nb,10,20,up,person,person,,,\n"
    "b,20,30,rest,person,person,,,\n"
)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25
    write_text(project.phases_path, SET)
    return project


def row_is(row: int) -> str:
    return f"document.body.dataset.row === '{row}'"


def test_clips_are_labelled_reviewed_and_handed_on(browser: Any, project: StoredProject) -> None:
    with browsed(browser, project) as seen:
        seen.go("/phases?clip=a")
        label_by_keys(seen, project)
        label_while_it_plays(seen, project)
        repeat_a_section(seen, project)
        seen.go("/phases?clip=b")
        drag_borders(seen, project)
        export_to_another_tool(seen)
        write_text(project.phases_path, CARRIED)
        review(seen, project)
        write_text(project.phases_path, CARRIED)
        undo_a_slip(seen, project)
        seen.check()


def label_by_keys(seen: Seen, project: StoredProject) -> None:
    seen.press("1", "Shift+ArrowRight", "ArrowRight", "2", "Shift+ArrowRight", "3")
    assert seen.frame("document.body.dataset.row") == 21
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 11, "down"), (11, 21, "up"), (21, 36, "rest")]
    seen.press(".", ".", ",")  # the border moves with what is shown
    seen.wait_for(f"{row_is(22)} && {SAVED}")
    assert spans(project)[1:] == [(11, 22, "up"), (22, 36, "rest")]
    seen.press("u", "u", "u", "u")
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 11, "down"), (11, 36, "up")]
    seen.press("End", "0")
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 11, "down"), (11, 35, "up")]


def label_while_it_plays(seen: Seen, project: StoredProject) -> None:
    seen.press("Home", "Delete", "End", "ArrowLeft", "Delete")
    seen.press("Home", *"----", "1", " ")  # at an eighth: 14 s
    for key, row in (("2", 3), ("3", 6)):
        seen.wait_for(f"Number(document.body.dataset.row) >= {row}")
        seen.press(key)
    seen.press(" ", *"++++")
    seen.wait_for(SAVED)
    (_, first, one), (_, second, two), (_, last, three) = spans(project)
    assert (one, two, three) == ("down", "up", "rest")
    assert 3 <= first < second < last == 36


def repeat_a_section(seen: Seen, project: StoredProject) -> None:
    """An event takes two keys to find its frame and one to label it, as fast as keys come."""
    seen.press("Home")
    for number in range(17):
        seen.press(str(1 + number % 3), "ArrowRight", "ArrowRight")
    seen.wait_for(SAVED)
    assert [start for start, _, _ in spans(project)][:17] == list(range(0, 34, 2))
    section = lambda: seen.page.get_attribute("body", "data-section")  # noqa: E731
    seen.press("Home", "Shift+ArrowRight", "i", "Shift+ArrowRight", "e", " ")
    for row in (10, 20, 10):  # again and again; clock.test.mjs has what is played
        seen.wait_for(row_is(row))
    seen.press(" ")
    seen.drag("line", (21 / 36, 0.5), (30.5 / 36, 0.5))  # its end, not the border at 20
    assert section() == "10 30"
    seen.drag("line", (18.01 / 36, 0.5), (19.01 / 36, 0.5))  # the border
    seen.wait_for(SAVED)
    assert [start for start, _, _ in spans(project)][8:11] == [16, 19, 20]
    seen.page.click("#clips a:has-text('b.mp4')")
    seen.wait_for("document.body.dataset.clip === 'b'")
    assert section() == ""  # it was of the other clip


def drag_borders(seen: Seen, project: StoredProject) -> None:
    seen.drag("line", (10.01 / 30, 0.5), (14.01 / 30, 0.5))
    assert seen.page.evaluate(row_is(14))  # what is dragged is shown
    seen.wait_for(SAVED)
    assert spans(project, "b") == [(0, 14, "down"), (14, 20, "up"), (20, 30, "rest")]
    seen.press("u")
    seen.wait_for(SAVED)
    box = seen.page.locator("#line").bounding_box()
    x = lambda frame: box["x"] + (frame + 0.01) / 30 * box["width"]  # noqa: E731
    seen.page.mouse.click(x(10), box["y"] + 20)  # and a drag that began elsewhere
    for n, (at, up) in enumerate(((15, -4), (15, 20), (16, 20), (16, -4))):
        seen.page.mouse.move(x(at), box["y"] + up)
        if n == 0:
            seen.page.mouse.down()
    seen.page.mouse.up()
    seen.press("End", "0")
    seen.wait_for(SAVED)
    assert spans(project, "b") == [(0, 10, "down"), (10, 20, "up"), (20, 29, "rest")]


def export_to_another_tool(seen: Seen) -> None:
    with seen.page.expect_download() as download:
        seen.page.click("#label-files [data-format=elan]")
    assert download.value.suggested_filename == "b.eaf"
    assert "ANNOTATION_DOCUMENT" in Path(download.value.path()).read_text()


def review(seen: Seen, project: StoredProject) -> None:
    """From the least sure on."""
    seen.go("/phases?clip=b")
    assert "30 % sure" in seen.page.inner_text("#review li:first-child")
    seen.press("n")
    seen.wait_for(f"document.body.dataset.clip === 'a' && {row_is(24)}")
    seen.press("Home", "Enter")  # beyond the phase that it ends
    assert "cannot be moved to frame 0" in seen.trouble()
    assert project.phases_path.read_text() == CARRIED
    seen.press("]", "]")
    seen.wait_for(row_is(24))
    seen.press("ArrowRight", "ArrowRight", "Enter")  # moved
    seen.wait_for(row_is(12))
    seen.press("Enter")  # accepted
    seen.wait_for(SAVED)
    seen.wait_for("document.getElementById('review').children.length === 0")
    assert "you, first propagated from b" in seen.page.inner_text("#rows")
    assert spans(project) == [(0, 12, "down"), (12, 26, "up"), (26, 36, "rest")]


def undo_a_slip(seen: Seen, project: StoredProject) -> None:
    """What was propagated is so again, though other changes follow before anything is saved."""
    seen.go("/phases?clip=a")
    seen.page.click("#accept-all")
    seen.press("u", "Delete", "End", "0", "u", "u")
    seen.wait_for(f"{SAVED} && document.getElementById('undo').disabled")
    assert project.phases_path.read_text() == CARRIED


def test_a_studio_that_is_slow_busy_or_away_loses_no_label(
    browser: Any, project: StoredProject
) -> None:
    for k in range(12):
        add_sequence(project, f"c{k}", sequence(warped_phase(20 + k, k), fps=15.0 + k))
    with browsed(browser, project) as seen:
        seen.go("/phases?clip=c11")
        scroll_to_the_open_clip(seen)
        wait_for_pictures(seen)
        save_again(seen, project)
        open_another_clip(seen, project)


def scroll_to_the_open_clip(seen: Seen) -> None:
    seen.wait_for("document.querySelectorAll('#clips li').length === 14")
    boxes = [seen.page.locator(one).bounding_box() for one in ("#clips", "#clips [aria-current]")]
    top, low = ([box["y"] + share * box["height"] for box in boxes] for share in (0, 1))
    assert top[0] <= top[1] < low[1] <= low[0] + 1
    assert seen.page.evaluate("window.scrollY") == 0


def wait_for_pictures(seen: Seen) -> None:
    """No picture of another frame is shown for one that is late, or does not come."""
    held: list[Any] = []
    picture = "document.getElementById('stage-a').dataset.picture"
    seen.page.route("**/film/*/*/1", lambda route: held.append(route), times=1)  # 16 to 31
    seen.go("/phases?clip=a", until=f"{picture} === '0'")
    seen.press("Shift+ArrowRight", "Shift+ArrowRight")
    seen.wait_for_text("moment", "frame 20")
    wait_for_grey(seen, (0x20 + 0x26 + 0x2B) / 3)  # that of no frame
    assert seen.page.evaluate(picture) == ""
    for route in held:
        route.continue_()
    assert seen.frame("20") == 20
    seen.check()
    seen.page.route("**/film/**", lambda route: route.abort())
    seen.go("/phases?clip=a", until=f"{picture} === '0'")
    assert seen.grey("stage-a") > FIRST + 2 * SHADE
    seen.page.unroute("**/film/**")
    seen.page.wait_for_timeout(3500)
    seen.press("ArrowRight")  # they are asked for again
    wait_for_grey(seen, FIRST + SHADE)


def wait_for_grey(seen: Seen, wanted: float) -> None:
    for _ in range(100):
        if seen.grey("stage-a") == pytest.approx(wanted, abs=1.5):
            return
        seen.page.wait_for_timeout(50)
    raise AssertionError(f"the picture has the grey {seen.grey('stage-a')}")


def save_again(seen: Seen, project: StoredProject) -> None:
    seen.press("Home")
    seen.page.route("**/phases/save", lambda route: route.abort())
    seen.press("1")
    assert "does not answer" in seen.trouble()
    assert seen.page.inner_text("#saved") == "not saved yet"
    assert seen.page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    seen.page.unroute("**/phases/save")
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 36, "down")]
    with project.tables():
        seen.press("2")
        assert "another la2ds command" in seen.trouble()
        assert spans(project) == [(0, 36, "down")]
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 36, "up")]
    write_text(project.phases_path, SET)  # by somebody else
    seen.press("1")
    assert "changed meanwhile" in seen.trouble()
    seen.wait_for("document.querySelectorAll('#rows td').length === 0")  # what the file has
    assert spans(project) == []
    seen.press("1")
    seen.wait_for(SAVED)
    assert spans(project) == [(0, 36, "down")]


def open_another_clip(seen: Seen, project: StoredProject) -> None:
    def slowly(route: Any) -> None:
        seen.press("1")  # the clip that is left is still shown
        route.continue_()

    seen.page.route("**/phases/data?clip=b", slowly, times=1)
    seen.page.click("#clips a[href*='clip=b']")
    seen.wait_for("document.body.dataset.clip === 'b'")
    seen.wait_for_text("rows", "rest")
    assert (spans(project), len(spans(project, "b"))) == ([(0, 36, "down")], 3)
    held: list[Any] = []  # the clip that is asked for last is shown
    seen.page.route("**/phases/data?clip=a", lambda route: held.append(route))
    seen.page.click("#clips a[href*='clip=a']")
    seen.page.wait_for_timeout(200)
    seen.page.click("#clips a[href*='clip=b']")
    seen.page.wait_for_timeout(500)
    held[0].continue_()
    seen.page.wait_for_timeout(700)
    assert seen.page.evaluate("document.body.dataset.clip") == "b"
    assert seen.page.inner_text("#clip-name").startswith("b")
