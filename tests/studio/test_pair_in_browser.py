"""The page of a pair in a real browser: exact frames, matches that a person corrects, sections that
are repeated, and notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.annotations import ANCHOR, NOTE
from la2ds_cli.core.project import Project
from tests.alignment.test_same_movement import kicking
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import Seen, browsed
from tests.studio.marks import shown
from tests.views.report.conftest import FIRST, SHADE, add_filmed, shaded_video, two_filmed

READY = "document.body.dataset.ready === 'true' && !document.getElementById('pair-work').hidden"


def open_pair(seen: Seen) -> None:
    seen.go("/pair?a=a&b=b")
    seen.wait_for(READY)
    seen.page.evaluate("document.getElementById('more').open = true")  # folded in narrow windows
    seen.page.uncheck("#show-skeleton")


def frame(seen: Seen, side: str) -> int:
    """Which frame the picture of a side is, by its shade."""
    seen.wait_for(
        f"Number(document.getElementById('stage-{side}').dataset.picture || NaN)"
        f" === (state.{'row' if side == 'a' else 'rowB'})"
    )
    return round((seen.grey(f"stage-{side}") - FIRST) / SHADE)


def scrub(seen: Seen, bar: str, value: int) -> None:
    seen.page.evaluate(
        "([id, value]) => { const bar = document.getElementById(id); bar.value = value;"
        " bar.dispatchEvent(new Event('input', { bubbles: true })); }",
        [bar, value],
    )


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


def test_the_frames_shown_are_those_of_the_alignment(browser: Any, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project", {"align": {"open_ends": False}})
    for name, length, seed, fps in zip("ab", (36, 30), (1, 2), (240.0, 30.0), strict=True):
        path = shaded_video(tmp_path / f"{name}.mp4", length, fps)
        add_filmed(project, path, sequence(warped_phase(length, seed), fps=fps))
    with browsed(browser, project) as seen:
        open_pair(seen)
        position = seen.page.evaluate("data.position")
        for row in (0, 7, 20, 35):
            scrub(seen, "scrub", row)
            assert frame(seen, "a") == row
            assert frame(seen, "b") == pytest.approx(position[row], abs=0.5)
        seen.page.select_option("#lead", "b")
        for row in (3, int(position[-1])):  # the last frames of B may all fit A's last
            scrub(seen, "scrub", row)
            assert frame(seen, "b") == row
            nearest = min(range(36), key=lambda k: abs(position[k] - row))
            assert frame(seen, "a") == nearest
        seen.page.select_option("#lead", "a")
        seen.page.select_option("#rate", "2")
        seen.page.click("#play")
        seen.wait_for("state.row === 35")
        assert frame(seen, "a") == 35
        assert frame(seen, "b") == pytest.approx(position[35], abs=0.5)
        assert seen.errors == []


def test_a_wrong_match_is_corrected_taken_back_and_refused(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    with browsed(browser, project) as seen:
        open_pair(seen)
        page = seen.page
        before = page.evaluate("data.position")
        scrub(seen, "scrub", 18)
        right = round(before[18]) + 3
        page.click("#correct")
        scrub(seen, "free", right)
        assert (frame(seen, "a"), frame(seen, "b")) == (18, right)  # B moves alone
        page.click("#same")
        seen.wait_for("data.anchors.length === 1 && state.free === null")
        after = page.evaluate("data.position")
        assert after[18] == right
        assert after[17] <= right <= after[19]
        assert frame(seen, "b") == right
        assert "A 0.90 s is B" in page.inner_text("#anchors")
        assert shown(project, ANCHOR, "a", "b") == [((18, right), "")]
        scrub(seen, "scrub", 25)
        page.click("#correct")
        scrub(seen, "free", 5)
        page.click("#same")
        seen.wait_for("!document.getElementById('problem').hidden")
        assert "contradict" in page.inner_text("#problem")
        assert page.evaluate("data.anchors.length") == 1
        page.click("#cancel")
        page.click("#undo")
        seen.wait_for("data.anchors.length === 0")
        assert page.evaluate("data.position") == before


def test_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    with browsed(browser, project) as seen:
        open_pair(seen)
        press = seen.page.keyboard.press
        for key in ("Shift+ArrowRight", "c", "ArrowRight", "ArrowRight", "ArrowLeft", "Escape"):
            press(key)
        assert seen.page.evaluate("[state.row, state.free]") == [10, None]
        assert not project.annotations_path.exists()
        press("c")
        before = seen.page.evaluate("state.rowB")
        press("ArrowRight")
        press("Enter")
        seen.wait_for("data.anchors.length === 1 && state.free === null")
        assert seen.page.evaluate("[state.row, state.rowB]") == [10, before + 1]
        press("u")
        seen.wait_for("data.anchors.length === 0")
        around = seen.page.evaluate("[A.aspect, B.aspect]")
        shape = "Object.values(stages).map((one) => one.width / one.height)"
        for shapes in ([320 / 240] * 2, around):  # the whole picture, and the part around the body
            press("w")
            assert seen.page.evaluate(shape) == pytest.approx(shapes, rel=0.01)
        for key in ("o", "o", "l"):
            press(key)
        assert seen.page.input_value("#overlay") == "film"
        assert seen.page.evaluate("state.leader") == "b"
        press("l")
        seen.page.focus("#overlay")  # keys work while a list has the focus
        for key in ("ArrowRight", "g"):
            press(key)
        assert seen.page.evaluate("state.row") == 11
        assert seen.page.is_checked("#show-angles")
        assert seen.page.input_value("#overlay") == "film"
        press("?")
        listed = seen.page.inner_text("#key-list").lower()
        for name in ("space", "l", "s", "f", "c", "u", "n", "o", "g", "w", "enter", "esc"):
            assert f"{name}\t" in listed, name
        assert "d a\tdraw a line; draw an angle" in listed
        press("ArrowRight")
        assert seen.page.evaluate("state.row") == 11
        press("?")
        assert not seen.page.is_visible("#key-list")
        assert seen.errors == []


def test_a_section_is_repeated_and_its_ends_are_dragged(browser: Any, tmp_path: Path) -> None:
    with browsed(browser, two_filmed(tmp_path)) as seen:
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
        press("l")
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


def test_notes_are_written_taken_back_and_exported(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
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
        page.click("#exports button[data-kind=page]")
        seen.wait_for("document.querySelector('#exported a') !== null")
        with page.expect_download() as download:
            page.click("#exported a")
        assert download.value.suggested_filename == "a--b.html"
        saved = tmp_path / "page.html"
        download.value.save_as(saved)
        page.goto(saved.as_uri())
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert "hips <b>first</b>" in page.inner_text("#written")
        page.click("#written button")
        assert page.evaluate("state.row") == 18
        press("i")
        assert section(seen) == [18, 35]
        drag(seen, "#band-a", 0.5, 0.26)
        assert section(seen) == [9, 35]
        assert seen.errors == []


def test_b_over_a_stands_where_a_does(browser: Any, tmp_path: Path) -> None:
    """B is A filmed at twice the distance, so as large as A only when it is normalised."""
    project = Project.create(tmp_path / "project", {"align": {"open_ends": False}})
    for name, scale in (("a", 60.0), ("b", 30.0)):
        add_filmed(
            project,
            shaded_video(tmp_path / f"{name}.mp4", 24),
            sequence(warped_phase(24, 1), scale=scale),
        )
    with browsed(browser, project) as seen:
        open_pair(seen)
        scrub(seen, "scrub", 12)
        seen.page.select_option("#overlay", "joints")
        frame(seen, "a")
        pink = seen.page.evaluate(
            "() => { const c = document.getElementById('stage-a'), w = c.width;"
            " const d = c.getContext('2d').getImageData(0, 0, w, c.height).data; const rows = [];"
            " for (let k = 0; k < d.length; k += 4)"
            " if (d[k] > 200 && d[k + 1] < 130 && d[k + 2] > 150) rows.push(Math.floor(k / 4 / w));"
            " return [Math.min(...rows), Math.max(...rows), c.height]; }"
        )
        place = seen.page.evaluate(
            "() => { const s = stages.a, p = s.place(12), n = data.skeleton.sides.length;"
            " const y = [...Array(n).keys()].map((k) => A.joints[2 * (12 * n + k) + 1]);"
            " const r = s.canvas.height / s.height;"
            " return [Math.min(...y), Math.max(...y)].map((v) => (v * p.scale + p.y) * r); }"
        )
        assert pink[0] == pytest.approx(place[0], abs=8)
        assert pink[1] == pytest.approx(place[1], abs=8)
        seen.page.select_option("#overlay", "film")
        scrub(seen, "scrub", 20)  # both players wait for the same picture of B
        assert frame(seen, "a") is not None
        assert frame(seen, "b") == 20


def test_films_and_controls_are_in_sight_and_the_controls_stay_there(
    browser: Any, tmp_path: Path
) -> None:
    with browsed(browser, two_filmed(tmp_path)) as seen:
        for width, height in ((1280, 800), (1920, 1080), (760, 1000)):
            check_layout(seen, width, height)
        assert seen.errors == []


def check_layout(seen: Seen, width: int, height: int) -> None:
    seen.page.set_viewport_size({"width": width, "height": height})
    open_pair(seen)
    seen.page.evaluate(f"document.getElementById('more').open = {str(width > 980).lower()}")
    edge = seen.page.locator("#transport").bounding_box()["y"]
    films = seen.page.evaluate("Object.values(stages).map((one) => one.width)")
    assert sum(films) > 0.6 * width
    for name in ("stage-a", "stage-b", "band-a", "band-b", "moment-a", "moment-b"):
        box = seen.page.locator(f"#{name}").bounding_box()
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= edge, name
    for where in (0, 100_000):
        seen.page.evaluate(f"window.scrollTo(0, {where})")
        for name in ("play", "scrub", "correct"):
            box = seen.page.locator(f"#{name}").bounding_box()
            assert 0 <= box["y"] <= height - box["height"], name
    seen.page.click("#correct")
    box = seen.page.locator("#same").bounding_box()
    assert 0 <= box["y"] <= height - box["height"]


def test_clips_of_two_movements_are_aligned_only_if_the_user_wants_it(
    browser: Any, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "project")
    add_sequence(project, "a", sequence(warped_phase(60, 1)))
    add_sequence(project, "b", kicking(85))
    with browsed(browser, project) as seen:
        seen.go("/pair?a=a&b=b&row_a=7")
        seen.wait_for("document.querySelector('#banners button') !== null")
        assert "do not show the same movement" in seen.page.inner_text("#banners")
        assert seen.page.is_visible("#choose-b")  # another clip can be chosen
        assert not seen.page.is_visible("#play")
        assert seen.page.evaluate("typeof data") == "undefined"
        for again in (False, True):
            if again:
                seen.page.reload()
            else:
                seen.page.click("#banners button")
            seen.wait_for("document.body.dataset.ready === 'true'")
            assert seen.page.evaluate("state.row") == 7
            assert seen.page.is_visible("#play")
            assert "do not show the same movement" in seen.page.inner_text("#banners")
            assert seen.page.locator("#banners button").count() == 0
        seen.page.click("#correct")  # what is changed later needs no other consent
        seen.page.click("#same")
        seen.wait_for("data.anchors.length === 1")
        assert not [error for error in seen.errors if "400" not in error]


def test_a_video_that_is_gone_is_named_and_joints_are_drawn(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    (tmp_path / "b.mp4").unlink()
    with browsed(browser, project) as seen:
        seen.wait_for("document.querySelectorAll('.clip').length === 2")
        told = [one.inner_text() for one in seen.page.locator(".clip").all()]
        assert ["the file b.mp4 is gone" in one for one in told] == [False, True]
        open_pair(seen)
        assert seen.page.locator("#banners > *").all_inner_texts() == [
            "The file b.mp4 is gone: the joints are drawn without pictures."
        ]
        assert drawn(seen, "b") > 50


def test_a_view_of_b_can_be_chosen_and_is_part_of_every_request(
    browser: Any, tmp_path: Path
) -> None:
    with browsed(browser, two_filmed(tmp_path)) as seen:
        open_pair(seen)
        assert seen.page.input_value("#view") == "auto"
        asked: list[str] = []
        seen.page.on("request", lambda one: asked.append(f"{one.url} {one.post_data}"))
        seen.page.select_option("#view", "other")
        seen.page.wait_for_url("**view=other**")
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert seen.page.input_value("#view") == "other"
        seen.page.click("#correct")
        seen.page.click("#same")
        seen.wait_for("data.anchors.length === 1")
        for path, said in (("/pair/data?", "view=other"), ("/pair/anchor ", '"view":"other"')):
            assert [said in one for one in asked if path in one] == [True]
        seen.page.click("#swap")
        seen.page.wait_for_url("**a=b**")
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert seen.page.input_value("#choose-a") == "b"
        assert seen.page.input_value("#view") == "other"
        assert seen.errors == []


def test_clips_without_their_videos_are_shown_by_their_joints(browser: Any, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    for name, length in (("a", 36), ("b", 30)):
        add_sequence(project, name, sequence(warped_phase(length, length)))
    with browsed(browser, project) as seen:
        seen.go("/pair?a=a&b=b")
        seen.wait_for(READY)
        scrub(seen, "scrub", 12)
        assert seen.page.evaluate("stages.a.canvas.dataset.picture") == "12"
        assert drawn(seen, "a") > 50
        assert seen.page.is_hidden("#film-choice")
        seen.page.select_option("#overlay", "film")  # joints all the same
        seen.page.check("#show-whole")
        seen.go("/phases?clip=a")
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert drawn(seen, "a") > 50
        assert seen.errors == []


def drawn(seen: Seen, side: str) -> int:
    """Pixels of a stage that have the colour of a limb."""
    return seen.page.evaluate(
        "side => { const c = document.getElementById(`stage-${side}`);"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let k = 0; k < d.length; k += 4) if (Math.abs(d[k] - d[k + 2]) > 120) n += 1;"
        " return n; }",
        side,
    )
