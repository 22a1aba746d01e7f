"""Every table end to end on six clips, two steps a run: its files, resumption and failures."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.artifact import read_header
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.experiments import reproduce as module
from la2ds_cli.experiments import runs
from la2ds_cli.experiments.ablations import ABLATIONS, Row, Table
from la2ds_cli.experiments.reproduce import reproduce
from la2ds_cli.experiments.result import TableResult
from la2ds_cli.training import train as training
from tests.small_runs import TINY, six_clips


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return six_clips(tmp_path_factory.mktemp("reproduce") / "project")


def _table(project: Project, table: Any, **options: Any) -> TableResult:
    return reproduce(project, table, settings=TINY, device="cpu", **options)


def _files(project: Project, table: str) -> tuple[str, list[dict[str, str]], dict[str, Any]]:
    folder = project.results_dir("reproduce")
    with (folder / f"{table}.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return (
        (folder / f"{table}.md").read_text(),
        rows,
        json.loads((folder / f"{table}.json").read_text()),
    )


def test_components(project: Project) -> None:
    result = _table(project, "table4", seeds=(0, 1))
    assert result.exit_code() == ExitCode.OK
    page, rows, document = _files(project, "table4")
    assert [row["run"] for row in rows[:12]] == [
        f"{name}-s{seed}"
        for name in (
            *("table4-no-spatial", "table4-no-temporal", "table4-no-cross"),
            *("table4-no-position", "table4-no-head", "reproduce-all"),
        )
        for seed in (0, 1)
    ]
    assert {row["steps"] for row in rows[:12]} == {"2"}
    assert all(float(row["seconds"]) >= 0 for row in rows[:12])
    assert all(row["event_transfer_median"] and row["kendalls_tau"] for row in rows)
    assert rows[0]["paper_classification"] == "68.47"
    assert [row["row"] for row in rows[12:]] == [
        "raw_pose",
        "raw_pose_best",
        "time_only",
        "untrained",
    ]
    assert "| w/o spatial transformer |" in page
    assert "| *in the paper* |  |  |  | 0.9548 | 68.47 | 0.9039 |  |  |  |" in page
    assert "| time only |" in page
    assert document == json.loads(json.dumps(result.to_json()))
    low, high = (float(rows[0][f"event_transfer_median_{end}"]) for end in ("low", "high"))
    assert low <= float(rows[0]["event_transfer_median"]) <= high
    both = [float(row["kendalls_tau"]) for row in rows[:2]]
    assert document["rows"][0]["mean"]["kendalls_tau"] == pytest.approx(sum(both) / 2)
    assert document["rows"][0]["spread"]["kendalls_tau"] == pytest.approx(
        abs(both[0] - both[1]) / 2**0.5
    )
    machine = document["facts"]["machine"]
    assert machine["device"] == "cpu"
    assert {"system", "python", "torch", "numpy", "scikit-learn", "la2ds"} < machine.keys()


def test_heatmaps_and_augmentations_share_the_whole_recipe(project: Project) -> None:
    _table(project, "table5")
    _, rows, _ = _files(project, "table5")
    names = ["table5-limbs-s0", "table5-joints-s0", "reproduce-all-s0"]
    assert [row["run"] for row in rows[:3]] == names
    result = _table(project, "table6")
    _, rows, document = _files(project, "table6")
    left_out = {row["name"]: row["note"] for row in document["rows"] if row["note"]}
    assert left_out == {"no-added": "the recipe already does this"}
    assert len([row for row in rows if row["run"]]) == len(ABLATIONS["table6"].rows) - 1
    # The copies differ, so do the runs.
    assert len({row["event_transfer_mean"] for row in rows if row["run"]}) > 5
    assert result.rows[-1].outcomes[0].run == "reproduce-all-s0"
    assert result.rows[-1].outcomes[0].reused


def test_missing_joints(project: Project) -> None:
    result = _table(project, "table7")
    _, rows, _ = _files(project, "table7")
    for missing, part in (("zero", rows[:5]), ("imputed", rows[5:10])):
        names = [f"p{share}-{missing}" for share in (0, 25, 50, 75, 100)]
        assert [row["row"] for row in part] == names
        assert {row["run"] for row in part} == {f"reproduce-{missing}-s0"}
        paper = [row["paper_classification"] for row in part]
        assert paper == ["70.12", "69.54", "69.02", "", "68.94"]
        header = read_header(project.run_dir(f"reproduce-{missing}-s0") / "best.safetensors")
        assert header[0].config["model.missing"] == missing
    # Where nothing is missing both are the same network, and not where a limb is.
    figures = [[row["event_transfer_mean"] for row in part] for part in (rows[:5], rows[5:10])]
    assert figures[0][0] == figures[1][0]
    assert figures[0][4] != figures[1][4]
    raw = [float(row["event_transfer_mean"]) for row in rows if row["features"] == "raw_pose"]
    assert len(raw) == 5
    assert len(set(raw)) > 1
    assert result.facts["sweep"]["limb"] == "any"


def test_noisy_joints(project: Project) -> None:
    _table(project, "table8")
    page, rows, _ = _files(project, "table8")
    for missing, part in (("zero", rows[:4]), ("imputed", rows[4:8])):
        assert [row["row"] for row in part] == [
            f"{a}-to-{b}-{missing}" for a in ("clean", "noisy") for b in ("clean", "noisy")
        ]
        runs = [f"{name}-{missing}-s0" for name in ("reproduce", "table8-noisy")]
        assert [row["run"] for row in part] == [runs[0]] * 2 + [runs[1]] * 2
        assert {row["steps"] for row in part} == {"2"}
    assert "68.59" in page


def test_runs_on_clean_and_on_noisy_joints_have_the_same_clock(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = {}
    real = training.train

    def watched(project: Project, **options: Any) -> training.TrainResult:
        clocks[options["run"]] = options["clock"]
        return real(project, **options)

    monkeypatch.setattr(training, "train", watched)
    _table(project, "table8", minutes=5)
    assert set(clocks) == {
        f"{name}-{missing}-s0"
        for name in ("reproduce", "table8-noisy")
        for missing in ("zero", "imputed")
    }
    assert set(clocks.values()) == {time.process_time}


def test_a_finished_run_is_used_again(project: Project) -> None:
    _table(project, "table5")
    before = {p: p.stat().st_mtime_ns for p in project.root.glob("checkpoints/table5-*/best.*")}
    again = _table(project, "table5")
    assert before
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert all(outcome.reused for row in again.rows for outcome in row.outcomes)
    fresh = _table(project, "table5", overwrite=True)
    assert not any(outcome.reused for row in fresh.rows for outcome in row.outcomes)
    assert [r.outcomes[0].scores for r in fresh.rows] == [r.outcomes[0].scores for r in again.rows]


def _let_fail(monkeypatch: pytest.MonkeyPatch, errors: Mapping[str, Exception]) -> None:
    """Training raises the error of a run that has one."""
    real = module.train_run

    def train_run(budget: Any, run: str, config: Any) -> Any:
        if run in errors:
            raise errors[run]
        return real(budget, run, config)

    monkeypatch.setattr(module, "train_run", train_run)


def test_a_run_that_fails_does_not_take_the_others_along(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = UserError("the loss is not a number", hint="lower it")
    memory = RuntimeError("out of memory\nin a kernel")
    _let_fail(monkeypatch, {"table5-limbs-s0": memory, "table5-joints-s0": lower})
    result = _table(project, "table5")
    assert result.exit_code() == ExitCode.PARTIAL
    page, rows, _ = _files(project, "table5")
    log = project.root / "logs" / "table5-limbs-s0.txt"
    assert rows[0]["error"] == f"RuntimeError: out of memory ({log})"
    assert "in a kernel" in log.read_text()
    assert rows[1]["error"] == "the loss is not a number (lower it)"
    assert rows[2]["event_transfer_median"]
    assert "note: table5-limbs-s0: RuntimeError" in page
    assert rows[3]["row"] == "raw_pose"


def test_baselines_are_those_of_the_whole_recipe(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_fail(monkeypatch, {"reproduce-all-s0": RuntimeError("out of memory")})
    assert _table(project, "table5").baselines == []
    rescued = _table(project, "table5", seeds=(0, 1))  # the second run of the recipe has them
    assert [row.name for row in rescued.baselines] == list(module.BASELINES)


def test_an_interrupted_table_keeps_what_it_has_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = six_clips(tmp_path / "project", labels=False)
    real = runs.evaluate_run

    def stop_at_joints(seen: Project, run: str, *rest: Any, **options: Any) -> Any:
        if run == "table5-joints-s0":
            raise KeyboardInterrupt
        return real(seen, run, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "evaluate_run", stop_at_joints)
        with pytest.raises(KeyboardInterrupt):
            _table(project, "table5")
    _, rows, _ = _files(project, "table5")
    assert [row["run"] for row in rows if row["run"]] == ["table5-limbs-s0", "reproduce-all-s0"]
    result = _table(project, "table5")
    assert [row.outcomes[0].reused for row in result.rows] == [True, True, True]


def test_other_settings_are_refused_run_by_run(project: Project) -> None:
    _table(project, "table5")
    result = reproduce(project, "table5", settings=[*TINY, "heatmap.sigma=0.9"], device="cpu")
    assert result.exit_code() == ExitCode.UNUSABLE
    for row in result.rows:
        assert "heatmap.sigma: 0.6 -> 0.9" in row.outcomes[0].error
        assert "--overwrite trains it again" in row.outcomes[0].error


def test_a_setting_of_the_alignment_is_measured_on_the_run_of_the_whole_recipe(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        Row("open", "open ends", ("align.open_ends=true", "align.skip_cost=0.0")),
        Row("decay", "decay", ("train.weight_decay=0.5",)),
        Row("all", "all", full=True),
    )
    monkeypatch.setattr(module, "choices_table", lambda base: Table("choices", "Choices", rows))
    result = _table(project, "choices")
    found = {row.name: row.outcomes[0] for row in result.rows}
    assert found["open"].run == found["all"].run == "reproduce-all-s0"
    assert found["decay"].run == "choices-decay-s0"
    whole = found["all"].scores
    assert found["open"].scores["event_transfer_mean"] != whole["event_transfer_mean"]
    assert found["open"].scores["kendalls_tau"] == whole["kendalls_tau"]
    # Its files do not replace those of the run.
    folder = project.root / "results"
    for path, value in (("evaluate", "all"), ("reproduce/evaluate", "open")):
        document = json.loads((folder / path / "reproduce-all-s0.json").read_text())
        mean = document["features"]["model"]["event_transfer"]["mean_percent"]
        assert mean == found[value].scores["event_transfer_mean"]
    assert _files(project, "choices")[0].startswith("# Choices\n")


def test_the_facts_hold_every_setting_that_is_not_the_presets(project: Project) -> None:
    given = ["model.width=24", "train.steps=2", "train.seed=5"]
    seen = Project(project.root, {"preset": "default", "heatmap": {"sigma": 0.7}})
    result = reproduce(seen, "table5", settings=[*TINY, *given], seeds=(7,), device="cpu")
    assert {"heatmap.sigma=0.7", "model.width=24"} <= set(result.facts["overrides"])
    assert not any(text.startswith("train.seed") for text in result.facts["overrides"])
    assert result.facts["seeds"] == [7]


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_bad_seeds_are_refused(project: Project, seeds: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="the seeds must be"):
        _table(project, "table4", seeds=seeds)
