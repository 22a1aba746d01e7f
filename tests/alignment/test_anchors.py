"""What a person can say about a pair: moments that must meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.anchors import parse_anchors
from la2ds_cli.alignment.consensus import match_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence, warped_phase
from tests.told import refused

PHASE_A, PHASE_B = warped_phase(40, 1), warped_phase(66, 2)


@pytest.fixture
def pair(tmp_path: Path) -> StoredProject:
    """The movement by two performers, at 20 and at 30 frames per second."""
    project = StoredProject.create(tmp_path)
    add_sequence(project, "a", sequence(PHASE_A, fps=20.0))
    add_sequence(project, "b", sequence(PHASE_B, fps=30.0, scale=45.0))
    return project


def aligned(project: StoredProject, *anchors: tuple[float, float], **request):
    asked = AlignRequest(project.config(), features="pose", anchors=anchors, **request)
    return align_clips(project, "a", "b", asked)


@pytest.mark.parametrize("references", [0, 6])
def test_the_moments_of_an_anchor_meet(pair: StoredProject, references: int) -> None:
    for n in range(references):
        add_sequence(pair, f"other{n}", sequence(warped_phase(50 + n, 10 + n)))
    result = aligned(pair, (0.5, 1.2), (1.5, 1.6))
    position = result.position
    assert result.references == references
    assert (position[10], position[30]) == (36, 48)
    assert np.all(np.diff(position[~np.isnan(position)]) >= 0)
    assert result.to_json()["anchors"] == [[0.5, 1.2], [1.5, 1.6]]
    free = aligned(pair).position
    assert abs(free[10] - 36) > 5  # or the anchor would have changed nothing


def test_a_true_anchor_leaves_a_right_alignment_as_it_is(pair: StoredProject) -> None:
    truth = np.interp(PHASE_A, PHASE_B, np.arange(66))
    position = aligned(pair, (1.0, truth[20] / 30)).position
    assert np.abs(position - truth).mean() < 1.5


def test_an_anchor_at_the_first_and_the_last_frame_closes_open_ends(pair: StoredProject) -> None:
    position = aligned(pair, (0.0, 0.0), (39 / 20, 65 / 30)).position
    assert (position[0], position[-1]) == (0, 65)
    assert not np.isnan(position).any()


def test_between_two_anchors_nothing_passes_them() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 3)), rng.normal(size=(50, 3))
    settings = AlignConfig(open_ends=True)
    match = match_clips(a, b, settings, [(10, 20), (12, 40)])
    inside = match.position[10:13]
    assert (inside[0], inside[2]) == (20, 40)
    assert 20 <= inside[1] <= 40
    assert np.nanmax(match.position[:10]) <= 20
    assert np.nanmin(match.position[13:]) >= 40


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([(5.0, 1.0)], "the anchor at 5 s lies outside a, which shows 0.00 to 1.95 s"),
        ([(1.0, -1.0)], "the anchor at -1 s lies outside b"),
        ([(0.5, 1.5), (1.0, 1.0)], "the anchors contradict each other"),
        ([(0.5, 1.0), (0.5, 1.5)], "the anchors contradict each other"),
    ],
)
def test_impossible_anchors_are_refused(pair: StoredProject, anchors, message: str) -> None:
    with refused(ExitCode.USAGE, message):
        aligned(pair, *anchors)


@pytest.mark.parametrize("text", ["1.0", "1=2=3", "a=b", "nan=1", "1=inf", ""])
def test_an_anchor_is_two_times(text: str) -> None:
    with pytest.raises(UserError, match="an anchor is two times in seconds"):
        parse_anchors([text])
