"""Steps over Ray with two local workers, one of which is killed in mid-work; run with `-m heavy`
where the extra is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments import benchmark as benchmarks
from la2ds_cli.experiments.runner import Plan
from la2ds_cli.network import embed as embedding
from la2ds_cli.training import loop
from la2ds_cli.training import train as training
from tests.ray_workers import mortal
from tests.small_runs import JOINTS, TINY, clips, six_clips

CPU = training.TrainOptions("cpu")
SMALL = [*TINY, "model.input=joints", "align.reference_clips=2"]


@pytest.mark.heavy
def test_runs_and_embeddings_are_those_of_one_machine(
    tmp_path: Path, cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(overrides=[*TINY, *JOINTS])
    local, spread = clips(tmp_path / "local"), clips(tmp_path / "spread")
    expected = list(training.train_seeds(local, [0, 3], config=config, options=CPU))
    died = tmp_path / "train-died"
    worker = mortal(training.TrainWorker, died, lambda seed: seed == 3)
    monkeypatch.setattr(training, "TrainWorker", worker)
    found = list(training.train_seeds(spread, [0, 3], config=config, options=CPU, engine="ray"))
    assert died.exists()
    assert [result.run for result in found] == ["default-s0", "default-s3"]
    assert [r.validation_error for r in found] == [r.validation_error for r in expected]
    for result in found:
        assert result.checkpoint == spread.run_dir(result.run) / "best.safetensors"

    died, run = tmp_path / "embed-died", "default-s3"
    third = sorted(spread.posed())[2]
    worker = mortal(embedding.EmbedWorker, died, lambda video: video.id == third)
    alone = embedding.embed(local, run=run, device="cpu")  # by the same worker, which lives
    monkeypatch.setattr(embedding, "EmbedWorker", worker)
    together = embedding.embed(spread, run=run, device="cpu", engine="ray")
    assert died.exists()
    assert together == alone
    for result in alone:
        a, b = (project.embedding_path(run, result.video) for project in (local, spread))
        assert a.read_bytes() == b.read_bytes()
    again = embedding.embed(spread, run=run, device="cpu", engine="ray")
    assert {result.status for result in again} == {"cached"}


@pytest.mark.heavy
def test_a_benchmark_is_that_of_one_machine(
    tmp_path: Path, cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = {}
    for engine in ("local", "ray"):
        project = six_clips(tmp_path / engine / "six")
        died = tmp_path / f"{engine}-died"
        if engine == "ray":
            worker = mortal(benchmarks.RunWorker, died, lambda item: item[-1] == 1)
            monkeypatch.setattr(benchmarks, "RunWorker", worker)
            monkeypatch.setattr(loop, "draw_batch", lambda *_: pytest.fail("trained here"))
        plan = Plan((0, 1), settings=SMALL, device="cpu")
        results[engine] = benchmarks.benchmark(
            [project], plan, ("la2ds", "tcc"), out=tmp_path / engine / "out", engine=engine
        )
    local, ray = results["local"], results["ray"]
    assert [o.error for o in local.runs()] == [""] * 4
    assert died.exists()
    for a, b in zip(local.entries, ray.entries, strict=True):
        assert (a.row, a.run, a.scores) == (b.row, b.run, b.scores)
        assert not b.error


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1, 2]])
def test_seeds_are_different_numbers(tmp_path: Path, seeds: list[int]) -> None:
    project = StoredProject.create(tmp_path)
    with pytest.raises(UserError, match="the seeds must be different numbers from 0"):
        list(training.train_seeds(project, seeds, config=load_config()))


def test_seeds_train_runs_of_their_own(tmp_path: Path) -> None:
    project = clips(tmp_path)
    config = load_config(overrides=[*TINY, *JOINTS])
    found = list(training.train_seeds(project, [2, 5], run="x", config=config, options=CPU))
    assert [result.run for result in found] == ["x-s2", "x-s5"]
    settings = [(project.run_dir(r.run) / "config.toml").read_text("utf-8") for r in found]
    assert ["seed = 2" in settings[0], "seed = 5" in settings[1]] == [True, True]
