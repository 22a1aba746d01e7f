"""Pairs that the studio holds in memory, aligned again whenever a person changes something.

Anchors, notes and drawings of a pair are written to the project's tables as they are made, and each
change can be undone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, cast

import numpy as np

from la2ds_cli.alignment.align import align_pair, slow_motion
from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.confidence import (
    MISSING,
    SURE,
    certainty_words,
    seconds_within,
    within_text,
)
from la2ds_cli.alignment.repetition_counts import hint_of_repetitions
from la2ds_cli.alignment.request import (
    AlignRequest,
    ChosenKind,
    FeatureChoice,
    PreparedPair,
    prepare_pair,
)
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.alignment.same_movement import check_same_movement, doubt
from la2ds_cli.core.corrections import turning_of
from la2ds_cli.core.drawings import (
    MOST_DRAWINGS,
    Drawing,
    drawings_of,
    read_drawings,
    write_drawings,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.notes import Note, notes_of, read_notes, write_notes
from la2ds_cli.core.notes import Row as NoteRow
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, PoseSequence
from la2ds_cli.core.view import ViewName
from la2ds_cli.studio.anchors import Anchor, anchors_among, anchors_of, write_anchors
from la2ds_cli.studio.anchors import Row as AnchorRow
from la2ds_cli.views.report.pair_data import (
    Baseline,
    baselines,
    match_json,
    notes_json,
)

HELD = 6  # pairs in memory, with their features and those of the reference clips
_ALIKE = 1.05  # ratio of durations, below which two clips are as fast


class _Notes(Progress):
    """Collects the notes for the user."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class _Undo:
    """How to undo a change: anchors to remove and those to restore, or a drawing of a clip and what
    replaces it, or else notes to restore (`there`) or to remove. It leaves whatever else has been
    set since, and holds for either order of the clips, because anchors and notes are rows with
    their ids."""

    anchors: tuple[Sequence[AnchorRow], Sequence[AnchorRow]] | None = None
    drawing: tuple[str, Drawing | None, Drawing | None] | None = None
    notes: Sequence[NoteRow] = ()
    there: bool = False


def frames_of(note: Note) -> tuple[int | None, int | None]:
    """Of A and of B."""
    return note.frame_a, note.frame_b


