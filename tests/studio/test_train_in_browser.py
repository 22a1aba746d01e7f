"""The page of training in a real browser: a run is watched and resumed by clicks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from la2ds_cli.training.train import TrainOptions, train
from tests.small_runs import interrupted_at
from tests.studio.browsing import browsed
from tests.studio.test_train_page import TINY, few_clips


def test_a_run_is_watched_resumed_and_begun(browser: Any, tmp_path: Path) -> None:
    settings = {**TINY, "train": TINY["train"] | {"steps": 60, "validate_every": 20}}
    project = few_clips(tmp_path / "project", settings, 6)
    config = project.config()
    train(project, run="one", config=config, options=TrainOptions("cpu"))
    hostile = project.run_dir("one") / "config.toml"
    hostile.write_text(
        hostile.read_text().replace('preset = "default"', "preset = '<img src=x onerror=alert(1)>'")
    )
    (project.run_dir("one") / "finished.json").write_text('{"warnings": ["<b id=bold>one</b>"]}')
    with browsed(browser, project, width=1440) as seen:
        page = seen.page
        seen.go("/train")
        assert "Only 4 clips to learn from" in page.inner_text("#outlook")
        assert "<img src=x" in page.inner_text("#runs")  # names are text
        assert "<b id=bold>one</b>" in page.inner_text("#runs")
        assert page.query_selector("#bold") is None
        with interrupted_at(45):  # by the command line
            train(project, run="other", config=config, options=TrainOptions("cpu"))
        seen.wait_for("document.body.dataset.points === '4 2'")
        assert "Curves of other" in page.inner_text("#curves-heading")
        assert "training: step 40 of 60" in page.inner_text("#course")
        page.click("[aria-label='Curves of one']")
        assert "Curves of one" in page.inner_text("#curves-heading")
        long_ago = time.time() - 200
        for path in project.run_dir("other").iterdir():
            os.utime(path, (long_ago, long_ago))
        page.click("[aria-label='Resume other']")
        page.click("[aria-label='Curves of other']")
        seen.wait_for("document.body.dataset.points === '6 3'")
        seen.wait_for("/finished: step 60 of 60/.test(document.getElementById('course').innerText)")
        said = "document.getElementById('loss').getAttribute('aria-label')"
        seen.wait_for(f"/Loss: from/.test({said})")
        page.click("#begin")
        seen.wait_for_text("curves-heading", "Curves of default")
        page.click("#work button")
        seen.wait_for_text("course", "stopped")
        assert not [error for error in seen.errors if "400" not in error]
