"""Methods on a project of six clips, two steps a run: what the cells hold, going on, failures."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation import evaluate as evaluation
from la2ds_cli.experiments.benchmark import benchmark, method_rows
from la2ds_cli.experiments.comparison import Result
from la2ds_cli.experiments.runner import Plan, run_name
from la2ds_cli.experiments.scores import METRICS, cached_scores
from la2ds_cli.experiments.tables import Figure, all_notes, figures, nested_resamples
from tests.evaluation.labelled_project import evaluated
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import run_python
from tests.small_runs import TINY, six_clips
from tests.told import refused

ROOT = Path(__file__).parents[2]
SETTINGS = [*TINY, "model.input=joints", "align.reference_clips=0"]
METHODS = ("la2ds", "tcc")
SEEDS = (0, 1)


def _run(projects: list[StoredProject], out: Path, **options: Any) -> Result:
    chosen: dict[str, Any] = {"seeds": SEEDS, "settings": SETTINGS, **options}
    methods = chosen.pop("methods", METHODS)
    return benchmark(projects, Plan(device="cpu", **chosen), methods, out=out)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    return six_clips(tmp_path_factory.mktemp("benchmark") / "swings")


@pytest.fixture(scope="module")
def result(project: StoredProject) -> Result:
    return _run([project], project.root / "out")


@pytest.fixture
def copied(project: StoredProject, result: Result, tmp_path: Path) -> StoredProject:
    """The project with all runs done, to be changed."""
    shutil.copytree(project.root, tmp_path / "swings")
    return StoredProject.open(tmp_path / "swings")


def _evaluated(project: StoredProject, method: str, seed: int, *features: str) -> dict[str, Any]:
    """The rows of `la2ds evaluate` with the settings of a method."""
    config = method_rows([method], SETTINGS)[0].recipe(project, seed)
    runs = [run_name(f"benchmark-{method}", project, config)] if "model" in features else []
    found = evaluated(project, *runs, config=config, device="cpu", features=features)
    return found["features"]


def _cells(result: Result, row: str, data: str = "swings") -> dict[str, Figure]:
    """Metric -> figure of a row."""
    return {one.metric: one for one in figures(result) if (one.row, one.data) == (row, data)}


def _notes(result: Result) -> list[str]:
    return all_notes(result, figures(result))


def _scores(result: Result) -> list[Any]:
    return [(one.data, one.row, one.seed, one.scores) for one in result.entries]


def test_cells_are_the_means_of_the_evaluations(project: StoredProject, result: Result) -> None:
    assert result.exit_code() == ExitCode.OK
    for method in METHODS:
        rows = [_evaluated(project, method, seed, "model")["model"] for seed in SEEDS]
        cells = _cells(result, method)
        for metric in METRICS.values():
            name, part = metric.key
            entries = [row[name][part] if part else row[name] for row in rows]
            values = [metric.factor * entry["value"] for entry in entries]
            assert cells[metric.name].value == pytest.approx(statistics.fmean(values))
            assert cells[metric.name].spread == pytest.approx(statistics.stdev(values))
            assert cells[metric.name].seeds == 2
        assert cells["steps"].value == 2
        assert cells["seconds"].value > 0
    baselines = ("time_only", "raw_pose", "raw_pose_best")
    for name, row in _evaluated(project, "tcc", 0, *baselines).items():
        tau = _cells(result, name)["kendalls_tau"]
        assert tau.value == row["kendalls_tau"]["value"]
        assert tau.spread is None
        assert tau.interval == pytest.approx(row["kendalls_tau"]["interval"])


def test_intervals_are_over_clips_and_seeds(result: Result) -> None:
    runs = [one.resampled["kendalls_tau"] for one in result.entries if one.row == "tcc"]
    interval = _cells(result, "tcc")["kendalls_tau"].interval
    nested = nested_resamples(runs)
    assert interval == pytest.approx(list(np.nanpercentile(nested, [2.5, 97.5])))
    assert np.nanstd(nested) > np.nanstd(np.mean(runs, axis=0))


def test_a_note_says_what_event_transfer_is_made_of(result: Result) -> None:
    """Here align.reference_clips is 0."""
    assert "swings: event transfer of a method = network, no other clips" in _notes(result)


def test_every_encoder_is_scored_untrained(project: StoredProject, result: Result) -> None:
    names = [row for row in result.rows() if row not in result.labels]
    clock_and_poses = ["time_only", "raw_pose", "raw_pose_best"]
    assert names == [*clock_and_poses, "untrained-la2ds", "untrained-tcc"]
    untrained = _evaluated(project, "la2ds", 0, "model", "untrained")["untrained"]
    cells = _cells(result, "untrained-la2ds")
    assert cells["kendalls_tau"].value == untrained["kendalls_tau"]["value"]


def test_a_second_call_trains_and_scores_nothing(
    copied: StoredProject, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "score_request", lambda *_, **__: pytest.fail("scored again"))
    before = {p: p.stat().st_mtime_ns for p in copied.root.glob("checkpoints/*/best.*")}
    again = _run([copied], copied.root / "out")
    assert len(before) == 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert all(outcome.reused for outcome in again.runs())
    assert figures(again) == figures(result)


def test_projects_of_one_name_are_different_data(copied: StoredProject, tmp_path: Path) -> None:
    twins = [tmp_path / parent / "x" / "swings" for parent in "ab"]
    for twin in twins:
        shutil.copytree(copied.root, twin)
    found = _run([StoredProject.open(twin) for twin in twins], tmp_path / "out")
    assert [data.name for data in found.data] == ["a/x/swings", "b/x/swings"]
    assert _cells(found, "tcc", "a/x/swings")["kendalls_tau"].seeds == 2


def test_changed_labels_or_settings_are_scored_again(copied: StoredProject) -> None:
    first = _run([copied], copied.root / "out")
    lines = copied.phases_path.read_text().splitlines()
    write_text(copied.phases_path, "\n".join(line for line in lines if "middle" not in line))
    labels = _run([copied], copied.root / "out")
    reseeded = _run([copied], copied.root / "out", settings=[*SETTINGS, "evaluate.seed=5"])
    key, tau, moved = "classification", "kendalls_tau", "event_transfer_mean"
    old, new, last = (_cells(one, "la2ds") for one in (first, labels, reseeded))
    assert old[key].value != new[key].value
    assert old[tau].value == new[tau].value
    assert new[moved].value != last[moved].value


def test_a_figure_counts_the_clips_that_contribute_to_it(tmp_path: Path) -> None:
    """One of three test clips has no phases: two clips are left for figures of phases."""
    project = six_clips(tmp_path / "swings")
    unlabelled = next(video.id for video in project.videos() if video.split == "test")
    lines = project.phases_path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{unlabelled},")]
    write_text(project.phases_path, "\n".join(kept) + "\n")
    config = project.config(overrides=SETTINGS)
    for _ in ("scored", "cached"):
        scored = cached_scores(
            project, "poses", config, ["raw_pose"], protocol="la2ds", device="cpu"
        )
        phases = ("classification", "progression", "precision_at_10", "event_transfer_median")
        assert {scored.clips[metric] for metric in phases} == {2}
        assert (scored.clips["kendalls_tau"], scored.facts["clips"]) == (3, 3)
    for video in project.videos():
        project.mark_video(video.id, split=video.split, group="anna")
    scored = cached_scores(project, "poses", config, ["raw_pose"], protocol="la2ds", device="cpu")
    assert any("too narrow" in text for text in scored.warnings)
    longer = project.config(overrides=[*SETTINGS, "poses.min_frames=34"])  # of 33, 39 and 45
    scored = cached_scores(project, "poses", longer, ["raw_pose"], protocol="la2ds", device="cpu")
    assert scored.facts["clips"] == 2


SCORE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.scores import cached_scores
project = StoredProject.open(Path(sys.argv[2]))
config = project.config(overrides=sys.argv[3:])
found = cached_scores(project, "poses", config, ["raw_pose"], protocol="la2ds", device="cpu")
print(found.scores["raw_pose"]["event_transfer_mean"])
"""


