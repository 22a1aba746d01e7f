"""The pages of timelines and of attempts in a real browser: clips in step, frame by frame, and
comparisons that are made and read there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.project import Project
from tests.studio.browsing import Seen, browsed
from tests.studio.four_clips import four_clips
from tests.views.report.conftest import FIRST, SHADE

READY = "document.body.dataset.ready === 'true'"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return four_clips(tmp_path)


def frame(seen: Seen, stage: int) -> int:
    """Which frame a filmed picture is, by its shade."""
    canvas = f"document.getElementById('stage-{stage}')"
    seen.wait_for(f"{canvas}.dataset.picture !== '' && {canvas}.dataset.picture"
                  f" === ({canvas}.dataset.row || {canvas}.dataset.picture)")  # fmt: skip
    return round((seen.grey(f"stage-{stage}") - FIRST) / SHADE)


def test_chosen_clips_become_a_timeline_and_play_in_step(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        page = seen.page
        seen.wait_for(f"{READY} && document.querySelectorAll('.clip').length === 4")
        for name in "abd":
            page.check(f".clip[data-id={name}] .pick input")
        page.click("text=Put them on one timeline")
        page.wait_for_url("**/timeline?**")
        seen.wait_for(READY)
        assert page.is_checked("input[value=chosen]")
        assert page.is_checked("input[name=clip][value=d]")
        assert not page.is_checked("input[name=clip][value=c]")
        page.select_option("#reference", "b")
        page.click("#make-it")
        page.wait_for_url("**/timeline?name=clips-*", timeout=120_000)
        seen.wait_for(READY)
        assert "the reference" in page.inner_text("#stages figure:first-child")
        assert page.is_visible("img.figure")

        name = page.get_attribute("#timeline", "data-name")
        rows = page.evaluate(
            "name => fetch(`/timeline/data?name=${name}`).then((one) => one.json())"
            ".then(({ clips }) => Object.fromEntries(clips.map(({ id, rows }) => [id, rows])))",
            name,
        )
        assert list(rows) == ["b", "a", "d"]
        page.uncheck("#show-skeleton")
        for row in (0, 11, 29):
            page.evaluate(
                "row => { const bar = document.getElementById('scrub'); bar.value = row;"
                " bar.dispatchEvent(new Event('input', { bubbles: true })); }",
                row,
            )
            assert frame(seen, 1) == row
            if rows["a"][row] is not None:
                assert frame(seen, 2) == rows["a"][row]
            shown = page.evaluate("document.getElementById('stage-3').dataset.row")
            assert shown == ("" if rows["d"][row] is None else str(rows["d"][row]))
        page.keyboard.press("Home")
        page.select_option("#rate", "2")
        page.click("#play")
        seen.wait_for("document.body.dataset.row === '29'")
        seen.wait_for("document.getElementById('play').textContent === 'Play'")
        assert frame(seen, 1) == 29
        assert page.get_attribute("#stages figure:nth-child(2) a", "href") == "/pair?a=b&b=a"
        assert seen.errors == []


def test_what_b_does_differently_leads_to_its_moment(browser: Any, project: Project) -> None:
    folder = project.results_dir("compare")
    folder.mkdir(parents=True, exist_ok=True)
    finding = {"joint": "left_knee", "time": 0.75, "sentence": "Left knee: <b>straighter</b>"}
    document = {"findings": [finding, finding], "no_findings": "", "notes": [], "tempo": [],
                "unjudged": []}  # fmt: skip
    (folder / "a--b.json").write_text(json.dumps(document))
    with browsed(browser, project) as seen:
        seen.go("/pair?a=a&b=b")
        seen.wait_for(f"{READY} && document.querySelector('#differs button') !== null")
        assert (
            seen.page.inner_text("#differs button") == "Left knee: <b>straighter</b>, and once more"
        )
        seen.page.click("#differs button")
        assert seen.page.evaluate("state.row") == 15  # 0.75 s at 20 per second
        assert seen.errors == []

        project.pose_path("b").write_bytes(b"no longer joints")
        seen.page.click("#compare")
        seen.wait_for("!document.getElementById('problem').hidden")
        seen.page.wait_for_timeout(500)  # longer than what was found before takes to be asked for
        assert seen.page.is_visible("#problem")  # why it failed stays
        assert seen.page.is_enabled("#compare")


def test_attempts_are_chosen_in_their_order_and_compared(browser: Any, project: Project) -> None:
    with browsed(browser, project) as seen:
        page = seen.page
        seen.go("/attempts")
        seen.wait_for(READY)
        assert page.is_disabled("#compare-them")
        page.select_option("#reference", "b")
        assert page.is_disabled("input[value=b]")
        for name in "dac":
            page.check(f"input[value={name}]")
        numbers = "[...document.querySelectorAll('.number')].map((one) => one.textContent)"
        assert page.evaluate(numbers) == ["2.", "", "3.", "1."]
        page.uncheck("input[value=a]")
        page.click("#compare-them")
        page.wait_for_url("**/attempts?reference=b", timeout=120_000)
        seen.wait_for(READY)
        assert "2 attempts compared with b.mp4" in page.inner_text("main")
        order = page.evaluate(
            "[...document.querySelectorAll('.attempts a')].map((one) => one.textContent)"
        )
        assert order == ["d.mat", "c.mat"]
        assert seen.errors == []
