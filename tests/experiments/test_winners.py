"""Who wins where, on results whose best rows are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from la2ds_cli.core.artifact import write_json
from la2ds_cli.evaluation.measure import video_counts
from la2ds_cli.experiments.benchmark_pages import (
    document,
    html_page,
    markdown,
    winner_sentences,
    winners_table,
)
from la2ds_cli.experiments.benchmark_tables import MEAN
from la2ds_cli.experiments.benchmark_winners import Winner, winners
from la2ds_cli.experiments.methods import Source
from la2ds_cli.experiments.metrics import TASKS
from la2ds_cli.experiments.result import (
    BenchmarkResult,
    Outcome,
    ProjectResult,
    ResultRow,
    TableResult,
)

MEDIAN, MEAN_ERROR = "event_transfer_median", "event_transfer_mean"
SEEDS = (0, 1, 2)


def _project(name: str, level: dict[str, float], clips: int, draw: int) -> ProjectResult:
    """Rows whose errors of clips lie around `level`; what begins with `pose` is a baseline."""
    rng = np.random.default_rng(draw)
    counts = video_counts(clips, seed=0)
    of_clip = rng.normal(0, 1, clips)
    rows, baselines, samples = [], [], {}
    for label, mean in level.items():
        seeds = (None,) if label.startswith("pose") else SEEDS
        outcomes = []
        for seed in seeds:
            errors = of_clip - of_clip.mean() + mean + rng.normal(0, 0.05, clips)
            value = float(errors.mean())
            scores: dict[str, float | None] = {MEDIAN: value, MEAN_ERROR: value + 1}
            outcomes.append(Outcome("run", "model", scores, seed=seed, steps=2, seconds=1.0))
            resampled = counts @ errors / clips
            samples.setdefault(label, []).append({MEDIAN: resampled, MEAN_ERROR: resampled + 1})
        row = ResultRow(label, label, {}, outcomes=outcomes)
        (baselines if seeds == (None,) else rows).append(row)
    facts = {"split": "test", "clips": clips, "phases": ["up"], "events": "phases", "protocol": {}}
    project = ProjectResult(TableResult(name, name, facts, rows, baselines), Source())
    for row in (*rows, *baselines):
        for sample in samples[row.name]:
            project.add_sample(row, sample)
    return project


def _result(*projects: ProjectResult) -> BenchmarkResult:
    facts = {
        "budget": "2 steps",
        "minutes": None,
        "steps": 2,
        "seeds": list(SEEDS),
        "protocol": "la2ds",
        "alignment": {},
    }
    tasks = (TASKS["transfer"],)
    return BenchmarkResult("benchmark", "Methods", tasks, facts, list(projects))


def _by_column(result: BenchmarkResult) -> dict[tuple[str, str], Winner]:
    return {(w.group, w.metric): w for w in winners(result)}


@pytest.fixture(scope="module")
def two() -> BenchmarkResult:
    """Of swings `near` and `best` are alike; of squats the poses win."""
    return _result(
        _project("swings", {"best": 2.0, "near": 2.001, "far": 4.0, "pose": 3.0}, 40, 0),
        _project("squats", {"best": 2.0, "near": 2.5, "far": 6.0, "pose": 1.0}, 23, 1),
    )


def test_the_best_row_wins_with_those_that_are_not_worse(two: BenchmarkResult) -> None:
    won = _by_column(two)
    assert {group for group, _ in won} == {"swings", "squats", MEAN}
    swings = won["swings", MEDIAN]
    assert {swings.name, *(one.name for one in swings.tied())} == {"best", "near"}
    assert not swings.baseline
    assert [one.name for one in swings.others[1:]] == ["pose", "far"]
    assert swings.others[-1].difference == pytest.approx(2, abs=0.05)


def test_a_baseline_wins_where_it_is_best(two: BenchmarkResult) -> None:
    squats = _by_column(two)["squats", MEDIAN]
    assert (squats.name, squats.baseline, squats.tied()) == ("pose", True, [])
    method = squats.best_method()
    assert method is not None
    assert (method.name, method.ties) == ("best", False)
    assert _by_column(two)["swings", MEDIAN].best_method() is None


def test_every_pair_of_every_column_is_counted(two: BenchmarkResult) -> None:
    """Six pairs of four rows, two figures, two projects and their mean."""
    for winner in winners(two):
        assert winner.comparisons == 6 * 2 * 3
        for one in winner.others:
            assert one.p <= one.adjusted <= min(1, one.p * winner.comparisons)


def test_higher_is_better_where_it_is() -> None:
    project = _project("swings", {"best": 5.0, "far": 1.0}, 30, 0)
    for row in project.table.rows:
        for outcome in row.outcomes:
            outcome.scores["kendalls_tau"] = outcome.scores[MEDIAN]
        for run in project.resampled[row.name]:
            run["kendalls_tau"] = run[MEDIAN]
    result = _result(project)
    result.tasks = (TASKS["progression"],)
    (winner,) = winners(result)
    assert (winner.metric, winner.name, winner.tied()) == ("kendalls_tau", "best", [])
    assert winner.others[0].difference < 0


def test_clips_without_a_label_are_no_degrees_of_freedom() -> None:
    """Of 40 scored clips, 5 are behind the figure: p is that of a paired t-test of 5."""
    rng = np.random.default_rng(3)
    of_clip = {name: rng.normal(level, 1, 5) for name, level in (("best", 2.0), ("far", 4.0))}
    counts = video_counts(5, seed=0, resamples=100_000)
    project = ProjectResult(TableResult("swings", "swings", {"clips": 40}), Source())
    for name, errors in of_clip.items():
        outcome = Outcome("run", "model", {MEDIAN: float(errors.mean())}, seed=0)
        row = ResultRow(name, name, {}, outcomes=[outcome])
        project.table.rows.append(row)
        project.add_sample(row, {MEDIAN: counts @ errors / 5}, {MEDIAN: 5})
    (winner,) = winners(_result(project))
    expected = ttest_rel(of_clip["best"], of_clip["far"]).pvalue
    assert winner.others[0].p == pytest.approx(expected, rel=0.01)


def test_rows_that_differ_by_chance_all_win() -> None:
    level = {f"method{n}": 2.0 for n in range(6)}
    (median, _) = winners(_result(_project("swings", level, 40, 5)))
    assert len(median.tied()) == 5


def test_one_row_is_compared_with_nothing() -> None:
    assert winners(_result(_project("swings", {"best": 2.0}, 10, 0))) == []


def test_all_formats_say_who_wins(two: BenchmarkResult, tmp_path: Path) -> None:
    page = markdown(two)
    assert "## Who wins where" in page
    assert "| squats | event transfer median | *pose 0.99* | best 2.0" in page
    assert "36 in Event transfer" in page
    assert "Who wins where" in html_page(two).decode()
    sentence = "squats, event transfer median: pose 0.99; not significantly worse: none"
    assert sentence in winner_sentences(winners(two))
    assert len(winners_table(winners(two)).rows) == 6
    write_json(tmp_path / "page.json", document(two))
    stored = json.loads((tmp_path / "page.json").read_text())["winners"]
    assert [one["name"] for one in stored] == [one.name for one in winners(two)]
