"""Pairs that one aligner aligns are those that are aligned alone."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features, stored_embeddings
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror
from tests.alignments import stand_in_run
from tests.movement import add_sequence, sequence, warped_phase, without

CONFIG = load_config()
LENGTHS = (41, 33, 52, 38, 47, 29, 60, 36)


def name(n: int) -> str:
    return f"clip{n}"


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Clips of two frame rates, one mirrored, one cut off, and one in which nobody is seen."""
    project = StoredProject.create(tmp_path)
    for n, length in enumerate(LENGTHS):
        pose = sequence(warped_phase(length, n), fps=12.5 if n % 3 == 1 else 25.0, scale=40.0 + n)
        if n == 5:
            pose = mirror(pose)
        if n == 6:
            pose = pose.cut(0, 35)
        add_sequence(project, name(n), pose)
    add_sequence(project, "nobody", without(sequence(warped_phase(30, 20))))
    return project


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run `tuned` that embeds a clip by three of its coordinates; ids as they are asked for."""

    def value(pose: PoseSequence) -> FloatArray:
        return pose.xy[:, 4:7, 1] / 50

    def embedder(project, run, device):
        return lambda poses: [value(pose) for pose in poses]

    monkeypatch.setattr(stored_embeddings, "light_embedder", embedder)  # of other views
    return stand_in_run(monkeypatch, lambda video, pose: value(pose))


def arrays(aligner: ProjectAligner, a: str, b: str) -> dict[str, Any]:
    """All of a result."""
    result = aligner.align_names(a, b)
    found = {field.name: getattr(result, field.name) for field in fields(result)}
    for side, value, pose in zip(
        "ab", found.pop("compared"), (found.pop("pose_a"), found.pop("pose_b")), strict=True
    ):
        found |= {f"compared {side}": value, f"pose {side}": pose.xy, f"time {side}": pose.time}
    return found


@pytest.mark.parametrize("kind", ["pose", "model"])
@pytest.mark.parametrize("routes", [4, 40])
def test_no_result_depends_on_the_pairs_before(
    project: StoredProject, tuned: list[str], kind: Any, routes: int
) -> None:
    config = replace(CONFIG, align=replace(CONFIG.align, reference_clips=routes))
    request = AlignRequest(config, "tuned", kind)
    aligner = ProjectAligner(project, request)
    # The clip itself, too, clips that were references of an earlier pair, and another A.
    for a, b in ((0, 3), (0, 0), (0, 1), (0, 5), (0, 6), (2, 0), (0, 3)):
        alone = arrays(ProjectAligner(project, request), name(a), name(b))
        together = arrays(aligner, name(a), name(b))
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            np.testing.assert_array_equal(together[key], value, err_msg=f"{a}, {b}: {key}")
        assert a == b or alone["references"] == min(routes, len(LENGTHS) - 2)


def test_work_on_a_and_the_references_is_done_once(
    project: StoredProject, tuned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[int] = []
    original = clip_features.pairwise_paths

    def pairwise_paths(a, clips, *others):
        paths.append(len(clips))
        return original(a, clips, *others)

    monkeypatch.setattr(clip_features, "pairwise_paths", pairwise_paths)
    read: list[str] = []
    poses = project.read_pose
    monkeypatch.setattr(project, "read_pose", lambda video: [read.append(video), poses(video)][1])
    aligner = ProjectAligner(project, AlignRequest(CONFIG, "tuned", "model"))
    for n in (1, 2, 5, 6):  # of two rates, one of them mirrored
        arrays(aligner, name(0), name(n))
    pair = aligner.read_pair(name(0), name(1))
    known = len(LENGTHS) - 1
    # From A to each reference once, and from each B to all but itself.
    assert sum(paths) == known + 4 * (known - 1)
    assert read.count("nobody") == 1
    before = len(read)
    aligner.align_pair(pair)
    assert len(read) == before
    assert tuned.count(name(0)) == 1


@pytest.mark.parametrize("routes", [0, 40])
def test_swapped_clips_take_the_inverse_time(project: StoredProject, routes: int) -> None:
    """ "B takes 0.85 times as long" and, swapped, 0.94 times would contradict each other."""
    config = replace(CONFIG, align=replace(CONFIG.align, reference_clips=routes))
    aligner = ProjectAligner(project, AlignRequest(config, features="pose"))
    for a, b in ((0, 1), (2, 4), (3, 7)):  # of two rates
        there, back = aligner.align_names(name(a), name(b)), aligner.align_names(name(b), name(a))
        assert there.references == min(routes, len(LENGTHS) - 2)
        assert there.overall_ratio * back.overall_ratio == pytest.approx(1, abs=2e-3)
