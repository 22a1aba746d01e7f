"""Learning rates chosen on held-out training clips: which clips, which rate, and nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from la2ds_cli.core.annotations import JOINT, Annotation, Moment, joint_value
from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments import tries
from la2ds_cli.experiments.benchmark import benchmark
from la2ds_cli.experiments.methods import method_rows
from la2ds_cli.experiments.result import Choice
from la2ds_cli.experiments.runs import Plan
from la2ds_cli.experiments.tries import choose_rate, held_out_project, rates, read_rates
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import TINY, six_clips

SETTINGS = (*TINY, "model.input=joints", "align.reference_clips=0")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Eight clips to train on, two for each performer, and two to test, with one event each."""
    made = Project.create(tmp_path / "swings")
    rows = ["video,start,end,phase"]
    for n in range(10):
        length = 30 + 2 * n
        split = "train" if n < 8 else "test"
        add_sequence(made, f"clip{n}", sequence(warped_phase(length, seed=n)), split)
        rows += [f"clip{n},0,{length // 2},begin", f"clip{n},{length // 2},{length},end"]
    made.add_videos(
        replace(video, group=f"player{n // 2}") for n, video in enumerate(made.videos())
    )
    write_text(made.phases_path, "\n".join(rows) + "\n")
    return Project.open(made.root)


def _choose(project: Project) -> Choice:
    plan = Plan(settings=SETTINGS, tries=3, device="cpu")
    return choose_rate(project, method_rows(["tcc"], SETTINGS)[0], plan, Progress())


def test_rates_lie_around_that_of_the_preset() -> None:
    assert rates(1e-3, 1) == [1e-3]
    assert rates(1e-3, 2) == [3.3e-4, 1e-3]
    assert rates(1e-3, 3) == [3.3e-4, 1e-3, 3e-3]
    assert rates(3e-4, 5) == [3.3e-5, 1e-4, 3e-4, 9e-4, 2.7e-3]


def test_no_test_clip_is_among_the_held_out_clips(project: Project) -> None:
    inner = held_out_project(project)
    split: dict[str, set[str]] = {"train": set(), "test": set()}
    for video in inner.videos():
        split[video.split].add(video.group)
    ids = {video.id for video in inner.videos()}
    assert ids == {video.id for video in project.videos() if video.split == "train"}
    assert not split["train"] & split["test"]
    assert len([v for v in inner.videos() if v.split == "test"]) == 2
    assert set(inner.phases()) == ids
    assert inner.root.is_relative_to(project.root)


def test_each_clip_keeps_its_own_phases(tmp_path: Path) -> None:
    """clip1 is a test clip, so it is not there; its phases are none of clip10."""
    project = six_clips(tmp_path / "twelve", count=12)
    known = project.phases()
    assert held_out_project(project).phases() == {
        f"clip{n}": known[f"clip{n}"] for n in range(0, 12, 2)
    }


def test_corrected_joints_go_with_the_clips(project: Project) -> None:
    moment = Moment("clip0", 1, 0.5)
    row = Annotation(JOINT, moment, value=joint_value("head", (3.0, 4.0)))
    project.change_annotations([], [row])
    assert held_out_project(project).annotations() == [row]


def test_a_clip_that_left_the_project_leaves_the_tries(project: Project) -> None:
    held_out_project(project)
    project.add_videos([], removed={"clip0"})
    assert "clip0" not in {video.id for video in held_out_project(project).videos()}


