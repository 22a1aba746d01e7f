"""The one distance: its parts in units of their spreads, and the weights measured for a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import one_distance
from la2ds_cli.alignment.one_distance import MOVEMENT_SPREAD, OneDistance
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.embedding import embed
from la2ds_cli.embedding.trained import RunHeader, run_header
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import in_skeleton, in_space, sequence, warped_phase
from tests.small_runs import TINY, clips

SETTINGS = AlignConfig(movement=1.0, base=1.0)


def test_one_distance_adds_base_and_movement_to_the_embedding_in_units_of_their_spreads() -> None:
    pose = sequence(warped_phase(30, 1))
    rng = np.random.default_rng(0)
    embedding, base = (rng.normal(size=(30, d)).astype(np.float32) for d in (5, 7))
    joined = OneDistance(2.0, movement=0.5, base=3.0, base_spread=4.0).features(
        pose, embedding, base
    )
    moved = paced_movement(pose) / MOVEMENT_SPREAD
    for a, b in ((0, 7), (3, 29)):
        apart = ((embedding[a] - embedding[b]) ** 2).sum() / 4
        apart += 3 * ((base[a] - base[b]) ** 2).sum() / 16
        apart += 0.5 * ((moved[a] - moved[b]) ** 2).sum()
        assert ((joined[a] - joined[b]) ** 2).sum() == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize(("spread", "weight"), [(0.0, 1.0), (2.0, 0.0)])
def test_an_embedding_of_unknown_spread_or_without_weights_stays_alone(
    spread: float, weight: float
) -> None:
    distance = OneDistance.of(spread, AlignConfig(movement=weight, base=weight), base_spread=3.0)
    embedding = np.ones((30, 5), np.float32)
    assert distance.features(sequence(warped_phase(30, 1)), embedding) is embedding


def test_the_base_model_stands_beside_other_runs_of_bodies(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    settings, pose = AlignConfig(movement=1.0, base=1.0), sequence(warped_phase(30, 1))
    untold = OneDistance.of_run(project, "default", pose, settings)
    assert (untold.base, untold.movement) == (0, 0)  # no weights, whose spread is unknown
    base = OneDistance.of_run(project, BASE_RUN, pose, settings)
    assert (base.base, base.movement) == (0, 1)  # not beside itself
    assert base.spread > 0
    assert OneDistance.of(2.0, settings, base.spread).base == 1
    with pytest.raises(ValueError, match="base model"):
        OneDistance.of(2.0, settings, base.spread).features(pose, np.ones((30, 5), np.float32))


def test_the_base_model_which_reads_the_image_is_left_out_in_3d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_distance, "run_header", lambda project, run: RunHeader(spread=2.0))
    project = Project.create(tmp_path)
    settings = AlignConfig(movement=1.0, base=1.0, weights="equal")
    pose = in_space(warped_phase(30, 1))
    for spatial, base in ((False, 1.0), (True, 0.0)):
        distance = OneDistance.of_run(project, "run", replace(pose, spatial=spatial), settings)
        assert (distance.base, distance.movement) == (base, 1.0)


# --- weights measured for a run -------------------------------------------------------------------


def trained(root: Path, count: int) -> Project:
    project = clips(root, count)
    train(project, run="mine", config=project.config(overrides=TINY))
    return project


def distance_of(project: Project, settings: AlignConfig = SETTINGS) -> OneDistance:
    return OneDistance.of_run(project, "mine", project.read_pose("clip0")[0], settings)


def seen(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[dict]]:
    """The clips of every measurement from here on."""
    measured: list[Sequence[dict]] = []
    real = one_distance.measure_weights

    def measure(clips, config):
        measured.append(clips)
        return real(clips, config)

    monkeypatch.setattr(one_distance, "measure_weights", measure)
    return measured


def test_weights_of_a_run_are_measured_once_and_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, measured = trained(tmp_path, 5), seen(monkeypatch)
    equal = distance_of(project, replace(SETTINGS, weights="equal"))
    assert (equal.embedding, equal.base, equal.movement) == (1, 1, 1)
    assert not measured
    found = distance_of(project)
    weights = found.embedding, found.base, found.movement
    assert sum(weights) == pytest.approx(3)
    assert weights != (1, 1, 1)
    stored = json.loads(project.part_weights_path("mine").read_text("utf-8"))
    assert tuple(stored["weights"].values()) == weights
    assert [len(one) for one in measured] == [5]  # too few to hold any out: all of them
    assert distance_of(project) == found
    assert len(measured) == 1

    # The weights of the settings count beside them, and do not change what is measured.
    half = distance_of(project, replace(SETTINGS, movement=0.5))
    assert half.movement == pytest.approx(found.movement / 2)
    assert len(measured) == 1
    project.part_weights_path("mine").unlink()
    assert distance_of(project, replace(SETTINGS, base=0.25)).base == pytest.approx(found.base / 4)
    assert json.loads(project.part_weights_path("mine").read_text("utf-8")) == stored
    del measured[1:]
    without = distance_of(project, replace(SETTINGS, base=0.0))
    assert (without.base, len(measured)) == (0, 2)  # of two parts instead of three
    assert without.embedding + without.movement == pytest.approx(2)


def test_clips_held_out_of_the_training_weigh_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On clips that it was trained on, an embedding looks better than it is."""
    project, measured = trained(tmp_path, 27), seen(monkeypatch)
    held_out, trained_on = run_header(project, "mine").split
    assert (len(held_out), len(trained_on)) == (4, 23)
    distance_of(project)
    poses = [project.read_pose(video)[0] for video in sorted(held_out)]
    assert len(measured[0]) == 4
    for parts, pose in zip(measured[0], poses, strict=True):
        np.testing.assert_allclose(parts["movement"], paced_movement(pose) / MOVEMENT_SPREAD)


