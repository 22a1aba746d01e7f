"""2 to 20 clips train, with a warning and raw poses beside the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.load_network import load_embedder
from la2ds_cli.training.checkpoint import run_warnings
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.small_runs import JOINTS, clips, metrics
from tests.told import Notes, refused

HUGE_BATCH = [*JOINTS, "train.batch_size=64", "train.steps=2"]


@pytest.mark.parametrize(
    ("count", "pairs", "words"),
    [
        (2, 16, "only 2 clips"),
        (3, 24, "only 3 clips"),
        (5, 40, "only 5 clips"),
        (15, 64, ""),
        (21, 64, ""),
    ],
)
def test_few_clips_train_beside_raw_poses_in_batches_that_fit(
    tmp_path: Path, count: int, pairs: int, words: str
) -> None:
    few, notes = clips(tmp_path / "few", count), Notes()
    config = few.config(overrides=HUGE_BATCH)
    result = train(few, config=config, options=TrainOptions("cpu"), progress=notes)
    assert (result.steps, result.clips) == (2, count)
    assert 0 < result.raw_pose_error < 40
    said = [warning for warning in result.warnings if "clips" in warning]
    assert said == ([f"{words} to learn from"] if words else [])
    assert run_warnings(few.run_dir("default")) == result.warnings
    told = f"batches of {pairs} instead of 64"
    assert any(told in note for note in notes.lines) == (pairs < 64)
    assert not any("to learn from" in note for note in notes.lines)  # the warning says it


def test_one_clip_is_refused(tmp_path: Path) -> None:
    alone = clips(tmp_path / "alone", 1)
    with refused(ExitCode.UNUSABLE, "at least 2 clips with poses, found 1"):
        train(alone, config=alone.config(overrides=JOINTS), options=TrainOptions("cpu"))


@pytest.mark.parametrize("others", [0, 4])
@pytest.mark.parametrize("model_input", ["joints", "both"])
def test_clips_of_one_two_and_three_frames_train_and_embed(
    tmp_path: Path, model_input: str, others: int
) -> None:
    """Alone, and among clips of 24 frames that share their batches."""
    short = (
        clips(tmp_path / "short", others) if others else StoredProject.create(tmp_path / "short")
    )
    poses = [sequence(np.linspace(0.2, 0.8, length)) for length in (1, 2, 3)]
    for pose in poses:
        add_sequence(short, f"short{len(pose)}", pose)
    settings = [*JOINTS, f"model.input={model_input}", "model.spatial_layers=1"]
    train(short, config=short.config(overrides=settings), options=TrainOptions("cpu"))
    assert all(np.isfinite(row["loss"]) for row in metrics(short))
    embedded = load_embedder(short, device="cpu")(poses)
    assert [len(value) for value in embedded] == [1, 2, 3]
    assert all(np.isfinite(value).all() for value in embedded)


def test_a_clip_in_which_nobody_is_seen_does_not_stop_the_others(project: StoredProject) -> None:
    add_sequence(project, "empty", without(sequence(warped_phase(24, 0))))
    train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))
    assert all(np.isfinite(row["loss"]) for row in metrics(project))