@dataclass
class HeldPair:
    """Two prepared clips, with everything needed to align them again.

    plain: their alignment without anchors, which chose the features. beside: baseline alignments.
    warnings: sentences about the alignment that must not be overlooked; notes: other sentences.
    undo: how to undo each of the user's changes, the latest one last. lock: held while one is made
    or undone. Both are shared with the pair of B and A (HeldPairs).
    """

    project: Project
    request: AlignRequest
    pair: PreparedPair
    cache: AlignmentCache
    plain: AlignResult
    beside: list[Baseline]
    warnings: list[str]
    notes: list[str]
    undo: list[_Undo] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def prepared(cls, project: Project, a: str, b: str, view: ViewName = "auto") -> HeldPair:
        """Prepare and align two clips. view: of B, see studio.pair.VIEWS. Raises what
        find_alignment raises."""
        said, cache = _Notes(), AlignmentCache()
        request = AlignRequest(project.config(), view=view)
        pair = prepare_pair(project, a, b, request, said)
        pair = replace(pair, names=(pair.clips[0].title, pair.clips[1].title))
        plain = align_pair(project, pair, request, said, cache)
        doubts = doubt(plain.same_movement, pair.names), plain.unclear
        warnings = [f"{each}." for each in doubts if each]
        if slow := slow_motion(plain, pair.names):
            said.note(
                f"{slow[1]}open it on the Clips page and say by which factor it was slowed down"
            )
        if several := hint_of_repetitions(project, pair.ids, pair.names):
            said.note(several)
        beside = baselines(project, plain)
        return cls(project, request, pair, cache, plain, beside, warnings, said.notes)

    @property
    def anchors(self) -> list[Anchor]:
        return anchors_of(self.project, *self.pair.ids)

    def seconds(self, anchors: Sequence[Anchor]) -> tuple[tuple[float, float], ...]:
        """Times (A, B) of the anchors whose frames both clips have."""
        found = (anchor.seconds(*self.pair.poses) for anchor in anchors)
        return tuple(pair for pair in found if pair is not None)

    def aligned(self, anchors: Sequence[Anchor]) -> AlignResult:
        """Align the clips with these anchors.

        The features chosen without anchors are kept, because a wrong match is no evidence for
        others. Raises UserError (exit 2) for anchors that run backwards in time.
        """
        seconds = self.seconds(anchors)
        if not seconds:
            return self.plain
        kind = cast(ChosenKind, self.plain.alignment.features)
        request = replace(self.request, features=kind, anchors=seconds)
        pair = replace(self.pair, choice=FeatureChoice(kind, ""))
        return align_pair(self.project, pair, request, cache=self.cache)

    @property
    def written(self) -> list[Note]:
        return notes_of(self.project.notes_path, *self.pair.ids)

    def change(self, anchors: Sequence[Anchor]) -> AlignResult:
        """Align the clips with these anchors and store them."""
        result = self.aligned(anchors)
        a, b = self.pair.ids
        old = self.anchors
        new = [(a, b, anchor) for anchor in anchors if anchor not in old]
        gone = [(a, b, anchor) for anchor in old if anchor not in anchors]
        write_anchors(self.project, a, b, anchors)
        self.undo.append(_Undo(anchors=(new, gone)))
        return result

    def note(self, note: Note, *, remove: bool = False) -> None:
        """Write or remove a note. Raises UserError (exit 2) if it already exists, or does not exist
        to be removed."""
        wanted = (*frames_of(note), note.text)
        same = [old for old in self.written if (*frames_of(old), old.text) == wanted]
        if remove and not same:
            raise UserError("this note has already been removed", hint="load the page again")
        if same and not remove:
            raise UserError("this moment already has this note")
        a, b = self.pair.ids
        rows = [(a, b, one) for one in (same if remove else [note])]
        self._write(rows, there=not remove)
        self.undo.append(_Undo(notes=rows, there=remove))

    def _write(self, notes: Sequence[NoteRow], *, there: bool) -> None:
        """Write these notes (`there`), or remove them."""
        with self.project.tables():
            rows = read_notes(self.project.notes_path)
            if there:
                rows += notes
            else:
                gone = {*notes, *((b, a, note.exchanged) for a, b, note in notes)}
                rows = [row for row in rows if row not in gone]
            write_notes(self.project.notes_path, rows)

    def drawn(self, side: str) -> list[Drawing]:
        """What clip `a` or `b` shows."""
        video, pose = self._side(side)
        return drawings_of(self.project.drawings_path, video, turning_of(pose.info))

    def draw(self, side: str, old: Drawing | None, new: Drawing | None) -> None:
        """Draw `new` on clip `a` or `b` in the place of `old`; None: nothing is replaced, or `old`
        is removed.

        Raises UserError (exit 2) if `old` is not there, `new` already is, or the clip has no room
        for it.
        """
        video, _ = self._side(side)
        with self.project.tables():
            there = self.drawn(side)
            if old is not None and old not in there:
                raise UserError(
                    "this drawing has been changed or removed", hint="load the page again"
                )
            if new is not None and new in there:
                raise UserError("the clip already has this drawing")
            if old is None and len(there) >= MOST_DRAWINGS:
                raise UserError(
                    f"a clip can have at most {MOST_DRAWINGS} drawings", hint="remove one first"
                )
            self._redraw(video, old, new)
        self.undo.append(_Undo(drawing=(video, new, old)))

    def _redraw(self, video: str, old: Drawing | None, new: Drawing | None) -> None:
        """As `draw`, without its checks."""
        with self.project.tables():
            rows = read_drawings(self.project.drawings_path)
            at = rows.index((video, old)) if old and (video, old) in rows else len(rows)
            left = [row for row in rows if row != (video, old)]
            left[at:at] = [(video, new)] if new and (video, new) not in left else []
            write_drawings(self.project.drawings_path, left)

    def _side(self, side: str) -> tuple[str, PoseSequence]:
        at = "ab".index(side)
        return self.pair.ids[at], self.pair.poses[at]

    def take_back(self) -> AlignResult:
        """Undo the last change. Raises UserError (exit 2) if there is none."""
        if not self.undo:
            raise UserError("there is nothing to undo")
        last = self.undo[-1]
        anchors = self.anchors
        if last.anchors is not None:
            gone, back = (anchors_among(rows, *self.pair.ids) for rows in last.anchors)
            left = [anchor for anchor in anchors if anchor not in gone]
            anchors = [*left, *(anchor for anchor in back if anchor not in left)]
        result = self.aligned(anchors)
        if last.drawing is not None:
            self._redraw(*last.drawing)
        elif last.anchors is None:
            self._write(last.notes, there=last.there)
        else:
            write_anchors(self.project, *self.pair.ids, anchors)
        self.undo.pop()
        return result

    def drawings_json(self) -> dict[str, Any]:
        """The drawings of either clip: kind, and points in pixels of its picture."""
        return {
            side: [{"kind": one.kind, "points": one.points} for one in self.drawn(side)]
            for side in "ab"
        }

    def changed(self, result: AlignResult) -> dict[str, Any]:
        """What the page shows about an alignment of the pair, besides the clips themselves."""
        poses = self.pair.poses
        return match_json(result) | {
            "sureness": sureness(result),
            "anchors": [
                {
                    "frames": [anchor.frame_a, anchor.frame_b],
                    "seconds": anchor.seconds(*poses),
                    "set": anchor.at,
                }
                for anchor in self.anchors
            ],
            "written": notes_json(self.written),
            "drawings": self.drawings_json(),
            "undo": len(self.undo),
        }


