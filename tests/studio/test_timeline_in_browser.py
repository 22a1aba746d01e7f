"""Several clips in a real browser: on one timeline, in step frame by frame; as attempts at a
reference; and what the last one does differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from la2ds_cli.core.stored_project import StoredProject
from tests.studio.browsing import Seen, browsed
from tests.studio.four_clips import four_clips


def test_many_clips_are_put_in_step_and_compared(browser: Any, tmp_path: Path) -> None:
    project = four_clips(tmp_path)
    with browsed(browser, project) as seen:
        put_on_a_timeline(seen)
        play_in_step(seen)
        compare_attempts(seen)
        seen.check()
        look_at_a_difference(seen, project)


def put_on_a_timeline(seen: Seen) -> None:
    page = seen.page
    seen.go("/", until="document.querySelectorAll('.clip').length === 4")
    for name in "abd":
        page.check(f".clip[data-id={name}] .pick input")
    page.click("text=Put them on one timeline")
    seen.arrive("**/timeline?**")
    chosen = [page.is_checked(f"input[name=clip][value={name}]") for name in "abcd"]
    assert chosen == [True, True, False, True]
    page.select_option("#reference", "b")
    page.click("#make-it")
    seen.arrive("**/timeline?name=3-clips-*")
    assert "the reference" in page.inner_text("#stages figure:first-child")
    assert page.is_visible("img.figure")


def play_in_step(seen: Seen) -> None:
    page = seen.page
    rows = page.evaluate(
        "name => fetch(`/timeline/data?name=${name}`).then((one) => one.json())"
        ".then(({ clips }) => Object.fromEntries(clips.map(({ id, rows }) => [id, rows])))",
        page.get_attribute("#timeline", "data-name"),
    )
    assert list(rows) == ["b", "a", "d"]
    page.uncheck("#show-skeleton")
    for row in (0, 11, 29):
        seen.scrub("scrub", row)
        assert seen.frame(str(row), "stage-1") == row
        if rows["a"][row] is not None:
            assert seen.frame(str(rows["a"][row]), "stage-2") == rows["a"][row]
        shown = page.evaluate("document.getElementById('stage-3').dataset.row")
        assert shown == ("" if rows["d"][row] is None else str(rows["d"][row]))
    seen.press("Home")
    page.select_option("#rate", "2")
    page.click("#play")
    seen.wait_for("document.body.dataset.row === '29'")
    seen.wait_for("document.getElementById('play').textContent === 'Play'")
    assert seen.frame("29", "stage-1") == 29
    assert page.get_attribute("#stages figure:nth-child(2) a", "href") == "/pair?a=b&b=a"


def compare_attempts(seen: Seen) -> None:
    page = seen.page
    assert page.is_hidden("#attempts-table")
    page.click("#compare")
    seen.wait_for("!document.getElementById('attempts-table').hidden")
    assert page.locator("#attempts li").all_inner_texts() == ["1. a.mp4", "2. d.mat"]
    seen.wait_for_text("compared", "Compared ")
    assert page.locator("#sentences li").count() > 0
    shown = "(figure) => figure.hidden || figure.naturalWidth > 0"
    seen.wait_for(f"({shown})(document.getElementById('attempts-figure'))")


def look_at_a_difference(seen: Seen, project: StoredProject) -> None:
    """What was found before, and why it cannot be found again."""
    finding = {
        "joint": "left_knee",
        "time": 0.75,
        "difference": 12.0,
        "sentence": "Left knee: <b>straighter</b>",
    }
    document = {"findings": [finding], "no_findings": "", "notes": [], "tempo": [], "unjudged": []}
    document["key_positions"] = []
    (project.results_dir("compare") / "a--b.json").write_text(json.dumps(document))
    seen.go("/pair?a=a&b=b")
    seen.wait_for("document.querySelector('#differs button') !== null")
    assert seen.page.inner_text("#differs button") == "Left knee: <b>straighter</b>"
    seen.page.click("#differs button")
    assert seen.page.evaluate("state.row") == 15  # 0.75 s at 20 per second
    project.pose_path("b").write_bytes(b"no longer joints")
    seen.page.click("#compare")
    seen.trouble()
    seen.page.wait_for_timeout(500)  # longer than what was found before takes to be asked for
    assert seen.page.is_visible("#problem")  # why it failed stays
