"""Many alignments at once are those of `align` for each pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.confidence import DOUBTFUL
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import EmbeddingSequence
from la2ds_cli.embedding import embed, trained
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.labels import pairs
from la2ds_cli.labels.pairs import ClipFeatures, PairAlignments, compute_features
from la2ds_cli.training.train import train
from tests.labels.swings import clip_phase, swings
from tests.movement import add_sequence, sequence
from tests.small_runs import JOINTS

Kind = Literal["model", "pose"]
CLIPS = [f"clip{n}" for n in range(7)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return swings(tmp_path)


def features(project: Project, kind: Kind = "pose") -> ClipFeatures:
    poses = {clip: project.read_pose(clip)[0] for clip in CLIPS}
    request = AlignRequest(project.config(), "default", device="cpu")
    return compute_features(project, poses, kind, request, Progress())


def same_as_align(
    project: Project, pairs: PairAlignments, a: str, b: str, kind: Kind = "pose"
) -> None:
    alone = find_alignment(project, a, b, AlignRequest(project.config(), features=kind)).alignment
    value = pairs.correspondence(a, b)
    for name in ("position", "low", "high", "confidence"):
        np.testing.assert_allclose(getattr(value, name), getattr(alone, name), err_msg=name)


@pytest.mark.parametrize("pair", [("clip0", "clip4"), ("clip5", "clip3")])
def test_by_pose_as_align_does_it(project: Project, pair: tuple[str, str]):
    pairs = PairAlignments(features(project), CLIPS, project.config().align)
    assert len(pairs.references) == 7
    same_as_align(project, pairs, *pair)


def test_a_correspondence_knows_how_many_frames_of_b_pass_in_one_of_a(project: Project):
    pairs = PairAlignments(features(project), CLIPS, project.config().align)
    assert pairs.correspondence("clip0", "clip2").step == pytest.approx(30 / 20)
    assert pairs.correspondence("clip2", "clip1").step == pytest.approx(25 / 30)


def test_without_reference_clips_as_align_does_it(project: Project):
    (project.root / "project.toml").write_text('preset = "default"\n[align]\nreference_clips = 0\n')
    project = Project.open(project.root)
    pairs = PairAlignments(features(project), [], project.config().align)
    same_as_align(project, pairs, "clip1", "clip3")


def test_by_model_as_align_does_it(project: Project):
    train(project, config=project.config(overrides=JOINTS))
    clip_features = features(project, "model")
    pairs = PairAlignments(clip_features, CLIPS, project.config().align)
    same_as_align(project, pairs, "clip0", "clip4", "model")


def test_a_model_that_contradicts_the_movement_is_doubted_as_by_align(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    """Its embedding of a clip is the phase of another moment."""
    phases = {clip: clip_phase(n) + 0.2 * (n == 4) for n, clip in enumerate(CLIPS)}

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        poses = {video: project.read_pose(video)[0] for video in videos}
        return {
            video: EmbeddingSequence(phases[video][:, None], pose.frame, pose.time, "weights")
            for video, pose in poses.items()
        }

    monkeypatch.setattr(trained, "has_model", lambda project, run: True)
    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    found = PairAlignments(features(project, "model"), CLIPS, project.config().align)
    same_as_align(project, found, "clip0", "clip4", "model")
    assert found.correspondence("clip0", "clip4").confidence[10:-10].max() <= DOUBTFUL


def test_short_clips_are_right_to_a_tenth_of_a_second_as_by_align(project: Project):
    """At 100 frames per second, a tenth is more than 5 % of a clip."""
    for n, clip in enumerate(CLIPS):
        add_sequence(project, clip, sequence(clip_phase(n), fps=100.0))
    same_as_align(
        project, PairAlignments(features(project), CLIPS, project.config().align), "clip0", "clip4"
    )


def test_a_mirrored_clip_is_recognised(project: Project):
    pose = replace(mirror(sequence(clip_phase(3))), frame=np.arange(49))
    add_sequence(project, "clip3", pose)
    clip_features = features(project)
    assert clip_features.views == dict.fromkeys(CLIPS, "filmed") | {"clip3": "mirrored"}
    pairs = PairAlignments(clip_features, CLIPS, project.config().align)
    same_as_align(project, pairs, "clip0", "clip3")


def test_pairwise_paths_are_computed_once_per_clip(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    clip_features = features(project)
    calls = []
    real = pairs.pairwise_paths

    def counted(*given):
        calls.append(1)
        return real(*given)

    monkeypatch.setattr(pairs, "pairwise_paths", counted)
    found = PairAlignments(clip_features, CLIPS, project.config().align)
    for a in ("clip0", "clip1"):
        for b in CLIPS[2:]:
            assert found.correspondence(a, b) is found.correspondence(a, b)
    assert len(calls) == len(CLIPS)
    found.forget("clip6")
    found.correspondence("clip1", "clip5")
    assert len(calls) == len(CLIPS)
    found.correspondence("clip1", "clip6")
    assert len(calls) == len(CLIPS) + 1
