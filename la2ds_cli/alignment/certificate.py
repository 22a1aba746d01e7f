"""What takes certainty from an alignment, how much of clip A each reason covers, and what helps.

Every frame of A that is not sure has one reason: the first of KINDS that holds for it, joints
first, since nothing else can be judged on wrong joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Protocol, get_args

import numpy as np

from la2ds_cli.alignment.confidence import SURE, certainty_words, nobody_seen
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.alignment.same_movement import SameMovement
from la2ds_cli.core.arrays import BoolArray, FloatArray, runs_of
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.poses.trust import doubts

Kind = Literal[
    "missing",
    "unseen",
    "joints",
    "movement",
    "view",
    "repetition",
    "rest",
    "edge",
    "end",
    "unlike",
    "loose",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHOWN = 3  # reasons on a page
LONGEST_CUT = 1.0  # seconds of a rest at an end of A from which cutting it is worth a word

_WORDS: Mapping[Kind, str] = {
    "missing": "B does not show it",
    "unseen": "nobody is seen",
    "joints": "two limbs or more are hidden",
    "movement": "the clips may show different movements",
    "view": "another view of B fits about as well",
    "repetition": "a repetition earlier or later fits about as well",
    "rest": "somebody rests",
    "edge": "B begins or ends there",
    "end": "one clip begins or ends otherwise",
    "unlike": "the poses are unlike there",
    "loose": "several moments look alike",
}
_HELP: Mapping[Kind, str] = {
    "missing": "cut both clips to what they share",
    "unseen": "keep the whole person in the picture",
    "joints": "film from a side where arms and legs are visible",
    "movement": "check that both show the same movement",
    "view": "film from the same side, or name the view",
    "repetition": "align one repetition, or correct a match",
    "rest": "no moment of a rest can be told from the next",
    "edge": "film a second before and after the movement",
    "end": "cut both clips to what they share",
    "unlike": "check that both show the same there, or cut them to what they share",
    "loose": "film from the same side, or correct a match",
}
# Options of `la2ds align` that do so; pages have controls of their own.
_OPTIONS: Mapping[Kind, str] = {
    "view": "--view",
    "repetition": "--repetition, --anchor",
    "loose": "--anchor",
}


@dataclass(frozen=True)
class Reason:
    """Why some frames of A are not sure.

    frames: how many. share: of all frames of A. spans: first and last seconds of A. text: the
    reason in words. help: what would help.
    """

    kind: Kind
    frames: int
    share: float
    spans: tuple[tuple[float, float], ...]
    text: str
    help: str

    @property
    def sentence(self) -> str:
        """For example `18 % of A not sure, since somebody rests: cut the first 2.0 s of A`, with
        the options of the command line that help."""
        options = _OPTIONS.get(self.kind)
        return f"{self.page_sentence} ({options})" if options else self.page_sentence

    @property
    def page_sentence(self) -> str:
        """The sentence without options, for a page."""
        percent = max(round(100 * self.share), 1)
        return f"{percent} % of A not sure, since {self.text}: {self.help}"


@dataclass(frozen=True)
class Certificate:
    """How an alignment was made, and why parts of it are not sure.

    sure: frames of A, of `frames`. reasons: those of the other frames, the largest first.
    """

    view: View
    references: int
    sure: int
    frames: int
    reasons: tuple[Reason, ...]

    @property
    def lines(self) -> list[str]:
        """The largest reasons, at most SHOWN, as sentences."""
        return [reason.sentence for reason in self.reasons[:SHOWN]]

    @property
    def page_lines(self) -> list[str]:
        """The same without options of the command line."""
        return [reason.page_sentence for reason in self.reasons[:SHOWN]]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "view": self.view,
            "references": self.references,
            "sure": self.sure,
            "frames": self.frames,
            "reasons": [
                {
                    "kind": each.kind,
                    "frames": each.frames,
                    "share": round(each.share, 4),
                    "spans": [[round(t, 3) for t in span] for span in each.spans],
                    "text": each.text,
                    "help": each.help,
                }
                for each in self.reasons
            ],
        }


class Certifiable(Protocol):
    """What a certificate needs of an alignment (alignment.py, which explains each)."""

    @property
    def pose_a(self) -> PoseSequence: ...
    @property
    def pose_b(self) -> PoseSequence: ...
    @property
    def position(self) -> FloatArray: ...
    @property
    def low(self) -> FloatArray: ...
    @property
    def high(self) -> FloatArray: ...
    @property
    def confidence(self) -> FloatArray: ...
    @property
    def another_end(self) -> BoolArray: ...
    @property
    def unlike(self) -> BoolArray: ...
    @property
    def view(self) -> View: ...
    @property
    def references(self) -> int: ...
    @property
    def unclear_views(self) -> tuple[View, ...]: ...
    @property
    def repeats(self) -> float | None: ...
    @property
    def same_movement(self) -> SameMovement | None: ...


def certify(result: Certifiable, rests: BoolArray) -> Certificate:
    """Return why frames of an alignment are not sure, from the alignment and its joints alone.

    rests: (N,) whether A rests, or B at the match.
    """
    left = np.array(certainty_words(result.confidence, result.position)) != SURE
    count, sure = len(left), int((~left).sum())
    holds = _what_holds(result, rests)
    reasons = []
    for kind in KINDS:
        rows = left & holds[kind]
        left = left & ~rows
        if rows.any():
            reasons.append(_reason(kind, rows, result))
    reasons.sort(key=lambda reason: -reason.frames)
    return Certificate(result.view, result.references, sure, count, tuple(reasons))


def _what_holds(result: Certifiable, rests: BoolArray) -> dict[Kind, BoolArray]:
    """Return the frames (N,) of A for which each reason holds."""
    pose_a, pose_b, position = result.pose_a, result.pose_b, result.position
    everywhere = np.ones(len(pose_a), bool)
    matched, rows = nearest_rows(position, len(pose_b))
    last = len(pose_b) - 1
    same = result.same_movement
    return {
        "missing": ~matched,
        "unseen": nobody_seen(pose_a) | (matched & nobody_seen(pose_b)[rows]),
        "joints": hidden_limbs(pose_a) | (matched & hidden_limbs(pose_b)[rows]),
        "movement": everywhere & (same is not None and same.doubted),
        "view": everywhere & bool(result.unclear_views),
        "repetition": everywhere & (result.repeats is not None),
        "rest": rests,
        "edge": np.asarray((result.low <= 0) | (result.high >= last)),
        "end": result.another_end,
        "unlike": result.unlike,
        "loose": everywhere,
    }


def _reason(kind: Kind, rows: BoolArray, result: Certifiable) -> Reason:
    time = result.pose_a.time
    spans = tuple((float(time[i]), float(time[stop - 1])) for i, stop in runs_of(rows))
    help_, text = _HELP[kind], _WORDS[kind]
    if kind == "rest":
        help_ = _cut(rows, result) or help_
    if kind == "joints" and (hidden := hidden_sentence((result.pose_a, result.pose_b), ("A", "B"))):
        text = hidden
    return Reason(kind, int(rows.sum()), float(rows.mean()), spans, text, help_)


def _cut(rows: BoolArray, result: Certifiable) -> str:
    """Return which seconds to cut from A's ends, empty if a rest there is short."""
    runs, duration = runs_of(rows), result.pose_a.axis.duration_of
    parts = []
    if runs[0][0] == 0 and (first := duration(*runs[0])) >= LONGEST_CUT:
        parts.append(f"first {first:.1f} s")
    if runs[-1][1] == len(rows) and (last := duration(*runs[-1])) >= LONGEST_CUT:
        parts.append(f"last {last:.1f} s")
    return f"cut the {' and the '.join(parts)} of A" if parts else ""


