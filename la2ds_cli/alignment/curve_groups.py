"""Curves of clips in groups: who is a sample of which group, and the curves that a test can take.

The samples of a group are people: the clips of a performer (column `group` of videos.csv) in one
group are averaged, since repetitions of one person are not independent. Clips without a performer
are samples by themselves, and so are all clips that are grouped by the column `group` itself.
Instead of groups, a column may hold a number of each person, such as the age (`regress`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.core.arrays import mean_and_deviation
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import UserError, did_you_mean
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.body_quantities import UNITS, unit_of
from la2ds_cli.features.pose_features import angle_triples

ALL = "all clips"  # label of the only group without a column
FEWEST = 3  # samples of each group that a test needs
FEWEST_REGRESSED = 5  # samples that a regression needs
ALPHA = 0.05  # over all quantities together
_OWN = ("group", "split", "person")  # columns of la2ds that may divide clips
_FORMATS = {"start": ".2f", "end": ".2f", "p": ".3g", "difference": ".3f"}
_MOST_MISSING = 0.1  # share of a curve that may be filled between its neighbours
CLUSTER_COLUMNS = (
    *("quantity", "unit", "a", "b", "samples_a", "samples_b", "tested_from", "tested_to"),
    *("alpha", "threshold", "start", "end", "p", "difference", "timing", "note"),
)


@dataclass(frozen=True)
class Grouping:
    """How clips are divided.

    by: column of videos.csv; empty = not. paired: whether each performer (column group) is compared
    with themselves, and only people in every group count. regress: whether the column holds
    numbers; those of a person's clips are averaged like their curves, and all are one group.
    quantities: that are compared; none = all.
    """

    by: str = ""
    paired: bool = False
    regress: bool = False
    quantities: Sequence[str] = ()


NO_GROUPS = Grouping()


@dataclass(frozen=True)
class Cluster:
    """A stretch of the movement in which two groups differ, or curves change with a number.

    start, end: percent of the reference. p: the chance of a stretch at least as long where the
    groups do not differ. difference: mean of the second group minus the first, in the unit; of a
    regression, the change for each 1 of the number. timing: whether matches that are wrong by a
    twentieth of the timeline would explain all of it.
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
    """The test of two groups, or of one number, in one quantity.

    samples: of each group; of a regression, those of the only one and 0. tested: first and last
    percent. alpha: level of this test. threshold: |t| that a difference must exceed (t*). note: why
    it was not tested, else empty.
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
    """The curves of groups in one quantity, without gaps: what a test takes.

    curves: (N, Q) of each group. names: of the rows of each. first: index of the grid of the first
    column. numbers: (N,) of the rows of the only group, for a regression; else empty.
    """

    curves: tuple[FloatArray, ...]
    names: tuple[tuple[str, ...], ...]
    first: int
    numbers: FloatArray

    @property
    def percent(self) -> FloatArray:
        """(Q,) percent of the reference."""
        return np.arange(self.first, self.first + self.curves[0].shape[1], dtype=np.float64)


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
    numbers: (N,) of the samples of the only group, if the column holds numbers; else empty.
    tests: of two groups or of the numbers, by quantity.
    reason: why nothing was tested, else empty.
    """

    by: str
    paired: bool
    labels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    curves: Mapping[str, tuple[FloatArray, ...]]
    left_out: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    tests: tuple[CurveTest, ...] = ()
    reason: str = ""

    @property
    def tested(self) -> list[CurveTest]:
        """The tests that could be made; all have one level."""
        return [test for test in self.tests if not test.note]

    @property
    def testable(self) -> bool:
        """Whether the clips are in two groups, or have numbers."""
        return len(self.labels) == 2 or bool(self.numbers)

    def thirds(self) -> CurveGroups:
        """Return the samples with the smallest and with the largest numbers as two groups, a third
        of all samples each, for a figure."""
        order, count = np.argsort(self.numbers, kind="stable"), -(-len(self.numbers) // 3)
        least, most = order[:count], order[-count:]
        labels = (f"≤ {self.numbers[least[-1]]:g}", f"≥ {self.numbers[most[0]]:g}")
        return replace(
            self,
            labels=labels,
            names=tuple(tuple(self.names[0][row] for row in rows) for rows in (least, most)),
            curves={name: (own[least], own[most]) for name, (own,) in self.curves.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the groups and tests, without the curves, as JSON."""
        return {
            "by": self.by,
            "paired": self.paired,
            "samples": dict(zip(self.labels, map(list, self.names), strict=True)),
            "numbers": list(self.numbers),
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
        each quantity without one; None where there is no stretch. `b` is empty for a regression."""
        rows, labels = [], (*self.labels, "")[:2]
        for test in self.tests:
            facts = *test.samples, *test.tested, test.alpha, test.threshold
            own = (test.quantity, test.unit, *labels, *facts)
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


def check_grouping(videos: Sequence[Video], grouping: Grouping) -> None:
    """Check the wishes of a user before anything is computed.

    Parameters
    ----------
    videos: of the project.
    grouping: how its clips are to be divided.

    Raises
    ------
    UserError: exit 2 for a column that no clip has or fills, for pairs that no column divides, for
        a number that is none, and for an unknown quantity.
    """
    by = grouping.by
    if grouping.paired and by in ("", "group"):
        raise UserError(
            "pairs need the column that says before and after",
            hint="add a column of your own to videos.csv and name it with --by; people are paired "
            "by the column group",
        )
    if grouping.regress and not by:
        raise UserError(
            "a regression needs the column of numbers",
            hint="add it to videos.csv and name it with --by",
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
    if grouping.regress:
        for video in videos:
            _number_of(video, by)
    known = _known_quantities()
    for name in grouping.quantities:
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


def _number_of(video: Video, by: str) -> float:
    """Return the number of a clip in a column; NaN where the column is empty. Raises UserError
    (exit 2) for another text."""
    text = _cell_of(by)(video)
    try:
        value = float(text or "nan")
    except ValueError:
        value = np.nan
    if text and not np.isfinite(value):
        raise UserError(
            f"{by} of {video.id} is '{text}', and a regression needs a number",
            hint="correct it in videos.csv, or omit --regress for groups",
        )
    return value


def group_curves(
    clips: Sequence[tuple[Video, Mapping[str, FloatArray]]], grouping: Grouping = NO_GROUPS
) -> CurveGroups:
    """Divide the curves of clips into groups.

    Parameters
    ----------
    clips: with their curves (G,) by quantity.
    grouping: as `check_grouping` allows.
    """
    by, paired, cell = grouping.by, grouping.paired, _cell_of(grouping.by)
    numbers: dict[str, list[float]] = {}
    samples: dict[str, dict[str, list[Mapping[str, FloatArray]]]] = {}
    left_out: list[str] = []
    for video, curves in clips:
        label = cell(video) if by else ALL
        person = video.group if by not in ("", "group") else ""
        if not label or (paired and not person):
            left_out.append(video.id)
            continue
        if grouping.regress:
            numbers.setdefault(person or video.id, []).append(_number_of(video, by))
            label = by
        samples.setdefault(label, {}).setdefault(person or video.id, []).append(curves)
    if paired and samples:
        every = set.intersection(*map(set, samples.values()))
        left_out += sorted(set().union(*samples.values()) - every)
        order = [name for name in next(iter(samples.values())) if name in every]
        samples = {label: {name: of[name] for name in order} for label, of in samples.items()}
    wanted = grouping.quantities
    quantities = dict.fromkeys(
        name for _, curves in clips for name in curves if not wanted or name in wanted
    )
    return CurveGroups(
        by,
        paired,
        tuple(samples),
        tuple(map(tuple, samples.values())),
        {name: tuple(_means(of.values(), name) for of in samples.values()) for name in quantities},
        tuple(left_out),
        tuple(float(np.mean(own)) for own in numbers.values()),
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
    """Return the curves of groups without gaps.

    A sample that lacks more than a tenth of the timeline is left out (of a pair, both). Gaps of the
    others are filled between their neighbours, and the ends that not all of them show are cut.
    """
    every = groups.curves[quantity]
    keep = [np.isnan(values).mean(axis=1) <= _MOST_MISSING for values in every]
    if groups.paired:
        keep = [np.logical_and.reduce(keep)] * len(keep)
    names = tuple(
        tuple(name for name, kept in zip(own, use, strict=True) if kept)
        for own, use in zip(groups.names, keep, strict=True)
    )
    curves = tuple(values[use] for values, use in zip(every, keep, strict=True))
    numbers = np.array(groups.numbers)[keep[0]] if groups.numbers else np.empty(0)
    seen = ~np.isnan(np.concatenate(curves))
    if not len(seen):
        return CompleteCurves(curves, names, 0, numbers)
    first = int(seen.argmax(axis=1).max())
    last = seen.shape[1] - int(seen[:, ::-1].argmax(axis=1).max())
    curves = tuple(_filled(values)[:, first:last] for values in curves)
    return CompleteCurves(curves, names, first, numbers)


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
        arrays[f"{quantity}_percent"] = whole.percent
        if groups.numbers:
            arrays[f"{quantity}_x"] = whole.numbers
        for letter, values, names in zip("AB", whole.curves, whole.names, strict=False):
            arrays[f"{quantity}_Y{letter}"] = values
            arrays[f"{quantity}_{letter}"] = np.array(names, dtype=np.str_)
    return arrays
