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

from la2ds_cli.embedding import load_embedder, untrained_embedder
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.pose_features import mirror
from la2ds_cli.project import Project
from la2ds_cli.training import checkpoint
from la2ds_cli.training.loop import learning_rate
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
        np.testing.assert_allclose(first[name], second[name], atol=1e-6, err_msg=name)


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
    folder = project.run_dir("default")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
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


def test_interrupted_run_equals_uninterrupted_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project.config(overrides=SMALL)
    train(project, run="whole", config=config, device="cpu")

    from la2ds_cli.training import loop

    real, steps = loop.draw_batch, []

    def stop_at_13(clips, skeleton, config, step, device):
        steps.append(step)
        if step == 13:
            raise KeyboardInterrupt
        return real(clips, skeleton, config, step, device)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw_batch", stop_at_13)
        with pytest.raises(KeyboardInterrupt):
            train(project, run="parts", config=config, device="cpu")
    train(project, run="parts", config=config, device="cpu")
    _assert_same(_weights(project, "whole"), _weights(project, "parts"))
    metrics = (project.run_dir("parts") / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in metrics] == [5, 10, 15, 20]


def test_killed_training_finishes_with_the_same_weights(project: Project) -> None:
    """kill -9 in the middle, then the same command."""
    overrides = [*SMALL, "train.steps=400", "train.validate_every=20"]
    script = (
        "import sys; from pathlib import Path\n"
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
    _assert_same(_weights(project, "whole"), _weights(project, "killed"))


def test_time_limit_ends_the_run_and_its_schedule(project: Project) -> None:
    config = project.config(overrides=[*SMALL, "train.steps=1000000"])
    result = train(project, config=config, device="cpu", max_minutes=0.03)
    assert 0 < result.steps < 1_000_000
    assert result.checkpoint.exists()
    assert train(project, config=config, device="cpu").already_finished


def test_a_loss_that_is_not_a_number_names_the_clips(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from la2ds_cli.training import loop

    real = loop.batch_loss
    monkeypatch.setattr(loop, "batch_loss", lambda *a: real(*a) * float("nan"))
    with pytest.raises(UserError, match=r"not a number at step 0, on the clips clip\d"):
        train(project, config=project.config(overrides=SMALL), device="cpu")


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
