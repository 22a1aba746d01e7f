"""Curves of clips in groups: who is a sample of which group, and the curves that a test can take.

The samples of a group are people: the clips of a performer (column `group` of videos.csv) in one
group are averaged, since repetitions of one person are not independent. Clips without a performer
are samples by themselves, and so are all clips that are grouped by the column `group` itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.core.arrays import mean_and_deviation
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import UserError, did_you_mean
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.body_quantities import UNITS
from la2ds_cli.features.clip_quantities import unit_of
from la2ds_cli.features.pose_features import angle_triples

ALL = "all clips"  # label of the only group without a column
FEWEST = 3  # samples of each group that a test needs
ALPHA = 0.05  # over all quantities together
_OWN = ("group", "split", "person")  # columns of la2ds that may divide clips
_FORMATS = {"start": ".2f", "end": ".2f", "p": ".3g", "difference": ".3f"}
_MOST_MISSING = 0.1  # share of a curve that may be filled between its neighbours
CLUSTER_COLUMNS = (
    *("quantity", "unit", "a", "b", "samples_a", "samples_b", "tested_from", "tested_to"),
    *("alpha", "threshold", "start", "end", "p", "difference", "timing", "note"),
)


@dataclass(frozen=True)
class Cluster:
    """A stretch of the movement in which two groups differ.

    start, end: percent of the reference. p: the chance of a stretch at least as long where the
    groups do not differ. difference: mean of the second group minus the first, in the unit.
    timing: whether matches that are wrong by a twentieth of the timeline would explain all of it.
    """

    start: float
    end: float
    p: float
    difference: float
    timing: bool

    @property
    def p_text(self) -> str:
        """`p = 0.012`, or `p < 0.001`."""
        return f"p = {self.p:.3f}" if self.p >= 0.001 else "p < 0.001"

    def to_json(self) -> dict[str, Any]:
        """Return the stretch as JSON."""
        start, end, p, difference = rounded([self.start, self.end, self.p, self.difference])
        return {
            "start": start,
            "end": end,
            "p": p,
            "difference": difference,
            "timing": self.timing,
        }


@dataclass(frozen=True)
class CurveTest:
    """The test of two groups in one quantity.

    samples: of each group. tested: first and last percent. alpha: level of this test. threshold:
    |t| that a difference must exceed (t*). note: why it was not tested, else empty.
    """

    quantity: str
    samples: tuple[int, int]
    tested: tuple[float, float] = (np.nan, np.nan)
    alpha: float = np.nan
    threshold: float = np.nan
    clusters: tuple[Cluster, ...] = ()
    note: str = ""

    @property
    def unit(self) -> str:
        """Unit of the quantity."""
        return unit_of(self.quantity)


@dataclass(frozen=True)
class CompleteCurves:
    """The curves of two groups in one quantity, without gaps: what a test takes.

    a, b: (N, Q). names: of the rows of each. first: index of the grid of the first column.
    """

    a: FloatArray
    b: FloatArray
    names: tuple[tuple[str, ...], tuple[str, ...]]
    first: int

    @property
    def percent(self) -> FloatArray:
        """(Q,) percent of the reference."""
        return np.arange(self.first, self.first + self.a.shape[1], dtype=np.float64)


@dataclass(frozen=True)
class CurveGroups:
    """Clips on a timeline, divided into groups.

    Attributes
    ----------
    by: the column of videos.csv; empty = one group of all clips.
    paired: whether row n of each group is the same person.
    labels: of the groups, in the order in which clips name them.
    names: (N,) of the samples of each group: performers, or clips.
    curves: quantity -> (N, G) of each group, at timeline_result.GRID; NaN = not seen.
    left_out: clips that belong to no group, and people who are not in every group if paired.
    tests: of two groups, by quantity.
    reason: why nothing was tested, else empty.
    """

    by: str
    paired: bool
    labels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    curves: Mapping[str, tuple[FloatArray, ...]]
    left_out: tuple[str, ...] = ()
    tests: tuple[CurveTest, ...] = ()
    reason: str = ""

    @property
    def tested(self) -> list[CurveTest]:
        """The tests that could be made; all have one level."""
        return [test for test in self.tests if not test.note]

    def to_json(self) -> dict[str, Any]:
        """Return the groups and tests, without the curves, as JSON."""
        return {
            "by": self.by,
            "paired": self.paired,
            "samples": dict(zip(self.labels, map(list, self.names), strict=True)),
            "left_out": list(self.left_out),
            "reason": self.reason,
            "tests": [
                {
                    "quantity": test.quantity,
                    "unit": test.unit,
                    "samples": list(test.samples),
                    "tested": rounded(test.tested),
                    "alpha": rounded([test.alpha])[0],
                    "threshold": rounded([test.threshold])[0],
                    "clusters": [cluster.to_json() for cluster in test.clusters],
                    "note": test.note,
                }
                for test in self.tests
            ],
        }

    def cluster_rows(self) -> list[dict[str, Any]]:
        """Return, by the names of CLUSTER_COLUMNS, each stretch in which two groups differ, and
        each quantity without one; None where there is no stretch."""
        rows = []
        for test in self.tests:
            facts = *test.samples, *test.tested, test.alpha, test.threshold
            own = (test.quantity, test.unit, *self.labels, *facts)
            for each in test.clusters:
                found = each.start, each.end, each.p, each.difference, each.timing
                rows.append((*own, *found, test.note))
            if not test.clusters:
                rows.append((*own, *[None] * 5, test.note))
        return [dict(zip(CLUSTER_COLUMNS, row, strict=True)) for row in rows]

    def clusters_text(self) -> str:
        """Return `cluster_rows` as CSV."""
        rows = [[_cell(*cell) for cell in row.items()] for row in self.cluster_rows()]
        return table_text(CLUSTER_COLUMNS, rows)


def _cell(column: str, value: Any) -> Any:
    """Return the text of a number or a truth in a column; other values, and none, as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return "" if value is None else value
    return "" if np.isnan(value) else f"{value:{_FORMATS.get(column, '.6g')}}"


