"""Pairs that the studio keeps in memory and aligns again after each correction.

Anchors, notes and drawings of a pair are written to annotations.csv at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Literal, cast

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import offer_repetition
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.certificate import hidden_sentence
from la2ds_cli.alignment.clip_features import FeatureKind
from la2ds_cli.alignment.project_aligner import (
    ClipPair,
    ProjectAligner,
    slow_motion_sentence,
)
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice
from la2ds_cli.alignment.same_movement import check_same_movement, doubt_sentence
from la2ds_cli.core.annotations import (
    ANCHOR,
    NOTE,
    Annotation,
    Between,
    ClipMoments,
    between,
    changed,
    turning_of,
)
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.view import ViewName
from la2ds_cli.offset.find_offsets import METHOD, align_recordings
from la2ds_cli.studio.drawings import ClipCanvas
from la2ds_cli.studio.pages import Notes
from la2ds_cli.studio.saving import version
from la2ds_cli.views.report.pair import recorded_beside
from la2ds_cli.views.report.pair_data import match_json, notes_json

HELD = 6  # pairs in memory, with their features and those of the reference clips
How = ViewName | Literal["performance"]
"""How B is shown: in a view, along its alignment; or `performance`: as another recording of the
same performance, by the clocks of both."""


@dataclass(frozen=True)
class HeldPair:
    """Two prepared clips, with everything needed to align them again.

    plain: their alignment without anchors, which chose the features. recorded: see recorded_beside.
    warnings: sentences to show at the top of the page; notes: other sentences. offer: the
    repetition of a film that fits best, in a sentence.
    """

    project: StoredProject
    pair: ClipPair
    aligner: ProjectAligner
    plain: Alignment
    recorded: dict[str, Any] | None
    warnings: list[str]
    notes: list[str]
    offer: str = ""

    @classmethod
    def prepared(
        cls, project: StoredProject, a: str, b: str, how: How = "auto", *, force: bool = False
    ) -> HeldPair:
        """Prepare and align two clips.

        Raises what ProjectAligner.align_names raises and, for recordings of one performance, what
        align_recordings raises.

        Parameters
        ----------
        force: align recordings even if they seem to show different performances.
        """
        progress = Notes()
        view: ViewName = "auto" if how == "performance" else how
        request = AlignRequest(project.config(), view=view)
        aligner = ProjectAligner(project, request, progress)
        pair = aligner.read_pair(a, b)
        pair = replace(pair, names=(pair.clips[0].title, pair.clips[1].title))
        if how == "performance":
            refusing = replace(request, same_only=not force)
            plain = align_recordings(project, a, b, refusing, progress)
            recorded, unread = recorded_beside(project, plain)
            return cls(project, pair, aligner, plain, recorded, unread, progress.notes)
        plain = aligner.align_pair(pair)
        doubts = doubt_sentence(plain.same_movement, pair.names), plain.unclear
        warnings = [f"{each}." for each in doubts if each]
        if slow := slow_motion_sentence(plain, pair.names):
            progress.note(f"{slow} open it on the Clips page and enter its slow-motion factor")
        offer = offer_repetition(aligner, replace(pair, names=(a, b)), plain)
        if offer:
            progress.note(offer)
        return cls(project, pair, aligner, plain, None, warnings, progress.notes, offer)

    @property
    def by_clock(self) -> bool:
        """Return whether they are recordings of one performance, which need no corrections."""
        return self.plain.method == METHOD

    @property
    def moments(self) -> tuple[ClipMoments, ClipMoments]:
        """Return the moments of A and of B."""
        a, b = (
            ClipMoments.of(clip.id, clip.options, pose)
            for clip, pose in zip(self.pair.clips, self.pair.poses, strict=True)
        )
        return a, b

    @property
    def anchors(self) -> list[Between]:
        rows = [] if self.by_clock else self.project.annotations()
        return between(rows, ANCHOR, *self.moments)

    def seconds(self, anchors: Sequence[Between]) -> tuple[tuple[float, float], ...]:
        """Return the times (A, B) of anchors, in seconds of the clips."""
        a, b = (
            pose.time[
                np.searchsorted(pose.frame, [one.frames[side] or 0 for one in anchors])
            ].tolist()
            for side, pose in enumerate(self.pair.poses)
        )
        return tuple(zip(a, b, strict=True))

    def aligned(self, anchors: Sequence[Between]) -> Alignment:
        """Align the clips with these anchors, on the features chosen without them.

        Raises UserError (exit 2) for anchors that run backwards in time.
        """
        if not anchors or self.by_clock:
            return self.plain
        kind = cast(FeatureKind, self.plain.features)
        pair = replace(self.pair, choice=FeatureChoice(kind, ""))
        return self.aligner.align_pair(pair, self.seconds(anchors))

    def change(self, gone: Sequence[Annotation], new: Sequence[Annotation]) -> dict[str, Any]:
        """Replace annotations, and return the new match for the page, empty if it is unchanged.

        Raises as `aligned`, and then nothing is changed.
        """
        match: dict[str, Any] = {}
        if any(annotation.kind == ANCHOR for annotation in (*gone, *new)):
            rows = changed(self.project.annotations(), gone, new)
            match = match_json(self.aligned(between(rows, ANCHOR, *self.moments)))
        self.project.change_annotations(gone, new)
        return match

    def drawn_clip(self, side: str) -> ClipCanvas:
        """Return clip `a` or `b`, to draw on."""
        index = "ab".index(side)
        return ClipCanvas(self.moments[index], self.pair.poses[index])

    def set_json(self) -> dict[str, Any]:
        """Return what people have set on the pair, and its version.

        These are anchors with their seconds, notes, and the drawings on each clip with points in
        pixels of its picture. The version also changes with the pictures, when a clip is read with
        other options.
        """
        anchors, written = self.anchors, between(self.project.annotations(), NOTE, *self.moments)
        clips = {side: self.drawn_clip(side) for side in "ab"}
        drawings = {side: clip.drawn(self.project.annotations()) for side, clip in clips.items()}
        pictures = [(turning_of(pose.info), pose.frame.tobytes()) for pose in self.pair.poses]
        rows = [*(one.row for one in (*anchors, *written)), *drawings["a"], *drawings["b"]]
        return {
            "version": version(pictures, [(row, row.set) for row in rows]),
            "anchors": [
                {"frames": one.frames, "seconds": seconds}
                for one, seconds in zip(anchors, self.seconds(anchors), strict=True)
            ],
            "written": notes_json(written),
            "drawings": {
                side: [clips[side].item(one) for one in drawn] for side, drawn in drawings.items()
            },
        }


class HeldPairs:
    """The pairs viewed last, ready to be aligned again."""

    def __init__(self, project: StoredProject) -> None:
        self.project = project
        self._held: OrderedDict[tuple[str, str, How, bool], tuple[object, HeldPair]] = OrderedDict()
        self._lock = Lock()

    def get(self, a: str, b: str, how: How = "auto", *, force: bool = False) -> HeldPair:
        """Return a pair, prepared again if its clips or the settings have changed.

        Raises UserError (exit 10), unless `force`, for clips that clearly show different movements
        or performances.
        """
        stamp = self._stamp(a, b)
        key: tuple[str, str, How, bool] = (a, b, how, force and how == "performance")
        with self._lock:
            entry = self._held.get(key)
        if entry is None or entry[0] != stamp:  # prepared without holding the lock
            held = HeldPair.prepared(self.project, a, b, how, force=force)
            entry = self._stamp(a, b), held
        with self._lock:
            self._held[key] = entry
            self._held.move_to_end(key)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        if not force:
            pair = entry[1].pair
            likely = hidden_sentence(pair.poses, pair.names), entry[1].offer
            check_same_movement(entry[1].plain.same_movement, pair.names, likely)
        return entry[1]

    def _stamp(self, a: str, b: str) -> object:
        project = self.project
        paths = [project.pose_path(a), project.pose_path(b), project.videos_path]
        times = [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]
        recipes = [project.pose_header(clip)[0].key for clip in (a, b)]  # with corrections
        return times, recipes, str(self.project.settings)
