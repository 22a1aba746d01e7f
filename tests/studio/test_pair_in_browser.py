"""The page of a pair in a real browser: a coach looks at two clips, and clips that are no easy
pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.annotations import ANCHOR, NOTE
from la2ds_cli.core.stored_project import StoredProject
from tests.alignment.test_same_movement import kicking
from tests.movement import add_sequence, sequence, warped_phase
from tests.offset.recordings import film, performed
from tests.studio.browsing import Seen, browsed
from tests.studio.marks import shown
from tests.views.report.conftest import add_filmed, shaded_video, two_filmed

TWO_CLIPS = "/pair?a=a&b=b"
SECTION = "clock.section"


def frame(seen: Seen, side: str) -> int:
    return seen.frame("state.row" if side == "a" else "state.rowB", f"stage-{side}")


def test_a_coach_looks_corrects_repeats_and_hands_on(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25
    with browsed(browser, project) as seen:
        seen.go(TWO_CLIPS)
        seen.page.uncheck("#show-skeleton")
        look_at_frames(seen)
        correct_a_match(seen, project)
        correct_by_keys(seen, project)
        repeat_a_section(seen)
        write_notes(seen, project)
        with seen.page.expect_download() as download:
            seen.page.click("#exports button[data-kind=page]")
        assert download.value.suggested_filename == "a-b.html"
        saved = tmp_path / "page.html"
        download.value.save_as(saved)
        seen.page.goto(saved.as_uri())
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert "hips <b>first</b>" in seen.page.inner_text("#written")
        seen.page.click("#written button")
        assert seen.page.evaluate("document.body.dataset.row") == "18"
        seen.check()


def look_at_frames(seen: Seen) -> None:
    """Also where B leads; offline pages show more of it (tests/views/report)."""
    position = seen.page.evaluate("data.position")
    seen.press("l")
    for row in (3, int(position[-1])):  # the last frames of B may all fit A's last
        seen.scrub("scrub", row)
        assert frame(seen, "b") == row
        assert frame(seen, "a") == min(range(36), key=lambda k: abs(position[k] - row))
    seen.press("l")
    for row in (0, 20):
        seen.scrub("scrub", row)
        assert frame(seen, "a") == row
        assert frame(seen, "b") == pytest.approx(position[row], abs=0.5)


def correct_a_match(seen: Seen, project: StoredProject) -> None:
    page = seen.page
    before = page.evaluate("data.position")
    seen.scrub("scrub", 18)
    right = round(before[18]) + 3
    page.click("#correct")
    seen.scrub("free", right)
    assert (frame(seen, "a"), frame(seen, "b")) == (18, right)  # B moves alone
    page.click("#same")
    seen.wait_for("data.anchors.length === 1 && state.free === null")
    after = page.evaluate("data.position")
    assert after[18] == right
    assert after[17] <= right <= after[19]
    assert frame(seen, "b") == right
    assert "A 0.90 s is B" in page.inner_text("#anchors")
    assert shown(project, ANCHOR, "a", "b") == [((18, right), "")]
    seen.scrub("scrub", 25)
    page.click("#correct")
    seen.scrub("free", 5)
    page.click("#same")
    assert "contradict" in seen.trouble()
    assert page.evaluate("data.anchors.length") == 1
    page.click("#cancel")
    page.click("#undo")
    seen.wait_for("data.anchors.length === 0")
    assert page.evaluate("data.position") == before


def test_an_undo_right_after_a_refusal_is_not_lost(browser: Any, tmp_path: Path) -> None:
    held: list[Any] = []
    project = two_filmed(tmp_path)
    with browsed(browser, project) as seen:
        page = seen.page
        seen.go(TWO_CLIPS)
        seen.scrub("scrub", 18)
        seen.press("c", "Enter")
        seen.wait_for("data.anchors.length === 1 && state.free === null")
        page.route("**/pair/set?**", lambda route: held.append(route), times=1)
        seen.scrub("scrub", 25)
        seen.press("c")
        seen.scrub("free", 5)
        with page.expect_request("**/pair/set?**"):  # the page asks what is stored
            seen.press("Enter")
        assert "contradict" in seen.trouble()
        seen.press("Escape", "u")
        page.wait_for_timeout(200)
        assert len(shown(project, ANCHOR, "a", "b")) == 1
        held[0].continue_()
        seen.wait_for("data.anchors.length === 0")
        assert shown(project, ANCHOR, "a", "b") == []
        seen.check()


def correct_by_keys(seen: Seen, project: StoredProject) -> None:
    page = seen.page
    seen.press("Home", "Shift+ArrowRight", "c", *("ArrowRight",) * 2, "ArrowLeft", "Escape")
    assert page.evaluate("[state.row, state.free]") == [10, None]
    assert project.annotations() == []
    seen.press("c")
    before = page.evaluate("state.rowB")
    seen.press("ArrowRight", "Enter")
    seen.wait_for("data.anchors.length === 1 && state.free === null")
    assert page.evaluate("[state.row, state.rowB]") == [10, before + 1]
    seen.press("u")
    seen.wait_for("data.anchors.length === 0")
    shape = "Object.values(stages).map((one) => one.width / one.height)"
    for shapes in ([320 / 240] * 2, page.evaluate("[A.aspect, B.aspect]")):
        seen.press("w")  # the whole picture, and the part around the body
        assert page.evaluate(shape) == pytest.approx(shapes, rel=0.01)
    seen.press("?")
    listed = page.inner_text("#key-list").lower()
    for name in ("space", *"lsfcunogw", "enter", "esc"):
        assert f"{name}\t" in listed, name
    seen.press("ArrowRight")
    assert page.evaluate("state.row") == 10
    seen.press("?")


def repeat_a_section(seen: Seen) -> None:
    """By keys, and by the bar of the clip that leads; clock.test.mjs has what is played."""
    page = seen.page
    seen.press("i", "Shift+ArrowRight", "e")
    assert page.evaluate(SECTION) == [10, 20]
    assert page.inner_text("#section-said") == "0.50 to 1.00 s"
    seen.press("l")  # in B it is where B shows the same
    matched = page.evaluate("[10, 20].map((row) => Math.round(data.position[row]))")
    assert page.evaluate(SECTION) == matched
    seen.press("x", "l")
    page.keyboard.down("Shift")
    seen.drag("band-a", (0.26, 0.5), (0.74, 0.5))
    page.keyboard.up("Shift")
    assert page.evaluate(SECTION) == [9, 26]  # of 36
    seen.drag("band-a", (0.75, 0.5), (0.1, 0.5))
    assert page.evaluate(SECTION) == [9, 9]  # not beyond the other end
    seen.drag("band-b", (0.3, 0.5), (0.6, 0.5))  # A leads: it is only where to go
    seen.drag("band-a", (0.7, 0.5), (0.8, 0.5))  # far from its ends: to go there
    assert page.evaluate("[clock.section, state.row]") == [[9, 9], 28]
    seen.press("x")


def write_notes(seen: Seen, project: StoredProject) -> None:
    page = seen.page
    page.evaluate("seek(18)")
    other = page.evaluate("state.rowB")
    seen.press("t")
    page.keyboard.type("hips <b>first</b> ?xu")  # none of these is a key here
    seen.press("Enter")
    seen.wait_for("data.written.length === 1")
    assert page.evaluate("document.activeElement.id") != "note-text"
    assert shown(project, NOTE, "a", "b")[0][0] == (18, other)
    assert page.query_selector("#written b") is None
    page.evaluate("seek(3)")
    page.click("#written button:has-text('A 0.90 s')")
    assert page.evaluate("state.row") == 18
    page.click("#written button:has-text('Remove')")
    seen.wait_for("data.written.length === 0")
    seen.press("u")
    seen.wait_for("data.written.length === 1")
    seen.press("t")
    page.keyboard.type("never mind")
    seen.press("Escape", "ArrowRight")
    assert page.evaluate("state.row") == 19


def test_clips_that_are_no_easy_pair(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    add_sequence(project, "kick", kicking(85))
    twice_as_far = sequence(warped_phase(36, 1), scale=30.0)
    add_filmed(project, shaded_video(tmp_path / "far.mp4", 36), twice_as_far)
    points = performed(1)
    add_sequence(project, "front", film(points, 0, 25, lag=-0.4))
    add_sequence(project, "side", film(points, 50, 30, (0, 0.9)))
    with browsed(browser, project) as seen:
        seen.go("/pair?a=a&b=kick&row_a=7", until="document.querySelector('#banners button')")
        different_movements(seen)

        seen.go("/pair?a=a&b=far")
        stands_where_a_does(seen)
        play_by_the_clocks(seen)

        (tmp_path / "b.mp4").unlink()
        seen.go("/", until="document.querySelectorAll('.clip').length === 6")
        told = [one.inner_text() for one in seen.page.locator(".clip").all()]
        assert [n for n, one in enumerate(told) if "the file b.mp4 is gone" in one] == [1]
        seen.go(TWO_CLIPS)
        assert seen.page.locator("#banners > *").all_inner_texts() == [
            "The file b.mp4 is gone: the joints are drawn without pictures."
        ]
        assert seen.limbs("stage-b") > 50
        choose_a_view(seen)

        (tmp_path / "a.mp4").unlink()  # both are shown by their joints
        seen.go(TWO_CLIPS)
        seen.scrub("scrub", 12)
        assert seen.page.evaluate("stages.a.canvas.dataset.picture") == "12"
        assert seen.limbs("stage-a") > 50
        assert seen.page.is_hidden("#film-choice")
        seen.page.select_option("#overlay", "film")  # joints all the same
        seen.page.check("#show-whole")
        seen.go("/phases?clip=a")
        assert seen.limbs("stage-a") > 50
        seen.check()


def different_movements(seen: Seen) -> None:
    page = seen.page
    assert "do not show the same movement" in page.inner_text("#banners")
    assert page.is_visible("#choose-b")  # another clip can be chosen
    assert not page.is_visible("#play")
    assert page.evaluate("typeof data") == "undefined"
    for again in (False, True):
        if again:
            page.reload()
        else:
            page.click("#banners button")
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert page.evaluate("state.row") == 7
        assert "do not show the same movement" in page.inner_text("#banners")
        assert page.locator("#banners button").count() == 0
    page.click("#correct")  # what is changed later needs no other consent
    page.click("#same")
    seen.wait_for("data.anchors.length === 1")


def stands_where_a_does(seen: Seen) -> None:
    """B over A: it was filmed at twice the distance, so it is as large as A only when it is
    normalised."""
    page = seen.page
    seen.page.uncheck("#show-skeleton")
    seen.scrub("scrub", 12)
    page.select_option("#overlay", "joints")
    frame(seen, "a")
    pink = page.evaluate(
        "() => { const c = document.getElementById('stage-a'), w = c.width;"
        " const d = c.getContext('2d').getImageData(0, 0, w, c.height).data; const rows = [];"
        " for (let k = 0; k < d.length; k += 4)"
        " if (d[k] > 200 && d[k + 1] < 130 && d[k + 2] > 150) rows.push(Math.floor(k / 4 / w));"
        " return [Math.min(...rows), Math.max(...rows)]; }"
    )
    place = page.evaluate(
        "() => { const s = stages.a, p = s.place(12), n = data.skeleton.sides.length;"
        " const y = [...Array(n).keys()].map((k) => A.joints[2 * (12 * n + k) + 1]);"
        " const r = s.canvas.height / s.height;"
        " return [Math.min(...y), Math.max(...y)].map((v) => (v * p.scale + p.y) * r); }"
    )
    assert pink == pytest.approx(place, abs=8)
    page.select_option("#overlay", "film")
    seen.scrub("scrub", 20)  # both players wait for the same picture of B
    frame(seen, "a")
    assert frame(seen, "b") == page.evaluate("state.rowB")


def play_by_the_clocks(seen: Seen) -> None:
    """Recordings of one performance, which nobody corrects."""
    seen.go("/pair?a=front&b=side")
    seen.page.select_option("#view", "performance")
    seen.arrive("**view=performance**")
    assert "side.mat: seconds of front.mat plus" in seen.page.inner_text("#said")
    assert not seen.page.is_visible("#correct")
    seen.press("c")
    assert seen.page.evaluate("state.free") is None


def choose_a_view(seen: Seen) -> None:
    """It is part of every request that follows."""
    asked: list[str] = []
    seen.page.on("request", lambda one: asked.append(f"{one.url} {one.post_data}"))
    seen.page.select_option("#view", "other")
    seen.arrive("**view=other**")
    seen.page.click("#correct")
    seen.page.click("#same")
    seen.wait_for("data.anchors.length === 1")
    for path, said in (("/pair/data?", "view=other"), ("/pair/change ", '"view":"other"')):
        assert [said in one for one in asked if path in one] == [True]
    seen.page.click("#swap")
    seen.page.wait_for_url("**a=b**view=other**")
