"""Moments of the reference that have a name, and the angles and quantities of both clips then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.repetition_moments import NamedMoment, find_moments
from la2ds_cli.compare.differences import Differences
from la2ds_cli.compare.findings import Span, in_episodes
from la2ds_cli.compare.words import joint_name
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_quantities import DEGREES


class KeyValue(NamedTuple):
    """An angle or a quantity at a key position. joint: its name. reference, other, difference: in
    `unit`, NaN = not known. judged: whether the difference can be judged. stated: whether it is
    one that is reported."""

    joint: str
    label: str
    unit: str
    reference: float
    other: float
    difference: float
    judged: bool
    stated: bool


@dataclass(frozen=True)
class KeyPosition:
    """A named moment of the reference.

    row: among the reference's frames. time, other_time: seconds of the two clips, NaN = no
    counterpart. confidence: of the match. values: of all angles and quantities.
    """

    name: str
    row: int
    time: float
    other_time: float
    confidence: float
    values: tuple[KeyValue, ...]


def choose_moments(reference: PoseSequence, spans: Sequence[Span]) -> list[NamedMoment]:
    """Return the named moments of the reference, in time order: where its labelled phases start;
    without labels, the moments of each repetition (start, turn, way back, end); and if it does not
    go out and back, where its parts start.

    Parameters
    ----------
    reference: its joints.
    spans: its parts, labelled or not.
    """
    if not any(span.labelled for span in spans):
        found = [moments for moments in find_moments(reference) if moments is not None]
        if found:
            named = [moments.named_rows(reference.axis) for moments in found]
            return [
                _numbered(moment, number, len(named))
                for number, each in enumerate(named, start=1)
                for moment in _apart(each)
            ]
    return [NamedMoment(f"start of {span.name}", span.first) for span in spans]


def _apart(moments: Sequence[NamedMoment]) -> list[NamedMoment]:
    """Return moments without those at the row of an earlier one: a turn without a hold is one."""
    rows = [moment.row for moment in moments]
    return [moment for n, moment in enumerate(moments) if moment.row not in rows[:n]]


def _numbered(moment: NamedMoment, number: int, of: int) -> NamedMoment:
    return moment._replace(name=f"{moment.name} {number}") if of > 1 else moment


def measure_positions(
    angles: Differences,
    alignment: Alignment,
    moments: Sequence[NamedMoment],
    *,
    stated: bool = True,
) -> list[KeyPosition]:
    """Return both clips' angles and quantities at named moments of the reference.

    Parameters
    ----------
    angles: of the two clips along their alignment.
    alignment: of the other clip with the reference.
    moments: in time order.
    stated: whether differences may be called faults at all.
    """
    other_time = matched_time(alignment.position, alignment.time_b)
    reported = in_episodes(angles) & stated
    return [
        KeyPosition(
            moment.name,
            moment.row,
            float(angles.time[moment.row]),
            float(other_time[moment.row]),
            float(alignment.confidence[moment.row]),
            tuple(_value(angles, moment.row, j, reported) for j in range(len(angles.names))),
        )
        for moment in moments
    ]


def _value(angles: Differences, row: int, j: int, reported: np.ndarray) -> KeyValue:
    joint, quantity = angles.names[j], angles.quantity(angles.names[j])
    unit = DEGREES if quantity is None else quantity.unit
    label = joint_name(joint) if quantity is None else quantity.label
    reference, other = (
        float(np.round(value[row, j], 0 if unit == DEGREES else 2))
        for value in (angles.reference, angles.other)
    )
    difference = round(other - reference, 2)
    judged = bool(angles.judged[row, j])
    return KeyValue(
        joint, label, unit, reference, other, difference, judged, bool(reported[row, j])
    )
