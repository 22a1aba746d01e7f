"""The figures of a benchmark on runs whose best rows are known, the same in all formats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import ttest_rel

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import terminal
from la2ds_cli.evaluation.measure import interval, video_counts
from la2ds_cli.experiments.comparison import MEAN, DataSet, Result, RunEntry
from la2ds_cli.experiments.reproduce import ABLATIONS
from la2ds_cli.experiments.scores import METRICS, TASKS, ablation_task
from la2ds_cli.experiments.tables import Figure, all_notes, figures, markdown, tables, write_result

MEDIAN, MEAN_ERROR = "event_transfer_median", "event_transfer_mean"
SEEDS = (0, 1, 2)
ODD = "50% <b>|$#{~^\\}"  # a name that is markup wherever it is not escaped


def result_of(levels: dict[str, dict[str, float]], clips: int = 40) -> Result:
    """Data set -> row -> level of its errors of clips; what begins with `pose` is a baseline."""
    facts = {"budget": "2 steps", "minutes": None, "steps": 2, "seeds": list(SEEDS)}
    facts |= {"protocol": "la2ds", "alignment": {}, "settings": ["model.encoder=<x>"]}
    result = Result("benchmark", "Methods", (TASKS["transfer"],), facts)
    for number, (name, rows) in enumerate(levels.items()):
        rng = np.random.default_rng(number)
        counts, of_clip = video_counts(clips, seed=0), rng.normal(0, 1, clips)
        about = {"split": "test", "clips": clips, "phases": ["up"], "events": "phases"}
        result.data.append(DataSet(name, "", about | {"protocol": {"name": "of <x>"}}))
        for row, level in rows.items():
            baseline = row.startswith("pose")
            if not baseline:
                result.labels[row], result.reads[row] = row, "joints"
            for seed in (None,) if baseline else SEEDS:
                errors = of_clip - of_clip.mean() + level + rng.normal(0, 0.05, clips)
                value, resampled = float(errors.mean()), counts @ errors / clips
                cost: dict[str, Any] = (
                    {} if baseline else {"steps": 2, "seconds": 1.5 + rng.random()}
                )
                entry = RunEntry(name, row, row, "run", "model", baseline, seed, **cost)
                samples = {MEDIAN: resampled, MEAN_ERROR: resampled + 1}
                found = {"resampled": samples, "clips": dict.fromkeys(samples, clips)}
                scores = {MEDIAN: value, MEAN_ERROR: value + 1}
                result.entries.append(replace(entry, scores=scores, **found))
    return result


@pytest.fixture(scope="module")
def two() -> Result:
    """Of swings `near` and `best` are alike; of squats the poses win."""
    return result_of(
        {
            "swings": {"best": 2.0, "near": 2.001, "far": 4.0, "pose": 3.0},
            "squats": {"best": 2.0, "near": 2.5, "far": 6.0, "pose": 1.0},
        }
    )


def column(found: Sequence[Figure], data: str, metric: str = MEDIAN) -> dict[str, Figure]:
    return {one.row: one for one in found if (one.data, one.metric) == (data, metric)}


def test_the_best_row_wins_with_those_that_are_not_worse(two: Result) -> None:
    found = figures(two)
    assert {one.data for one in found} == {"swings", "squats", MEAN}
    swings = column(found, "swings")
    (best,) = (row for row, one in swings.items() if one.best)
    assert {best, *(row for row, one in swings.items() if one.ties)} == {"best", "near"}
    assert swings["far"].value - swings[best].value == pytest.approx(2, abs=0.05)
    assert (swings[best].p, swings[best].adjusted, swings[best].ties) == (None, None, False)


def test_a_baseline_wins_where_it_is_best(two: Result) -> None:
    found = figures(two)
    squats = column(found, "squats")
    assert squats["pose"].best
    assert not any(one.ties for one in squats.values())
    (note,) = (text for text in all_notes(two, found) if text.startswith("no method wins"))
    assert note.startswith("no method wins where pose is best: transfer median (squats), ")
    assert "swings" not in note


def test_every_pair_of_every_column_is_counted(two: Result) -> None:
    """Six pairs of four rows, two figures, two projects and their mean: 36 comparisons."""
    found = [one for one in figures(two) if one.p is not None]
    assert len(found) == 3 * 2 * 3
    for one in found:
        assert one.p is not None
        assert one.adjusted is not None
        assert one.p <= one.adjusted <= min(1, 36 * one.p) + 1e-12
    smallest = min(found, key=lambda one: one.p or 0)
    assert smallest.adjusted == pytest.approx(36 * (smallest.p or 0), rel=0.2)


def test_higher_is_better_where_it_is() -> None:
    result = result_of({"swings": {"best": 5.0, "far": 1.0}})
    for one in result.entries:
        one.scores["kendalls_tau"] = one.scores[MEDIAN]
        one.resampled["kendalls_tau"] = one.resampled[MEDIAN]
    result.tasks = (TASKS["progression"],)
    found = column(figures(result), "swings", "kendalls_tau")
    assert found["best"].best
    assert found["far"].value < found["best"].value


def test_clips_without_a_label_are_no_degrees_of_freedom() -> None:
    """Of 40 scored clips, 5 are behind the figure: p is that of a paired t-test of 5."""
    rng = np.random.default_rng(3)
    result = result_of({"swings": {}})
    counts = video_counts(5, seed=0, resamples=100_000)
    errors = {name: rng.normal(level, 1, 5) for name, level in (("best", 2.0), ("far", 4.0))}
    for name, of_clip in errors.items():
        entry = RunEntry("swings", name, name, "run", "model", seed=0, clips={MEDIAN: 5})
        scores, sample = {MEDIAN: float(of_clip.mean())}, {MEDIAN: counts @ of_clip / 5}
        result.entries.append(replace(entry, scores=scores, resampled=sample))
    expected = ttest_rel(errors["best"], errors["far"]).pvalue
    p = column(figures(result), "swings")["far"].p
    assert p == pytest.approx(expected, rel=0.01)


def test_rows_that_differ_by_chance_all_tie_and_one_alone_is_compared_with_nothing() -> None:
    found = column(figures(result_of({"a": {f"m{n}": 2.0 for n in range(6)}})), "a")
    assert sorted((one.best, one.ties) for one in found.values()) == [
        *[(False, True)] * 5,
        (True, False),
    ]
    (alone,) = column(figures(result_of({"a": {"best": 2.0}})), "a").values()
    assert (alone.best, alone.p) == (True, None)
    untested = column(figures(result_of({"a": {"best": 2.0, "far": 4.0}}, clips=1)), "a")["far"]
    assert (untested.p, untested.ties) == (None, True)


def test_the_mean_over_projects_needs_all_of_them(two: Result) -> None:
    found = figures(two)
    for row in two.rows():
        each = [column(found, name)[row] for name in ("swings", "squats", MEAN)]
        assert each[2].value == pytest.approx((each[0].value + each[1].value) / 2)
        assert each[2].seeds == (1 if row == "pose" else 3)
    result = result_of({"swings": {"best": 2.0, "far": 4.0}, "squats": {"far": 4.0}})
    assert set(column(figures(result), MEAN)) == {"far"}


def test_cost_is_the_mean_of_the_runs_and_ranks_nobody(two: Result) -> None:
    cost = [one for one in figures(two) if one.task == "cost"]
    assert {one.metric for one in cost} == {"steps", "seconds"}
    assert {one.row for one in cost} == {"best", "near", "far"}
    assert not any(one.best or one.ties or one.p is not None for one in cost)
    assert all(one.value == 2 and one.interval is None for one in cost if one.metric == "steps")


def test_formats_hold_the_same_figures(two: Result, tmp_path: Path) -> None:
    paths = {
        path.suffix: path
        for path in write_result(StoredProject.create(tmp_path / "p"), two, tmp_path)
    }
    assert set(paths) == {".md", ".csv", ".json"}
    stored = json.loads(paths[".json"].read_text())
    found = figures(two)
    assert [one["value"] for one in stored["figures"]] == [one.value for one in found]
    assert len(stored["runs"]) == len(two.entries)
    lines = list(csv.DictReader(io.StringIO(paths[".csv"].read_text())))
    for one in found:
        if one.data == MEAN:
            continue
        of_runs = [
            line
            for line in lines
            if (line["data"], line["row"], line["metric"]) == (one.data, one.row, one.metric)
        ]
        assert np.mean([float(line["value"]) for line in of_runs]) == pytest.approx(one.value)
        assert len(of_runs) == one.seeds
    first = next(line for line in lines if line["metric"] == MEDIAN)
    ends = interval(two.entries[0].resampled[MEDIAN])
    assert (float(first["low"]), float(first["high"])) == ends
    assert (first["split"], first["protocol"], first["baseline"]) == ("test", "la2ds", "0")
    page = paths[".md"].read_text()
    best, pose = column(found, "swings")["far"], column(found, "squats")["pose"]
    assert f"| {best.value:.2f} ±{best.spread:.2f}<br>\\[" in page
    assert f"| **{pose.value:.2f}**<br>\\[" in page


def test_a_failed_run_has_a_line_with_its_error(tmp_path: Path) -> None:
    result = result_of({"swings": {"best": 2.0}})
    failed: dict[str, Any] = {"seed": 9, "steps": 5, "error": "a|b <i> & 5 %"}
    result.entries.append(RunEntry("swings", "best", "best", "r9", "model", **failed))
    found = figures(result)
    assert column(found, "swings")["best"].seeds == 3
    assert all_notes(result, found)[0] == "swings, r9: a|b <i> & 5 %"
    assert result.exit_code() == ExitCode.PARTIAL
    alone = replace(result, entries=result.entries[-1:])
    assert alone.exit_code() == ExitCode.UNUSABLE
    alone.entries.append(replace(result.entries[0], collapse="of rank 1"))
    assert "swings, run: the embedding has collapsed, of rank 1" in all_notes(alone, [])
    _, path, _ = write_result(StoredProject.create(tmp_path / "p"), result, tmp_path)
    last = list(csv.DictReader(io.StringIO(path.read_text())))[-1]
    assert (last["run"], last["metric"], last["error"]) == ("r9", "", "a|b <i> & 5 %")
    assert r"a\|b \<i\>" in markdown(result, found)


def test_names_are_text_in_markdown() -> None:
    result = result_of({ODD: {"my.a&b<i>": 2.0, "b": 3.0}})
    page = markdown(result, figures(result))
    assert r"50% \<b\>\|$#{~^\\}" in page
    assert r"my.a&b\<i\>" in page
    assert "<x>" not in page
    for part in page.split("\n\n"):
        if part.startswith("| method"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in part.splitlines()}) == 1


@pytest.mark.parametrize(("projects", "shown"), [(1, 1), (3, 4), (5, 1)])
def test_a_terminal_is_80_wide_and_shows_few_projects(projects: int, shown: int) -> None:
    rows = {"a method with a long name": 2.0, "untrained, the same": 2.1, "pose": 9.0}
    result = result_of({f"action_number_{n}": rows for n in range(projects)})
    result.tasks = tuple(TASKS.values())
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        found = tables(result, figures(result))
        for title, table in found:
            console.print(title)
            console.print(terminal(table))
    assert sum(title.startswith("Event transfer") for title, _ in found) == shown
    assert max(len(line.rstrip()) for line in capture.get().splitlines()) <= 80
    assert "*2.0" in capture.get()


def test_an_ablation_shows_the_paper_below_its_figures_within_80_columns() -> None:
    values = (12.345, 13.5, 0.98765, 91.234, -0.4567, 88.888)
    task = ablation_task("table4", "Components")
    result = result_of({"project": {}})
    result.tasks, result.facts["in the paper"] = (task,), "H2O"
    for row in ABLATIONS["table4"]:
        result.labels[row.name], result.paper[row.name] = row.label, row.paper
        scores: dict[str, float | None] = dict(zip(task.headings, values, strict=True))
        for seed in SEEDS:
            made: dict[str, Any] = {"seed": seed, "steps": 2, "seconds": 1.0, "scores": scores}
            result.entries.append(RunEntry("project", row.name, row.label, "run", "model", **made))
    console = Console(width=80, highlight=False)
    found = figures(result)
    with console.capture() as capture:
        console.print(terminal(tables(result, found)[0][1]))
    lines = capture.get().splitlines()
    at = next(n for n, line in enumerate(lines) if "12.3" in line)
    shown = " ".join(lines[at : at + 3])
    for name, value, paper in zip(
        task.headings, values, (None, None, 0.9548, 68.47, 0.9039, None), strict=True
    ):
        assert f"{value:.{METRICS[name].digits}f}" in shown
        assert paper is None or f"† {paper:.{METRICS[name].digits}f}" in shown
    assert "…" not in capture.get()
    notes = all_notes(result, found)
    assert (
        "† in the paper: H2O; since the data differ, compare rows only with rows of the same source"
        in notes
    )
