"""Alignments to one clip that share what they have in common are those that share nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import kept as module
from la2ds_cli.alignment import match
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.kept import Kept
from la2ds_cli.core.config import load_config
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import EmbeddingSequence
from la2ds_cli.embedding import embed as embedding
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

    def embeddings(project, run, videos, device, progress) -> list[EmbeddingSequence]:
        asked.extend(videos)
        poses = [project.read_pose(video)[0] for video in videos]
        return [EmbeddingSequence(p.xy[:, 4:7, 1] / 50, p.frame, p.time, "key") for p in poses]

    monkeypatch.setattr(embedding, "has_model", lambda project, run: run == "tuned")
    monkeypatch.setattr(match, "ensure_embeddings", embeddings)
    return asked


def arrays(project: Project, b: str, config: Any, kind: Any, kept: Kept | None) -> dict[str, Any]:
    result = find_alignment(
        project, name(0), b, config=config, features=kind, run="tuned", kept=kept
    )
    found = vars(result.alignment)
    return {"others": result.others} | {k: v for k, v in found.items() if k != "info"}


@pytest.mark.parametrize("kind", ["pose", "model"])
@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("routes", [4, 40])
def test_what_is_kept_changes_no_result(
    project: Project, tuned: list[str], kind: str, gaps: bool, routes: int
) -> None:
    config = replace(CONFIG, align=replace(CONFIG.align, gaps=gaps, routes=routes))
    kept = Kept()
    # The reference itself, too, and clips that were others of an earlier alignment.
    for b in [name(3), name(0), *(name(n) for n in range(1, len(LENGTHS))), name(3)]:
        alone = arrays(project, b, config, kind, None)
        shared = arrays(project, b, config, kind, kept)
        assert alone.keys() == shared.keys()
        for key, value in alone.items():
            np.testing.assert_array_equal(shared[key], value, err_msg=f"{b}: {key}")
        assert b == name(0) or alone["others"] == min(routes, len(LENGTHS) - 2)
    assert kept.usable["nobody"] is False


def test_work_on_the_reference_and_the_other_clips_is_done_once(
    project: Project, tuned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    legs: list[int] = []
    original = module.find_leg
    monkeypatch.setattr(module, "find_leg", lambda *given: [legs.append(1), original(*given)][1])
    read: list[str] = []
    poses = project.read_pose
    monkeypatch.setattr(project, "read_pose", lambda video: [read.append(video), poses(video)][1])
    kept = Kept()
    config = replace(CONFIG, align=replace(CONFIG.align, gaps=False))
    for n in (2, 3, 5, 6):  # of one rate: features do not change with the pair
        arrays(project, name(n), config, "model", kept)
    known = len(LENGTHS) - 1
    # Two kinds of features; each clip is other to one of the four alignments at least.
    assert len(legs) == 2 * known
    assert read.count("nobody") == 1
    assert tuned.count(name(0)) == 1
    assert len(kept.poses) == known


def test_what_is_kept_is_of_one_whole_clip(project: Project) -> None:
    kept = Kept()
    find_alignment(project, name(0), name(1), config=CONFIG, kept=kept)
    with pytest.raises(ValueError, match="kept is of clip0"):
        find_alignment(project, name(1), name(0), config=CONFIG, kept=kept)
    with pytest.raises(ValueError, match="not of clip0"):
        kept.of("clip0", part=True)
