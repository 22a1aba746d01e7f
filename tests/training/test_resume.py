"""A run that was interrupted equals one that was not, bit for bit."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.health.status import project_status
from la2ds_cli.network.run_weights import read_weights, run_header_at
from la2ds_cli.training import checkpoint
from la2ds_cli.training.train import TrainOptions, train
from tests.small_runs import JOINTS, interrupted_at, metrics
from tests.told import refused

# Heatmaps, cross-attention, and a network that draws random numbers of its own.
EVERYTHING = [
    *("model.input=both", "model.spatial_layers=1", "model.cross_layers=1", "train.bucket=true"),
    *("model.temporal_position=offset", "augment.noise=smooth", "train.schedule=milestones"),
]


def _weights(project: StoredProject, run: str) -> dict[str, np.ndarray]:
    return read_weights(project.run_dir(run) / "last.safetensors")[0]


def _assert_same_state(project: StoredProject, run: str, other: str) -> None:
    """Weights, optimiser, counters and metrics, bit for bit; clocks apart."""
    one, two = (checkpoint.load_resume(project.run_dir(n) / "resume.pt") for n in (run, other))
    assert one is not None
    assert two is not None
    assert one["optimiser"]["param_groups"] == two["optimiser"]["param_groups"]
    for parameter, moments in one["optimiser"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, two["optimiser"]["state"][parameter][name])
    for name in one["state"].keys() - {"seconds"}:
        assert one["state"][name] == two["state"][name], name
    first, second = _weights(project, run), _weights(project, other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    for a, b in zip(metrics(project, run), metrics(project, other), strict=True):
        for name in a.keys() - {"seconds"}:
            assert a[name] == b[name], name


@pytest.mark.parametrize(
    ("save_seconds", "settings"),
    [
        (1e9, []),
        (0, []),
        (0, ["train.bucket=true"]),
        (0, EVERYTHING),
        (0, ["train.precision=bf16"]),
    ],
    ids=["at-validations", "by-time", "buckets", "everything", "bf16"],
)
def test_interrupted_run_equals_uninterrupted_one(
    project: StoredProject,
    monkeypatch: pytest.MonkeyPatch,
    save_seconds: float,
    settings: list[str],
) -> None:
    """Resumed from step 10 (saved at validations) or 13 (saved by time, after every step), while
    the thread that draws ahead was at step 13."""
    config = project.config(overrides=[*JOINTS, *settings])
    train(project, run="whole", config=config, options=TrainOptions("cpu"))

    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", save_seconds)
    with interrupted_at(13):
        train(project, run="parts", config=config, options=TrainOptions("cpu"))
    saved = checkpoint.load_resume(project.run_dir("parts") / "resume.pt")
    assert saved is not None
    assert saved["state"]["step"] == (13 if save_seconds == 0 else 10)
    (status,) = (one for one in project_status(project, config).runs if one.run == "parts")
    assert status.step == saved["state"]["step"]
    torch.manual_seed(1)  # the random state of the process plays no part
    train(project, run="parts", config=config, options=TrainOptions("cpu"))
    _assert_same_state(project, "whole", "parts")
    assert [row["step"] for row in metrics(project, "parts")] == [5, 10, 15, 20]


def test_the_status_of_a_run_that_has_no_weights_yet(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    config = project.config(overrides=[*JOINTS, "train.validate_every=20"])
    with interrupted_at(3):
        train(project, run="begun", config=config, options=TrainOptions("cpu"))
    found = project_status(project, config)
    (status,) = (one for one in found.runs if one.run == "begun")
    assert (status.step, status.validation_error) == (3, None)
    assert "begun" not in found.next  # nothing of it can be evaluated


# Trains a run; with a number behind its name it is killed when the batch of that step is drawn.
SCRIPT = """
import os, signal, sys; from pathlib import Path
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training import checkpoint, loop
from la2ds_cli.training.train import TrainOptions, train
checkpoint.SAVE_SECONDS = 0
draw, (name, _, killed) = loop.draw_batch, sys.argv[2].partition("@")
def draw_or_die(clips, skeleton, config, step, *rest):
    if killed and step == int(killed):
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(clips, skeleton, config, step, *rest)
loop.draw_batch = draw_or_die
project = StoredProject.open(Path(sys.argv[1]))
train(project, run=name, config=project.config(overrides=sys.argv[3:]), options=TrainOptions("cpu"))
"""


def test_killed_training_finishes_with_the_same_weights(project: StoredProject) -> None:
    """kill -9 while step 12 is computed, perhaps while the state is written; then the same
    command in a new process."""

    def run(name: str) -> int:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", SCRIPT, str(project.root), name, *JOINTS]
        return subprocess.run(command, env=environment, check=False).returncode

    assert run("killed@13") == -signal.SIGKILL
    saved = checkpoint.load_resume(project.run_dir("killed") / "resume.pt")
    assert saved is not None
    assert saved["state"]["step"] in (12, 13)
    assert not saved["state"]["finished"]
    assert run("killed") == 0
    assert run("whole") == 0
    _assert_same_state(project, "whole", "killed")


def test_a_damaged_resume_state_starts_an_unfinished_run_anew(project: StoredProject) -> None:
    config = project.config(overrides=JOINTS)
    train(project, run="whole", config=config, options=TrainOptions("cpu"))
    again = partial(train, project, run="again", config=config, options=TrainOptions("cpu"))
    with interrupted_at(13):
        again()
    resume = project.run_dir("again") / "resume.pt"
    resume.write_bytes(resume.read_bytes()[:1000])
    assert not again().already_finished
    _assert_same_state(project, "whole", "again")


def test_a_finished_run_stands_without_its_resume_state_until_overwritten(
    project: StoredProject,
) -> None:
    config = project.config(overrides=[*JOINTS, "train.learning_rate=1e-12", "train.patience=2"])
    again = partial(train, project, config=config, options=TrainOptions("cpu"))
    kept, folder = replace(again(), already_finished=True), project.run_dir("default")
    written = (folder / "best.safetensors").stat().st_mtime_ns
    assert again() == kept
    (folder / "resume.pt").write_bytes((folder / "resume.pt").read_bytes()[:1000])
    assert str(again()) == str(replace(kept, raw_pose_error=math.nan))  # NaN equals no NaN
    for path in folder.iterdir():  # the weights alone were copied
        if path.name != "best.safetensors":
            path.unlink()
    with refused(ExitCode.MISMATCH, "'default' was trained differently"):
        again(config=project.config(overrides=JOINTS))
    assert [again().steps, again().steps] == [kept.best_step] * 2
    assert (folder / "best.safetensors").stat().st_mtime_ns == written
    assert not again(options=TrainOptions("cpu", overwrite=True)).already_finished


def test_an_interrupted_run_is_not_resumed_with_other_clips_held_out(
    project: StoredProject,
) -> None:
    """What it has been trained on would count as held out."""
    config = project.config(overrides=[*JOINTS, "train.validation_share=0.4"])
    with interrupted_at(12):
        train(project, run="mine", config=config)
    before = [(video.id, video.group) for video in project.videos()]
    held = run_header_at(project.run_dir("mine") / "last.safetensors").held_out
    assert held
    for video in project.videos():
        project.mark_video(video.id, split="", group="" if video.id in held[1:] else "anna")
    with refused(ExitCode.MISMATCH, "run 'mine' held out other clips: "):
        train(project, run="mine", config=config)
    for name, group in before:
        project.mark_video(name, split="", group=group)
    assert train(project, run="mine", config=config).steps == config.train.steps


@pytest.mark.parametrize("at", [3, 13, 19])
def test_the_losses_of_a_resumed_run_are_those_of_an_uninterrupted_one(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Also in the line of the steps around the interruption."""
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    config = project.config(overrides=JOINTS)
    train(project, run="whole", config=config, options=TrainOptions("cpu"))
    with interrupted_at(at):
        train(project, run="parts", config=config, options=TrainOptions("cpu"))
    train(project, run="parts", config=config, options=TrainOptions("cpu"))

    def losses(run: str) -> list[tuple[int, float]]:
        rows = map(json.loads, (project.run_dir(run) / "loss.jsonl").read_text().splitlines())
        return [(row["step"], row["loss"]) for row in rows]

    assert losses("parts") == losses("whole")
    assert len(losses("whole")) == 2
