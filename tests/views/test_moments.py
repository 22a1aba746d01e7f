"""Which moments the pictures of an alignment show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views.film_strip import moments
from tests.movement import add_sequence, sequence, warped_phase

COUNT = 10


def swing(before: int, during: int, after: int) -> np.ndarray:
    """Phases of somebody who rests, moves and rests again, in frames."""
    return np.r_[np.zeros(before), np.linspace(0, 1, during), np.ones(after)]


def aligned(tmp_path: Path, a: np.ndarray, b: np.ndarray, *overrides: str) -> Alignment:
    """A has 20 frames per second, B 25."""
    project = StoredProject.create(tmp_path / "project")
    add_sequence(project, "a", sequence(a))
    add_sequence(project, "b", sequence(b, fps=25.0))
    request = AlignRequest(load_config(overrides=overrides), features="pose", device="cpu")
    return align_clips(project, "a", "b", request)


def test_most_pictures_are_of_the_movement_and_b_is_at_the_matched_time(tmp_path: Path) -> None:
    """0.7 s of movement in 5 s, where pictures at equal intervals would be one or two."""
    result = aligned(tmp_path, swing(50, 14, 36), swing(40, 25, 60), "align.open_ends=false")
    shown = moments(result, result.pose_a, result.pose_b, COUNT)
    assert len(shown) == COUNT
    assert sum(a is not None and 48 <= a < 66 for a, _ in shown) >= 5
    pairs = {tuple(pair) for pair in result.path.tolist()}
    assert all(step in pairs for step in shown)
    assert shown == sorted(shown)


def test_what_has_no_counterpart_stands_alone_in_its_place(tmp_path: Path) -> None:
    """B begins with the second half of A."""
    late = aligned(tmp_path, warped_phase(60, 0), warped_phase(40, 1, 0.5, 1.0))
    shown = moments(late, late.pose_a, late.pose_b, COUNT)
    alone = [n for n, (_, b) in enumerate(shown) if b is None]
    assert 1 <= len(alone) < COUNT - 2
    assert alone == list(range(len(alone)))
    rows = [a for a, _ in shown if a is not None]
    assert rows == sorted(rows)


def test_clips_that_do_not_move_are_shown_at_equal_intervals(tmp_path: Path) -> None:
    still = aligned(tmp_path, np.zeros(100), np.zeros(50), "align.open_ends=false")
    rows = [a for a, _ in moments(still, still.pose_a, still.pose_b, 4)]
    assert len({row for row in rows if row is not None}) == 4
