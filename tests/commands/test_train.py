from __future__ import annotations

from typing import Any

import pytest

from la2ds_cli.alignment import run_verdict
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training import train as step
from tests.commands.conftest import Document, Run


def test_train_ends_with_a_verdict(
    run: Run, document: Document, project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    told = document("train", "--run", "mine")["verdict"]
    assert (told["outcome"], told["clips"], told["gain"]) == ("not shown", 0, None)
    worse = run_verdict.Verdict(9, run_verdict.Gain(-20.0, -30.0, -10.0))
    monkeypatch.setattr(run_verdict, "read_verdict", lambda *_: worse)
    assert worse.sentence("mine") in " ".join(run("train", "--run", "mine").stdout.split())
    assert document("train", "--run", "mine")["verdict"] == worse.to_json("mine")


def test_a_comparison_that_fails_is_no_failed_training(run: Run, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any) -> None:
        raise UserError("a clip has other joints")

    monkeypatch.setattr(run_verdict, "judge_run", fails)
    result = run("train", "--run", "mine")
    assert "run mine" in result.stdout
    assert "was not compared with the base model: a clip has other joints" in result.stderr


def test_what_the_network_reads_is_an_option(run: Run, monkeypatch: pytest.MonkeyPatch):
    """Over the preset of a method, and --set has the last word."""
    given: list[str] = []

    def noted(opened: StoredProject, *, config: Config, **others: Any):
        given.append(config.model.input)
        raise UserError("seen")

    with monkeypatch.context() as patch:
        patch.setattr(step, "train", noted)
        for words in (
            ["--method", "tcc", "--input", "rgb"],
            ["--preset", "heatmap", "--input", "both"],
            ["--input", "rgb", "--set", "model.input=joints"],
        ):
            run("train", *words, code=ExitCode.USAGE)
    assert given == ["rgb", "both", "joints"]
