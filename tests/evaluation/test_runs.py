"""Several training runs: their mean, their spread, and what they differ in."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import Cell
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.clips import select_clips
from la2ds_cli.evaluation.evaluate import Scored, mean_of, result_name
from la2ds_cli.evaluation.evaluation_table import evaluation_parts, notes, verdict
from la2ds_cli.evaluation.features import FeatureRequest, feature_sets
from la2ds_cli.evaluation.measure import Measure, joined, mean_over_runs, undefined
from la2ds_cli.network.embedder import Embedder
from la2ds_cli.training.train import train
from tests import small_runs
from tests.evaluation.labelled_project import TINY, evaluated, labelled_project, random_run, shown
from tests.movement import add_sequence, in_space, sequence, warped_phase
from tests.processes import invoke

UNDEFINED = {"value": None, "interval": None, "reason": None}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    project = labelled_project(tmp_path_factory.mktemp("runs"), train=4, test=3)
    for seed, run in enumerate(("a", "b", "c")):
        random_run(project, run, seed)
    random_run(project, "longer", 3, "train.steps=77")
    return project


def measured(project: StoredProject, *runs: str, **options: Any) -> dict[str, Any]:
    config = load_config(overrides=TINY)
    return evaluated(project, *runs, config=config, device="cpu", **options)


@pytest.fixture(scope="module")
def three(project: StoredProject) -> dict[str, Any]:
    return measured(project, "a", "b", "c")


def test_each_clip_is_embedded_once_by_each_network(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
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


def said(result: dict[str, Any]) -> str:
    return " ".join(shown(result).split())


def test_model_is_the_mean_of_the_runs_with_their_spread(
    project: StoredProject, three: dict[str, Any]
) -> None:
    alone = [measured(project, run, features=["model"])["features"]["model"] for run in "abc"]
    row = three["features"]["model"]
    for metric, part in (
        ("phase_classification", "100 %"),
        ("precision_at_k", "10"),
        ("event_transfer", "median_percent"),
        ("event_transfer", "median_seconds"),
    ):
        entry, each = row[metric][part], [one[metric][part] for one in alone]
        values = [one["value"] for one in each]
        assert entry["value"] == pytest.approx(np.mean(values))
        assert entry["spread"] == pytest.approx(np.std(values, ddof=1))
        assert list(entry["by_run"].values()) == pytest.approx(values)
        assert entry.get("events") == each[0].get("events")
    assert three["by_run"]["b"] == alone[1]
    median = row["event_transfer"]["median_percent"]
    clock = three["features"]["time_only"]["event_transfer"]["median_percent"]["value"]
    first = three["comparisons"][0]
    assert first["against"] == "time_only"
    assert first["difference_percent"] == pytest.approx(median["value"] - clock)
    assert f"median error {median['value']:.2f} %" in verdict(three)[0]
    assert f"±{median['spread']:.2f}" in said(three)
    assert "run a+b+c" in said(three)
    path = project.results_dir("evaluate") / "a+b+c-events.csv"
    with path.open(newline="") as handle:
        features = {row["feature"] for row in csv.DictReader(handle)}
    assert features == {"model:a", "model:b", "model:c", *set(three["features"]) - {"model"}}


def test_runs_that_say_little_about_seeds_are_named(
    project: StoredProject, three: dict[str, Any]
) -> None:
    assert not any("seed" in text for text in three["warnings"])
    random_run(project, "again", 1)
    found = measured(project, "a", "b", "again", "longer", features=["model"])["warnings"]
    assert "runs a and longer differ not only in their seed: train.steps" in found
    assert "runs b, again have the same seed (train.seed=1)" in found
    text = said(measured(project, "a", "b", features=["model"]))
    assert (
        "note: the intervals do not show what another training seed would change: train at least"
        in text
    )
    assert "another training seed" not in said(three)
    assert "another training seed" not in said(measured(project, "a", features=["time_only"]))


@pytest.mark.parametrize("deep", [False, True])
def test_a_run_is_aligned_in_2d_where_the_clips_have_no_joints_in_3d(
    tmp_path: Path, deep: bool
) -> None:
    """As by align: with the base model, which reads joints in the image."""
    project = StoredProject.create(tmp_path)
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


@pytest.mark.parametrize("joints", ["auto", "3d", "2d"])
def test_all_sets_beside_a_run_of_joints_in_3d_compare_them_in_3d(
    tmp_path: Path, joints: str
) -> None:
    """Filmed from many sides, the clips are the same movement in space and another in the image."""
    project, phases = (
        StoredProject.create(tmp_path),
        [warped_phase(40 + 7 * n, n) for n in range(6)],
    )
    for n, phase in enumerate(phases):
        pose = in_space(phase, turn=0.5 * n, fps=(20.0, 25.0, 30.0)[n % 3])
        add_sequence(project, f"clip{n}", pose)
    settings = [*small_runs.TINY, "model.input=joints3d", "train.steps=1"]
    train(project, run="mine", config=project.config(overrides=settings))
    config = project.config(overrides=[*settings, f"align.joints={joints}"])
    warnings: list[str] = []
    clips = select_clips(project, config, warnings).test
    assert not [text for text in warnings if "3D" in text]
    first, last = clips["clip0"], clips["clip4"]
    request = FeatureRequest(project, None, ("mine",), config, "cpu", first, [])
    sets = {one.name: one for one in feature_sets(request, [])}
    wrong = {}
    for name in ("raw_pose", "raw_pose_best", "time_only"):
        position = sets[name].variants[0].align(first, last).position
        shown = np.interp(position, np.arange(len(phases[4])), phases[4])
        wrong[name] = np.abs(shown - phases[0]).mean()
    deep = joints != "2d"
    assert bool(wrong["raw_pose"] < 0.01) is deep
    assert wrong["raw_pose"] == wrong["raw_pose_best"]
    assert wrong["time_only"] > 0.02
    assert ("joints in the image" in sets["base"].variants[0].uses) is deep
    assert "joints in the image" not in sets["model"].variants[0].uses
    if deep:  # the same space as that of the run
        assert wrong["raw_pose"] < 0.5 * wrong["time_only"]
    # The base model sees the clips as the camera did.
    (seen,) = sets["base"].variants[0].by_frame([first])
    np.testing.assert_array_equal(seen, request.base([replace(first, spatial=False)])[0])


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


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((None, None, None), None),
        (("ties", "ties", "ties"), "ties"),
        (("ties", None, "ties"), "run a, c: ties"),
        (("ties", "gaps", None), "run a: ties; run b: gaps"),
    ],
)
def test_a_text_is_told_once_and_names_the_runs_where_it_is_not_that_of_all(
    texts: tuple[str | None, ...], told: str | None
) -> None:
    assert joined(dict(zip("abc", texts, strict=True))) == told
    runs = {
        run: Scored({}, [], text or "", "network") for run, text in zip("abc", texts, strict=True)
    }
    assert (mean_of(runs).variant, mean_of(runs).uses) == (told or "", "network")


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
        "model, progress: * number of phases whose R squared was raised to the floor: 1 "
        "(all runs together)"
    )
    assert notes(result) == [said]
    ((_, table, _),) = evaluation_parts(result)
    assert table.rows[0][1] == Cell("0.200 ±0.424*", ["0.20–0.20"])


def test_files_of_many_runs_have_a_short_name() -> None:
    many = [f"golf-width256-tempo04-s{seed}" for seed in range(10)]
    name = result_name(many, "paper")
    assert re.fullmatch(r"golf-width256-tempo04-s0\+9-[0-9a-f]{8}@paper", name)
    assert result_name([*many[:9], "other"], "paper") != name
    assert result_name(["a"], "paper") != result_name(["a-paper"], "la2ds")
    assert result_name(many[:6], "la2ds") == "+".join(many[:6])  # 149 characters
    assert result_name(["x" * 200], "la2ds") == "x" * 200  # by which it is found


def test_command_takes_runs_and_protocol(project: StoredProject) -> None:
    command = ["evaluate", "--project", project.root, "--device", "cpu"]
    for runs in (("--run", "a, b"), ("--run", "a", "--run", "b")):
        result = invoke(*command, *runs, "--protocol", "paper")
        assert "protocol paper, run a+b" in result.stdout
    assert (project.results_dir("evaluate") / "a+b@paper.json").exists()
    untrained = invoke(*command, "--run", "default", code=ExitCode.UNUSABLE)
    assert "trained runs: a, " in untrained.stderr
