"""Several training runs: their mean, their spread, and what they differ in."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Cell
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.evaluation.clips import select_clips
from la2ds_cli.evaluation.evaluate import Scored, mean_of, result_name
from la2ds_cli.evaluation.features import FeatureRequest, feature_sets
from la2ds_cli.evaluation.measure import Measure, mean_over_runs, undefined
from la2ds_cli.evaluation.table import evaluation_parts, notes, verdict
from la2ds_cli.training.train import train
from tests import small_runs
from tests.evaluation.labelled_project import (
    TINY,
    evaluated,
    labelled_project,
    random_run,
    shown,
)
from tests.movement import add_sequence, in_space, sequence, warped_phase

UNDEFINED = {"value": None, "interval": None, "reason": None}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = labelled_project(tmp_path_factory.mktemp("runs"), train=4, test=3)
    for seed, run in enumerate(("a", "b", "c")):
        random_run(project, run, seed)
    random_run(project, "longer", 3, "train.steps=77")
    return project


def measured(project: Project, *runs: str, **options: Any) -> dict[str, Any]:
    config = load_config(overrides=TINY)
    return evaluated(project, *runs, config=config, device="cpu", **options)


@pytest.fixture(scope="module")
def three(project: Project) -> dict[str, Any]:
    return measured(project, "a", "b", "c")


def test_each_clip_is_embedded_once_by_each_network(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base model stands beside both runs and is a set of its own; trimmed and whole clips are
    asked for by checks, metrics, references and transfers."""
    asked: list[tuple[int, tuple[int, int]]] = []
    embed = Embedder.__call__

    def counted(self: Embedder, poses: Sequence[PoseSequence]) -> list[FloatArray]:
        asked.extend((id(self), (id(pose), len(pose))) for pose in poses)
        kept.extend([self, *poses])  # so that no id is given twice
        return embed(self, poses)

    kept: list[object] = []
    monkeypatch.setattr(Embedder, "__call__", counted)
    beside = [*TINY, "align.base=1", "align.reference_clips=4"]
    config = load_config(overrides=beside)
    evaluated(project, "a", "b", config=config, device="cpu", features=["model", "base"])
    assert len({network for network, _ in asked}) == 3
    assert len(asked) == len(set(asked))


def test_model_is_the_mean_of_the_runs_with_their_spread(
    project: Project, three: dict[str, Any]
) -> None:
    alone = [measured(project, run, features=["model"])["features"]["model"] for run in "abc"]
    row = three["features"]["model"]
    for metric, part in (
        ("phase_classification", "100 %"),
        ("precision_at_k", "10"),
        ("phase_progression", ""),
        ("kendalls_tau", ""),
    ):
        entry = row[metric][part] if part else row[metric]
        values = [one[metric][part]["value"] if part else one[metric]["value"] for one in alone]
        assert entry["value"] == pytest.approx(np.mean(values))
        assert entry["spread"] == pytest.approx(np.std(values, ddof=1))
        assert list(entry["by_run"].values()) == pytest.approx(values)
        assert entry["interval"][0] <= entry["value"] <= entry["interval"][1]
    for key, entry in row["event_transfer"].items():
        each = [one["event_transfer"][key] for one in alone]
        values = [one["value"] for one in each]
        assert entry["value"] == pytest.approx(np.mean(values))
        assert entry["spread"] == pytest.approx(np.std(values, ddof=1))
        assert (entry["events"], entry["pairs"]) == (each[0]["events"], each[0]["pairs"])
    assert three["by_run"]["b"] == alone[1]


def test_document_and_files_hold_every_run(project: Project, three: dict[str, Any]) -> None:
    assert (three["run"], three["runs"]) == ("a+b+c", ["a", "b", "c"])
    assert list(three["features"]) == [
        *("model", "base", "raw_pose", "raw_pose_best", "time_only", "untrained")
    ]
    path = project.results_dir("evaluate") / "a+b+c-events.csv"
    with path.open(newline="") as handle:
        features = {row["feature"] for row in csv.DictReader(handle)}
    assert features == {
        *("model:a", "model:b", "model:c"),
        *("base", "raw_pose", "raw_pose_best", "time_only", "untrained"),
    }


def said(result: dict[str, Any]) -> str:
    return " ".join(shown(result).split())


