"""By what clips are compared: frame rates, and features of stored and of other views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features
from la2ds_cli.alignment.clip_features import (
    MOVEMENT_SPREAD,
    FeatureKind,
    FeatureSource,
    OneDistance,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.body_joints import as_skeleton
from la2ds_cli.features.camera_views import movements, seen
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.network import embed
from la2ds_cli.network.run_weights import RunHeader
from la2ds_cli.network.trained import light_base
from tests.movement import add_sequence, in_skeleton, in_space, sequence, warped_phase

A, B = in_space(warped_phase(40, 1)), in_space(warped_phase(50, 2), turn=0.9, fps=25.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two clips from two sides, and one of more joints, of which the network reads all."""
    project = Project.create(tmp_path)
    add_sequence(project, "a", A)
    add_sequence(project, "b", B)
    add_sequence(project, "more", in_skeleton(sequence(warped_phase(30, 3)), "coco17", far=False))
    return project


def source_of(project: Project, kind: FeatureKind, pose: PoseSequence = A) -> FeatureSource:
    return FeatureSource(project, kind, "default", pose, project.config().align)


# --- features of a clip in a view -----------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("part", [False, True])
def test_a_network_embeds_a_clip_as_it_is_seen(project: Project, view: View, part: bool) -> None:
    """As filmed, the embedding of the whole clip is stored; it is that of the clip's joints."""
    source = source_of(project, "base")
    pose = replace(project.read_pose("b")[0])
    moving = movements(pose, (view,), A)[view]
    found = source.features(pose, moving, view, A, part=part)
    assert source.distance is not None
    (embedding,) = light_base()([seen(pose, view, A)])
    expected = source.distance.features(moving, embedding)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    stored = project.embedding_path(BASE_RUN, "b").exists()
    assert stored == (view == "filmed" and not part)


@pytest.mark.parametrize("view", ["filmed", "mirrored"])
def test_a_network_sees_all_joints_of_a_clip_whatever_is_compared(
    project: Project, view: View
) -> None:
    whole = project.read_pose("more")[0]
    shared = as_skeleton(whole, "penn13")
    source = source_of(project, "base", shared)
    moving = movements(shared, (view,))[view]
    found = source.features(shared, moving, view)
    assert source.distance is not None
    expected = source.distance.features(moving, light_base()([seen(whole, view)])[0])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_network_that_reads_frames_sees_every_clip_as_filmed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its base model reads joints, and sees the view."""

    def value(pose: PoseSequence) -> FloatArray:
        return pose.xy[:, 6] / 100

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        poses = {video: project.read_pose(video)[0] for video in videos}
        return {v: EmbeddingSequence(value(p), p.frame, p.time, run) for v, p in poses.items()}

    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    header = RunHeader({"model": {"input": "rgb"}})
    monkeypatch.setattr(clip_features, "run_header", lambda project, run: header)
    monkeypatch.setattr(
        clip_features,
        "light_embedder",
        lambda project, run, device: lambda poses: [value(pose) for pose in poses],
    )
    source, pose = source_of(project, "model"), project.read_pose("b")[0]
    asked = {
        run: source._embedding(run, pose, "mirrored", None, False) for run in ("default", BASE_RUN)
    }
    np.testing.assert_array_equal(asked["default"], value(pose))
    np.testing.assert_array_equal(asked[BASE_RUN], value(mirror(pose)))


# --- the one distance ---------------------------------------------------------------------------


def test_one_distance_adds_base_and_movement_to_the_embedding_in_units_of_their_spreads() -> None:
    pose = sequence(warped_phase(30, 1))
    rng = np.random.default_rng(0)
    embedding, base = (rng.normal(size=(30, d)).astype(np.float32) for d in (5, 7))
    moving = paced_movement(pose)
    distance = OneDistance(2.0, movement=0.5, base=3.0, base_spread=4.0)
    joined = distance.features(moving, embedding, base)
    moved = moving / MOVEMENT_SPREAD
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
    assert distance.features(np.zeros((30, 104)), embedding) is embedding


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
        OneDistance.of(2.0, settings, base.spread).features(paced_movement(pose), np.ones((30, 5)))