@pytest.mark.parametrize(
    "weights",
    ["{", {"embedding": 1e9, "base": 1, "movement": 1}, {"base": None}, {"shell": 1}, [1, 2],
     {"embedding": float("nan"), "base": 1, "movement": 1}, {"embedding": 0.0, "base": 0.0}],
)  # fmt: skip
def test_weights_that_la2ds_cannot_have_written_are_measured_again(
    tmp_path: Path, weights: object
) -> None:
    project = trained(tmp_path, 4)
    found, path = distance_of(project), project.part_weights_path("mine")
    document = json.loads(path.read_text("utf-8"))
    path.write_text("{" if weights == "{" else json.dumps(document | {"weights": weights}))
    assert distance_of(project) == found
    assert json.loads(path.read_text("utf-8")) == document


def test_new_weights_of_the_network_are_weighed_anew(tmp_path: Path) -> None:
    project = trained(tmp_path, 4)
    found = distance_of(project)
    config = project.config(overrides=[*TINY, "train.seed=1"])
    train(project, run="mine", config=config, options=TrainOptions(overwrite=True))
    assert distance_of(project).embedding != found.embedding


def test_other_joints_of_the_clips_are_weighed_anew(tmp_path: Path) -> None:
    project = trained(tmp_path, 4)
    found = distance_of(project)
    jitter = np.random.default_rng(0).normal(scale=3.0, size=(2, 13, 2)).astype(np.float32)
    pose, _ = project.read_pose("clip2")
    shaken = replace(pose, xy=pose.xy + np.resize(jitter, pose.xy.shape))
    project.write_pose("clip2", shaken, Recipe("import", 1, {}, {"labels": "shaken"}))
    anew = distance_of(project)
    assert anew != found
    project.part_weights_path("mine").unlink()
    assert distance_of(project) == anew


def test_clips_of_more_joints_than_the_run_reads_are_reduced_to_its_skeleton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, measured = trained(tmp_path, 5), seen(monkeypatch)
    for clip, skeleton in (("clip1", "coco17"), ("clip3", "hand21")):
        pose = in_skeleton(project.read_pose(clip)[0], skeleton, far=False)
        project.write_pose(clip, pose, Recipe("import", 1, {}, {"labels": skeleton}))
    distance_of(project)
    assert [len(one) for one in measured] == [4]  # the hand is none of them
    assert len({parts["movement"].shape[1] for parts in measured[0]}) == 1


@pytest.mark.parametrize("network", ["mine", BASE_RUN])
def test_a_clip_that_cannot_be_embedded_is_left_out_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    """Such as one whose video frames, which the run reads, are missing."""
    project, measured = trained(tmp_path, 5), seen(monkeypatch)
    real = embed._embed_one

    def embedded(project, run, video, *rest):
        if (run, video) == (network, "clip2"):
            raise UserError("the video of clip2 is gone", exit_code=ExitCode.UNREADABLE)
        return real(project, run, video, *rest)

    monkeypatch.setattr(embed, "_embed_one", embedded)
    found = distance_of(project)
    assert [len(one) for one in measured] == [4]
    assert all(set(parts) == {"embedding", "base", "movement"} for parts in measured[0])
    lengths = [len(project.read_pose(f"clip{n}")[0]) for n in (0, 1, 3, 4)]
    for name in ("embedding", "base", "movement"):
        assert [len(parts[name]) for parts in measured[0]] == lengths
    assert found.embedding != 1
    assert distance_of(project) == found
    assert len(measured) == 1


def test_a_run_without_its_clips_has_equal_weights(tmp_path: Path) -> None:
    project = trained(tmp_path, 4)
    pose = project.read_pose("clip0")[0]
    for n in range(3):
        project.pose_path(f"clip{n}").unlink()
    found = OneDistance.of_run(Project.open(project.root), "mine", pose, SETTINGS)
    assert (found.embedding, found.base, found.movement) == (1, 1, 1)
    assert not project.part_weights_path("mine").exists()