def sureness(result: AlignResult) -> str:
    """How sure the match is, and how fast B is, for people who count neither frames nor shares."""
    alignment, ratio = result.alignment, result.overall_ratio
    words, within = np.array(certainty_words(alignment)), seconds_within(alignment)
    sure, gone = words == SURE, words == MISSING
    told = []
    if sure.any():
        near = within_text(float(np.median(within[sure])))
        told.append(f"Sure for {_share(sure)} of A, {near}.")
    if not (sure | gone).all():
        told.append("Unsure elsewhere: look at these moments first." if told else "Nowhere sure.")
    if gone.any():
        told.append(f"B does not show {_share(gone)} of A.")
    if ratio < 1 / _ALIKE:
        told.append(f"B is {1 / ratio:.1f} times as fast as A.")
    elif ratio > _ALIKE:
        told.append(f"A is {ratio:.1f} times as fast as B.")
    return " ".join(told)


def _share(rows: BoolArray) -> str:
    return "all" if rows.all() else f"{max(round(100 * float(rows.mean())), 1)} %"


class HeldPairs:
    """The most recently viewed pairs, ready to be aligned again. _shared: for two clips in either
    order, the undo list and the lock of their pairs, which change the same rows."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._held: OrderedDict[tuple[str, str, ViewName], tuple[object, HeldPair]] = OrderedDict()
        self._shared: dict[frozenset[str], tuple[list[_Undo], Lock]] = {}
        self._lock = Lock()

    def get(self, a: str, b: str, view: ViewName = "auto", *, force: bool = False) -> HeldPair:
        """The pair, prepared if it is new or if its clips or the settings have changed. Raises
        UserError (exit 10), without `force`, for clips that clearly show different movements."""
        stamp = self._stamp(a, b)
        with self._lock:  # one at a time: preparing a pair uses all cores
            known = self._held.get((a, b, view))
            if known is None or known[0] != stamp:
                held = HeldPair.prepared(self.project, a, b, view)
                shared = self._shared.setdefault(frozenset((a, b)), (held.undo, held.lock))
                held.undo, held.lock = shared
                self._held[a, b, view] = known = self._stamp(a, b), held
            self._held.move_to_end((a, b, view))
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        if not force:
            check_same_movement(known[1].plain.same_movement, known[1].pair.names)
        return known[1]

    def _stamp(self, a: str, b: str) -> object:
        project = self.project
        paths = [project.pose_path(a), project.pose_path(b)]
        paths += [project.videos_path, project.corrections_path]
        times = [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]
        return times, str(self.project.settings)
