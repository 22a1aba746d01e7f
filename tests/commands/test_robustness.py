from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


@pytest.fixture
def trained(run: Run) -> None:
    assert run("train", "--run", "mine").exit_code == 0


def test_the_group_says_what_it_does(run: Run):
    from typer.testing import CliRunner

    from la2ds_cli.main import app

    result = CliRunner().invoke(app, ["robustness"])
    assert result.exit_code == 0
    assert "limbs" in result.stdout
    assert "noise" in result.stdout


@pytest.mark.usefixtures("trained")
def test_limbs_as_a_table_and_a_csv(run: Run, project: Project):
    result = run("robustness", "limbs", "--run", "mine", "--limb", "left_arm")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    words = [line.split(",")[0] for line in lines if "missing" in line]
    assert words == ["model (mixed)"] * 5 + ["raw pose"] * 5
    assert lines[6].startswith("model (mixed), 100%")
    assert "event transfer of the model: the network of run mine; network" in result.stdout
    with (project.results_dir("robustness") / "limbs-left_arm-mine.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == 10


@pytest.mark.usefixtures("trained")
def test_the_shares_of_missing_limbs_can_be_chosen(document: Document):
    found = document("robustness", "limbs", "--run", "mine", "--limb", "left_leg", "--p", "1")
    # The clean joints are always there, to compare with.
    assert [c["test"] for c in found["conditions"][:2]] == ["0% missing", "100% missing"]


@pytest.mark.usefixtures("trained")
def test_both_treatments_of_missing_joints_are_printed(run: Run, project: Project):
    names = ("--run", "mine", "--limb", "left_arm", "--p", "1", "--missing", "imputed,zero")
    result = run("robustness", "limbs", *names)
    assert result.exit_code == 0, result.stderr
    words = [line.split(",")[0] for line in result.stdout.splitlines() if "missing" in line]
    assert words == ["model (zero)"] * 2 + ["model (imputed)"] * 2 + ["raw pose"] * 2
    for missing in ("zero", "imputed"):
        assert (project.run_dir(f"mine-{missing}") / "best.safetensors").exists()
    result = run("robustness", "limbs", *names[:-1], "nought")
    assert result.exit_code == ExitCode.USAGE
    assert "'nought' is not a list of zero and imputed" in result.stderr


@pytest.mark.usefixtures("trained")
def test_noise_as_a_document(document: Document, project: Project):
    found = document("robustness", "noise", "--run", "mine", "--cells", "0.5")
    assert found["command"] == "robustness noise"
    assert found["settings"]["cells"] == 0.5
    assert len(found["conditions"]) == 8
    assert (project.run_dir("mine-noisy") / "best.safetensors").exists()


@pytest.mark.usefixtures("trained")
def test_what_cannot_be_measured_is_refused(run: Run):
    result = run("robustness", "limbs", "--run", "mine", "--limb", "leftarm")
    assert result.exit_code == ExitCode.USAGE
    assert "did you mean 'left_arm'?" in result.stderr
    for wrong in ("0;1", "2", "nan"):
        result = run("robustness", "limbs", "--run", "mine", "--p", wrong)
        assert result.exit_code == ExitCode.USAGE
        assert f"'{wrong}' is not a list of shares from 0 to 1" in result.stderr
    for kind in ("limbs", "noise"):
        result = run("robustness", kind, "--run", "nobody")
        assert result.exit_code == ExitCode.UNUSABLE
        assert "la2ds train --run nobody" in result.stderr
