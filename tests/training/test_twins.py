"""Clips with twins: copies show another performer, and know where that lies in the clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training.data import Clip, Twin, draw_copy
from tests.movement import figure, warped_phase
from tests.small_runs import UNCHANGED

PENN13 = get_skeleton("penn13")
PLAIN = load_config(overrides=UNCHANGED)


def pair(first: int, second: int) -> tuple[Clip, np.ndarray, np.ndarray]:
    """A clip of `first` frames whose twin, of another size, has `second`; and both phases."""
    a, b = warped_phase(first, 1), warped_phase(second, 2, 0.1, 0.9)
    source = np.interp(b, a, np.arange(first))
    twin = Twin(figure(b, scale=90.0), np.ones((second, 13)), source)
    return Clip("a", figure(a), np.ones((first, 13)), twin=twin), a, b


@pytest.mark.parametrize(("first", "second"), [(40, 55), (90, 61), (150, 200), (30, 170)])
def test_the_truth_is_where_the_same_phase_lies_in_the_clip(first: int, second: int) -> None:
    clip = pair(first, second)[0]
    for seed in range(5):
        shown, copy = draw_copy(clip, PENN13, PLAIN, np.random.default_rng(seed))
        assert len(shown.xy) <= PLAIN.train.frames
        assert len(copy.xy) <= PLAIN.train.frames
        assert (np.diff(copy.source) > 0).all()
        assert copy.source[0] >= 0
        assert copy.source[-1] <= len(shown.xy) - 1
        # The figure of the clip at that place, in the size of the twin.
        at = np.arange(len(shown.xy))
        for joint in range(13):
            for axis, zero in enumerate((160.0, 200.0)):
                there = np.interp(copy.source, at, shown.xy[:, joint, axis]) - zero
                np.testing.assert_allclose(copy.xy[:, joint, axis] - zero, 1.5 * there, atol=6)


def test_a_twin_that_shows_too_little_is_passed_over() -> None:
    clip = pair(40, 50)[0]
    assert clip.twin is not None
    short = replace(clip, twin=clip.twin.rows(np.arange(7)))
    alone = replace(clip, twin=None)
    one, other = (draw_copy(c, PENN13, PLAIN, np.random.default_rng(3))[1] for c in (short, alone))
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.source, other.source)
