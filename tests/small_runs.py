"""Projects of a few clips, and settings with which a run takes a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.config import Config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training import checkpoint, loop
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase

TINY = [
    *("model.width=16", "model.heads=2", "model.spatial_layers=1", "model.temporal_layers=1"),
    *("model.max_frames=64", "train.steps=2", "train.batch_size=2", "train.frames=16"),
    *("train.validate_every=2", "train.threads=1", "train.precision=fp32"),
    *("evaluate.trim_draws=1", "evaluate.pairs=10"),
]

# Joints alone, float32 on one thread: enough to learn something in 20 steps.
JOINTS = [
    *("model.input=joints", "model.width=24", "model.temporal_layers=1", "train.steps=20"),
    *("train.batch_size=4", "train.validate_every=5", "train.threads=1"),
]


# Copies differ from their clip in which frames they show alone.
UNCHANGED = [
    *(f"augment.{kind}_probability=0.0" for kind in ("position", "orientation", "flip")),
    "augment.geometry=0.0",
]


def clips(root: Path, count: int = 8, length: int = 24) -> StoredProject:
    """A project of `count` clips of `length` frames, without splits or labels."""
    project = StoredProject.create(root)
    for n in range(count):
        add_sequence(project, f"clip{n}", sequence(warped_phase(length, n)))
    return project


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Training in here ends with Ctrl-C when the batch of `step` is drawn."""
    real = loop.draw_batch

    def stop(clips, skeleton, config, at, *rest):
        if at == step:
            raise KeyboardInterrupt
        return real(clips, skeleton, config, at, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_batch", stop)
        with pytest.raises(KeyboardInterrupt):
            yield


def resumed_run_equals_whole(project: StoredProject, config: Config) -> dict[str, Any]:
    """Trains the run `whole`, and `parts`, which is interrupted and goes on; the resume state of
    the first, after asserting that the second has its weights."""
    train(project, run="whole", config=config, options=TrainOptions("cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SAVE_SECONDS", 0)
        with interrupted_at(13):
            train(project, run="parts", config=config, options=TrainOptions("cpu"))
        train(project, run="parts", config=config, options=TrainOptions("cpu"))
    whole, parts = (
        checkpoint.load_resume(project.run_dir(run) / "resume.pt") for run in ("whole", "parts")
    )
    assert whole is not None
    assert parts is not None
    for name, tensor in whole["network"].items():
        assert torch.equal(tensor, parts["network"][name]), name
    return whole


def metrics(project: StoredProject, run: str = "default") -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    text = (project.run_dir(run) / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def six_clips(root: Path, *, labels: bool = True, count: int = 6) -> StoredProject:
    """Half of the clips to train on and half to test, with phases that begin at thirds."""
    project = StoredProject.create(root)
    rows = ["video,start,end,phase"]
    for n in range(count):
        phase = warped_phase(30 + 3 * n, seed=n)
        split = "test" if n % 2 else "train"
        add_sequence(project, f"clip{n}", sequence(phase, scale=50.0 + 5 * n), split)
        first, second = (int(np.abs(phase - share).argmin()) for share in (0.35, 0.65))
        bounds = zip((0, first, second), (first, second, len(phase)), strict=True)
        for (start, end), name in zip(bounds, ("begin", "middle", "end"), strict=True):
            rows.append(f"clip{n},{start},{end},{name}")
    if labels:
        write_text(project.phases_path, "\n".join(rows) + "\n")
    return StoredProject.open(project.root)