# --- joints ---------------------------------------------------------------------------------------


def hidden_limbs(pose: PoseSequence) -> BoolArray:
    """Return (T,) whether two limbs or more are unreliable at a frame."""
    count = np.zeros(len(pose), int)
    for _, start, end in doubts(pose):
        count += (pose.time >= start - 0.005) & (pose.time <= end + 0.005)  # they are rounded
    return count >= 2


def hidden_sentence(poses: Sequence[PoseSequence], names: Sequence[str]) -> str:
    """Return which limbs are hidden longest together in one of the clips, empty if none are.

    For example `both legs of anna are hidden from 1.2 to 2.0 s`.
    """
    found = [
        (end - start, f"{_both(first, second)} of {name}", f"from {start:.1f} to {end:.1f} s")
        for pose, name in zip(poses, names, strict=True)
        for (first, *one), (second, *two) in combinations(doubts(pose), 2)
        if first != second and (end := min(one[1], two[1])) > (start := max(one[0], two[0]))
    ]
    if not found:
        return ""
    _, limbs, when = max(found)
    return f"{limbs} are hidden {when}"


def _both(first: str, second: str) -> str:
    """Return `both legs` for `left leg` and `right leg`, else their names."""
    limbs = {each.partition(" ")[2] for each in (first, second)}
    if len(limbs) == 1 and (limb := limbs.pop()):
        return f"both {limb}s"
    return f"{first} and {second}"
