"""The page of training in a real browser: a run is trained, watched, and evaluated by clicks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.table import verdict
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import interrupted_at
from tests.studio.browsing import Seen, browsed
from tests.studio.test_train import TINY

READY = "document.body.dataset.ready === 'true'"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    settings = {**TINY, "train": TINY["train"] | {"steps": 60, "validate_every": 20}}
    project = Project.create(tmp_path / "project", settings)
    for n in range(6):
        fps, length = (30.0, 24) if n % 2 else (20.0, 30)
        add_sequence(project, f"clip{n}", sequence(warped_phase(length, n), fps=fps))
    for n in (4, 5):
        project.mark_video(f"clip{n}", split="test", group="")
    return project


def open_train(seen: Seen) -> None:
    seen.go("/train")
    seen.wait_for(READY)


def test_trained_watched_and_evaluated(browser: Any, project: Project) -> None:
    with browsed(browser, project, width=1440) as seen:
        open_train(seen)
        page, press = seen.page, seen.page.keyboard.press
        assert "Only 4 clips to learn from" in page.inner_text("#outlook")
        assert page.is_hidden("#curves")
        assert page.is_visible("#no-runs")
        assert page.inner_text("#evaluate") == "Evaluate without a run"
        with project.lock():
            page.click("#begin")
            seen.wait_for("!document.getElementById('problem').hidden")
        page.wait_for_timeout(1000)  # what is loaded anew meanwhile takes nothing away
        said = page.inner_text("#problem")
        assert said.startswith("training default: another la2ds command is writing")

        page.fill("#run", "mine")
        press("Enter")
        seen.wait_for("document.querySelector('#runs li[data-run=mine]') !== null")
        seen.wait_for("document.body.dataset.points === '6 3'")  # by events, no page is loaded
        seen.wait_for(
            "/finished: step 60 of 60/.test(document.getElementById('course').textContent)"
        )
        seen.wait_for(
            "/Loss: from/.test(document.getElementById('loss').getAttribute('aria-label'))"
        )
        seen.wait_for("!document.querySelector('#runs input').disabled")
        assert page.is_disabled("#evaluate")
        page.focus("[aria-label='choose mine']")
        press("Space")
        assert page.inner_text("#chosen") == "mine"
        page.click("#evaluate")
        seen.wait_for("document.body.dataset.evaluation === 'mine'")
        result = json.loads((project.results_dir("evaluate") / "mine.json").read_text())
        shown = [item.inner_text() for item in page.query_selector_all(".verdict li")]
        assert shown == verdict(result)
        median = result["features"]["raw_pose"]["event_transfer"]["median_percent"]["value"]
        assert f"{median:.2f}" in page.inner_text("#result table")
        assert not [error for error in seen.errors if "409" not in error]


def test_runs_of_the_command_line_are_watched(browser: Any, project: Project) -> None:
    config = project.config()
    train(project, run="one", config=config, options=TrainOptions("cpu"))
    hostile = project.run_dir("one") / "config.toml"
    hostile.write_text(
        hostile.read_text().replace('preset = "default"', "preset = '<img src=x onerror=alert(1)>'")
    )
    (project.run_dir("one") / "finished.json").write_text('{"warnings": ["<b id=bold>one</b>"]}')
    with browsed(browser, project) as seen:
        open_train(seen)
        assert "<img src=x" in seen.page.inner_text("#runs")  # names are text
        assert "<b id=bold>one</b>" in seen.page.inner_text("#runs")
        assert seen.page.query_selector("#bold") is None
        with interrupted_at(45):
            train(project, run="other", config=config, options=TrainOptions("cpu"))
        seen.wait_for("document.body.dataset.points === '4 2'")
        assert "Curves of other" in seen.page.inner_text("#curves-heading")
        assert "training: step 40 of 60" in seen.page.inner_text("#course")
        train(project, run="other", config=config, options=TrainOptions("cpu"))
        seen.wait_for("document.body.dataset.points === '6 3'")
        seen.wait_for("/finished/.test(document.querySelector('#runs li').textContent)")
        for run in ("one", "other"):
            seen.page.click(f"[aria-label='Curves of {run}']")
            assert f"Curves of {run}" in seen.page.inner_text("#curves-heading")
        seen.page.fill("#run", "other")
        seen.page.press("#run", "?")  # a letter there
        assert not seen.page.is_visible("#key-list")
        seen.page.fill("#run", "other")
        seen.page.click("#begin")
        seen.wait_for("!document.getElementById('problem').hidden")
        assert "run other already exists" in seen.page.inner_text("#problem")
