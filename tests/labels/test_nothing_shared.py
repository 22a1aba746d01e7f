"""Clips that seem to have nothing in common are aligned as they are, not without any frame."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.gaps import shared_rows


def test_some_rows_are_always_left():
    """A stands still at 0, then does something else, then stands still at 1: either stand is put on
    one moment of B, and the span between them has no counterpart."""
    noise = 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    a = np.repeat([0.0, 10.0, 1.0], 20)[:, None] + noise
    b = np.linspace(0, 1, 8)[:, None] + noise[:8]
    rows = shared_rows(a, b, (20.0, 20.0))
    assert len(rows.a) == 60
    assert len(rows.b) == 8
