"""A network that was trained on the test clips is not scored on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from tests.evaluation.labelled_project import evaluated, labelled_project

TINY = [
    'model.input="joints"',
    "model.width=24",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
]


def train_run(project: Project, run: str = "default") -> None:
    """Random weights that do not name the clips they have seen."""
    from la2ds_cli.core.skeleton import get_skeleton
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.data import load_training_set
    from la2ds_cli.training.network import build_network

    config = load_config(overrides=TINY)
    data = load_training_set(project, config)
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    checkpoint.save_weights(
        project.run_dir(run) / "best.safetensors",
        network,
        checkpoint.training_recipe(config, data.digest),
        {"skeleton": "penn13"},
    )


def warnings_of(project: Project, features: list[str]) -> str:
    result = evaluated(project, protocol="casa", features=features, device="cpu")
    return "\n".join(result["warnings"])


def test_weights_that_name_no_clips_are_told(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    train_run(project)
    assert "run default do not name the clips they were trained on" in warnings_of(
        project, ["model"]
    )


def really_trained(project: Project) -> Project:
    """One step of training on the clips that are marked now."""
    from la2ds_cli.training.train import TrainOptions, train

    train(
        project, config=load_config(overrides=[*TINY, "train.steps=1"]), options=TrainOptions("cpu")
    )
    return project


@pytest.mark.parametrize("protocol", ["la2ds", "paper"])
def test_a_run_that_is_older_than_the_split_is_refused(tmp_path: Path, protocol: str) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    marked = project.videos()
    table = project.root / "videos.csv"
    before = table.read_text()
    table.write_text(before.replace(",train,", ",,").replace(",test,", ",,"))
    really_trained(project)
    table.write_text(before)
    assert project.videos() == marked
    with pytest.raises(UserError, match="run default was trained on test clip test") as caught:
        evaluated(project, protocol=protocol, features=["model"], device="cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert "--overwrite" in caught.value.hint
    # The baselines have not been trained.
    assert "trained on" not in warnings_of(project, ["time_only"])


def test_weights_name_the_clips_they_have_seen_those_of_the_validation_too(tmp_path: Path) -> None:
    from la2ds_cli.core import artifact

    project = really_trained(labelled_project(tmp_path, train=8, test=2))
    for name in ("best", "last"):
        path = project.run_dir("default") / f"{name}.safetensors"
        facts = artifact.read_header(path)[1]
        assert facts["videos"] == [f"train{n}" for n in range(8)]
    assert "trained on" not in warnings_of(project, ["model"])
    assert "videos" not in (project.run_dir("default") / "metrics.jsonl").read_text()


def test_a_clip_that_is_marked_test_after_the_training_is_refused(tmp_path: Path) -> None:
    project = really_trained(labelled_project(tmp_path, train=4, test=2))
    third = next(v for v in project.videos() if v.id == "train2")
    project.add_videos([replace(third, split="test")])
    with pytest.raises(UserError) as caught:
        warnings_of(project, ["model"])
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert caught.value.message.startswith("run default was trained on test clip train2:")
    # Left out of both splits it is nobody's.
    project.add_videos([replace(third, split="val")])
    assert "trained on" not in warnings_of(project, ["model"])


def test_a_test_clip_of_a_video_that_was_trained_on_is_refused(tmp_path: Path) -> None:
    project = really_trained(labelled_project(tmp_path, train=4, test=2))
    videos = {v.id: v for v in project.videos()}
    project.add_videos(
        [
            replace(videos["train1"], split="val"),
            replace(videos["test1"], path=videos["train1"].path, person=2),
        ]
    )
    with pytest.raises(UserError) as caught:
        warnings_of(project, ["model"])
    assert caught.value.message.startswith(
        "run default was trained on clip train1, which comes from the same video as test clip "
        "test1:"
    )


def test_clips_that_were_trained_on_and_are_gone_are_counted(tmp_path: Path) -> None:
    project = really_trained(labelled_project(tmp_path, train=4, test=2))
    table = project.root / "videos.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith("train3,")))
    assert "run default was trained on 1 clips that are no longer in videos.csv" in warnings_of(
        project, ["model"]
    )
