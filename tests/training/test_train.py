"""The training step: it learns, resumes exactly, survives a kill and refuses drift."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.embedding import load_embedder, untrained_embedder
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.pose_features import mirror
from la2ds_cli.progress import Progress
from la2ds_cli.project import Project
from la2ds_cli.training import checkpoint
from la2ds_cli.training.step import learning_rate
from la2ds_cli.training.train import train
from la2ds_cli.training.validate import nearest_frame_error
from tests.movement import add_sequence, sequence, warped_phase

SMALL = [
    "model.input=joints",
    "model.width=24",
    "model.temporal_layers=1",
    "train.steps=20",
    "train.batch_size=4",
    "train.validate_every=5",
    "train.threads=1",
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    for n in range(8):
        add_sequence(made, f"clip{n}", sequence(warped_phase(24, n)))
    return made


def _weights(project: Project, run: str = "default") -> dict[str, np.ndarray]:
    tensors, _, _ = checkpoint.load_weights(project.run_dir(run) / "last.safetensors")
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def _assert_same_state(first: Project, run: str, other: str) -> None:
    """Weights, optimiser, counters and metrics, bit for bit; clocks apart."""
    saved = [checkpoint.load_resume(first.run_dir(name) / "resume.pt") for name in (run, other)]
    one, two = saved
    assert one is not None
    assert two is not None
    for parameter, moments in one["optimiser"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, two["optimiser"]["state"][parameter][name])
    clocks = {"seconds", "stepped", "waited", "drawing"}
    for name in one["state"].keys() - clocks:
        assert one["state"][name] == two["state"][name], name
    _assert_same(_weights(first, run), _weights(first, other))
    rows = [_rows(first, name) for name in (run, other)]
    for a, b in zip(*rows, strict=True):
        for name in a.keys() - {"seconds", "data_share", "drawing_share"}:
            assert a[name] == b[name], name


def _rows(project: Project, run: str = "default") -> list[dict]:
    text = (project.run_dir(run) / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_training_learns_to_align_mirrored_performances(project: Project) -> None:
    """The movement is one-sided, so only a network that learned from flips can do it."""
    config = project.config(
        overrides=[*SMALL, "model.width=48", "train.steps=250", "train.batch_size=8"]
    )
    result = train(project, config=config, device="cpu")
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


def test_run_files_and_card_say_what_happened(project: Project) -> None:
    result = train(project, config=project.config(overrides=SMALL), device="cpu")
    folder, rows = project.run_dir("default"), _rows(project)
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert all(row["collapsed"] is False for row in rows)
    assert min(row["validation_error"] for row in rows) == result.validation_error
    card = (folder / "CARD.md").read_text()
    assert "| clips trained on | 7 |" in card
    assert "only 8 clips" in card
    assert result.warnings


def test_finished_run_is_left_alone_and_overwrite_retrains(project: Project) -> None:
    config = project.config(overrides=SMALL)
    train(project, config=config, device="cpu")
    before = (project.run_dir("default") / "best.safetensors").stat().st_mtime_ns
    again = train(project, config=config, device="cpu")
    assert again.already_finished
    assert (project.run_dir("default") / "best.safetensors").stat().st_mtime_ns == before
    assert not train(project, config=config, device="cpu", overwrite=True).already_finished


def test_changed_settings_or_clips_are_refused(project: Project) -> None:
    train(project, config=project.config(overrides=SMALL), device="cpu")
    other = project.config(overrides=[*SMALL, "heatmap.sigma=0.7"])
    with pytest.raises(UserError, match=r"heatmap.sigma: 0.6 -> 0.7") as caught:
        train(project, config=other, device="cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert train(project, run="other", config=other, device="cpu").steps == 20
    add_sequence(project, "new", sequence(warped_phase(24, 50)))
    with pytest.raises(UserError, match="input clips changed"):
        train(project, config=project.config(overrides=SMALL), device="cpu")


@pytest.mark.parametrize(
    ("save_seconds", "setting"),
    [(1e9, "train.bucket=false"), (0, "train.bucket=false"), (0, "train.bucket=true")],
)
def test_interrupted_run_equals_uninterrupted_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, save_seconds: float, setting: str
) -> None:
    """Resumed from step 10 (saved at validations) or 13 (saved by time, after every step)."""
    config = project.config(overrides=[*SMALL, setting])
    train(project, run="whole", config=config, device="cpu")

    from la2ds_cli.training import loop, records

    monkeypatch.setattr(records, "SAVE_SECONDS", save_seconds)
    real, steps = loop.draw_batch, []

    def stop_at_13(clips, skeleton, config, step, *rest):
        steps.append(step)
        if step == 13:
            raise KeyboardInterrupt
        return real(clips, skeleton, config, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw_batch", stop_at_13)
        with pytest.raises(KeyboardInterrupt):
            train(project, run="parts", config=config, device="cpu")
    saved = checkpoint.load_resume(project.run_dir("parts") / "resume.pt")
    assert saved is not None
    assert saved["state"]["step"] == (13 if save_seconds == 0 else 10)
    train(project, run="parts", config=config, device="cpu")
    _assert_same_state(project, "whole", "parts")
    assert [row["step"] for row in _rows(project, "parts")] == [5, 10, 15, 20]


def test_killed_training_finishes_with_the_same_weights(project: Project) -> None:
    """kill -9 in the middle, then the same command."""
    overrides = [*SMALL, "train.steps=120", "train.validate_every=50"]
    script = (
        "import sys; from pathlib import Path\n"
        "from la2ds_cli.training import records; records.SAVE_SECONDS = 0.1\n"
        "from la2ds_cli.project import Project\n"
        "from la2ds_cli.training.train import train\n"
        "project = Project.open(Path(sys.argv[1]))\n"
        "config = project.config(overrides=sys.argv[3:])\n"
        "train(project, run=sys.argv[2], config=config, device='cpu')\n"
    )

    def start(run: str) -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script, str(project.root), run, *overrides]
        return subprocess.Popen(command, env=environment)

    killed = start("killed")
    resume = project.run_dir("killed") / "resume.pt"
    deadline = time.monotonic() + 120
    while not resume.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    saved = checkpoint.load_resume(resume)
    assert saved is not None
    assert not saved["state"]["finished"]
    assert start("killed").wait() == 0
    assert start("whole").wait() == 0
    _assert_same_state(project, "whole", "killed")


def test_time_limit_ends_the_run_and_its_schedule(project: Project) -> None:
    config = project.config(overrides=[*SMALL, "train.steps=1000000"])
    result = train(project, config=config, device="cpu", max_minutes=0.03)
    assert 0 < result.steps < 1_000_000
    assert result.checkpoint.exists()
    assert train(project, config=config, device="cpu").already_finished


def test_a_loss_that_is_not_a_number_names_the_one_clip(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """clip3 makes every batch it is in not finite; the others of the batch are not blamed."""
    from la2ds_cli.training import loop

    real = loop.batch_loss

    def spoiled(network, batch, *rest):
        return real(network, batch, *rest) * (float("nan") if "clip3" in batch.videos else 1.0)

    monkeypatch.setattr(loop, "batch_loss", spoiled)
    with pytest.raises(UserError, match=r"loss is not a number at step \d, on the clips clip3$"):
        train(project, config=project.config(overrides=SMALL), device="cpu")


def test_a_gradient_that_is_not_a_number_names_all_of_the_batch(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sqrt has a finite value and no finite slope at 0."""
    from la2ds_cli.training import loop

    real = loop.batch_loss
    monkeypatch.setattr(loop, "batch_loss", lambda *a: (real(*a) * 0).sqrt())
    with pytest.raises(UserError, match=r"gradient is not a number at step 0, .*(clip\d, ){3}"):
        train(project, config=project.config(overrides=SMALL), device="cpu")


