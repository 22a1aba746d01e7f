"""The training step: it learns, says what happened, ends when it should and refuses drift."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.network.load_network import load_embedder, untrained_embedder
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.training import checkpoint
from la2ds_cli.training.losses import method_recipe
from la2ds_cli.training.train import FINISHED, TrainOptions, train
from la2ds_cli.training.validate import nearest_frame_error
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import JOINTS, interrupted_at, metrics
from tests.told import refused


def test_training_learns_to_align_mirrored_performances(project: StoredProject) -> None:
    """The movement is one-sided, so only a network that learned from flips can do it."""
    config = project.config(
        overrides=[*JOINTS, "model.width=48", "train.steps=250", "train.batch_size=8"]
    )
    result = train(project, config=config, options=TrainOptions("cpu"))
    assert result.steps == 250
    first_phase, second_phase = warped_phase(30, 100), warped_phase(36, 101)
    poses = [sequence(first_phase), mirror(sequence(second_phase, tilt=0.1, scale=70))]
    truth = np.interp(second_phase, first_phase, np.arange(30))

    def error(embedder) -> float:
        first, second = embedder(poses)
        return nearest_frame_error(first, second, truth)

    trained = error(load_embedder(project, device="cpu"))
    untrained = error(untrained_embedder(config, "penn13", device="cpu"))
    assert trained < 6
    assert trained < 0.5 * untrained


def test_run_files_say_what_happened(project: StoredProject) -> None:
    result = train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))
    folder, rows = project.run_dir("default"), metrics(project)
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert all(row["collapsed"] is False for row in rows)
    assert min(row["validation_error"] for row in rows) == result.validation_error
    finished = json.loads((folder / FINISHED).read_text())
    assert (finished["steps"], finished["clips"], finished["ended"]) == (20, 8, "")
    assert finished["warnings"] == result.warnings == ["only 8 clips to learn from"]


def test_the_same_seed_gives_the_same_weights_whatever_the_machine_offers(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before, weights = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run = f"threads{threads}"
            train(project, run=run, config=project.config(overrides=JOINTS))
            assert torch.get_num_threads() == threads  # as before
            saved = checkpoint.load_resume(project.run_dir(run) / "resume.pt")
            assert saved is not None
            assert saved["state"]["threads"] == 1
            weights.append(read_weights(project.run_dir(run) / "last.safetensors")[0])
    finally:
        torch.set_num_threads(before)
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert value.tobytes() == weights[1][name].tobytes(), name


def test_changed_settings_or_clips_are_refused(project: StoredProject) -> None:
    train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))
    other = project.config(overrides=[*JOINTS, "heatmap.sigma=0.7"])
    with refused(ExitCode.MISMATCH, r"heatmap.sigma: 0.6 -> 0.7"):
        train(project, config=other, options=TrainOptions("cpu"))
    assert train(project, run="other", config=other, options=TrainOptions("cpu")).steps == 20
    add_sequence(project, "new", sequence(warped_phase(24, 50)))
    with pytest.raises(UserError, match="input clips changed"):
        train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))


def test_time_limit_ends_the_run_and_its_schedule(project: StoredProject) -> None:
    config = project.config(overrides=[*JOINTS, "train.steps=1000000"])
    result = train(project, config=config, options=TrainOptions("cpu", 0.03))
    assert 0 < result.steps < 1_000_000
    assert result.checkpoint.exists()
    assert metrics(project)[-1]["learning_rate"] < 1e-4  # of 1e-3: the cosine went with the clock
    assert train(project, config=config, options=TrainOptions("cpu")).already_finished


def test_training_ends_by_the_clock_that_it_is_given(project: StoredProject) -> None:
    ticks = iter(range(0, 10_000, 20))
    result = train(
        project,
        config=project.config(overrides=[*JOINTS, "train.steps=50"]),
        options=TrainOptions("cpu", 1, clock=lambda: float(next(ticks))),
    )
    assert (result.steps, result.seconds, result.ended) == (3, 60.0, "its time limit")


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_no_time_at_all_is_refused(project: StoredProject, minutes: float) -> None:
    config = project.config(overrides=JOINTS)
    with refused(ExitCode.USAGE, f"more than 0 minutes, got {minutes:g}"):
        train(project, config=config, options=TrainOptions("cpu", minutes))
    assert not project.run_dir("default").exists()


def files_of(project: StoredProject) -> dict[str, bytes]:
    paths = (path for path in project.root.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("method", "overrides", "said"),
    [
        ("casa", ["model.input=heatmap"], "the encoder 'casa' does not read"),
        (None, ["model.input=heatmap", "model.patch=7"], "not a multiple of the patch side 7"),
        (None, ["model.width=25", "model.heads=2"], "must be an even multiple of heads"),
        (None, ["model.encoder=casaa"], "unknown encoder 'casaa'"),
        (None, ["train.method=nothing.there"], "nothing.there"),
    ],
)
def test_settings_that_fit_no_network_write_nothing_and_replace_nothing(
    project: StoredProject, method: str | None, overrides: list[str], said: str
) -> None:
    preset, of_method = method_recipe(method)
    config = project.config(preset=preset, overrides=[*of_method, *overrides])
    (project.run_dir("old") / "best.safetensors").parent.mkdir(parents=True)
    (project.run_dir("old") / "best.safetensors").write_bytes(b"weights of a finished run")
    before = files_of(project)
    for run, overwrite in (("new", False), ("old", True)):
        with refused(ExitCode.USAGE, said):
            train(project, run=run, config=config, options=TrainOptions("cpu", overwrite=overwrite))
    assert files_of(project) == before
    assert not project.run_dir("new").exists()


def test_a_run_that_is_resumed_with_less_time_than_it_had_ends_with_weights(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before its first validation, then given no more time."""
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    config = project.config(overrides=[*JOINTS, "train.validate_every=1000"])
    with interrupted_at(13):
        train(project, config=config, options=TrainOptions("cpu"))
    result = train(project, config=config, options=TrainOptions("cpu", 1e-9))
    assert (result.steps, result.best_step) == (14, 14)
    assert len(load_embedder(project, device="cpu")([sequence(warped_phase(24, 0))])[0]) == 24
    assert train(project, config=config, options=TrainOptions("cpu")).already_finished


def test_a_run_that_gets_no_better_ends_early(project: StoredProject) -> None:
    """A rate of almost nothing changes no nearest frame, so that no validation is better."""
    still = [*JOINTS, "train.learning_rate=1e-12", "train.steps=200", "train.patience=2"]
    config = project.config(overrides=still)
    result = train(project, config=config, options=TrainOptions("cpu"))
    assert result.steps == 15  # the first validation is the best, then two more
    assert result.best_step == 5
    assert result.ended == "2 validations without improvement"
    assert train(project, config=config, options=TrainOptions("cpu")).already_finished


@pytest.mark.gpu
def test_training_on_cuda_learns_what_it_learns_on_the_cpu(project: StoredProject) -> None:
    config = project.config(overrides=[*JOINTS, "train.precision=fp32"])
    on_cpu = train(project, run="cpu", config=config, options=TrainOptions("cpu"))
    on_cuda = train(project, run="cuda", config=config, options=TrainOptions("cuda"))
    assert on_cuda.validation_error == pytest.approx(on_cpu.validation_error, abs=1)
    for cpu, cuda in zip(metrics(project, "cpu"), metrics(project, "cuda"), strict=True):
        assert cuda["loss"] == pytest.approx(cpu["loss"], rel=0.01)
