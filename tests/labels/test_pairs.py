"""Many alignments at once are those of `align` for each pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.consensus import Consensus
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.labels.pairs import ClipFeatures, Pairs, make_features
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
    settings = project.config().align
    return make_features(
        project,
        poses,
        "clip0",
        kind=kind,
        run="default",
        settings=settings,
        device="cpu",
        progress=Progress(),
    )


def same_as_align(project: Project, pairs: Pairs, a: str, b: str, kind: Kind = "pose") -> None:
    alone = find_alignment(project, a, b, AlignRequest(project.config(), features=kind)).alignment
    found = pairs.find(a, b)
    for name in ("position", "low", "high", "confidence"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), err_msg=name)


@pytest.mark.parametrize("pair", [("clip0", "clip4"), ("clip5", "clip3")])
def test_by_pose_as_align_does_it(project: Project, pair: tuple[str, str]):
    pairs = Pairs(features(project), CLIPS, project.config().align, "pose")
    assert len(pairs.others) == 7
    same_as_align(project, pairs, *pair)


def test_velocities_are_at_the_lowest_rate_of_all_clips(project: Project):
    """Two clips at 30 frames a second beside others at 20: `align` compares the two at 30."""
    pairs = Pairs(features(project), CLIPS, project.config().align, "pose")
    alone = find_alignment(project, "clip5", "clip2", config=project.config()).alignment
    assert np.abs(pairs.find("clip5", "clip2").position - alone.position).max() < 1.5


def test_without_other_clips_as_align_does_it(project: Project):
    (project.root / "project.toml").write_text('preset = "default"\n[align]\nreference_clips = 0\n')
    project = Project.open(project.root)
    pairs = Pairs(features(project), [], project.config().align, "pose")
    same_as_align(project, pairs, "clip1", "clip3")


def test_by_model_as_align_does_it(project: Project):
    train(project, config=project.config(overrides=JOINTS))
    made = features(project, "model")
    assert all(len(kinds) == 2 for kinds in made.kinds.values())
    pairs = Pairs(made, CLIPS, project.config().align, "model")
    same_as_align(project, pairs, "clip0", "clip4", "model")


def test_a_mirrored_clip_is_recognised(project: Project):
    pose = replace(mirror(sequence(clip_phase(3))), frame=np.arange(49))
    add_sequence(project, "clip3", pose)
    made = features(project)
    assert made.mirrored == {"clip3"}
    pairs = Pairs(made, CLIPS, project.config().align, "pose")
    same_as_align(project, pairs, "clip0", "clip3")


def test_pairwise_paths_are_computed_once_per_clip(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    made = features(project)
    asked = []
    real = Consensus.pairwise_paths

    def counted(self, clip):
        asked.append(1)
        return real(self, clip)

    monkeypatch.setattr(Consensus, "pairwise_paths", counted)
    pairs = Pairs(made, CLIPS, replace(project.config().align, gaps=False), "pose")
    for a in ("clip0", "clip1"):
        for b in CLIPS[2:]:
            assert pairs.find(a, b) is pairs.find(a, b)
    assert len(asked) == len(CLIPS)
    pairs.forget("clip6")
    pairs.find("clip1", "clip5")
    assert len(asked) == len(CLIPS)
    pairs.find("clip1", "clip6")
    assert len(asked) == len(CLIPS) + 1
