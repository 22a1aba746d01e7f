"""Tests of two groups, or of a number of each person, along the movement, by statistical parametric
mapping (Pataky 2012, with the optional package spm1d).

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
    FEWEST_REGRESSED,
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
    """Return the groups with the test of each quantity (t, paired t, or the linear regression on
    `numbers`), or with the reason why nothing is tested: other than two groups, too few samples, or
    no spm1d."""
    if not groups.testable:
        count = len(groups.labels)
        return replace(groups, reason=f"a test needs two groups, and there are {count}")
    whole = {name: complete_curves(groups, name) for name in groups.curves}
    notes = {name: _hindrance(curves, groups) for name, curves in whole.items()}
    tested = sum(not note for note in notes.values())
    if not tested:
        return replace(groups, reason=next(iter(notes.values()), "no quantity is seen"))
    try:
        spm1d = import_spm1d()
    except Unavailable as error:
        return replace(groups, reason=f"{error.message}; {error.hint}")
    tests = []
    for name, curves in whole.items():
        if notes[name]:
            tests.append(CurveTest(name, _sizes(curves), note=notes[name]))
        else:
            tests.append(_test(spm1d, name, curves, groups.paired, ALPHA / tested))
    return replace(groups, tests=tuple(tests))


def _sizes(curves: CompleteCurves) -> tuple[int, int]:
    sizes = [len(values) for values in curves.curves]
    return sizes[0], sizes[1] if len(sizes) > 1 else 0


def _hindrance(curves: CompleteCurves, groups: CurveGroups) -> str:
    """Return why curves of groups cannot be tested, else an empty text."""
    regressed, paired = bool(groups.numbers), groups.paired
    fewest = FEWEST_REGRESSED if regressed else FEWEST
    if min(map(len, curves.curves)) < fewest:
        what = "pairs" if paired else "samples" if regressed else "samples in each group"
        return f"fewer than {fewest} {what} show at least nine tenths of it"
    if regressed and np.ptp(curves.numbers) == 0:
        return "its samples have one number"
    if regressed:
        spread = np.square(curves.curves[0] - _fitted(curves, curves.numbers)).mean(axis=0)
    elif paired:
        spread = (curves.curves[0] - curves.curves[1]).var(axis=0)
    else:
        spread = sum(values.var(axis=0) for values in curves.curves)
    size = np.abs(np.concatenate(curves.curves)).max()
    if (spread <= (1e-6 * max(size, 1e-9)) ** 2).any():
        return "its curves do not vary between samples"
    return ""


def _fitted(curves: CompleteCurves, numbers: FloatArray) -> FloatArray:
    """Return the curves (M, Q) that the linear regression expects at numbers (M,)."""
    values, mean = curves.curves[0], curves.numbers.mean()
    off = curves.numbers - mean
    slope = off @ (values - values.mean(axis=0)) / (off @ off)
    return values.mean(axis=0) + np.outer(numbers - mean, slope)


def _test(
    spm1d: Any, quantity: str, curves: CompleteCurves, paired: bool, alpha: float
) -> CurveTest:
    """Return the two-sided test of one quantity; groups may have unequal variances."""
    samples, percent = _sizes(curves), curves.percent
    if len(curves.numbers):
        test, data = spm1d.stats.regress, (curves.curves[0], curves.numbers)
        low, high = np.quantile(curves.numbers, [0.25, 0.75])
        if low == high:  # most samples have one number
            low, high = curves.numbers.min(), curves.numbers.max()
        (a, b), step = _fitted(curves, np.array([low, high])), high - low
    else:
        test, data = spm1d.stats.ttest_paired if paired else spm1d.stats.ttest2, curves.curves
        (a, b), step = (values.mean(axis=0) for values in curves.curves), 1.0
    try:
        with np.errstate(all="ignore"):
            found = test(*data).inference(alpha, two_tailed=True, interp=True)
    except (ArithmeticError, ValueError, RuntimeError) as error:  # curves that its theory refuses
        return CurveTest(quantity, samples, note=f"spm1d refuses its curves: {error}")
    apart, explained = (b - a) / step, _explained(a, b)
    clusters = []
    for each in found.clusters:
        start, end = sorted(float(end) + curves.first for end in each.endpoints)
        inside = (percent >= np.floor(start)) & (percent <= np.ceil(end))
        difference, timing = float(apart[inside].mean()), bool(explained[inside].all())
        clusters.append(Cluster(start, end, float(each.P), difference, timing))
    tested = (float(percent[0]), float(percent[-1]))
    threshold = float(found.zstar)
    return CurveTest(quantity, samples, tested, alpha, threshold, tuple(clusters))


def _explained(a: FloatArray, b: FloatArray) -> BoolArray:
    """Return the percents (Q,) at which a shift of at most NEAR in time would explain the
    difference of two mean curves (Q,): `b` is in `a`, too, a little earlier or later. Of a
    regression they are those expected at the quartiles of its numbers."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    size = 2 * round(100 * NEAR) + 1
    low, high = (f(a, size, mode="nearest") for f in (minimum_filter1d, maximum_filter1d))
    return (low <= b) & (b <= high)


def arrays_file(groups: CurveGroups) -> bytes:
    """Return the .npz file of two groups, or of a regression (docs/reference/file-formats.md).

    Raises
    ------
    UserError: exit 2 for other than two groups.
    """
    if not groups.testable:
        raise UserError(
            f"arrays for spm1d need two groups, and there are {len(groups.labels)}",
            hint="name a column of videos.csv that has two values with --by",
        )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays_of(groups))
    return buffer.getvalue()
