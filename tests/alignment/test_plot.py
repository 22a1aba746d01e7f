"""The figure: it is drawn for every kind of clip, and what it says is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import plot, plot_clip
from la2ds_cli.alignment.align import AlignResult, align
from la2ds_cli.config import load_config
from la2ds_cli.project import Project
from la2ds_cli.types import Phase
from tests.movement import add_sequence, sequence, warped_phase

PHASE_A, PHASE_B = warped_phase(30, 0), warped_phase(44, 1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path)
    add_sequence(project, "anna", sequence(PHASE_A))
    add_sequence(project, "ben", sequence(PHASE_B))
    add_sequence(project, "one", sequence(PHASE_A[:1]))
    return project


def aligned(project: Project, a: str, b: str, *overrides: str) -> tuple[AlignResult, bytes]:
    target = project.root / "figure.png"
    result = align(project, a, b, config=load_config(overrides=overrides), out=[target])
    return result, target.read_bytes()


def image_of(content: bytes) -> np.ndarray:
    import cv2

    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded)


@pytest.mark.parametrize(
    ("a", "b", "overrides"),
    [
        ("anna", "ben", ()),
        ("anna", "ben", ("align.method=nearest",)),
        ("anna", "ben", ("align.open_ends=true", "align.skip_cost=0")),
        ("one", "ben", ()),
        ("ben", "one", ()),
    ],
)
def test_every_kind_of_pair_is_drawn(project: Project, a: str, b: str, overrides) -> None:
    _, content = aligned(project, a, b, *overrides)
    image = image_of(content)
    assert image.shape[1] == 1800
    assert 1200 < image.shape[0] < 2400
    assert (image < 250).any(axis=-1).mean() > 0.2


def test_one_run_writes_every_format(project: Project) -> None:
    targets = [project.root / f"figure{suffix}" for suffix in (".png", ".svg", ".pdf")]
    result = align(project, "anna", "ben", config=load_config(), out=targets)
    assert result.files == tuple(targets)
    starts = (b"\x89PNG", b"<?xml", b"%PDF")
    for target, start in zip(targets, starts, strict=True):
        assert target.read_bytes().startswith(start)


def test_phases_are_named_in_their_colours(project: Project) -> None:
    _, plain = aligned(project, "anna", "ben")
    project.phases_path.write_text(
        "video,start,end,phase\nanna,0,12,down\nanna,12,30,up\nben,0,20,down\nben,20,44,up\n"
    )
    _, labelled = aligned(project, "anna", "ben")
    blue = np.array([0xE9, 0xB4, 0x56])  # first phase colour, as cv2 orders channels

    def share(content: bytes) -> float:
        return float((np.abs(image_of(content).astype(int) - blue).max(axis=-1) < 8).mean())

    assert share(plain) < 0.001 < share(labelled)


def test_a_drawn_clip_knows_its_times(project: Project) -> None:
    video = project.find("anna")
    assert video is not None
    phases = [Phase(0, 10, "down"), Phase(10, 30, "up"), Phase(30, 50, "after the end")]
    matched = np.isin(np.arange(30), [4, 5, 6, *range(10, 21)])
    pose = project.read_pose("anna")[0]
    clip = plot_clip.drawn_clip(project, "A", video, pose, matched, phases)
    start, end = clip.limits
    assert start == pytest.approx(-0.025)
    assert end == pytest.approx(30 / 20 - 0.025)
    first, inside, last = clip.unmatched()
    np.testing.assert_allclose(inside, [7 / 20 - 0.025, 10 / 20 - 0.025])
    np.testing.assert_allclose(first, [start, 4 / 20 - 0.025])
    np.testing.assert_allclose(last, [21 / 20 - 0.025, end])
    np.testing.assert_allclose([clip.phases[1][0], clip.phases[1][1]], [10 / 20 - 0.025, end])
    assert clip.source is None


def test_a_part_of_a_clip_is_drawn_with_its_own_times_and_phases(project: Project) -> None:
    video = project.find("anna")
    assert video is not None
    phases = [Phase(0, 10, "down"), Phase(10, 18, "up"), Phase(18, 30, "after")]
    pose = project.read_pose("anna")[0].cut(12, 18)
    clip = plot_clip.drawn_clip(project, "A", video, pose, np.ones(6, bool), phases)
    np.testing.assert_allclose(clip.limits, [12 / 20 - 0.025, 18 / 20 - 0.025])
    ((start, end, name),) = clip.phases
    np.testing.assert_allclose([start, end], clip.limits)
    assert name == "up"


def test_frame_edges() -> None:
    edges = plot_clip.frame_edges(np.array([0.0, 0.1, 0.3]), 10.0)
    np.testing.assert_allclose(edges, [-0.05, 0.05, 0.2, 0.4])
    np.testing.assert_allclose(plot_clip.frame_edges(np.array([2.0]), 10.0), [1.95, 2.05])


def test_summary_says_what_matters(project: Project) -> None:
    result, _ = aligned(project, "anna", "ben")
    text = plot.summary(result)
    assert "dtw on raw poses (no trained model)" in text
    assert "B takes 1.48 × the time of A" in text
    assert f"mean confidence {result.mean_confidence:.2f}" in text
    single, _ = aligned(project, "one", "ben")
    assert "B takes" not in plot.summary(single)