def test_the_comparison_and_the_table_are_of_the_mean(three: dict[str, Any]) -> None:
    row = three["features"]
    mine, clock = (
        row[n]["event_transfer"]["median_percent"]["value"] for n in ("model", "time_only")
    )
    first = three["comparisons"][0]
    assert first["against"] == "time_only"
    assert first["difference_percent"] == pytest.approx(mine - clock)
    assert f"median error {mine:.2f} %" in verdict(three)[0]
    text = said(three)
    assert f"±{row['model']['event_transfer']['median_percent']['spread']:.2f}" in text
    assert "run a+b+c" in text


def test_runs_that_differ_in_more_than_the_seed_are_named(
    project: Project, three: dict[str, Any]
) -> None:
    assert not any("differ" in text for text in three["warnings"])
    result = measured(project, "a", "longer", features=["model"])
    assert "runs a and longer differ in more than the seed: train.steps" in result["warnings"]


def test_runs_of_one_seed_are_named(project: Project, three: dict[str, Any]) -> None:
    assert not any("seed" in text for text in three["warnings"])
    random_run(project, "again", 1)
    result = measured(project, "a", "b", "again", features=["model"])
    assert "runs b, again have the same seed (train.seed=1)" in result["warnings"]


def test_fewer_than_three_runs_are_told(project: Project, three: dict[str, Any]) -> None:
    for runs, told in ((("a",), "1 of at least 3"), (("a", "b"), "2 of at least 3")):
        text = said(measured(project, *runs, features=["model"]))
        assert f"note: {told} training runs: what another seed would change" in text
    assert "of at least" not in said(three)
    assert "of at least" not in said(measured(project, "a", features=["time_only"]))


@pytest.mark.parametrize("deep", [False, True])
def test_a_run_is_aligned_in_2d_where_the_clips_have_no_joints_in_3d(
    tmp_path: Path, deep: bool
) -> None:
    """As by align: with the base model, which reads joints in the image."""
    project = Project.create(tmp_path)
    for n in range(6):
        pose = sequence(warped_phase(40, n)) if not deep else in_space(warped_phase(40, n))
        add_sequence(project, f"clip{n}", pose)
    settings = [*small_runs.TINY, "model.input=joints", "align.joints=3d", "align.base=1"]
    train(project, run="mine", config=project.config(overrides=settings))
    config = project.config(overrides=settings)
    pose = select_clips(project, config, []).test["clip0"]
    request = FeatureRequest(project, ["model"], ("mine",), config, "cpu", pose, [])
    (model,) = feature_sets(request, [])
    assert ("base model" in model.variants[0].uses) is not deep


def test_an_undefined_run_leaves_the_mean_undefined_and_is_named() -> None:
    facts = {"nan": 2, "pairs": 6, "reason": None}
    good = Measure(0.5, np.array([0.4, 0.6]), 3, facts)
    mean = mean_over_runs({"a": good, "b": Measure(0.7, np.array([0.6, 0.8]), 3, facts)})
    assert mean.value == pytest.approx(0.6)
    np.testing.assert_allclose(mean.resampled, [0.5, 0.7])
    assert mean.facts["spread"] == pytest.approx(0.1 * np.sqrt(2))
    # 2 of 6 pairs in each run.
    assert (mean.facts["nan"], mean.facts["pairs"]) == (4, 12)
    lacking = mean_over_runs({"a": good, "b": undefined("no frames")})
    assert lacking.value is None
    assert lacking.row()["interval"] is None
    assert lacking.facts["reason"] == "run b: no frames"


def test_several_runs_say_how_each_was_aligned() -> None:
    runs = {run: Scored({}, [], f"way {run}", "network") for run in "ab"}
    row = mean_of(runs).row()
    assert (row["variant"], row["uses"]) == ("run a: way a; run b: way b", "network")


def test_a_reason_is_told_once_and_names_the_runs_where_it_is_not_that_of_all() -> None:
    def told(*reasons: str | None) -> str | None:
        found = [Measure(0.5, np.array([0.5]), 3, {"reason": reason}) for reason in reasons]
        return mean_over_runs(dict(zip("abc", found, strict=True))).facts["reason"]

    assert told(None, None, None) is None
    assert told("ties", "ties", "ties") == "ties"
    assert told("ties", None, "ties") == "run a, c: ties"
    assert told("ties", "gaps", None) == "run a: ties; run b: gaps"


