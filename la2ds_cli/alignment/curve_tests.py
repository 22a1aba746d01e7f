"""Tests of two groups along the movement, by statistical parametric mapping (Pataky 2012, with the
optional package spm1d).

A t value is computed at every percent of the timeline. The threshold t* is what random curves as
smooth as these exceed anywhere with a chance of alpha (random field theory), so that the percents
are one test. Every quantity is a test of its own: its level is ALPHA over their number
(Bonferroni).

Groups with unlike tempo or posture are matched a little early or late, all of them alike. What such
a shift would explain is marked, as `compare` leaves out what a nearby moment explains.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.alignment.curve_groups import (
    ALPHA,
    FEWEST,
    Cluster,
    CompleteCurves,
    CurveGroups,
    CurveTest,
    arrays_of,
    complete_curves,
)
from la2ds_cli.core.errors import Unavailable, UserError, optional_import
from la2ds_cli.core.types import BoolArray, FloatArray

INSTALL = "pip install 'la2ds[spm1d]'"


def import_spm1d() -> Any:
    """Return the package spm1d. Raises UserError (exit 6) without it."""
    with optional_import(
        ["spm1d"],
        "a test along the movement needs the package {package}, which is not installed",
        f"{INSTALL} (GPL-3.0); the .npz file (--out NAME.npz) has the arrays that it takes",
        repair=INSTALL,
    ):
        import spm1d  # pyright: ignore[reportMissingImports]
    return spm1d


def compare_groups(groups: CurveGroups) -> CurveGroups:
    """Return the groups with the test of each quantity, or with the reason why nothing is tested:
    other than two groups, too few samples, or no spm1d."""
    if len(groups.labels) != 2:
        count = len(groups.labels)
        return replace(groups, reason=f"a test needs two groups, and there are {count}")
    whole = {name: complete_curves(groups, name) for name in groups.curves}
    notes = {name: _hindrance(curves, groups.paired) for name, curves in whole.items()}
    tested = sum(not note for note in notes.values())
    if not tested:
        return replace(groups, reason=next(iter(notes.values()), "no quantity is seen"))
    try:
        spm1d = import_spm1d()
    except Unavailable as error:
        return replace(groups, reason=f"{error.message}; {error.hint}")
    tests = []
    for name, curves in whole.items():
        samples = (len(curves.a), len(curves.b))
        if notes[name]:
            tests.append(CurveTest(name, samples, note=notes[name]))
        else:
            tests.append(_test(spm1d, name, curves, groups.paired, ALPHA / tested))
    return replace(groups, tests=tuple(tests))


def _hindrance(curves: CompleteCurves, paired: bool) -> str:
    """Return why curves cannot be tested, else an empty text."""
    if min(len(curves.a), len(curves.b)) < FEWEST:
        what = "pairs" if paired else "samples in each group"
        return f"fewer than {FEWEST} {what} show at least nine tenths of it"
    spread = (curves.a - curves.b).var(axis=0) if paired else _variance(curves)
    size = np.abs(np.concatenate([curves.a, curves.b])).max()
    if (spread <= (1e-6 * max(size, 1e-9)) ** 2).any():
        return "its curves do not vary between samples"
    return ""


def _variance(curves: CompleteCurves) -> FloatArray:
    return curves.a.var(axis=0) + curves.b.var(axis=0)


def _test(
    spm1d: Any, quantity: str, curves: CompleteCurves, paired: bool, alpha: float
) -> CurveTest:
    """Return the two-sided test of one quantity; groups may have unequal variances."""
    test = spm1d.stats.ttest_paired if paired else spm1d.stats.ttest2
    samples, percent = (len(curves.a), len(curves.b)), curves.percent
    try:
        with np.errstate(all="ignore"):
            found = test(curves.a, curves.b).inference(alpha, two_tailed=True, interp=True)
    except (ArithmeticError, ValueError, RuntimeError) as error:  # curves that its theory refuses
        return CurveTest(quantity, samples, note=f"spm1d refuses its curves: {error}")
    apart, explained = curves.b.mean(axis=0) - curves.a.mean(axis=0), _explained(curves)
    clusters = []
    for each in found.clusters:
        start, end = sorted(float(end) + curves.first for end in each.endpoints)
        inside = (percent >= np.floor(start)) & (percent <= np.ceil(end))
        difference, timing = float(apart[inside].mean()), bool(explained[inside].all())
        clusters.append(Cluster(start, end, float(each.P), difference, timing))
    tested = (float(percent[0]), float(percent[-1]))
    threshold = float(found.zstar)
    return CurveTest(quantity, samples, tested, alpha, threshold, tuple(clusters))


def _explained(curves: CompleteCurves) -> BoolArray:
    """Return the percents (Q,) at which a shift of at most NEAR in time would explain the
    difference of the means: the other group is there, too, a little earlier or later."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    a, b = curves.a.mean(axis=0), curves.b.mean(axis=0)
    size = 2 * round(100 * NEAR) + 1
    low, high = (f(a, size, mode="nearest") for f in (minimum_filter1d, maximum_filter1d))
    return (low <= b) & (b <= high)


def arrays_file(groups: CurveGroups) -> bytes:
    """Return the .npz file of two groups (docs/reference/file-formats.md).

    Raises
    ------
    UserError: exit 2 for other than two groups.
    """
    if len(groups.labels) != 2:
        raise UserError(
            f"arrays for spm1d need two groups, and there are {len(groups.labels)}",
            hint="name a column of videos.csv that has two values with --by",
        )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays_of(groups))
    return buffer.getvalue()
