"""Alignments to one clip that share what they have in common are those that share nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import cache as shared
from la2ds_cli.alignment import clip_features
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import load_config
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.embedding import embed, trained
from la2ds_cli.features.pose_features import mirror
from tests.movement import add_sequence, sequence, warped_phase

CONFIG = load_config()
LENGTHS = (41, 33, 52, 38, 47, 29, 60, 36)


def name(n: int) -> str:
    return f"clip{n}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Clips of two frame rates, one mirrored, one cut off, and one in which nobody is seen."""
    project = Project.create(tmp_path)
    for n, length in enumerate(LENGTHS):
        pose = sequence(warped_phase(length, n), fps=12.5 if n % 3 == 1 else 25.0, scale=40.0 + n)
        if n == 5:
            pose = mirror(pose)
        if n == 6:
            pose = pose.cut(0, 35)
        add_sequence(project, name(n), pose)
    nobody = sequence(warped_phase(30, 20))
    add_sequence(project, "nobody", replace(nobody, xy=np.full_like(nobody.xy, np.nan)))
    return project


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run `tuned` that embeds a clip by three of its coordinates; ids as they are asked for."""
    asked: list[str] = []

    def value(pose: PoseSequence) -> FloatArray:
        return pose.xy[:, 4:7, 1] / 50

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        asked.extend(videos)
        poses = {video: project.read_pose(video)[0] for video in videos}
        return {v: EmbeddingSequence(value(p), p.frame, p.time, "key") for v, p in poses.items()}

    def embedder(project, run, device):
        return lambda poses: [value(pose) for pose in poses]

    monkeypatch.setattr(trained, "has_model", lambda project, run: run == "tuned")
    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    monkeypatch.setattr(clip_features, "light_embedder", embedder)  # of other views
    return asked


def arrays(
    project: Project, b: str, config: Any, kind: Any, cache: AlignmentCache | None
) -> dict[str, Any]:
    request = AlignRequest(config, "tuned", kind)
    result = find_alignment(project, name(0), b, request, cache=cache)
    alignment = vars(result.alignment)
    return {"references": result.references} | {k: v for k, v in alignment.items() if k != "info"}


@pytest.mark.parametrize("kind", ["pose", "model"])
@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("routes", [4, 40])
def test_the_cache_changes_no_result(
    project: Project, tuned: list[str], kind: str, gaps: bool, routes: int
) -> None:
    config = replace(CONFIG, align=replace(CONFIG.align, gaps=gaps, reference_clips=routes))
    cache = AlignmentCache()
    # The reference itself, too, and clips that were others of an earlier alignment.
    for b in [name(3), name(0), *(name(n) for n in range(1, len(LENGTHS))), name(3)]:
        alone = arrays(project, b, config, kind, None)
        together = arrays(project, b, config, kind, cache)
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            np.testing.assert_array_equal(together[key], value, err_msg=f"{b}: {key}")
        assert b == name(0) or alone["references"] == min(routes, len(LENGTHS) - 2)
    assert cache.usable["nobody"] is False


def test_work_on_a_and_the_references_is_done_once(
    project: Project, tuned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_a: list[int] = []
    original = shared.pairwise_paths

    def pairwise_paths(a, clips, *others):
        from_a.append(len(clips))
        return original(a, clips, *others)

    monkeypatch.setattr(shared, "pairwise_paths", pairwise_paths)
    read: list[str] = []
    poses = project.read_pose
    monkeypatch.setattr(project, "read_pose", lambda video: [read.append(video), poses(video)][1])
    cache = AlignmentCache()
    config = replace(CONFIG, align=replace(CONFIG.align, gaps=False))
    for n in (1, 2, 5, 6):  # of two rates, one of them mirrored
        arrays(project, name(n), config, "model", cache)
    known = len(LENGTHS) - 1
    assert sum(from_a) == known  # each reference once
    assert read.count("nobody") == 1
    assert tuned.count(name(0)) == 1
    assert len(cache.poses) == known


def test_a_cache_is_of_one_entire_clip(project: Project) -> None:
    cache = AlignmentCache()
    find_alignment(project, name(0), name(1), AlignRequest(CONFIG), cache=cache)
    with pytest.raises(ValueError, match="cache is of clip0"):
        find_alignment(project, name(1), name(0), AlignRequest(CONFIG), cache=cache)
    with pytest.raises(ValueError, match="not of clip0 in part"):
        cache.for_clip("clip0", part=True)