# --- who is in which group ------------------------------------------------------------------------


def check_grouping(
    videos: Sequence[Video], by: str, paired: bool, quantities: Collection[str]
) -> None:
    """Check the wishes of a user before anything is computed.

    Parameters
    ----------
    videos: of the project.
    by, paired: as in `group_curves`.
    quantities: names of quantities.

    Raises
    ------
    UserError: exit 2 for a column that no clip has or fills, for pairs that no column divides, and
        for an unknown quantity.
    """
    if paired and by in ("", "group"):
        raise UserError(
            "--paired needs the column that says before and after",
            hint="add a column of your own to videos.csv and name it with --by; people are paired "
            "by the column group",
        )
    columns = dict.fromkeys((*_OWN, *(name for video in videos for name in video.own)))
    if by and by not in columns:
        raise UserError(
            f"videos.csv has no column '{by}' that divides clips",
            hint=f"{did_you_mean(by, columns)}columns: {', '.join(columns)}",
        )
    if by and not any(map(_cell_of(by), videos)):
        raise UserError(
            f"the column {by} of videos.csv is empty", hint="write the group of each clip into it"
        )
    known = _known_quantities()
    for name in quantities:
        if name not in known:
            raise UserError(
                f"there is no quantity '{name}'",
                hint=f"{did_you_mean(name, known)}quantities: {', '.join(known)}",
            )


def _known_quantities() -> list[str]:
    angles = (name for skeleton in SKELETONS.values() for name in angle_triples(skeleton))
    return list(dict.fromkeys((*angles, *UNITS)))


def _cell_of(by: str) -> Any:
    """Return the function that gives a clip's label in a column."""

    def cell(video: Video) -> str:
        return str(getattr(video, by) if by in _OWN else video.own.get(by, "")).strip()

    return cell