def test_a_run_that_gets_no_better_ends_early(project: Project) -> None:
    """A rate of almost nothing changes no nearest frame, so that no validation is better."""
    still = [*SMALL, "train.learning_rate=1e-12", "train.steps=200", "train.patience=2"]
    result = train(project, config=project.config(overrides=still), device="cpu")
    assert result.steps == 15  # the first validation is the best, then two more
    assert result.best_step == 5
    assert train(project, config=project.config(overrides=still), device="cpu").already_finished


def test_a_collapsed_network_is_told_once_and_marked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from la2ds_cli import embedding

    real, notes = embedding.embed_input, []
    monkeypatch.setattr(embedding, "embed_input", lambda *a: np.ones_like(real(*a)))

    class Notes(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    config = project.config(overrides=SMALL)
    result = train(project, config=config, device="cpu", progress=Notes())
    told = [note for note in notes if "has collapsed at step 5" in note]
    assert len(told) == 1
    assert "Lower train.learning_rate" in told[0]
    assert result.collapse == "all frames have the same embedding"
    facts = checkpoint.load_weights(project.run_dir("default") / "last.safetensors")[2]
    assert facts["collapsed"] is True
    assert "has collapsed" in (project.run_dir("default") / "CARD.md").read_text()


@pytest.mark.parametrize("count", [2, 5, 15])
def test_few_clips_train_and_are_set_beside_raw_poses(tmp_path: Path, count: int) -> None:
    few = Project.create(tmp_path / "few")
    for n in range(count):
        add_sequence(few, f"clip{n}", sequence(warped_phase(24, n)))
    config = few.config(overrides=[*SMALL, "train.batch_size=64", "train.steps=2"])
    result = train(few, config=config, device="cpu")
    assert 0 < result.raw_pose_error < 40
    assert f"against {result.raw_pose_error:.2f} % of raw poses" in result.warnings[0]
    assert "--features pose" in result.warnings[0]
    assert "raw poses, without training" in (few.run_dir("default") / "CARD.md").read_text()


def test_one_clip_is_refused(tmp_path: Path) -> None:
    alone = Project.create(tmp_path / "alone")
    add_sequence(alone, "clip", sequence(warped_phase(24, 0)))
    with pytest.raises(UserError, match="at least 2 clips with poses, found 1") as caught:
        train(alone, config=alone.config(overrides=SMALL), device="cpu")
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_the_rows_say_what_data_cost(project: Project) -> None:
    train(project, config=project.config(overrides=SMALL), device="cpu")
    for row in _rows(project):
        assert 0 <= row["data_share"] <= 1
        assert row["drawing_share"] > 0
        assert 0 < row["padding"] < 0.8  # copies are trimmed and thinned to different lengths


@pytest.mark.gpu
def test_training_on_cuda_learns_what_it_learns_on_the_cpu(project: Project) -> None:
    config = project.config(overrides=[*SMALL, "train.precision=fp32", "train.compile=off"])
    on_cpu = train(project, run="cpu", config=config, device="cpu")
    on_cuda = train(project, run="cuda", config=config, device="cuda")
    assert on_cuda.validation_error == pytest.approx(on_cpu.validation_error, abs=1)
    for cpu, cuda in zip(_rows(project, "cpu"), _rows(project, "cuda"), strict=True):
        assert cuda["loss"] == pytest.approx(cpu["loss"], rel=0.01)


def test_schedules_by_hand() -> None:
    from la2ds_cli.config_sections import TrainConfig

    cosine = TrainConfig(learning_rate=1.0, warmup=10)
    assert learning_rate(cosine, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(cosine, 50, 0.5) == pytest.approx(0.5)
    assert learning_rate(cosine, 99, 1.0) == pytest.approx(0.0)
    steps = TrainConfig(learning_rate=1.0, warmup=1, schedule="milestones")
    assert learning_rate(steps, 5, 0.14) == 1
    assert learning_rate(steps, 5, 0.21) == 0.25
    assert learning_rate(steps, 5, 0.9) == pytest.approx(0.5**8)
