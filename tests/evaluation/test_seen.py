"""A network that was trained on the test clips is not scored on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.config import Config, load_config
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.evaluation.evaluate import evaluate
from la2ds_cli.project import Project
from tests.evaluation.labelled_project import labelled_project
from tests.movement import add_sequence, sequence, warped_phase

TINY = [
    'model.input="joints"',
    "model.width=24",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
]


def train_run(project: Project, run: str = "default") -> None:
    """Random weights that name the training clips of the project as they are now."""
    from la2ds_cli.network import build_network
    from la2ds_cli.skeleton import get_skeleton
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.data import load_training_set

    config = load_config(overrides=TINY)
    data = load_training_set(project, config)
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    checkpoint.save_weights(
        project.run_dir(run) / "best.safetensors",
        network,
        checkpoint.recipe(config, data.digest),
        {"skeleton": "penn13"},
    )


def warnings_of(project: Project, features: list[str]) -> str:
    result = evaluate(project, config=Config(), protocol="tcc", features=features, device="cpu")
    return "\n".join(result["warnings"])


def test_a_run_of_the_training_clips_is_scored_without_a_word(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    train_run(project)
    assert "trained on" not in warnings_of(project, ["model"])


@pytest.mark.parametrize("protocol", ["la2ds", "paper"])
def test_a_run_that_is_older_than_the_split_is_refused(tmp_path: Path, protocol: str) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    marked = project.videos()
    table = project.root / "videos.csv"
    before = table.read_text()
    table.write_text(before.replace(",train,", ",,").replace(",test,", ",,"))
    train_run(project)
    table.write_text(before)
    assert project.videos() == marked
    with pytest.raises(UserError, match="run default was trained on the test clips") as caught:
        evaluate(project, config=Config(), protocol=protocol, features=["model"], device="cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert "--overwrite" in caught.value.hint
    # The baselines have not been trained.
    assert "trained on" not in warnings_of(project, ["time_only"])


def test_a_run_of_clips_that_have_changed_is_told(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    train_run(project)
    first = next(v for v in project.videos() if v.id == "train0")
    project.add_videos([replace(first, split="val")])
    assert "run default was trained on other clips or poses" in warnings_of(project, ["model"])
    project.add_videos([first])
    assert "trained on" not in warnings_of(project, ["model"])
    add_sequence(project, "train9", sequence(warped_phase(40, 9)), "train")
    assert "run default was trained on other clips or poses" in warnings_of(project, ["model"])