def group_curves(
    clips: Sequence[tuple[Video, Mapping[str, FloatArray]]], by: str = "", *, paired: bool = False
) -> CurveGroups:
    """Divide the curves of clips into groups.

    Parameters
    ----------
    clips: with their curves (G,) by quantity.
    by: column of videos.csv, as `check_grouping` allows; empty = one group.
    paired: keep only people (column `group`) who are in every group, in one order.
    """
    cell = _cell_of(by)
    samples: dict[str, dict[str, list[Mapping[str, FloatArray]]]] = {}
    left_out: list[str] = []
    for video, curves in clips:
        label = cell(video) if by else ALL
        person = video.group if by not in ("", "group") else ""
        if not label or (paired and not person):
            left_out.append(video.id)
            continue
        samples.setdefault(label, {}).setdefault(person or video.id, []).append(curves)
    if paired and samples:
        every = set.intersection(*map(set, samples.values()))
        left_out += sorted(set().union(*samples.values()) - every)
        order = [name for name in next(iter(samples.values())) if name in every]
        samples = {label: {name: of[name] for name in order} for label, of in samples.items()}
    quantities = dict.fromkeys(name for _, curves in clips for name in curves)
    return CurveGroups(
        by,
        paired,
        tuple(samples),
        tuple(map(tuple, samples.values())),
        {name: tuple(_means(of.values(), name) for of in samples.values()) for name in quantities},
        tuple(left_out),
    )


def _means(people: Iterable[Sequence[Mapping[str, FloatArray]]], quantity: str) -> FloatArray:
    """Return (N, G), the mean of each person's clips where they show the quantity."""
    rows = []
    for clips in people:
        values = np.stack([np.asarray(clip[quantity], np.float64) for clip in clips])
        mean, _, count = mean_and_deviation(values)
        rows.append(np.where(count > 0, mean, np.nan))
    return np.stack(rows) if rows else np.empty((0, 0))


# --- what a test takes ----------------------------------------------------------------------------


def complete_curves(groups: CurveGroups, quantity: str) -> CompleteCurves:
    """Return the curves of two groups without gaps.

    A sample that lacks more than a tenth of the timeline is left out (of a pair, both). Gaps of the
    others are filled between their neighbours, and the ends that not all of them show are cut.
    """
    pair = groups.curves[quantity]
    keep = [np.isnan(values).mean(axis=1) <= _MOST_MISSING for values in pair]
    if groups.paired:
        keep = [keep[0] & keep[1]] * 2
    names = [
        tuple(name for name, kept in zip(own, use, strict=True) if kept)
        for own, use in zip(groups.names, keep, strict=True)
    ]
    a, b = (values[use] for values, use in zip(pair, keep, strict=True))
    seen = ~np.isnan(np.concatenate([a, b]))
    if not len(seen):
        return CompleteCurves(a, b, (names[0], names[1]), 0)
    first = int(seen.argmax(axis=1).max())
    last = seen.shape[1] - int(seen[:, ::-1].argmax(axis=1).max())
    a, b = (_filled(values)[:, first:last] for values in (a, b))
    return CompleteCurves(a, b, (names[0], names[1]), first)


def _filled(values: FloatArray) -> FloatArray:
    at = np.arange(values.shape[1])
    rows = [np.interp(at, at[~np.isnan(row)], row[~np.isnan(row)]) for row in values]
    return np.array(rows).reshape(values.shape)


def arrays_of(groups: CurveGroups) -> dict[str, Any]:
    """Return the arrays of each quantity that spm1d takes, by the names of the file
    (docs/reference/file-formats.md)."""
    arrays: dict[str, Any] = {"labels": np.array(groups.labels), "paired": groups.paired}
    for quantity in groups.curves:
        whole = complete_curves(groups, quantity)
        arrays |= {
            f"{quantity}_YA": whole.a,
            f"{quantity}_YB": whole.b,
            f"{quantity}_percent": whole.percent,
            f"{quantity}_A": np.array(whole.names[0], dtype=np.str_),
            f"{quantity}_B": np.array(whole.names[1], dtype=np.str_),
        }
    return arrays
