"""The sweeps end to end on a tiny run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.alignment.one_distance import OneDistance
from la2ds_cli.core.artifact import read_header
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.corruption import CorruptedProject, JointNoise
from la2ds_cli.experiments.robustness import (
    limb_sweep,
    noise_sweep,
)
from la2ds_cli.training.train import train
from tests.evaluation.labelled_project import labelled_project
from tests.small_runs import JOINTS, TINY, six_clips


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Config]:
    project = six_clips(tmp_path_factory.mktemp("robust") / "project")
    config = project.config(preset="paper-penn-casa", overrides=[*TINY, "train.seed=3"])
    train(project, run="mine", config=config, device="cpu")
    return project, config


def _clean_files(project: Project) -> dict[Path, int]:
    """Files outside results/robustness/ and when they were written."""
    files = [path for path in project.root.rglob("*") if path.is_file()]
    return {p: p.stat().st_mtime_ns for p in files if "robustness" not in p.parts}


def test_limbs_go_missing_for_the_model_and_the_raw_pose_alike(
    trained: tuple[Project, Config], tmp_path: Path
) -> None:
    project, config = trained
    before = _clean_files(project)
    sweep = limb_sweep(
        project, run="mine", config=config, limb="left_arm", probabilities=(0.0, 1.0), device="cpu"
    )
    assert [(c.features, c.test) for c in sweep.conditions] == [
        ("model", "0% missing"),
        ("model", "100% missing"),
        ("raw_pose", "0% missing"),
        ("raw_pose", "100% missing"),
    ]
    clean, missing = (c for c in sweep.conditions if c.features == "raw_pose")
    # The left arm alone tells the first half of the movement from the standing still.
    right, less = (c.scores["classification"] for c in (clean, missing))
    assert right is not None
    assert less is not None
    assert right > 90 > 75 > less
    assert _clean_files(project) == before


def test_noise_has_four_combinations_and_trains_the_missing_run(
    trained: tuple[Project, Config],
) -> None:
    project, config = trained
    sweep = noise_sweep(project, run="mine", config=config, cells=1.0, device="cpu")
    assert [(c.train, c.test) for c in sweep.conditions if c.features == "model"] == [
        ("clean", "clean"),
        ("clean", "noisy"),
        ("noisy", "clean"),
        ("noisy", "noisy"),
    ]
    assert sweep.settings["noisy_run"] == "mine-noisy"
    assert sweep.settings["noisy_steps"] == 2
    paths = [project.run_dir(run) / "best.safetensors" for run in ("mine", "mine-noisy")]
    first, second = (read_header(path)[0] for path in paths)
    assert dict(first.config) == dict(second.config)  # the seed of the run, too
    assert first.inputs != second.inputs
    by_key = {(c.features, c.train, c.test): c.scores for c in sweep.conditions}
    transfer = "event_transfer_mean"
    raw = {key: scores[transfer] for key, scores in by_key.items() if key[0] == "raw_pose"}
    assert raw["raw_pose", "clean", "clean"] == raw["raw_pose", "noisy", "clean"]
    assert raw["raw_pose", "clean", "noisy"] != raw["raw_pose", "clean", "clean"]
    assert by_key["model", "clean", "clean"] != by_key["model", "noisy", "clean"]

    stamp = paths[1].stat().st_mtime_ns
    assert noise_sweep(project, run="mine", config=config, device="cpu") == sweep
    assert paths[1].stat().st_mtime_ns == stamp


def test_the_runs_beside_one_that_started_from_the_base_model_start_from_it(
    tmp_path: Path,
) -> None:
    project = six_clips(tmp_path / "project")
    short = ["train.steps=1", "train.batch_size=2", "train.validate_every=1", "evaluate.pairs=4"]
    short += ["train.threads=1", "align.reference_clips=0", "evaluate.trim_draws=1"]
    config = project.config(preset="base", overrides=short)
    train(project, run="tuned", config=config, device="cpu", from_base=True)
    noise_sweep(project, run="tuned", config=config, device="cpu")
    for run in ("tuned", "tuned-noisy"):
        recipe = read_header(project.run_dir(run) / "best.safetensors")[0]
        assert "start" in recipe.inputs, run


@pytest.mark.parametrize("marked", [True, False])
def test_parts_of_the_distance_are_weighed_by_the_joints_that_are_tested(
    tmp_path: Path, marked: bool
) -> None:
    """Stored embeddings of clean joints weigh nothing beside noisy ones, and weights that noisy
    joints gave are not those of the project."""
    project = labelled_project(tmp_path / "project", train=6, test=2 if marked else 0)
    config = project.config(overrides=[*JOINTS, *TINY])
    noise = JointNoise(3.0, 0, config.heatmap)
    train(project, run="mine", config=config, device="cpu")

    def weights(project: Project) -> OneDistance:
        clip = project.read_pose(project.videos()[0].id)[0]
        return OneDistance.of_run(project, "mine", clip, config.align)

    first = CorruptedProject(project, "first", train=noise, test=noise)
    alone, before = weights(first), _clean_files(project)
    assert not list(project.root.glob("embeddings/*/*"))
    clean = weights(project)
    assert clean != alone
    after = _clean_files(project)
    assert before.items() <= after.items()
    again = CorruptedProject(project, "again", train=noise, test=noise)
    assert weights(again) == alone
    assert weights(CorruptedProject(project, "again", train=None, test=None)) == clean
    louder = JointNoise(6.0, 0, config.heatmap)
    assert weights(CorruptedProject(project, "again", train=louder, test=louder)) != alone
    only_test = CorruptedProject(project, "again", train=None, test=noise)
    assert weights(only_test) == (clean if marked else alone)
    assert _clean_files(project) == after


def test_a_clip_that_the_run_has_seen_is_not_scored(
    trained: tuple[Project, Config], tmp_path: Path
) -> None:
    project = Project.open(shutil.copytree(trained[0].root, tmp_path / "copy"))
    seen = next(video for video in project.videos() if video.split == "train")
    project.add_videos([replace(seen, split="test")])
    with pytest.raises(UserError, match="run mine was trained on test clip") as caught:
        limb_sweep(project, run="mine", config=trained[1], device="cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_a_run_without_a_model_is_refused(trained: tuple[Project, Config]) -> None:
    project, config = trained
    for sweep in (limb_sweep, noise_sweep):
        with pytest.raises(UserError, match="run 'none' has no trained model") as caught:
            sweep(project, run="none", config=config)
        assert caught.value.exit_code == ExitCode.UNUSABLE
    with pytest.raises(UserError, match="has no limb 'tail'"):
        limb_sweep(project, run="mine", config=config, limb="tail")


@pytest.mark.parametrize("log", [None, "", "{", "[]", '{"step": 1}'])
def test_a_run_without_its_log_needs_to_be_told_how_long_to_train(
    trained: tuple[Project, Config], tmp_path: Path, log: str | None
) -> None:
    project = Project.open(shutil.copytree(trained[0].root, tmp_path / "copy"))
    path = project.run_dir("mine") / "metrics.jsonl"
    path.unlink()
    if log is not None:
        path.write_text(log)
    with pytest.raises(UserError, match="how long run 'mine' was trained is unknown") as caught:
        noise_sweep(project, run="mine", config=trained[1], device="cpu")
    assert caught.value.exit_code == ExitCode.UNREADABLE
    assert "--minutes" in caught.value.hint