def test_the_rate_with_the_lowest_error_is_chosen(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(_: Project, run: str, *__: Any, **___: Any) -> SimpleNamespace:
        error = {"try-tcc-0.00033-s0": 5.0, "try-tcc-0.001-s0": 2.0}.get(run, 8.0)
        scores = {"model": {"event_transfer_mean": error}}
        return SimpleNamespace(scores=scores, facts={"events": events})

    monkeypatch.setattr(tries, "cached_scores", scored)
    monkeypatch.setattr(tries, "train_run", lambda *_: None)
    events = "phases"
    choice = _choose(project)
    assert choice.rate == 1e-3
    assert choice.errors == [(3.3e-4, 5.0), (1e-3, 2.0), (3e-3, 8.0)]
    assert str(choice) == "0.001 (0.00033: 5.00 %, 0.001: 2.00 %, 0.003: 8.00 %)"
    events = "kinematic"  # derived from the joints that a method reads
    with pytest.raises(UserError, match="labels no event of two held-out training clips"):
        _choose(project)


def test_a_rate_that_fails_is_not_chosen_and_all_that_fail_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tries.train_run

    def diverges(project: Project, run: str, config: Any, *rest: Any) -> Any:
        if config.train.learning_rate > broken:
            raise UserError("the loss is not a number")
        return real(project, run, config, *rest)

    monkeypatch.setattr(tries, "train_run", diverges)
    broken = 5e-4
    choice = _choose(project)
    assert choice.rate == 3.3e-4
    assert str(choice).endswith("0.001: failed, 0.003: failed)")
    broken = 0.0
    with pytest.raises(UserError, match="tcc could be tried: the loss is not a number") as caught:
        _choose(project)
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_a_benchmark_trains_with_the_chosen_rate_and_tries_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Any:
        return benchmark(
            [project],
            Plan((0, 1), settings=SETTINGS, tries=2, device="cpu"),
            ("la2ds", "tcc"),
            out=project.root / "out",
        )

    first = run()
    assert first.exit_code() == ExitCode.OK
    chosen = first.data[0].rates
    assert set(chosen) == {"la2ds", "tcc"}
    for method, choice in chosen.items():
        errors = dict(choice.errors)
        assert set(errors) == {3.3e-4, 1e-3}
        assert errors[choice.rate] == min(errors.values(), key=float)
        for seed in (0, 1):
            folder = project.run_dir(f"benchmark-{method}-s{seed}")
            assert f"learning_rate = {choice.rate}" in (folder / "config.toml").read_text()
    document = json.loads((project.root / "out" / "benchmark.json").read_text())
    assert document["learning_rates"]["swings"]["tcc"]["rate"] == chosen["tcc"].rate
    page = (project.root / "out" / "benchmark.md").read_text()
    assert f"swings, learning rates: la2ds {chosen['la2ds']}; tcc {chosen['tcc']}" in page
    before = {p: p.stat().st_mtime_ns for p in project.root.rglob("best.safetensors")}
    assert len(before) == 2 * 2 + 2 * 2
    again = run()
    assert {p: p.stat().st_mtime_ns for p in project.root.rglob("best.safetensors")} == before
    assert again.data[0].rates == chosen


def _written(folder: Path, rates: dict[str, Any]) -> Path:
    path = folder / "benchmark.json"
    path.write_text(json.dumps({"learning_rates": rates}))
    return path


def test_rates_of_an_earlier_benchmark_are_taken_without_a_try(
    project: Project, tmp_path: Path
) -> None:
    chosen = {"rate": 0.002, "errors": [[0.002, 3.5], [0.006, 4.5], [0.0006, None]]}
    rates = read_rates(_written(tmp_path, {"golf": {"la2ds": chosen, "tcc": chosen}}))
    assert rates["tcc"] == Choice(0.002, [(0.002, 3.5), (0.006, 4.5), (0.0006, None)])
    result = benchmark(
        [project],
        Plan(settings=SETTINGS, rates=rates, device="cpu"),
        ["tcc"],
        out=project.root / "out",
    )
    assert result.exit_code() == ExitCode.OK
    assert (
        "learning_rate = 0.002" in (project.run_dir("benchmark-tcc-s0") / "config.toml").read_text()
    )
    assert not project.results_dir("benchmark/held-out").exists()
    document = json.loads((project.root / "out" / "benchmark.json").read_text())
    assert document["learning_rates"] == {"swings": {"tcc": chosen}}
    assert document["facts"]["learning rates"].startswith("those that an earlier benchmark chose")
    assert read_rates(project.root / "out" / "benchmark.json") == {"tcc": rates["tcc"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "has no learning rates"),
        ("[]", "has no learning rates"),
        ('{"learning_rates": {}}', "of 0 projects"),
        ('{"learning_rates": {"a": {}, "b": {}}}', "of 2 projects"),
        ('{"learning_rates": {"a": {"tcc": 1}}}', "cannot be read"),
        ('{"learning_rates": {"a": {"tcc": {"rate": -1, "errors": []}}}}', "cannot be read"),
        ('{"learning_rates": {"a": {"tcc": {"rate": NaN, "errors": []}}}}', "cannot be read"),
    ],
)
def test_a_file_without_rates_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        read_rates(path)
    assert caught.value.exit_code == ExitCode.USAGE
    with pytest.raises(UserError, match="has no learning rates"):
        read_rates(tmp_path / "none.json")


def test_rates_and_tries_exclude_each_other_and_every_method_needs_one(project: Project) -> None:
    given = {"tcc": Choice(0.002, [])}
    with pytest.raises(UserError, match="--rates and --tries"):
        benchmark([project], Plan(rates=given, tries=2), ["tcc"])
    with pytest.raises(UserError, match="none for la2ds, sal"):
        benchmark([project], Plan(rates=given), ["la2ds", "tcc", "sal"])
