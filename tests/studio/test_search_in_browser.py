"""The page of the search in a real browser: where a clip stands still, its moment is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from la2ds_cli.studio import jobs
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import Seen, browsed
from tests.views.report.conftest import FIRST, SHADE, two_filmed

READY = "document.body.dataset.ready === 'true'"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """a and b are filmed; c moves as a, at half the rate."""
    project = two_filmed(tmp_path)
    add_sequence(project, "c", sequence(warped_phase(36, 1)[::2], fps=10.0))
    return project


def asked(seen: Seen, clip: str, row: int) -> None:
    """Wait until the frames that are like a row of a clip are shown."""
    seen.wait_for(f"document.body.dataset.asked === '{clip} {row}'")
    seen.wait_for(
        "[...document.querySelectorAll('#hits img')].every((one) => one.complete)"
        " && document.querySelectorAll('#hits img').length > 0"
    )


def frame(seen: Seen) -> int:
    """Which frame the player shows, by its shade."""
    seen.wait_for(
        "document.getElementById('stage-a').dataset.picture === document.body.dataset.row"
    )
    return round((seen.grey("stage-a") - FIRST) / SHADE)


def hits(seen: Seen) -> list[list[str]]:
    """The words of each card."""
    return seen.page.evaluate(
        "[...document.querySelectorAll('#hits .words')]"
        ".map((one) => [...one.children].map((span) => span.textContent))"
    )


def test_a_moment_is_found_and_seen_in_step(
    browser: Any, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = tmp_path / "let-go"
    held = f"import os, time\nwhile not os.path.exists({str(let_go)!r}): time.sleep(0.05)\n"
    *python, command = jobs.COMMAND
    monkeypatch.setattr(jobs, "COMMAND", (*python, held + command))
    with browsed(browser, project) as seen:
        page = seen.page
        asking = "{ method: 'POST', body: JSON.stringify({ a: 'a', b: 'b' }) }"
        page.evaluate(f"fetch('/compare', {asking}).then((answer) => answer.text())")
        seen.go("/search?clip=a&row=20")
        seen.wait_for("document.getElementById('said').textContent.includes('Waiting until')")
        assert "comparing b.mp4 with a.mp4" in page.inner_text("#said")
        let_go.touch()
        asked(seen, "a", 20)  # the clips are embedded by a command first
        assert "Waiting until" not in page.inner_text("#said")
        page.uncheck("#show-skeleton")
        assert frame(seen) == 20
        page.select_option("#per-video", "1")
        seen.wait_for("document.querySelectorAll('#hits img').length === 2")
        (nearest, other) = hits(seen)
        assert nearest[:2] == ["c.mat", "1.00 s"]
        assert nearest[2].startswith("distance ")
        assert other[0] == "b.mp4"
        row = round(float(other[1].split()[0]) * 25)
        page.click("#hits [data-hit='1']")
        asked(seen, "b", row)
        assert frame(seen) == row
        assert page.input_value("#choose-clip") == "b"
        page.go_back()
        asked(seen, "a", 20)
        assert frame(seen) == 20
        page.click("#hits li:nth-child(2) a")
        page.wait_for_url("**/pair?**")
        seen.wait_for(READY)
        assert page.evaluate("[state.row, state.rowB]") == [20, row]
        seen.go(f"/pair?a=a&b=b&row_a=20&row_b={row + 3}")  # not what the alignment shows
        seen.wait_for(READY)
        assert page.evaluate("[state.row, state.rowB, state.free]") == [20, row + 3, row + 3]
        assert page.is_visible("#same")
        assert seen.errors == []


def test_by_keyboard_alone(browser: Any, project: Project) -> None:
    retrieve(project, RetrievalRequest("a@0"))
    with browsed(browser, project) as seen:
        seen.go("/search?clip=a")
        seen.wait_for(READY)
        press = seen.page.keyboard.press
        for key in ("Shift+ArrowRight", "Shift+ArrowRight", "ArrowRight", "ArrowLeft"):
            press(key)
        asked(seen, "a", 20)
        press("1")
        asked(seen, "c", 10)
        for key in ("Home", "s", "w"):
            press(key)
        asked(seen, "c", 0)
        assert not seen.page.is_checked("#show-skeleton")
        assert seen.page.is_checked("#show-whole")
        seen.page.focus("#count")
        press("?")
        listed = seen.page.inner_text("#key-list").lower()
        for name in ("space", "1 to 9", "s", "w"):
            assert f"{name}\t" in listed, name
        press("?")
        questions: list[str] = []
        seen.page.on("request", lambda one: questions.append(one.url) if one.post_data else None)
        seen.page.click("#play")  # nothing is looked for while it plays
        seen.wait_for("document.getElementById('play').textContent === 'Play'")  # at its end
        asked(seen, "c", 17)
        assert len(questions) == 1
        assert seen.errors == []
