"""The page of the search in a real browser: where a clip stands still, its moment is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.studio import jobs
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import Seen, browsed
from tests.views.report.conftest import two_filmed

ROW = "document.body.dataset.row"
ROWS = "[state.row, state.rowB, state.free]"


def asked(seen: Seen, clip: str, row: int) -> None:
    """Wait until the frames that are like a row of a clip are shown."""
    seen.wait_for(f"document.body.dataset.asked === '{clip} {row}'")
    seen.wait_for(
        "[...document.querySelectorAll('#hits img')].every((one) => one.complete)"
        " && document.querySelectorAll('#hits img').length > 0"
    )


def test_a_moment_is_found_by_pointer_and_keys_and_seen_in_step(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = two_filmed(tmp_path)  # a and b are filmed
    add_sequence(project, "c", sequence(warped_phase(36, 1)[::2], fps=10.0))  # as a, at half
    let_go = tmp_path / "let-go"
    held = f"import os, time\nwhile not os.path.exists({str(let_go)!r}): time.sleep(0.05)\n"
    *python, command = jobs.COMMAND
    monkeypatch.setattr(jobs, "COMMAND", (*python, held + command))
    with browsed(browser, project) as seen:
        page = seen.page
        asking = (
            "{ method: 'POST', body: JSON.stringify({ reference: 'a', attempts: ['b', 'c'] }) }"
        )
        page.evaluate(f"fetch('/attempts/compare', {asking}).then((answer) => answer.text())")
        seen.go("/search?clip=a&row=20")
        seen.wait_for_text("said", "Waiting until other work is done")
        let_go.touch()
        asked(seen, "a", 20)  # the clips are embedded by a command first
        page.uncheck("#show-skeleton")
        assert seen.frame(ROW) == 20
        words = "[...document.querySelectorAll('#hits .words')].map((one) => one.innerText)"
        told = [text.split("\n") for text in page.evaluate(words)]
        assert told[0][:2] == ["c.mat", "1.00 s"]
        at = next(n for n, one in enumerate(told) if one[0] == "b.mp4")
        row = round(float(told[at][1].split()[0]) * 25)
        page.click(f"#hits [data-hit='{at}']")
        asked(seen, "b", row)
        assert seen.frame(ROW) == row
        assert page.input_value("#choose-clip") == "b"
        page.go_back()
        asked(seen, "a", 20)
        look_by_keys(seen)
        page.go_back()
        asked(seen, "a", 20)
        page.click(f"#hits li:nth-child({at + 1}) a")
        seen.arrive("**/pair?**")
        assert page.evaluate(ROWS) == [20, row, None]
        seen.go(f"/pair?a=a&b=b&row_a=20&row_b={row + 3}")  # not what the alignment shows
        assert page.evaluate(ROWS) == [20, row + 3, row + 3]
        seen.check()


def look_by_keys(seen: Seen) -> None:
    seen.press("ArrowRight", "ArrowLeft", "1")
    asked(seen, "c", 10)
    seen.press("Home", "s", "w")
    asked(seen, "c", 0)
    assert seen.page.is_checked("#show-skeleton")
    assert seen.page.is_checked("#show-whole")
    questions: list[str] = []
    seen.page.on("request", lambda one: questions.append(one.url) if one.post_data else None)
    seen.page.click("#play")  # nothing is looked for while it plays
    seen.wait_for("document.getElementById('play').textContent === 'Play'")  # at its end
    asked(seen, "c", 17)
    assert len(questions) == 1
