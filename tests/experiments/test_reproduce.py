"""Every table end to end on six clips, two steps a run: its rows, resumption and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.artifact import read_header
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments import runner
from la2ds_cli.experiments.comparison import Result, RunEntry
from la2ds_cli.experiments.reproduce import reproduce
from la2ds_cli.experiments.runner import Plan
from tests.small_runs import TINY, six_clips
from tests.told import refused

_DIGEST = re.compile("-[0-9a-f]{8}(?=-s)")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    return six_clips(tmp_path_factory.mktemp("reproduce") / "project")


def _table(project: StoredProject, table: Any, **options: Any) -> Result:
    plan = {"settings": TINY, "device": "cpu", **options}
    return reproduce(project, table, Plan(**plan))


def _document(project: StoredProject, table: str) -> dict[str, Any]:
    return json.loads((project.results_dir("reproduce") / f"{table}.json").read_text())


def _by_row(result: Result, features: str = "model") -> dict[str, RunEntry]:
    """The first run of each row, or of each baseline of a feature set."""
    found: dict[str, RunEntry] = {}
    for one in result.entries:
        if one.features == features:
            found.setdefault(one.row, one)
    return found


def test_components_of_two_seeds(project: StoredProject) -> None:
    result = _table(project, "table4", seeds=(0, 1))
    assert result.exit_code() == ExitCode.OK
    names = ("-no-spatial", "-no-temporal", "-no-cross-attention", "-no-position", "-no-projection")
    assert [_DIGEST.sub("", o.run) for o in result.runs()] == [
        f"reproduce{name}-s{seed}" for seed in (0, 1) for name in (*names, "")
    ]
    assert {outcome.steps for outcome in result.runs()} == {2}
    assert list(result.rows())[6:] == ["time_only", "raw_pose", "raw_pose_best", "untrained-all"]
    document = _document(project, "table4")
    figures = {(one["row"], one["metric"]): one for one in document["figures"]}
    first = figures["no-spatial", "classification"]
    assert (first["paper"], first["seeds"]) == (68.47, 2)
    both = [o.figure("kendalls_tau") or 0 for o in result.runs() if "no-spatial" in o.run]
    tau = figures["no-spatial", "kendalls_tau"]
    assert tau["value"] == pytest.approx(sum(both) / 2)
    assert tau["spread"] == pytest.approx(abs(both[0] - both[1]) / 2**0.5)
    page = (project.results_dir("reproduce") / "table4.md").read_text()
    assert "# Components of the model\n" in page
    assert "† 68.47" in page
    machine = document["facts"]["machine"]
    assert {"system", "python", "torch", "numpy", "scikit-learn", "la2ds"} < machine.keys()


def test_heatmaps_and_augmentations_share_the_whole_recipe(project: StoredProject) -> None:
    heatmaps = _table(project, "table5").runs()
    result = _table(project, "table6")
    assert result.exit_code() == ExitCode.OK
    assert result.runs()[-1].reused
    assert result.runs()[-1].run == heatmaps[-1].run
    # The copies differ, so do the runs.
    assert len({o.scores["event_transfer_mean"] for o in result.runs()}) > 5
    settings = [*TINY, "augment.flip_probability=0.0"]
    result = reproduce(project, "table6", Plan(settings=settings, device="cpu"))
    assert result.left_out == {"w/o flip": "the recipe already does this"}
    assert not result.runs()[-1].reused


def test_an_embedding_stands_alone_unless_asked_otherwise(project: StoredProject) -> None:
    """The default recipe combines it with the base model, which would hide what a row changes."""
    plan = Plan(settings=["train.steps=1"], device="cpu")
    result = reproduce(project, "table5", plan, preset="default")
    alignment = result.facts["alignment"]
    assert (alignment["movement"], alignment["base"]) == (0, 0)
    assert [one.row for one in result.runs()] == ["both"]  # the others differ in heatmaps alone
    plan = Plan(settings=["train.steps=1", "align.base=1"], device="cpu")
    assert reproduce(project, "table5", plan, preset="default").facts["alignment"]["base"] == 1


def test_missing_joints(project: StoredProject) -> None:
    result = _table(project, "table7")
    rows = _by_row(result)
    for missing in ("zero", "imputed"):
        (run,) = {rows[f"p{n}-{missing}"].run for n in (0, 25, 50, 75, 100)}
        header = read_header(project.run_dir(run) / "best.safetensors")
        assert header[0].config["model.missing"] == missing
    # Where nothing is missing both are the same network, and not where a limb is.
    same, differ = (
        {rows[f"{p}-{m}"].scores["event_transfer_mean"] for m in ("zero", "imputed")}
        for p in ("p0", "p100")
    )
    assert (len(same), len(differ)) == (1, 2)
    raw = [o.scores["event_transfer_mean"] for o in _by_row(result, "raw_pose").values()]
    assert (len(raw), len(set(raw)) > 1) == (5, True)
    paper = [result.paper[f"p{n}-zero"].get("classification") for n in (0, 25, 50, 75, 100)]
    assert paper == [70.12, 69.54, 69.02, None, 68.94]


def test_noisy_joints(project: StoredProject) -> None:
    result = _table(project, "table8", minutes=5)
    rows, raw = _by_row(result), _by_row(result, "raw_pose")
    transfer = "event_transfer_mean"
    for missing in ("zero", "imputed"):
        for train in ("clean", "noisy"):
            made = [rows[f"{train}-to-{test}-{missing}"] for test in ("clean", "noisy")]
            assert made[0].run == made[1].run
            assert {one.steps for one in made} == {2}
        paths = [project.run_dir(rows[f"{t}-to-clean-{missing}"].run) for t in ("clean", "noisy")]
        first, second = (read_header(path / "best.safetensors")[0] for path in paths)
        assert dict(first.config) == dict(second.config)
        assert first.inputs != second.inputs
        clean, noisy = (rows[f"{t}-to-clean-{missing}"].scores for t in ("clean", "noisy"))
        assert clean != noisy
    figures = {name.removeprefix("raw-pose-"): o.scores[transfer] for name, o in raw.items()}
    assert figures["clean-to-clean"] == figures["noisy-to-clean"] != figures["clean-to-noisy"]
    assert "68.59" in (project.results_dir("reproduce") / "table8.md").read_text()


def test_worse_joints_leave_the_clean_project_as_it_is(project: StoredProject) -> None:
    _table(project, "table5")
    kept = ("poses", "embeddings", "phases.csv")
    files = [path for path in project.root.rglob("*") if path.is_file()]
    before = {p: p.read_bytes() for p in files if p.relative_to(project.root).parts[0] in kept}
    _table(project, "table7")
    assert before
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_finished_run_is_used_again_and_other_settings_are_another_run(
    project: StoredProject,
) -> None:
    first = _table(project, "table5")
    again = _table(project, "table5")
    assert all(outcome.reused for outcome in again.runs())
    assert [o.scores for o in first.runs()] == [o.scores for o in again.runs()]
    for more in ({"settings": [*TINY, "heatmap.sigma=0.9"]}, {"minutes": 9.0}):
        other = _table(project, "table5", **more)
        assert other.exit_code() == ExitCode.OK
        assert not any(outcome.reused for outcome in other.runs())
        assert not {o.run for o in first.runs()} & {o.run for o in other.runs()}


@pytest.mark.parametrize("table", ["table7", "table8"])
def test_worse_joints_without_labels_are_refused(tmp_path: Path, table: str) -> None:
    project = six_clips(tmp_path / "project", labels=False)
    with refused(ExitCode.UNUSABLE, "Tables 7 and 8 need labels"):
        _table(project, table)


def _let_fail(monkeypatch: pytest.MonkeyPatch, errors: Mapping[str, BaseException]) -> None:
    """Training raises the error of a row that has one."""
    real = runner.train_run

    def train_run(project: StoredProject, run: str, *rest: Any) -> Any:
        if error := errors.get(_DIGEST.sub("", run)):
            raise error
        return real(project, run, *rest)

    monkeypatch.setattr(runner, "train_run", train_run)


def test_a_run_that_fails_does_not_take_the_others_along(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = UserError("the loss is not a number", hint="lower it")
    memory = RuntimeError("out of memory\nin a kernel")
    _let_fail(monkeypatch, {"reproduce-limbs-s0": memory, "reproduce-joints-s0": lower})
    result = _table(project, "table5")
    assert result.exit_code() == ExitCode.PARTIAL
    rows = _by_row(result)
    log = project.root / "logs" / f"{rows['limbs'].run}.txt"
    assert rows["limbs"].error == f"RuntimeError: out of memory ({log})"
    assert "in a kernel" in log.read_text()
    assert rows["joints"].error == "the loss is not a number (lower it)"
    assert rows["both"].scores["event_transfer_median"] is not None
    page = (project.results_dir("reproduce") / "table5.md").read_text()
    assert f"{rows['limbs'].run}: RuntimeError" in page


def test_an_interrupted_table_keeps_what_it_has_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = six_clips(tmp_path / "project", labels=False)
    with monkeypatch.context() as patch:
        _let_fail(patch, {"reproduce-joints-s0": KeyboardInterrupt()})
        with pytest.raises(KeyboardInterrupt):
            _table(project, "table5")
    runs = [one["run"] for one in _document(project, "table5")["runs"] if not one["baseline"]]
    assert [_DIGEST.sub("", run) for run in runs] == ["reproduce-limbs-s0"]
    result = _table(project, "table5")
    assert [outcome.reused for outcome in result.runs()] == [True, False, False]