def test_changed_code_is_scored_again(tmp_path: Path) -> None:
    """In a copy of the packages: without joints, the same clips cannot be aligned as before."""
    for package in (ROOT / "la2ds_cli", ROOT / "models" / "la2ds_models"):
        ignored = shutil.ignore_patterns("__pycache__", "static")
        shutil.copytree(package, tmp_path / package.name, ignore=ignored)
    project = six_clips(tmp_path / "swings")

    def score() -> float:
        return float(run_python("-c", SCORE, tmp_path, project.root, *SETTINGS).stdout)

    first = score()
    assert score() == first
    path = tmp_path / "la2ds_cli" / "features" / "pose_features.py"
    text = path.read_text("utf-8")
    assert text.count("\ndef raw_pose(") == 1
    zeros = "\n_given = raw_pose\n\n\ndef raw_pose(pose):\n    return 0 * _given(pose)\n"
    write_text(path, text + zeros)
    assert score() > 5 * first


def test_other_clips_are_other_runs(copied: StoredProject, result: Result) -> None:
    """One more to learn from; a clip more to be tested on changes no run."""
    names = {o.run for o in result.runs()}
    config = method_rows(["tcc"], SETTINGS)[0].recipe(copied, 0)
    assert run_name("benchmark-tcc", copied, config) in names
    for split, same in (("test", True), ("train", False)):
        add_sequence(copied, f"more-{split}", sequence(warped_phase(33, 8)), split)
        assert (run_name("benchmark-tcc", copied, config) in names) == same


def test_without_labels_event_transfer_and_tau_are_left(tmp_path: Path) -> None:
    project = six_clips(tmp_path / "swings", labels=False)
    with refused(ExitCode.UNUSABLE, "protocol paper: phases.csv has no labels for training clip"):
        _run([project], tmp_path / "out", protocol="paper")
    assert not [*tmp_path.glob("out"), *project.runs()]
    found = _run([project], tmp_path / "out", seeds=(0,), methods=["la2ds"])
    assert {one.task for one in figures(found)} == {"progression", "transfer", "cost"}
    cells = _cells(found, "la2ds")
    assert "progression" not in cells
    assert "kendalls_tau" in cells
