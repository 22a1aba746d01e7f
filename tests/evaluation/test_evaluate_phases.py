"""The metrics of phases from a project to its result files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.evaluation.table import evaluation_table
from tests.evaluation.labelled_project import evaluated, labelled_project, relabel

SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
PENN = SHARED / "penn_action"
FRACTIONS = ["10 %", "50 %", "100 %"]
TINY = (
    'model.input="joints"',
    "model.width=24",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    project = labelled_project(tmp_path_factory.mktemp("ours"))
    return project, evaluated(project)


def shown(result: dict[str, Any], width: int = 100) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(evaluation_table(result))
    return capture.get()


def test_only_protocols_of_the_first_clips_depend_on_the_order_of_videos_csv(
    tmp_path: Path,
) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    header, *rows = project.videos_path.read_text("utf-8").splitlines()
    project.videos_path.write_text("\n".join([header, *reversed(rows)]) + "\n", "utf-8")
    for protocol, lengths in (("la2ds", [40, 43, 46]), ("paper", [46, 43, 40])):
        request = Request(project, Config(), protocol=protocol, features=["time_only"])
        found = score_request(request).inputs
        assert [len(pose) for pose in found.fit] == lengths
        assert found.labels is not None
        assert [len(label) for label in found.labels.train] == lengths
        assert [len(pose) for pose in found.training] == [40, 43, 46]  # reference clips


def test_ours_adds_the_four_metrics_for_every_feature(
    ours: tuple[Project, dict[str, Any]],
) -> None:
    result = ours[1]
    assert (result["training_clips"], result["labelled_clips"], result["clips"]) == (6, 4, 4)
    assert result["phases"] == ["begin", "middle", "end"]
    for row in result["features"].values():
        assert list(row["phase_classification"]) == FRACTIONS
        assert list(row["precision_at_k"]) == ["5", "10", "15"]
        for entry in (
            *row["phase_classification"].values(),
            *row["precision_at_k"].values(),
            row["phase_progression"],
            row["kendalls_tau"],
        ):
            assert entry["interval"][0] <= entry["value"] <= entry["interval"][1]
            assert entry["reason"] is None
    assert result["protocol"]["tau_stride"] == 1


def test_reference_clips_change_no_metric_of_phases(ours: tuple[Project, dict[str, Any]]) -> None:
    """The untrained network is centred about the training clips, whether or not they align."""
    found = []
    for count in (0, 40):
        config = load_config(overrides=[*TINY, f"align.reference_clips={count}"])
        result = evaluated(
            ours[0], protocol="paper", config=config, features=["untrained"], device="cpu"
        )
        found.append(result["features"]["untrained"]["phase_classification"])
    assert found[0] == found[1]
    assert found[0]["100 %"]["value"] > 0.9


@pytest.mark.parametrize("protocol", ["paper", "casa"])
def test_protocols_have_their_own_files_and_figures(
    ours: tuple[Project, dict[str, Any]], protocol: str
) -> None:
    project = ours[0]
    result = evaluated(project, protocol=protocol, features=["time_only"])
    folder = project.results_dir("evaluate")
    assert json.loads((folder / f"default-{protocol}.json").read_text()) == result
    assert not (folder / f"default-{protocol}-events.csv").exists()
    row = result["features"]["time_only"]
    assert set(row) <= {
        *("phase_classification", "phase_progression", "kendalls_tau", "precision_at_k"),
    }
    assert (result["comparisons"], result["events"]) == ([], None)
    assert result["protocol"]["name"] == protocol
    assert (result["protocol"]["classifier"] == "logistic") == (protocol == "casa")
    assert "Event transfer" not in shown(result)


def test_table_has_every_figure_and_its_interval(
    ours: tuple[Project, dict[str, Any]],
) -> None:
    result = ours[1]
    text = shown(result)
    for part in (
        "SVM, 10 %",
        "progress",
        "AP@5",
        "Event transfer on trimmed pairs",
        "protocol la2ds",
    ):
        assert part in text
    entry = result["features"]["raw_pose"]["precision_at_k"]["5"]
    assert f"{entry['value']:.3f}" in text
    assert f"{entry['interval'][0]:.2f}–{entry['interval'][1]:.2f}" in text
    assert max(len(line) for line in shown(result, width=80).splitlines()) <= 80


def test_a_baseline_ahead_of_the_model_is_named(ours: tuple[Project, dict[str, Any]]) -> None:
    result = ours[1]
    rows = result["features"]
    with_model = result | {"features": {"model": rows["time_only"], **rows}}
    text = " ".join(shown(with_model).split())
    assert "best raw pose does as well as the model or better in: SVM, 10 %" in text
    assert "best raw pose does as well" not in " ".join(shown(result).split())


def test_a_progression_far_below_zero_is_clipped_and_flagged_by_ours_alone(tmp_path: Path) -> None:
    """The test clips are labelled the other way round, so that the fitted clock is far off."""
    project = labelled_project(tmp_path, train=3, test=3)
    for n in range(3):
        text = project.phases_path.read_text().splitlines()
        rows = [row.split(",") for row in text if row.startswith(f"test{n},")]
        length = int(rows[-1][2])
        relabel(project, f"test{n},0,{rows[0][2]},", f"test{n},0,{length - 2},")
        relabel(project, ",".join(rows[1]), f"test{n},{length - 2},{length - 1},middle")
        relabel(project, ",".join(rows[2]), f"test{n},{length - 1},{length},end")
    results = {
        name: evaluated(project, protocol=name, features=["time_only"])
        for name in ("la2ds", "paper")
    }
    clipped, raw = (r["features"]["time_only"]["phase_progression"] for r in results.values())
    assert raw["value"] == raw["mean_unclipped"] == clipped["mean_unclipped"] < -1
    assert (raw["clipped"], clipped["clipped"]) == (0, 2)
    assert clipped["value"] == -1
    assert "-1.000*" in shown(results["la2ds"])
    assert "far below 0" in shown(results["paper"])


def test_background_is_left_out(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    relabel(project, ",begin", ",background")
    found = {
        name: evaluated(project, protocol=name, features=["time_only"])
        for name in ("casa", "la2ds")
    }
    rows = [row.split(",") for row in project.phases_path.read_text().splitlines()]
    begun = sum(int(row[2]) for row in rows if row[3] == "background")
    bare = [t for t in found["casa"]["warnings"] if t.startswith("frames without a phase")]
    assert bare == [f"frames without a phase, not in the phase metrics: {begun}"]
    phases = {name: result["phases"] for name, result in found.items()}
    assert phases["casa"] == phases["la2ds"] == ["middle", "end"]
    other = load_config(overrides=["evaluate.background=NA"])
    result = evaluated(project, config=other, protocol="casa", features=["time_only"])
    assert result["phases"] == ["background", "middle", "end"]


def test_what_limits_the_labels_is_said(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    for name in ("train5", "test3"):
        relabel(project, f"\n{name},", "\nelsewhere,")
    relabel(project, "test0,0,", "test0,3,")
    second = next(row for row in project.phases_path.read_text().splitlines() if "test1,0" in row)
    relabel(project, second, second.replace("begin", "surprise"))
    third = next(row for row in project.phases_path.read_text().splitlines() if "test2,0" in row)
    relabel(project, third, third.replace("begin", "end"))
    warnings = evaluated(project, features=["time_only"])["warnings"]
    assert "training clips without phases, not in the phase metrics: 1" in warnings
    assert "test clips without phases, not in the phase metrics: 1" in warnings
    assert "frames without a phase, not in the phase metrics: 3" in warnings
    assert "phases of no training clip, whose test frames count as wrong: surprise" in warnings
    # Of the eight labelled clips two have lost `begin`, and one of those has `surprise`.
    lacking = (
        "labelled clips that lack a phase: begin 2, surprise 7; the rule is part of progression"
    )
    assert lacking in warnings
    assert any(text.startswith("clips that repeat a phase: 1; progression") for text in warnings)


def test_features_that_are_not_finite_have_no_figure(tmp_path: Path) -> None:
    from dataclasses import replace

    from la2ds_cli.evaluation.phase_labels import Labels
    from la2ds_cli.evaluation.protocol import LA2DS
    from la2ds_cli.evaluation.scoring import measure_phases

    label = np.repeat([0, 1], 10)
    labels = Labels(("a", "b"), [label], [label, label], [0, 1])
    feature = np.arange(20.0)[:, None]
    broken = np.where(feature > 18, np.nan, feature)
    found = measure_phases([feature], [feature, broken], labels, LA2DS, 0)
    assert len(found) == 7
    assert {measure.value for measure in found.values()} == {None}
    row = found["phase_progression", ""].row()
    assert (row["nan"], row["interval"]) == (1, None)
    assert row["reason"] == "features that are not finite: 1 frames of 1 clips"
    whole = measure_phases([feature], [feature, feature], labels, replace(LA2DS), 0)
    assert None not in {measure.value for measure in whole.values()}


@pytest.mark.skipif(not PENN.exists(), reason="the shared Penn Action labels are absent")
@pytest.mark.parametrize(
    ("action", "phases"),
    [
        ("golf_swing", ["backswing", "downswing", "follow_through"]),
        ("squat", ["stand", "down", "up", "end"]),
    ],
)
def test_kinematic_phases_of_penn_action(tmp_path: Path, action: str, phases: list[str]) -> None:
    from la2ds_cli.formats.penn_action import import_penn_action

    project = Project.create(tmp_path)
    import_penn_action(project, PENN, action)
    shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
    result = evaluated(project, protocol="paper", features=["time_only"])
    assert result["phases"] == phases
    row = result["features"]["time_only"]
    # Clips are trimmed to the movement, so a clock tells most phases: why it stands in every table.
    assert 0.7 < row["phase_classification"]["100 %"]["value"] < 0.97
    assert row["phase_progression"]["value"] > 0.8
    assert row["kendalls_tau"]["value"] > 0.99
    assert 0.7 < row["precision_at_k"]["5"]["value"] < 0.97
