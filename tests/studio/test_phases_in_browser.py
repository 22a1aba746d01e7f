"""The page of the phases in a real browser: labels by keys, dragged borders, and the review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.phase_table import PhaseRow
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.labels.propagated import merge_into_project
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import Seen, browsed
from tests.studio.test_pair_in_browser import drag, rows_played
from tests.views.report.conftest import FIRST, SHADE, two_filmed

SAVED = "document.getElementById('saved').textContent === 'saved'"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25
    write_text(
        project.phases_path, "video,start,end,phase\nb,0,10,down\nb,10,20,up\nb,20,30,rest\n"
    )
    return project


def open_phases(seen: Seen, clip: str = "a") -> None:
    seen.go(f"/phases?clip={clip}")
    seen.wait_for("document.body.dataset.ready === 'true'")


def spans(project: Project, clip: str = "a") -> list[tuple[int, int, str]]:
    return [(p.start, p.end, p.name) for p in project.phases().get(clip, [])]


def press(seen: Seen, *keys: str) -> None:
    for key in keys:
        seen.page.keyboard.press(key)


def test_a_clip_is_labelled_by_keys_and_by_dragging(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_phases(seen)
        press(seen, "1", "Shift+ArrowRight", "ArrowRight", "2", "Shift+ArrowRight", "3")
        assert frame(seen, 21) == 21
        seen.wait_for(SAVED)
        assert spans(project) == [(0, 11, "down"), (11, 21, "up"), (21, 36, "rest")]
        press(seen, ".", ".", ",")  # the border moves with what is shown
        seen.wait_for(f"document.body.dataset.row === '22' && {SAVED}")
        assert spans(project)[1:] == [(11, 22, "up"), (22, 36, "rest")]
        press(seen, "u", "u", "u", "u")
        seen.wait_for(SAVED)
        assert spans(project) == [(0, 11, "down"), (11, 36, "up")]
        press(seen, "End", "0")
        seen.wait_for(SAVED)
        assert spans(project) == [(0, 11, "down"), (11, 35, "up")]

        press(seen, "Home", "Delete", "End", "ArrowLeft", "Delete")
        press(seen, "Home", "-", "-", "-", "-", "1", " ")  # while it plays, at an eighth: 14 s
        seen.wait_for("Number(document.body.dataset.row) >= 3")
        press(seen, "2")
        seen.wait_for("Number(document.body.dataset.row) >= 6")
        press(seen, "3", " ")
        seen.wait_for(SAVED)
        (_, first, _), (_, second, _), (_, last, _) = spans(project)
        assert [name for _, _, name in spans(project)] == ["down", "up", "rest"]
        assert 3 <= first < second < last == 36

        open_phases(seen, "b")
        drag(seen, "#line", 10.01 / 30, 14.01 / 30)
        assert seen.page.evaluate("document.body.dataset.row") == "14"  # what is dragged is shown
        seen.wait_for(SAVED)
        assert spans(project, "b") == [(0, 14, "down"), (14, 20, "up"), (20, 30, "rest")]
        press(seen, "u")
        seen.wait_for(SAVED)
        box = seen.page.locator("#line").bounding_box()
        x = lambda frame: box["x"] + (frame + 0.01) / 30 * box["width"]  # noqa: E731
        seen.page.mouse.click(x(10), box["y"] + 20)  # and a drag that began elsewhere
        for n, (at, up) in enumerate(((15, -4), (15, 20), (16, 20), (16, -4))):
            seen.page.mouse.move(x(at), box["y"] + up)
            if n == 0:
                seen.page.mouse.down()
        seen.page.mouse.up()
        press(seen, "End", "0")
        seen.wait_for(SAVED)
        assert spans(project, "b") == [(0, 10, "down"), (10, 20, "up"), (20, 29, "rest")]
        assert seen.errors == []


def test_an_event_takes_three_keys_and_none_is_lost(browser: Any, project: Project) -> None:
    """Two to find the frame and one to label it, as fast as keys come; a part is repeated."""
    with browsed(browser, project) as seen:
        open_phases(seen)
        for number in range(17):
            press(seen, str(1 + number % 3), "ArrowRight", "ArrowRight")
        seen.wait_for(SAVED)
        assert len(spans(project)) == 17
        press(seen, "Home", "Shift+ArrowRight", "i", "Shift+ArrowRight", "e")
        assert seen.page.get_attribute("body", "data-section") == "10 20"
        press(seen, " ")
        assert rows_played(seen, "Number(document.body.dataset.row)") <= set(range(10, 21))
        press(seen, " ")
        drag(seen, "#line", 21 / 36, 30.5 / 36)  # its end, not the border at 20
        assert seen.page.get_attribute("body", "data-section") == "10 30"
        drag(seen, "#line", 18.01 / 36, 19.01 / 36)  # the border
        seen.wait_for(SAVED)
        assert [start for start, _, _ in spans(project)][8:11] == [16, 19, 20]
        assert seen.page.get_attribute("body", "data-section") == "10 30"
        seen.page.click("#clips a:has-text('b.mp4')")
        seen.wait_for("document.body.dataset.clip === 'b'")
        assert seen.page.get_attribute("body", "data-section") == ""  # it was of the other clip
        assert seen.errors == []


def test_another_clip_is_opened_while_labels_are_saved(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_phases(seen)

        def slowly(route: Any) -> None:
            press(seen, "1")  # the clip that is left is still shown
            route.continue_()

        seen.page.route("**/phases/data?clip=b", slowly, times=1)
        seen.page.click("#clips a[href*='clip=b']")
        seen.wait_for("document.body.dataset.clip === 'b'")
        seen.wait_for("document.getElementById('rows').textContent.includes('rest')")
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


def test_what_keeps_labels_from_being_saved_is_said(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        open_phases(seen)
        seen.page.route("**/phases/save", lambda route: route.abort())
        press(seen, "1")
        seen.wait_for("!document.getElementById('problem').hidden")
        assert "does not answer" in seen.page.inner_text("#problem")
        assert seen.page.inner_text("#saved") == "not saved yet"
        seen.page.unroute("**/phases/save")
        seen.wait_for(SAVED)
        assert spans(project) == [(0, 36, "down")]
        with project.tables():
            press(seen, "2")
            seen.wait_for("/another command/.test(document.getElementById('saved').textContent)")
            assert spans(project) == [(0, 36, "down")]
        seen.wait_for(SAVED)
        assert spans(project) == [(0, 36, "up")]


def test_pictures_that_are_late_or_did_not_come(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        held: list[Any] = []
        seen.page.route("**/film/*/*/1", lambda route: held.append(route), times=1)  # 16 to 31
        open_phases(seen)
        seen.wait_for("document.getElementById('stage-a').dataset.picture === '0'")
        press(seen, "Shift+ArrowRight", "Shift+ArrowRight")
        seen.wait_for("document.getElementById('moment').textContent.includes('frame 20')")
        assert seen.page.evaluate("document.getElementById('stage-a').dataset.picture") == ""
        grey_is(seen, lambda grey: abs(grey - (0x20 + 0x26 + 0x2B) / 3) < 1)  # that of no frame
        for route in held:
            route.continue_()
        assert frame(seen, 20) == 20
        assert seen.errors == []

        seen.page.route("**/film/**", lambda route: route.abort())
        open_phases(seen)
        seen.wait_for("document.getElementById('stage-a').dataset.picture === '0'")
        assert seen.grey("stage-a") > FIRST + 2 * SHADE  # without a picture
        seen.page.unroute("**/film/**")
        seen.page.wait_for_timeout(3500)
        press(seen, "ArrowRight")  # they are asked for again
        grey_is(seen, lambda grey: round((grey - FIRST) / SHADE) == 1)


def frame(seen: Seen, row: int) -> int:
    """Which frame is shown, by its shade, when it is that of a row."""
    seen.wait_for(f"document.getElementById('stage-a').dataset.picture === '{row}'")
    return round((seen.grey("stage-a") - FIRST) / SHADE)


def grey_is(seen: Seen, right: Callable[[float], bool]) -> None:
    for _ in range(100):
        if right(seen.grey("stage-a")):
            return
        seen.page.wait_for_timeout(50)
    raise AssertionError(f"the picture has the grey {seen.grey('stage-a')}")


def test_the_review_goes_from_the_least_sure_on(browser: Any, project: Project) -> None:
    origin = {"origin": "carried", "origin_clips": "b", "origin_time": "2026-01-01T00:00:00+00:00"}
    rows = [
        PhaseRow(
            "a", Phase(start, end, name, propagated=True), origin | {"origin_confidence": sure}
        )
        for start, end, name, sure in (
            *((0, 12, "down", "0.9 0.9"), (12, 24, "up", "0.9 0.3"), (24, 36, "rest", "0.3 0.9")),
        )
    ]
    merge_into_project(project, {"a": rows}, {}, overwrite=False)
    with browsed(browser, project) as seen:
        open_phases(seen, "b")
        assert "30 % sure" in seen.page.inner_text("#review li:first-child")
        press(seen, "n")
        seen.wait_for("document.body.dataset.clip === 'a' && document.body.dataset.row === '24'")
        press(seen, "ArrowRight", "ArrowRight", "Enter")  # moved
        seen.wait_for("document.body.dataset.row === '12'")
        press(seen, "Enter")  # accepted
        seen.wait_for(SAVED)
        seen.wait_for("document.getElementById('review').children.length === 0")
        assert "you, first propagated from b" in seen.page.inner_text("#rows")
        assert seen.errors == []
    assert spans(project) == [(0, 12, "down"), (12, 26, "up"), (26, 36, "rest")]


@pytest.mark.parametrize("wait", [True, False])
def test_what_was_propagated_is_so_again_after_a_slip(
    browser: Any, project: Project, wait: bool
) -> None:
    """Also if other changes follow before anything is saved."""
    text = (
        "video,start,end,phase,origin,origin_clips,checked\n"
        "a,0,12,down,carried,b,\na,12,24,up,carried,b,\na,24,36,rest,carried,b,\n"
    )
    write_text(project.phases_path, text)
    with browsed(browser, project) as seen:
        open_phases(seen)

        def settled() -> None:
            if wait:
                seen.wait_for(SAVED)

        seen.page.click("#accept-all")
        settled()
        press(seen, "u")
        settled()
        press(seen, "Delete")
        settled()
        press(seen, "End", "0")
        settled()
        press(seen, "u", "u")
        seen.wait_for(SAVED)
        seen.wait_for("document.getElementById('undo').disabled")
        assert seen.errors == []
    assert project.phases_path.read_text() == text


def test_labels_go_to_a_file_of_another_tool_and_come_back(
    browser: Any, project: Project, tmp_path: Path
) -> None:
    with browsed(browser, project) as seen:
        open_phases(seen, "b")
        with seen.page.expect_download() as download:
            seen.page.click("#label-files [data-format=elan]")
        assert download.value.suggested_filename == "b.eaf"
        download.value.save_as(tmp_path / "b.eaf")
        press(seen, "Home", "3")  # the first phase is another one now
        seen.wait_for(SAVED)
        seen.page.on("dialog", lambda dialog: dialog.accept())
        seen.page.set_input_files("#label-file", str(tmp_path / "b.eaf"))
        seen.wait_for("/3 phases of b.eaf/.test(document.getElementById('brought-in').textContent)")
        assert spans(project, "b") == [(0, 10, "down"), (10, 20, "up"), (20, 30, "rest")]
        seen.page.set_input_files(
            "#label-file", {"name": "x.eaf", "mimeType": "text/xml", "buffer": b"<a/>"}
        )
        seen.wait_for("/not a valid ELAN file/.test(document.getElementById('problem').innerText)")
        assert spans(project, "b")[0] == (0, 10, "down")
        assert all("400" in said for said in seen.errors)


def test_the_opened_clip_is_seen_in_a_long_list_of_clips(browser: Any, project: Project) -> None:
    for k in range(12):
        add_sequence(project, f"c{k}", sequence(warped_phase(20 + k, k), fps=15.0 + k))
    project.phases_path.write_text("video,start,end,phase\nc11,0,10,down\n", "utf-8")
    with browsed(browser, project) as seen:
        open_phases(seen, "c11")
        seen.wait_for("document.querySelectorAll('#clips li').length === 14")
        frame, link = (
            seen.page.locator(one).bounding_box() for one in ("#clips", "#clips [aria-current]")
        )
        assert frame["y"] <= link["y"]
        assert link["y"] + link["height"] <= frame["y"] + frame["height"] + 1
        assert seen.page.evaluate("window.scrollY") == 0
        assert "1 phase by you" in seen.page.inner_text("#clips [aria-current]")
        above = seen.page.evaluate("document.getElementById('clips').scrollTop")
        press(seen, "End", "1")
        seen.wait_for(SAVED)
        assert seen.page.evaluate("document.getElementById('clips').scrollTop") == above > 0
