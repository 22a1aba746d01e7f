"""Embeddings of a project's clips: stored as filmed, computed for other views and for parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import stored_embeddings
from la2ds_cli.alignment.clip_features import PosedClip
from la2ds_cli.alignment.stored_embeddings import StoredEmbeddings
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.body_joints import as_skeleton
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.network import embed
from la2ds_cli.network.load_network import light_base
from la2ds_cli.network.run_weights import RunHeader
from tests.movement import add_sequence, in_skeleton, in_space, sequence, warped_phase
from tests.told import refused

A, B = in_space(warped_phase(40, 1)), in_space(warped_phase(50, 2), turn=0.9, fps=25.0)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Two clips from two sides, and one of more joints, of which the network reads all."""
    project = StoredProject.create(tmp_path)
    add_sequence(project, "a", A)
    add_sequence(project, "b", B)
    add_sequence(project, "more", in_skeleton(sequence(warped_phase(30, 3)), "coco17", far=False))
    return project


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("part", [False, True])
def test_a_network_embeds_a_clip_as_it_is_seen(
    project: StoredProject, view: View, part: bool
) -> None:
    """As filmed, the embedding of the whole clip is stored; it is that of the clip's joints. That
    of a part is the embedding of that part alone."""
    pose = project.read_pose("b")[0]
    pose = pose.cut(7, 41) if part else pose
    found = StoredEmbeddings(project, BASE_RUN)(PosedClip(pose, view, A))
    np.testing.assert_allclose(found, light_base()([seen(pose, view, A)])[0], atol=1e-5)
    stored = project.embedding_path(BASE_RUN, "b").exists()
    assert stored == (view == "filmed" and not part)


@pytest.mark.parametrize("view", ["filmed", "mirrored"])
def test_a_network_sees_all_joints_of_a_clip_whatever_is_compared(
    project: StoredProject, view: View
) -> None:
    whole = project.read_pose("more")[0]
    shared = as_skeleton(whole, "penn13")
    found = StoredEmbeddings(project, BASE_RUN)(PosedClip(shared, view))
    np.testing.assert_allclose(found, light_base()([seen(whole, view)])[0], atol=1e-5)


def test_a_network_that_reads_frames_sees_every_clip_as_filmed(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base model beside it reads joints, and sees the view."""

    def value(pose: PoseSequence) -> FloatArray:
        return pose.xy[:, 6] / 100

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        poses = {video: project.read_pose(video)[0] for video in videos}
        return {v: EmbeddingSequence(value(p), p.frame, p.time, run) for v, p in poses.items()}

    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    headers = {"default": RunHeader({"model": {"input": "rgb"}}), BASE_RUN: RunHeader()}
    monkeypatch.setattr(stored_embeddings, "run_header", lambda project, run: headers[run])
    monkeypatch.setattr(
        stored_embeddings,
        "light_embedder",
        lambda project, run, device: lambda poses: [value(pose) for pose in poses],
    )
    pose = project.read_pose("b")[0]
    by_frames, by_joints = (StoredEmbeddings(project, run) for run in ("default", BASE_RUN))
    for clip in (pose, pose.cut(3, 30)):
        mirrored = PosedClip(clip, "mirrored")
        np.testing.assert_array_equal(by_frames(mirrored), value(clip))
        np.testing.assert_array_equal(by_joints(mirrored), value(mirror(clip)))


def test_clips_that_cannot_be_embedded_are_returned_and_the_others_kept(
    project: StoredProject,
) -> None:
    pose = project.read_pose("a")[0]
    project.pose_path("a").write_bytes(b"damaged")
    embeddings = StoredEmbeddings(project, BASE_RUN)
    assert list(embeddings.load(["a", "b"])) == ["a"]
    assert embeddings.load(["b"]) == {}
    with pytest.raises(UserError):
        embeddings(PosedClip(pose))


def test_embeddings_of_different_weights_are_refused(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = iter(("old", "new"))

    def possible(project, run, videos, device, progress):
        model, poses = next(weights), {video: project.read_pose(video)[0] for video in videos}
        return {
            v: EmbeddingSequence(p.xy[:, 0], p.frame, p.time, model) for v, p in poses.items()
        }, {}

    monkeypatch.setattr(stored_embeddings, "possible_embeddings", possible)
    embeddings = StoredEmbeddings(project, BASE_RUN)
    embeddings.load(["a"])
    with refused(ExitCode.MISMATCH, "come from different weights"):
        embeddings.load(["b"])


def test_the_embeddings_in_memory_are_few(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_embeddings, "MOST_KEPT", 1)
    embeddings = StoredEmbeddings(project, BASE_RUN)
    poses = {name: project.read_pose(name)[0] for name in ("a", "b")}
    for name in ("a", "b", "a"):
        found = embeddings(PosedClip(poses[name]))
        np.testing.assert_allclose(found, light_base()([poses[name]])[0], atol=1e-5)
        assert list(embeddings._stored) == [name]
