"""The step from a project to its result files."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.evaluation.evaluation_table import verdict
from la2ds_cli.network.embedder import Embedder
from tests.evaluation.labelled_project import (
    TINY,
    evaluated,
    labelled_project,
    random_run,
    relabel,
    shown,
)
from tests.movement import add_sequence, sequence, warped_phase
from tests.shared_data import PENN, needs_penn
from tests.told import refused

BASELINES = ["raw_pose", "raw_pose_best", "time_only", "untrained"]
HEADER = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent", "error_seconds"]
FRACTIONS = ["10 %", "50 %", "100 %"]
PHASES = ["phase_classification", "phase_progression", "kendalls_tau", "precision_at_k"]
Made = tuple[StoredProject, dict[str, Any]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Labelled clips without a split."""
    project = labelled_project(tmp_path_factory.mktemp("whole"), train=0, test=6, split=False)
    return project, evaluated(project)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Labelled training and test clips."""
    project = labelled_project(tmp_path_factory.mktemp("ours"))
    return project, evaluated(project)


def said(result: dict[str, Any]) -> str:
    return " ".join(shown(result, 200).split())


def test_document_has_its_keys_and_is_what_was_written_and_repeats(whole: Made) -> None:
    project, result = whole
    assert list(result) == [
        *("schema_version", "run", "runs", "weights", "embeddings"),
        *("split", "clips", "training_clips"),
        *("labelled_clips", "phases", "events", "protocol", "features", "by_run"),
        *("comparisons", "warnings"),
    ]
    assert (result["schema_version"], result["run"], result["clips"]) == (1, "default", 6)
    assert (result["split"], result["events"]) == ("all", "phases")
    assert list(result["features"]) == ["base", *BASELINES]
    for row in result["features"].values():
        assert set(row["event_transfer"]) == {
            *("median_percent", "mean_percent", "p90_percent", "median_seconds")
        }
        keys = {"value", "pairs", "nan", "interval", "clips", "reason"}
        assert set(row["kendalls_tau"]) - {"variant"} == keys
        assert row["kendalls_tau"]["pairs"] == 30
    assert json.loads((project.results_dir("evaluate") / "default.json").read_text()) == result
    assert evaluated(project) == result
    text = " ".join(result["warnings"])
    assert "no run was evaluated, since run default has no model" in text
    assert "no clip is marked split=test" in text
    assert "phase metrics were not computed: no clip is marked split=test" in text


def test_raw_pose_transfers_events_and_a_clock_does_not(whole: Made) -> None:
    features = whole[1]["features"]
    raw, best, clock = (
        features[n]["event_transfer"]["mean_percent"]["value"]
        for n in ("raw_pose", "raw_pose_best", "time_only")
    )
    # The figure is the same person at every pace: only frame rounding is left.
    assert raw < 2
    assert clock > 3 * raw
    assert best <= raw
    # The same clock is nearly perfect by tau.
    assert features["time_only"]["kendalls_tau"]["value"] > 0.98


def test_all_features_carry_the_same_events_of_the_same_pairs(whole: Made) -> None:
    project, result = whole
    path = project.results_dir("evaluate") / "default-events.csv"
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == HEADER
    carried: dict[str, list[list[str]]] = {}
    for row in rows:
        carried.setdefault(row["feature"], []).append([row[key] for key in HEADER[1:5]])
    assert set(carried) == set(result["features"])
    assert all(events == carried["raw_pose"] for events in carried.values())
    transfer = result["features"]["time_only"]["event_transfer"]["median_percent"]
    assert len(carried["time_only"]) == transfer["events"]
    errors = [float(r["error_percent"]) for r in rows if r["feature"] == "time_only"]
    assert np.median(errors) == pytest.approx(transfer["value"], abs=1e-5)


def test_table_shows_figures_and_a_verdict(whole: Made, ours: Made) -> None:
    text = shown(whole[1])
    assert text.splitlines()[-1] == "docs/explanation/metrics.md explains the figures"
    for part in ("time only", "untrained network = network, no other clips", "note:"):
        assert part in text
    clock = whole[1]["features"]["time_only"]["event_transfer"]["median_percent"]["value"]
    assert f"{clock:.2f}" in text
    assert "The base model beats time only" in verdict(whole[1])[0]
    text = shown(ours[1])
    for part in ("SVM, 10 %", "progress", "AP@5", "Event transfer on trimmed pairs"):
        assert part in text
    entry = ours[1]["features"]["raw_pose"]["precision_at_k"]["5"]
    assert f"{entry['value']:.3f}" in text
    assert f"{entry['interval'][0]:.2f}–{entry['interval'][1]:.2f}" in text
    assert max(len(line) for line in shown(ours[1], width=80).splitlines()) <= 80


@pytest.mark.parametrize(
    ("against", "interval", "said"),
    [
        ("raw_pose", [-6, 0.2], "The model and raw pose do not differ significantly on these"),
        ("raw_pose", [-6, -0.2], "The model beats raw pose by 3.5x (median error 1.00 %"),
        ("base", [10, 40], "The model is better than the base model by 20 % (10 to 40 %)"),
        ("base", [-20, 40], "The model is not shown to help (gain over the base model 20 %"),
    ],
)
def test_what_may_be_chance_beats_nothing(against: str, interval: list[float], said: str) -> None:
    rows = {
        name: {"event_transfer": {"median_percent": {"value": median}}}
        for name, median in (("model", 1.0), ("raw_pose", 3.5), ("base", 1.25))
    }
    comparison = {"features": "model", "against": against}
    comparison |= {"interval_percent": interval, "gain_interval": interval}
    (line,) = verdict({"features": rows, "comparisons": [comparison]})
    assert line.startswith(said)
    assert "chance" not in line


def test_without_labels_events_are_kinematic_and_flagged(tmp_path: Path) -> None:
    result = evaluated(labelled_project(tmp_path, train=0, labels=False))
    assert result["events"] == "kinematic"
    raw = result["features"]["raw_pose"]["event_transfer"]
    assert "hips lowest" in raw["median_percent"]["by_event"]
    assert raw["mean_percent"]["value"] < 3
    assert "detected from the joints (extrema), not labelled by people" in said(result)


def test_motionless_clips_are_null_with_reasons_and_still_written(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(3):
        add_sequence(project, f"clip{n}", sequence(np.zeros(30 + n)))
    result = evaluated(project, features=BASELINES)
    raw = result["features"]["raw_pose"]
    assert result["events"] is None
    lost = raw["event_transfer"]["median_percent"]
    nothing = "no event lies inside both clips of any trimmed pair"
    assert (lost["value"], lost["reason"]) == (None, nothing)
    assert (raw["kendalls_tau"]["value"], raw["kendalls_tau"]["nan"]) == (None, 6)
    tied = "undefined pairs, in which all frames of A have the same nearest frame of B"
    assert raw["kendalls_tau"]["reason"] == tied
    assert "undefined 6/6 6/6 0/6 0/6" in said(result)
    assert f"tau, raw pose (6 of 6), best raw pose (6 of 6): {tied}" in said(result)
    assert verdict(result) == []


@pytest.mark.parametrize(
    ("clips", "runs", "features", "code", "message"),
    [
        (0, (), None, ExitCode.UNUSABLE, "at least 2 clips with poses, found 0"),
        (1, (), None, ExitCode.UNUSABLE, "at least 2 clips with poses, found 1"),
        (2, ("later",), ["model"], ExitCode.UNUSABLE, "run 'later' has no trained model"),
        (2, (), ["model"], ExitCode.UNUSABLE, "run default has no model, so there is nothing"),
        (2, (), ["modle"], ExitCode.USAGE, "unknown feature set 'modle'"),
        (2, ("a", "a"), None, ExitCode.USAGE, "named twice"),
        (2, ("../b",), None, ExitCode.USAGE, "not a run name"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    tmp_path: Path,
    clips: int,
    runs: tuple[str, ...],
    features: list[str] | None,
    code: ExitCode,
    message: str,
) -> None:
    with refused(code, message):
        evaluated(labelled_project(tmp_path, train=0, test=clips), *runs, features=features)


def test_short_clips_and_videos_without_poses_are_left_out_and_named(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=1, test=3)
    add_sequence(project, "short", sequence(warped_phase(7, 0)), "test")
    add_sequence(project, "gone", sequence(warped_phase(30, 0)), "test")
    project.pose_path("gone").unlink()
    result = evaluated(project, features=["time_only"])
    assert (result["split"], result["clips"]) == ("test", 3)
    assert "videos left out because they have no poses: 1" in result["warnings"]
    assert "clips left out because they have fewer than 8 frames: 1" in result["warnings"]
    assert not any("split=test" in text for text in result["warnings"])


def test_a_checkpoint_with_random_weights_scores_as_the_untrained_network(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=0, test=3, split=False)
    random_run(project, "random")
    result = evaluated(project, "random", config=load_config(overrides=TINY))
    features = result["features"]
    assert list(features) == ["model", "base", *BASELINES]
    assert features["model"] == features["untrained"]
    assert features["model"]["event_transfer"]["median_percent"]["events"] > 0
    against = [row["against"] for row in result["comparisons"]]
    assert against == ["time_only", "raw_pose_best", "base", "untrained"]
    assert "The model ties with untrained network" in verdict(result)[3]


def test_embeddings_that_are_not_finite_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = labelled_project(tmp_path, train=0, test=2)
    random_run(project, "odd")
    embed: Callable[..., list[FloatArray]] = Embedder.__call__

    def broken(self: Embedder, poses: list[PoseSequence]) -> list[FloatArray]:
        return [np.where(value > 0, value, np.nan) for value in embed(self, poses)]

    monkeypatch.setattr(Embedder, "__call__", broken)
    with refused(ExitCode.UNUSABLE, "the features of model odd are not finite"):
        evaluated(project, "odd", features=["model"])


def test_tau_close_to_a_clock_and_a_baseline_ahead_are_flagged(ours: Made) -> None:
    rows = ours[1]["features"]
    clock = rows["time_only"]
    text = said(ours[1] | {"features": {"model": clock, **rows}})
    assert "judge by event transfer" in text
    assert "best raw pose does at least as well as the model in: SVM, 10 %" in text
    assert "best raw pose does at least as well" not in said(ours[1])
    tau = clock | {"kendalls_tau": clock["kendalls_tau"] | {"value": 0.7}}
    assert "judge by event transfer" not in said(ours[1] | {"features": {"model": tau, **rows}})


# --- phases -------------------------------------------------------------------------------------


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


def test_ours_adds_the_metrics_of_phases_for_every_feature(ours: Made) -> None:
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


def test_reference_clips_change_no_metric_of_phases(ours: Made) -> None:
    """The untrained network is centred about the training clips, whether or not they align."""
    found = []
    for count in (0, 40):
        config = load_config(overrides=[*TINY, f"align.reference_clips={count}"])
        result = evaluated(ours[0], protocol="paper", config=config, features=["untrained"])
        found.append(result["features"]["untrained"]["phase_classification"])
    assert found[0] == found[1]
    assert found[0]["100 %"]["value"] > 0.9


@pytest.mark.parametrize("protocol", ["paper", "casa"])
def test_protocols_have_their_own_files_and_figures(ours: Made, protocol: str) -> None:
    project = ours[0]
    result = evaluated(project, protocol=protocol, features=["time_only"])
    folder = project.results_dir("evaluate")
    assert json.loads((folder / f"default@{protocol}.json").read_text()) == result
    assert not (folder / f"default@{protocol}-events.csv").exists()
    assert set(result["features"]["time_only"]) <= set(PHASES)
    assert (result["comparisons"], result["events"]) == ([], None)
    assert result["protocol"]["name"] == protocol
    assert (result["protocol"]["classifier"] == "logistic") == (protocol == "casa")
    assert "Event transfer" not in shown(result)


def test_background_is_left_out(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    relabel(project, ",begin", ",background")
    found = {
        name: evaluated(project, protocol=name, features=["time_only"])
        for name in ("casa", "la2ds")
    }
    rows = [row.split(",") for row in project.phases_path.read_text().splitlines()]
    begun = sum(int(row[2]) for row in rows if row[3] == "background")
    bare = [t for t in found["casa"]["warnings"] if t.startswith("frames left out of phase")]
    assert bare == [f"frames left out of phase metrics, without a phase: {begun}"]
    assert [result["phases"] for result in found.values()] == [["middle", "end"]] * 2
    other = load_config(overrides=["evaluate.background=NA"])
    result = evaluated(project, config=other, protocol="casa", features=["time_only"])
    assert result["phases"] == ["background", "middle", "end"]


def test_what_limits_the_labels_is_said(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    for name in ("train5", "test3"):
        relabel(project, f"\n{name},", "\nelsewhere,")
    relabel(project, "test0,0,", "test0,3,")
    rows = project.phases_path.read_text().splitlines()
    for clip, name in (("test1,0", "surprise"), ("test2,0", "end")):
        row = next(row for row in rows if row.startswith(clip))
        relabel(project, row, row.replace("begin", name))
    warnings = evaluated(project, features=["time_only"])["warnings"]
    for text in (
        "training clips left out of phase metrics, without phases: 1",
        "test clips left out of phase metrics, without phases: 1",
        "frames left out of phase metrics, without a phase: 3",
        "no training clip has these phases, so their test frames are wrong: surprise",
        # Of the eight labelled clips two have lost `begin`, and one of those has `surprise`.
        "number of labelled clips that lack a phase: begin 2, surprise 7; the protocol says how "
        "progression handles them",
    ):
        assert text in warnings
    assert any(text.startswith("clips that repeat a phase: 1; tau and") for text in warnings)


# --- clips of people ----------------------------------------------------------------------------


@needs_penn
def test_golf_baselines_agree_with_an_independent_implementation(tmp_path: Path) -> None:
    """Reference: 2.63/4.80 raw DTW, 7.84/8.72 time only (median/mean percent), other trims."""
    from la2ds_cli.datasets.penn_action import import_penn_action

    project = StoredProject.create(tmp_path)
    import_penn_action(project, PENN, "golf_swing")
    shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
    config = load_config(overrides=["evaluate.pairs=150", "evaluate.trim_draws=1"])
    features = evaluated(project, config=config, features=BASELINES[:3])["features"]
    raw, best, clock = (
        features[n]["event_transfer"] for n in ("raw_pose", "raw_pose_best", "time_only")
    )
    assert raw["median_percent"]["value"] == pytest.approx(2.63, abs=0.8)
    assert raw["mean_percent"]["value"] == pytest.approx(4.8, abs=1.2)
    assert best["median_percent"]["value"] < 2.4
    assert clock["median_percent"]["value"] == pytest.approx(7.84, abs=1.5)
    assert clock["mean_percent"]["value"] == pytest.approx(8.72, abs=1.5)
    assert features["time_only"]["kendalls_tau"]["value"] > 0.99
    result = evaluated(project, protocol="paper", features=["time_only"])
    assert result["phases"] == ["backswing", "downswing", "follow_through"]
    row = result["features"]["time_only"]
    # Clips are trimmed to the movement, so a clock tells most phases: why it stands in every table.
    assert 0.7 < row["phase_classification"]["100 %"]["value"] < 0.97
    assert row["phase_progression"]["value"] > 0.8
    assert 0.7 < row["precision_at_k"]["5"]["value"] < 0.97
