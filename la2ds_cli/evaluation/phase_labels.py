"""Phase labels as one integer per frame, and the order of the phases of a movement."""

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
    """Phase labels of the frames of all labelled clips.

    phases: names in order. train: (T,) int64 of each training clip, in the order of videos.csv if
    the protocol takes the first ones, else by id. test: (T,) int64 of each test clip. test_row:
    index of each of these among all test clips.
    """

    phases: tuple[str, ...]
    train: list[IntArray]
    test: list[IntArray]
    test_row: list[int]


PhaseFrames = tuple[FloatArray, IntArray]
"""Frames of one clip that have a phase: features (T, D) float, and labels (T,) int64 >= 0."""


def labelled_frames(features: Sequence[FloatArray], label: Sequence[IntArray]) -> list[PhaseFrames]:
    """Return the frames that have a phase, clip by clip; features (T, D), label (T,) int64."""
    pairs = zip(features, label, strict=True)
    return [(value[phase != NO_PHASE], phase[phase != NO_PHASE]) for value, phase in pairs]


def frame_phases(frame: IntArray, phases: Sequence[Phase], number: Mapping[str, int]) -> IntArray:
    """Return (T,) int64: the number of each frame's phase, NO_PHASE if it has none.

    Parameters
    ----------
    frame: (T,) source frame numbers.
    number: phase name -> number; phases with other names are ignored.

    Raises
    ------
    ValueError: if two phases share a frame.
    """
    label = np.full(len(frame), NO_PHASE, dtype=np.int64)
    for phase in in_time_order(phases):
        if phase.name in number:
            label[(frame >= phase.start) & (frame < phase.end)] = number[phase.name]
    return label


def phase_names(frame: IntArray, phases: Sequence[Phase]) -> list[str]:
    """Return the phase of each source frame (T,), empty if it has none; the first if there are
    two."""
    names = [""] * len(frame)
    for phase in phases:
        for row in np.flatnonzero((frame >= phase.start) & (frame < phase.end)).tolist():
            names[row] = names[row] or phase.name
    return names


def phase_order(clips: Sequence[Sequence[Phase]]) -> tuple[str, ...]:
    """Return the names of all phases in the order in which they occur in the movement.

    A phase precedes another if it begins first in most of the clips that have both; its first
    occurrence counts. Phases are sorted by how many they precede minus how many they follow, then
    by mean rank within clips, then by name.
    """
    # Latest first, so that the earliest start of a phase overwrites the others.
    firsts = [
        {p.name: p.start for p in sorted(phases, key=lambda phase: -phase.start)}
        for phases in clips
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
    """Return the labels of the frames and the ids of the labelled training clips.

    Returns None and no ids if phase metrics cannot be computed; the last warning says why.

    Parameters
    ----------
    background: the phase to ignore.

    Raises
    ------
    UserError
        Exit 5 for overlapping phases; 4 or 5 if phase metrics cannot be computed in a protocol
        without event transfer, where only tau would be left.
    """
    phases = {
        video: [p for p in selection.phases.get(video, []) if p.name != background]
        for video in (*selection.fit, *selection.test)
    }
    names = phase_order(list(phases.values()))
    number = {name: n for n, name in enumerate(names)}
    order = list(selection.fit) if protocol.takes_first else sorted(selection.fit)
    fit = _labelled({video: selection.fit[video] for video in order}, phases, number)
    test = _labelled(selection.test, phases, number)
    if selection.split == "all" or not fit or not test:
        _refuse(selection, protocol, bool(fit), warnings)
        return None, []
    rows = {video: row for row, video in enumerate(selection.test)}
    labels = Labels(names, list(fit.values()), list(test.values()), [rows[v] for v in test])
    warnings += _label_warnings(selection, labels, phases, len(fit))
    return labels, list(fit)


def _labelled(
    poses: Mapping[str, PoseSequence],
    phases: Mapping[str, Sequence[Phase]],
    number: Mapping[str, int],
) -> dict[str, IntArray]:
    """Return the labels of each clip that has any."""
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
    """Warn that phase metrics cannot be computed; raise in a protocol without event transfer."""
    hint = "mark clips in videos.csv as split=train and split=test"
    if selection.split == "all":
        problem = "no clip is marked split=test, so phases would be fitted and scored on the same"
        problem += " clips"
        code = ExitCode.MISMATCH
    elif not selection.fit:
        problem = "all clips are marked split=test, so none is left to fit phases on"
        code = ExitCode.MISMATCH
    else:
        which = "test" if fit_labelled else "training"
        problem, code = f"phases.csv has no labels for {which} clips", ExitCode.UNUSABLE
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
            missing = total - count
            notes.append(f"{kind} clips left out of phase metrics, without phases: {missing}")
    every = [*labels.train, *labels.test]
    unlabelled = sum(int((label == NO_PHASE).sum()) for label in every)
    if unlabelled:
        notes.append(f"frames left out of phase metrics, without a phase: {unlabelled}")
    unseen = set(range(len(labels.phases))).difference(*(label.tolist() for label in labels.train))
    if unseen:
        shown = ", ".join(labels.phases[n] for n in sorted(unseen))
        notes.append(f"no training clip has these phases, so their test frames are wrong: {shown}")
    names = range(len(labels.phases))
    lacking = Counter(n for label in every for n in set(names).difference(label.tolist()))
    if lacking:
        shown = ", ".join(f"{labels.phases[n]} {count}" for n, count in sorted(lacking.items()))
        notes.append(
            f"number of labelled clips that lack a phase: {shown}; the protocol says how "
            "progression handles them"
        )
    repeats = sum(len({p.name for p in rows}) < len(rows) for rows in phases.values())
    if repeats:
        notes.append(
            f"clips that repeat a phase: {repeats}; tau and progression assume that each phase "
            "occurs once, and progression uses its last occurrence"
        )
    return notes