def test_a_reason_is_told_once_for_all_figures_and_features_that_it_holds_for() -> None:
    tied = {"value": 0.5, "reason": "pairs undefined", "nan": 3, "pairs": 6}
    few = {"value": None, "reason": "fewer than 15 frames"}
    rows = {
        "model": {"kendalls_tau": tied, "precision_at_k": {"5": few, "10": few}},
        "time_only": {
            "kendalls_tau": tied | {"nan": 0, "reason": None},
            "precision_at_k": {"5": few, "10": few},
        },
        "untrained": {"kendalls_tau": tied | {"nan": 6}, "precision_at_k": {"5": few, "10": few}},
    }
    rows = {name: row | {"phase_classification": {}} for name, row in rows.items()}
    protocol = {"classifier": "svm", "event_transfer": False}
    found = notes({"features": rows, "protocol": protocol, "warnings": [], "runs": ["a"] * 3})
    assert found[:2] == [
        "tau, model (3 of 6), untrained network (6 of 6): pairs undefined",
        "AP@5, AP@10, model, time only, untrained network: fewer than 15 frames",
    ]


def test_progression_keeps_what_was_clipped_in_any_run() -> None:
    """R squared 0.8 and -3 in run a, the second counted as -1; 0.6 and 0.4 in run b."""

    def one(value: float, clipped: int) -> Measure:
        return Measure(value, np.array([value]), 3, {"clipped": clipped, "reason": None})

    entry = mean_over_runs({"a": one(-0.1, 1), "b": one(0.5, 0)}).row()
    assert (entry["value"], entry["clipped"]) == (pytest.approx(0.2), 1)
    result = {
        "features": {"model": {"phase_progression": entry, "kendalls_tau": UNDEFINED}},
        "protocol": {"name": "x", "classifier": "svm", "event_transfer": False},
        **{"warnings": [], "runs": ["a"] * 3, "run": "a", "training_clips": 1, "labelled_clips": 1},
    }
    said = (
        "model, progress: * phases whose R squared is counted as the floor: 1 (all runs together)"
    )
    assert notes(result) == [said]
    (part,) = evaluation_parts(result)
    assert part.table.rows[0][1] == Cell("0.200 ±0.424*", ["0.20–0.20"])


def test_files_of_many_runs_have_a_short_name(project: Project, tmp_path: Path) -> None:
    many = [f"golf-width256-tempo04-s{seed}" for seed in range(10)]
    name = result_name(many, "paper")
    assert re.fullmatch(r"golf-width256-tempo04-s0\+9-[0-9a-f]{8}-paper", name)
    assert result_name([*many[:9], "other"], "paper") != name
    assert result_name(many[:6], "la2ds") == "+".join(many[:6])  # 149 characters
    assert result_name(["x" * 200], "la2ds") == "x" * 200  # by which it is found

    own = Project.open(shutil.copytree(project.root, tmp_path / "own"))
    long = [letter * 90 for letter in "ab"]
    for letter, run in zip("ab", long, strict=True):
        own.run_dir(letter).rename(own.run_dir(run))
    document = measured(own, *long, features=["model"])
    stem = result_name(long, "la2ds")
    written = {path.name for path in own.results_dir("evaluate").iterdir()}
    assert {f"{stem}.json", f"{stem}-events.csv"} <= written
    assert document["runs"] == long


def test_command_takes_runs_and_protocol(project: Project, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from la2ds_cli.main import app

    def run(*arguments: str):
        options = ["--project", str(project.root), "--device", "cpu"]
        return CliRunner().invoke(app, ["evaluate", *arguments, *options])

    result = run("--run", "a, b", "--protocol", "paper")
    assert result.exit_code == 0
    assert "protocol paper, run a+b" in result.stdout
    assert (project.results_dir("evaluate") / "a+b-paper.json").exists()
    twice = run("--run", "a", "--run", "b", "--protocol", "paper")
    assert twice.exit_code == 0
    assert "protocol paper, run a+b" in twice.stdout
    same = run("--run", "a", "--run", "a")
    assert same.exit_code == ExitCode.USAGE
    assert "a run is named twice" in same.stderr
    for missing in ("none", "default"):  # named, and not trained
        result = run("--run", missing)
        assert result.exit_code == ExitCode.UNUSABLE
        assert f"run '{missing}' has no trained model" in result.stderr
        named = re.search(r"trained runs: (.*); la2ds train --run (\w+)", result.stderr)
        assert named
        assert named[2] == missing
        assert {"a", "b", "c", "longer"} <= set(named[1].split(", "))  # tests add others
        assert not (project.results_dir("evaluate") / f"{missing}.json").exists()
    wrong = run("--protocol", "papr")
    assert wrong.exit_code == ExitCode.USAGE
    assert "did you mean 'paper'" in wrong.stderr
