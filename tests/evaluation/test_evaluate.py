"""The step from a project to its result files."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.table import evaluation_table, verdict
from tests.evaluation.labelled_project import evaluated
from tests.movement import add_sequence, sequence, warped_phase

SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
PENN = SHARED / "penn_action"
BASELINES = ["raw_pose", "raw_pose_best", "time_only", "untrained"]
HEADER = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent", "error_seconds"]
TINY = [
    'model.input="joints"',
    "model.width=24",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
]


def synthetic(root: Path, *, clips: int = 6, labels: bool = True, split: str = "") -> Project:
    """Clips of one movement, of known paces and frame rates; phases begin at thirds of the
    movement."""
    project = Project.create(root)
    rows = ["video,start,end,phase"]
    for n in range(clips):
        phase = warped_phase(50 + 5 * n, seed=n)
        pose = sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=50.0 + 5 * n)
        add_sequence(project, f"clip{n}", pose, split)
        first, second = (int(np.abs(phase - share).argmin()) for share in (0.35, 0.65))
        bounds = zip((0, first, second), (first, second, len(phase)), strict=True)
        for (start, end), name in zip(bounds, ("begin", "middle", "end"), strict=True):
            rows.append(f"clip{n},{start},{end},{name}")
    if labels:
        write_text(project.phases_path, "\n".join(rows) + "\n")
    return project


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    project = synthetic(tmp_path_factory.mktemp("labelled"))
    return project, evaluated(project)


def shown(result: dict[str, Any]) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(evaluation_table(result))
    return capture.get()


def test_document_has_its_keys_and_is_what_was_written(
    labelled: tuple[Project, dict[str, Any]],
) -> None:
    project, result = labelled
    assert set(result) == {
        "schema_version",
        "run",
        "runs",
        "weights",
        "split",
        "clips",
        "training_clips",
        "labelled_clips",
        "phases",
        "events",
        "protocol",
        "features",
        "by_run",
        "comparisons",
        "warnings",
    }
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
    written = json.loads((project.results_dir("evaluate") / "default.json").read_text())
    assert written == result


def test_warnings_say_what_limits_the_numbers(labelled: tuple[Project, dict[str, Any]]) -> None:
    text = " ".join(labelled[1]["warnings"])
    assert "run default has no model: only baselines were evaluated" in text
    assert "no clip is marked split=test" in text
    assert "phase metrics were not computed: no clip is marked split=test" in text


def test_raw_pose_transfers_events_and_a_clock_does_not(
    labelled: tuple[Project, dict[str, Any]],
) -> None:
    features = labelled[1]["features"]
    raw, clock = (features[n]["event_transfer"] for n in ("raw_pose", "time_only"))
    # The figure is the same person at every pace: only frame rounding is left.
    assert raw["mean_percent"]["value"] < 2
    assert clock["mean_percent"]["value"] > 3 * raw["mean_percent"]["value"]
    assert (
        features["raw_pose_best"]["event_transfer"]["mean_percent"]["value"]
        <= raw["mean_percent"]["value"]
    )
    # The same clock is nearly perfect by tau.
    assert features["time_only"]["kendalls_tau"]["value"] > 0.98


def test_all_features_carry_the_same_events_of_the_same_pairs(
    labelled: tuple[Project, dict[str, Any]],
) -> None:
    project, result = labelled
    path = project.results_dir("evaluate") / "default-events.csv"
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == HEADER
    carried: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        carried.setdefault(row["feature"], []).append(
            tuple(row[key] for key in ("draw", "a", "b", "event"))
        )
    assert set(carried) == set(result["features"])
    assert len({tuple(events) for events in carried.values()}) == 1
    assert (
        len(carried["raw_pose"])
        == result["features"]["raw_pose"]["event_transfer"]["median_percent"]["events"]
    )
    errors = [float(r["error_percent"]) for r in rows if r["feature"] == "time_only"]
    expected = result["features"]["time_only"]["event_transfer"]["median_percent"]["value"]
    assert np.median(errors) == pytest.approx(expected, abs=1e-5)


def test_evaluation_repeats_exactly(labelled: tuple[Project, dict[str, Any]]) -> None:
    project, result = labelled
    assert evaluated(project) == result


def test_table_shows_figures_and_a_verdict(
    labelled: tuple[Project, dict[str, Any]],
) -> None:
    result = labelled[1]
    text = shown(result)
    assert text.splitlines()[-1] == "what the figures mean: docs/explanation/metrics.md"
    for part in ("time only", "untrained network = network, no other clips", "note:"):
        assert part in text
    assert (
        f"{result['features']['time_only']['event_transfer']['median_percent']['value']:.2f}"
        in text
    )
    assert "The base model beats time only" in verdict(result)[0]


@pytest.mark.parametrize(
    ("against", "interval", "said"),
    [
        ("raw_pose", [-6, 0.2], "The model and raw pose cannot be told apart on these clips"),
        (
            "raw_pose",
            [-6, -0.2],
            "The model beats raw pose by 3.5x (median error 1.00 %",
        ),
        (
            "base",
            [-0.5, -0.125],
            "The model is better than the base model by 20 % (10 to 40 %)",
        ),
        (
            "base",
            [-0.5, 0.25],
            "The model is not shown to help (gain over the base model 20 %",
        ),
    ],
)
def test_what_may_be_chance_beats_nothing(against: str, interval: list[float], said: str) -> None:
    rows = {
        name: {"event_transfer": {"median_percent": {"value": median}}}
        for name, median in (("model", 1.0), ("raw_pose", 3.5), ("base", 1.25))
    }
    comparison = {"features": "model", "against": against, "interval_percent": interval}
    (line,) = verdict({"features": rows, "comparisons": [comparison]})
    assert line.startswith(said)
    assert "chance" not in line


def test_without_labels_events_are_kinematic_and_flagged(tmp_path: Path) -> None:
    result = evaluated(synthetic(tmp_path, labels=False))
    assert result["events"] == "kinematic"
    raw = result["features"]["raw_pose"]["event_transfer"]
    assert "hips lowest" in raw["median_percent"]["by_event"]
    assert raw["mean_percent"]["value"] < 3
    assert "found by rule and not by people" in " ".join(shown(result).split())


def test_motionless_clips_are_null_with_reasons_and_still_written(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    for n in range(3):
        add_sequence(project, f"clip{n}", sequence(np.zeros(30 + n)))
    result = evaluated(project, features=BASELINES)
    raw = result["features"]["raw_pose"]
    assert result["events"] is None
    assert raw["event_transfer"]["median_percent"]["value"] is None
    assert raw["event_transfer"]["median_percent"]["reason"] == "no two clips share an event"
    assert (raw["kendalls_tau"]["value"], raw["kendalls_tau"]["nan"]) == (None, 6)
    tied = "pairs undefined, since all frames of A have one and the same nearest frame in B"
    assert raw["kendalls_tau"]["reason"] == tied
    assert "undefined 6/6 6/6 0/6 0/6" in " ".join(shown(result).split())
    names = "raw pose (6 of 6), best raw pose (6 of 6)"
    assert f"tau, {names}: {tied}" in " ".join(shown(result).split())
    assert verdict(result) == []


def test_test_split_alone_is_used_where_there_is_one(tmp_path: Path) -> None:
    project = synthetic(tmp_path, clips=3, split="test")
    add_sequence(project, "seen", sequence(warped_phase(50, 9)), "train")
    result = evaluated(project, features=["time_only"])
    assert (result["split"], result["clips"]) == ("test", 3)
    assert not any("split=test" in text for text in result["warnings"])


@pytest.mark.parametrize("clips", [0, 1])
def test_fewer_than_two_clips_are_refused(tmp_path: Path, clips: int) -> None:
    with pytest.raises(UserError, match=f"at least 2 clips with poses, found {clips}") as caught:
        evaluated(synthetic(tmp_path, clips=clips))
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_short_clips_and_videos_without_poses_are_left_out_and_named(tmp_path: Path) -> None:
    project = synthetic(tmp_path, clips=3)
    add_sequence(project, "short", sequence(warped_phase(7, 0)))
    add_sequence(project, "gone", sequence(warped_phase(30, 0)))
    project.pose_path("gone").unlink()
    result = evaluated(project, features=["time_only"])
    assert result["clips"] == 3
    assert "videos without poses, left out: 1" in result["warnings"]
    assert "clips of fewer than 8 frames, left out: 1" in result["warnings"]


def test_a_named_model_that_does_not_exist_is_refused_when_nothing_is_left(tmp_path: Path) -> None:
    project = synthetic(tmp_path, clips=2)
    with pytest.raises(UserError, match="run 'later' has no trained model") as caught:
        evaluated(project, "later", features=["model"])
    assert caught.value.exit_code == ExitCode.UNUSABLE
    with pytest.raises(UserError, match="unknown feature set"):
        evaluated(project, features=["modle"])


def test_a_checkpoint_with_random_weights_scores_as_the_untrained_network(tmp_path: Path) -> None:
    from la2ds_cli.core.skeleton import get_skeleton
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.network import build_network

    project, config = synthetic(tmp_path, clips=3), load_config(overrides=TINY)
    skeleton = get_skeleton("penn13")
    network = build_network(config.model, config.heatmap, skeleton, config.evaluate.seed)
    checkpoint.save_weights(
        project.run_dir("random") / "best.safetensors",
        network,
        checkpoint.training_recipe(config, "digest"),
        {"skeleton": "penn13"},
    )
    result = evaluated(project, "random", config=config, device="cpu")
    features = result["features"]
    assert list(features) == ["model", "base", *BASELINES]
    assert features["model"] == features["untrained"]
    assert features["model"]["event_transfer"]["median_percent"]["events"] > 0
    assert [row["against"] for row in result["comparisons"]] == [
        "time_only",
        "raw_pose_best",
        "base",
        "untrained",
    ]
    assert "The model ties with untrained network" in verdict(result)[3]


def test_tau_close_to_a_clock_is_flagged(labelled: tuple[Project, dict[str, Any]]) -> None:
    features = labelled[1]["features"]
    clock = features["time_only"]
    flagged = labelled[1] | {"features": features | {"model": clock}}
    assert "judge by event transfer" in shown(flagged)
    tau = clock["kendalls_tau"] | {"value": 0.7}
    modest = labelled[1] | {"features": features | {"model": clock | {"kendalls_tau": tau}}}
    assert "judge by event transfer" not in shown(modest)


@pytest.mark.skipif(not PENN.exists(), reason="the shared Penn Action labels are absent")
def test_golf_baselines_agree_with_an_independent_implementation(tmp_path: Path) -> None:
    """Reference: 2.63/4.80 raw DTW, 7.84/8.72 time only (median/mean percent), other trims."""
    from la2ds_cli.formats.penn_action import import_penn_action

    project = Project.create(tmp_path)
    import_penn_action(project, PENN, "golf_swing")
    shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
    config = load_config(overrides=["evaluate.pairs=150"])
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
