"""Phases as one integer per frame, and the order of the phases of a movement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import in_time_order, overlap_error
from la2ds_cli.core.types import FloatArray, IntArray, Phase, PoseSequence
from la2ds_cli.evaluation.clips import Selection
from la2ds_cli.evaluation.protocol import Protocol

NO_PHASE = -1


@dataclass(frozen=True)
class Labels:
    """phases: names in order. train: (T,) int64 of each training clip, in the order of videos.csv
    if the protocol takes the first ones, else by id. test: of each labelled test clip; test_row:
    its index among all test clips."""

    phases: tuple[str, ...]
    train: list[IntArray]
    test: list[IntArray]
    test_row: list[int]


PhaseFrames = tuple[FloatArray, IntArray]
"""Frames of one clip that have a phase: features (T, D) float, and labels (T,) int64 >= 0."""


def labelled_frames(features: Sequence[FloatArray], label: Sequence[IntArray]) -> list[PhaseFrames]:
    """Of each clip the frames that have a phase; features (T, D), labels (T,) int64."""
    pairs = zip(features, label, strict=True)
    return [(value[of != NO_PHASE], of[of != NO_PHASE]) for value, of in pairs]


def frame_phases(frame: IntArray, phases: Sequence[Phase], number: Mapping[str, int]) -> IntArray:
    """(T,) int64: number of the phase of each frame, NO_PHASE if it has none.

    frame: (T,) source frame numbers. number: phase name -> number; phases with other names are left
    out. Raises ValueError if two phases share a frame.
    """
    label = np.full(len(frame), NO_PHASE, dtype=np.int64)
    for phase in in_time_order(phases):
        if phase.name in number:
            label[(frame >= phase.start) & (frame < phase.end)] = number[phase.name]
    return label


def phase_names(frame: IntArray, phases: Sequence[Phase]) -> list[str]:
    """The phase of each source frame (T,), empty if it has none; if two phases share a frame, the
    first one."""
    names = [""] * len(frame)
    for phase in phases:
        for row in np.flatnonzero((frame >= phase.start) & (frame < phase.end)).tolist():
            names[row] = names[row] or phase.name
    return names


def phase_order(clips: Sequence[Sequence[Phase]]) -> tuple[str, ...]:
    """Names of all phases in the order in which they occur in the movement.

    A phase precedes another if it begins first in the majority of the clips with both (its first
    occurrence counts). Phases are sorted by how many more they precede than follow; ties go by mean
    rank within clips, then by name.
    """
    # By falling start, so that the first occurrence of a phase is the last one kept.
    firsts = [
        {p.name: p.start for p in sorted(phases, key=lambda one: -one.start)} for phases in clips
    ]
    names = sorted({name for first in firsts for name in first})
    wins = {name: 0.0 for name in names}
    for a in names:
        for b in names:
            leads = sum(np.sign(f[b] - f[a]) for f in firsts if a in f and b in f)
            wins[a] += float(np.sign(leads))

    def rank(name: str) -> float:
        return float(np.mean([sorted(f.values()).index(f[name]) for f in firsts if name in f]))

    return tuple(sorted(names, key=lambda name: (-wins[name], rank(name), name)))


def label_clips(
    selection: Selection, protocol: Protocol, background: str, warnings: list[str]
) -> tuple[Labels | None, list[str]]:
    """Phases of the frames, and the ids of the labelled training clips, for the phase metrics.

    None and no ids if these cannot be computed; the last warning says why. Raises UserError (exit 4
    or 5) in that case in a protocol without event transfer, whose metrics but tau need labels, and
    (exit 5) for overlapping phases.
    """
    wanted = {
        video: [p for p in selection.phases.get(video, []) if p.name != background]
        for video in (*selection.fit, *selection.test)
    }
    names = phase_order(list(wanted.values()))
    number = {name: n for n, name in enumerate(names)}
    order = list(selection.fit) if protocol.takes_first else sorted(selection.fit)
    fit = _labelled({video: selection.fit[video] for video in order}, wanted, number)
    test = _labelled(selection.test, wanted, number)
    if selection.split == "all" or not fit or not test:
        _refuse(selection, protocol, bool(fit), warnings)
        return None, []
    rows = {video: row for row, video in enumerate(selection.test)}
    labels = Labels(names, list(fit.values()), list(test.values()), [rows[v] for v in test])
    warnings += _label_warnings(selection, labels, wanted, len(fit))
    return labels, list(fit)


def _labelled(
    poses: Mapping[str, PoseSequence],
    phases: Mapping[str, Sequence[Phase]],
    number: Mapping[str, int],
) -> dict[str, IntArray]:
    """Labels of each clip that has any."""
    labels = {}
    for video, pose in poses.items():
        try:
            label = frame_phases(pose.frame, phases[video], number)
        except ValueError as problem:
            raise overlap_error(video, problem) from problem
        if (label != NO_PHASE).any():
            labels[video] = label
    return labels


def _refuse(
    selection: Selection, protocol: Protocol, fit_labelled: bool, warnings: list[str]
) -> None:
    """Report that there is nothing to fit on or to score; as an error in a protocol of which tau
    alone would be left."""
    hint = "mark clips in videos.csv as split=train and split=test"
    if selection.split == "all":
        problem = "no clip is marked split=test, so phases would be fitted and scored on the same"
        problem += " clips"
        code = ExitCode.MISMATCH
    elif not selection.fit:
        problem, code = "no clip is left to fit phases on: all are split=test", ExitCode.MISMATCH
    else:
        which = "test" if fit_labelled else "training"
        problem, code = f"phases.csv labels no {which} clip", ExitCode.UNUSABLE
        hint = "add their phases to phases.csv (video,start,end,phase)"
    if not protocol.event_transfer:
        raise UserError(f"protocol {protocol.name}: {problem}", hint=hint, exit_code=code)
    warnings.append(f"phase metrics were not computed: {problem}")


def _label_warnings(
    selection: Selection, labels: Labels, phases: Mapping[str, Sequence[Phase]], fitted: int
) -> list[str]:
    notes = []
    for kind, count, total in (
        ("training", fitted, len(selection.fit)),
        ("test", len(labels.test), len(selection.test)),
    ):
        if count < total:
            notes.append(f"{kind} clips without phases, not in the phase metrics: {total - count}")
    every = [*labels.train, *labels.test]
    bare = sum(int((label == NO_PHASE).sum()) for label in every)
    if bare:
        notes.append(f"frames without a phase, not in the phase metrics: {bare}")
    unseen = set(range(len(labels.phases))).difference(*(label.tolist() for label in labels.train))
    if unseen:
        shown = ", ".join(labels.phases[n] for n in sorted(unseen))
        notes.append(f"phases of no training clip, whose test frames count as wrong: {shown}")
    names = range(len(labels.phases))
    lacking = Counter(n for label in every for n in set(names).difference(label.tolist()))
    if lacking:
        shown = ", ".join(f"{labels.phases[n]} {count}" for n, count in sorted(lacking.items()))
        notes.append(f"labelled clips that lack a phase: {shown}; the rule is part of progression")
    repeats = sum(len({p.name for p in rows}) < len(rows) for rows in phases.values())
    if repeats:
        notes.append(
            f"clips that repeat a phase: {repeats}; progression takes the last time, and both it "
            "and tau assume that every phase happens once"
        )
    return notes
