"""The result of an alignment: which moment of clip B shows what each frame of clip A shows.

`Alignment` is the only type of such a result, from `align` to the user. It writes no files;
la2ds_cli/views/alignment_files.py does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.certificate import Certificate, certify
from la2ds_cli.alignment.confidence import (
    MISSING,
    WORDS,
    certainty_words,
    within_text,
)
from la2ds_cli.alignment.consensus import Match
from la2ds_cli.alignment.nearest_view import unclear_view_sentence
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.rests import Motion, at_rest, seconds_in_motion, tempo_ratio
from la2ds_cli.alignment.same_movement import SameMovement
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence, check_array
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.camera_views import shown

COLUMNS = ("index_a", "index_b", "frame_a", "frame_b", "time_a", "time_b", "cost", "confidence")
INTERVAL_COLUMNS = ("time_b_low", "time_b_high", "within")


IN_MEMORY = Video("a", "clip A", ""), Video("b", "clip B", "")
"""Rows of clips that belong to no project."""


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """Which moment of clip B (M frames) shows what each frame of clip A (N frames) shows.

    Attributes
    ----------
    pose_a, pose_b: the joints of the clips, with their times.
    path: (P, 2) int64, pairs (i, j) of whole frames of A and B; for monotone methods both columns
        never decrease.
    position: (N,) float64, the counterpart of each frame of A in frames of B, possibly between two
        frames; NaN = no counterpart.
    cost: (P,) float32, distance of the features of each pair.
    confidence: (N,) float32, probability in [0, 1] that the match is right to within 5 % of B or
        0.1 s; 0 = no counterpart.
    low, high: (N,) float64, ends of the interval in frames of B that contains the true moment in
        90 % of cases; NaN = no counterpart.
    another_end: (N,) bool, whether the match lies in an end that only one of the clips has.
    unlike: (N,) bool, whether the poses around the match are too unlike for it to be sure.
    speed_ratio: (N,) float64, seconds of B for a second of A; 2 = B takes twice as long; NaN where
        unmatched.
    overall_ratio: the same over all matches, where neither clip rests; NaN if nothing moves.
    compared: (N, D) and (M, D) features of the clips.
    features: `model`, `base` or `pose`.
    run: the run whose model was used; empty for `pose`.
    reason: why these features were chosen; empty if they were requested or if a run was used.
    settings: of the alignment.
    view: in which B was compared.
    unclear_views: other views of B that may be the right one; if there are any, no match is sure.
    repeats: seconds after which B repeats itself, if the match could be a repetition earlier or
        later; else None.
    same_movement: whether both show the same movement; None = it cannot be judged.
    anchors: seconds of A and B that were forced to match.
    references: number of reference clips used.
    references_left_out: number of clips not used because they show another movement.
    a, b: rows of videos.csv; IN_MEMORY for clips that belong to no project.
    files: written, in order.
    """

    pose_a: PoseSequence
    pose_b: PoseSequence
    path: IntArray
    position: FloatArray
    cost: FloatArray
    confidence: FloatArray
    low: FloatArray
    high: FloatArray
    another_end: BoolArray
    unlike: BoolArray
    speed_ratio: FloatArray
    overall_ratio: float
    compared: tuple[FloatArray, FloatArray]
    features: str
    run: str
    reason: str
    settings: AlignConfig
    view: View = "filmed"
    unclear_views: tuple[View, ...] = ()
    repeats: float | None = None
    same_movement: SameMovement | None = None
    anchors: tuple[tuple[float, float], ...] = ()
    references: int = 0
    references_left_out: int = 0
    a: Video = IN_MEMORY[0]
    b: Video = IN_MEMORY[1]
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        path = check_array(self, "path", np.int64, (None, 2))
        check_array(self, "cost", np.float32, (len(path),))
        for name in ("position", "confidence", "low", "high", "speed_ratio"):
            dtype = np.float32 if name == "confidence" else np.float64
            check_array(self, name, dtype, (len(self.pose_a),))
        for side, pose, index in zip("ab", (self.pose_a, self.pose_b), path.T, strict=True):
            if len(index) and (index.min() < 0 or index.max() >= len(pose)):
                raise ValueError(
                    f"Alignment.path: indices of side {side} must lie in 0..{len(pose) - 1}, "
                    f"got {index.min()}..{index.max()}"
                )

    def __repr__(self) -> str:
        return f"<Alignment of {self.a.name} and {self.b.name}: {self.sentence}>"

    # --- times ------------------------------------------------------------------------------------

    @property
    def time_a(self) -> FloatArray:
        """(N,) float64 seconds of A's frames."""
        return self.pose_a.time

    @property
    def time_b(self) -> FloatArray:
        """(M,) float64 seconds of B's frames."""
        return self.pose_b.time

    @property
    def frame_a(self) -> IntArray:
        """(N,) int64 numbers of A's frames in its video."""
        return self.pose_a.frame

    @property
    def frame_b(self) -> IntArray:
        """(M,) int64 numbers of B's frames in its video."""
        return self.pose_b.frame

    @cached_property
    def matched_time(self) -> FloatArray:
        """(N,) float64 seconds of B that match A's frames; NaN = no counterpart."""
        return matched_time(self.position, self.time_b)

    @cached_property
    def matched_low(self) -> FloatArray:
        """(N,) float64 seconds of B at which the 90 % interval begins; NaN = no counterpart."""
        return matched_time(self.low, self.time_b)

    @cached_property
    def matched_high(self) -> FloatArray:
        """(N,) float64 seconds of B at which the 90 % interval ends; NaN = no counterpart."""
        return matched_time(self.high, self.time_b)

    @property
    def within(self) -> FloatArray:
        """(N,) float64 seconds from the match to the farther end of its 90 % interval."""
        after, before = self.matched_high - self.matched_time, self.matched_time - self.matched_low
        return np.maximum(after, before)

    def time_in_b(self, seconds: float) -> float:
        """Return the second of B that shows what A shows at `seconds`.

        NaN before A's first frame, after its last, and where B has no counterpart.
        """
        matched = np.interp(seconds, self.time_a, self.matched_time, left=np.nan, right=np.nan)
        return float(matched)

    # --- summary ----------------------------------------------------------------------------------

    @property
    def titles(self) -> tuple[str, str]:
        """What both clips are called, for reading: their ids if they have one title."""
        a, b = self.a.title, self.b.title
        return (self.a.id, self.b.id) if a == b else (a, b)

    @property
    def method(self) -> str:
        """Name of the alignment method."""
        return self.settings.method

    @property
    def mirrored(self) -> bool:
        """Whether B's picture is flipped for display, so that both look alike."""
        return self.view in FLIPPED

    @property
    def shown_b(self) -> PoseSequence:
        """Joints of B as its picture is displayed: flipped if B was compared that way."""
        return shown(self.pose_b, self.view)

    @property
    def matched_a(self) -> BoolArray:
        """(N,) bool: whether a frame of A has a counterpart in B."""
        return np.isin(np.arange(len(self.pose_a)), self.path[:, 0])

    @property
    def matched_b(self) -> BoolArray:
        """(M,) bool: whether a frame of B has a counterpart in A."""
        return np.isin(np.arange(len(self.pose_b)), self.path[:, 1])

    @cached_property
    def certainty(self) -> list[str]:
        """One of `sure`, `unsure` and `no counterpart` for each frame of A."""
        return certainty_words(self.confidence, self.position)

    @cached_property
    def certificate(self) -> Certificate:
        """Why frames of A are not sure, how many each reason covers, and what would help."""
        return certify(self, self.rests)

    @cached_property
    def rests(self) -> BoolArray:
        """(N,) bool: whether A rests, or B at the match."""
        return at_rest((self.pose_a, self.pose_b), self.position)

    def in_motion(self, first: int, last: int) -> Motion:
        """Return the seconds that the movement between two frames of A takes in each clip, without
        rests."""
        rows = np.arange(first, last + 1)
        return seconds_in_motion((self.pose_a, self.pose_b), rows, self.position[rows])

    @property
    def frame_counts(self) -> dict[str, int]:
        """How many frames of A have each word of `certainty`."""
        return {word: self.certainty.count(word) for word in WORDS}

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of the matched frames of A."""
        return float(self.confidence[np.unique(self.path[:, 0])].mean())

    @property
    def usual_within(self) -> float:
        """Median of `within` over the matched frames of A, seconds."""
        return float(np.nanmedian(self.within))

    @property
    def unclear(self) -> str:
        """Sentence if another view of B may be the right one, or if the match may be a repetition
        (such as a step) earlier or later; else empty."""
        name = self.b.name
        sentences = [unclear_view_sentence(name, self.view, self.unclear_views)]
        if self.repeats is not None:
            sentences.append(
                f"{name} repeats itself every {self.repeats:.2f} s, so the matches could be one "
                "repetition earlier or later: la2ds align --anchor fixes one"
            )
        return "; ".join(filter(None, sentences))

    @property
    def sentence(self) -> str:
        """How many frames are sure, and how accurate they usually are, as one sentence.

        For example `sure of 145 of 450 frames of A, usually to within 0.1 s; unsure of 305, usually
        to within 0.28 s`. `certificate` says why.
        """
        return "; ".join(self.certainty_lines)

    @property
    def certainty_lines(self) -> list[str]:
        """The parts of `sentence`, one for each word that a frame has."""
        words, within = np.array(self.certainty), self.within
        parts = []
        for word in WORDS:
            chosen = words == word
            count = int(chosen.sum())
            if not count:
                continue
            of_all = "" if parts else f" of {len(words)} frame{'s' * (len(words) > 1)} of A"
            if word == MISSING:
                parts.append(f"{word} for {count}{of_all}")
                continue
            parts.append(
                f"{word} of {count}{of_all}, usually {within_text(np.median(within[chosen]))}"
            )
        return parts

    # --- as tables and JSON -----------------------------------------------------------------------

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of A.

        Columns: frame_a, time_a, time_b (the matching second of B), time_b_low, time_b_high,
        within, certainty, confidence, speed_ratio; `attrs["units"]` has those of seconds. Raises
        UserError (exit 6) without pandas.
        """
        seconds = ("time_a", "time_b", "time_b_low", "time_b_high", "within")
        return make_data_frame(
            {
                "frame_a": self.frame_a,
                "time_a": self.time_a,
                "time_b": self.matched_time,
                "time_b_low": self.matched_low,
                "time_b_high": self.matched_high,
                "within": self.within,
                "certainty": self.certainty,
                "confidence": self.confidence,
                "speed_ratio": self.speed_ratio,
            },
            dict.fromkeys(seconds, "s"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entire result as JSON; None = no counterpart."""
        sides = (self.a, self.time_a, self.matched_a), (self.b, self.time_b, self.matched_b)
        clips = {
            side: {
                "video": video.id,
                "path": video.path,
                "frames": len(time),
                "start": float(time[0]),
                "end": float(time[-1]),
                "unmatched": unmatched(matched, time),
            }
            for side, (video, time, matched) in zip("ab", sides, strict=True)
        }
        return {
            "schema_version": 1,
            **clips,
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            "method": self.method,
            "others": self.references,
            "others_left_out": self.references_left_out,
            "view": self.view,
            "unclear_views": list(self.unclear_views),
            "repeats_every": self.repeats and round(self.repeats, 3),
            "mirrored": self.mirrored,
            "mean_cost": float(self.cost.mean()),
            "mean_confidence": self.mean_confidence,
            "within": rounded([self.usual_within])[0],
            "certainty": {
                word.replace(" ", "_"): count for word, count in self.frame_counts.items()
            },
            "certificate": self.certificate.to_json(),
            "speed_ratio": rounded([self.overall_ratio])[0],
            "same_movement": self.same_movement and self.same_movement.to_json(),
            "anchors": [list(anchor) for anchor in self.anchors],
            "path": {name: rounded(column) for name, column in self.path_columns().items()},
            "frames_a": {
                "index": list(range(len(self.pose_a))),
                "frame": self.frame_a.tolist(),
                "time": rounded(self.time_a),
                "time_b": rounded(self.matched_time),
                "time_b_low": rounded(self.matched_low),
                "time_b_high": rounded(self.matched_high),
                "within": rounded(self.within),
                "certainty": self.certainty,
                "confidence": rounded(self.confidence),
                "speed_ratio": rounded(self.speed_ratio),
            },
            "files": [str(file) for file in self.files],
        }

    def path_columns(self) -> dict[str, np.ndarray]:
        """Return an array (P,) for each name of COLUMNS.

        index: row in the clip's poses; frame: number in its source file; time: seconds; cost:
        feature distance of the pair; confidence: of the frame of A.
        """
        i, j = self.path.T
        values = (
            *(i, j, self.frame_a[i], self.frame_b[j], self.time_a[i], self.time_b[j]),
            *(self.cost, self.confidence[i]),
        )
        return dict(zip(COLUMNS, values, strict=True))

    def csv_text(self) -> str:
        """Return the path as CSV, one row for each pair of frames.

        The columns are COLUMNS, INTERVAL_COLUMNS (the 90 % interval in seconds of B, and the
        distance of its farther end from the match; empty if unknown) and `certainty`. Seconds have
        six decimals.
        """
        columns, row = self.path_columns(), self.path[:, 0]
        bounds = self.matched_low, self.matched_high, self.within
        columns |= {name: value[row] for name, value in zip(INTERVAL_COLUMNS, bounds, strict=True)}
        columns["certainty"] = np.array(self.certainty)[row]
        digits = {"time_a": 6, "time_b": 6, "cost": 6, "confidence": 4}
        digits |= dict.fromkeys(INTERVAL_COLUMNS, 6)
        texts = [
            ["" if np.isnan(value) else f"{value:.{digits[name]}f}" for value in column]
            if name in digits
            else column
            for name, column in columns.items()
        ]
        return table_text(columns, zip(*texts, strict=True))


def overall_ratio(match: Match, poses: tuple[PoseSequence, PoseSequence]) -> float:
    """Return the seconds of B per second of A in motion; NaN if nothing moves.

    For a consensus, they are those of the direct path, seen from both clips, since the consensus
    for B's frames differs, but swapping the clips must invert the ratio.

    Parameters
    ----------
    match: of the clips.
    poses: of A and of B.
    """
    if match.direct is None:
        rows = match.path.astype(np.float64)
        return tempo_ratio(poses, rows[:, 0], rows[:, 1])
    there, back = match.direct
    rows = [np.arange(len(pose), dtype=np.float64) for pose in poses]
    return tempo_ratio(poses, rows[0], there, (back, rows[1]))


def rounded(values: FloatArray | Sequence[float], digits: int = 6) -> list[Any]:
    """Return plain numbers for JSON, rounded to `digits` decimals; NaN becomes None."""
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.integer):
        return array.tolist()
    exact = array.astype(np.float64).round(digits) + 0.0  # no -0.0
    return [None if np.isnan(value) else value for value in exact.tolist()]


def unmatched(matched: BoolArray, time: FloatArray) -> list[list[float]]:
    """Return the first and last second of every span of frames without a counterpart.

    Parameters
    ----------
    matched: (T,) whether each frame has a counterpart.
    time: (T,) seconds.
    """
    bounds = np.flatnonzero(np.diff(np.concatenate([[True], matched, [True]])))
    return [rounded(time[[first, stop - 1]]) for first, stop in bounds.reshape(-1, 2)]
