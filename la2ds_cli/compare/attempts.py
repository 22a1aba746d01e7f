"""Step: compare several attempts at a movement with one reference, and find what all of them do.

Each attempt is compared with the reference as in `compare`. A difference of a joint that is stated
in several attempts at about the same moments becomes a series: one number per attempt, measured in
all attempts over the same moments. The tempo of each part, the same part in all attempts, becomes a
series as well.
"""

# ruff: noqa: PTH112 - the methods of Path raise for names that are longer than the system allows

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import PairAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import rounded
from la2ds_cli.compare.compare import (
    CompareResult,
    compare,
    direction,
    joint_name,
    plain_number,
)
from la2ds_cli.compare.findings import (
    Span,
    in_episodes,
    joined_runs,
    runs_of,
    span_at,
    spans_of,
    tempo,
)
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.poses.sources import collect_entries
from la2ds_cli.video.media_files import natural_order, unreadable

SCHEMA_VERSION = 1
_STATED = 2  # attempts in which a difference must be stated to become a series
_CORE = 0.5  # share of the largest count of attempts; moments with fewer do not belong to a series
_JUDGED = 0.5  # share of these moments that an attempt must show
_SHOWN = 0.8  # share of the attempts that show the moments of which parts are thirds; others differ


@dataclass(frozen=True)
class Series:
    """One number per attempt. kind: `angle`, the mean difference of a joint from the reference over
    moments of the reference (start to end, seconds), in degrees; or `tempo`, how many times as long
    as in the reference a part takes. span: the part, or the first and the last part. value: (A,),
    NaN = not judged in that attempt. stated: number of attempts in which it is stated as a finding.
    """

    kind: str
    joint: str
    span: str
    value: FloatArray
    stated: int
    start: float
    end: float

    @property
    def usual(self) -> float:
        """Median over the attempts."""
        known = self.value[~np.isnan(self.value)]
        return float(np.median(known)) if len(known) else float("nan")


@dataclass(frozen=True)
class AttemptsResult:
    """attempts: one comparison each, in order. left_out: name -> why it could not be compared.
    spans: parts of the reference, the same for all attempts. series: those that are
    stated most often first. files: written, in order."""

    attempts: tuple[CompareResult, ...]
    left_out: Mapping[str, str]
    spans: tuple[Span, ...]
    series: tuple[Series, ...]
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entire result as JSON (docs/how-to/compare.md); None stands for "not known"."""
        reference = self.attempts[0].aligned.a
        return {
            "schema_version": SCHEMA_VERSION,
            "reference": {"video": reference.id, "path": reference.path},
            "attempts": [
                {
                    "number": number,
                    "video": attempt.aligned.b.id,
                    "path": attempt.aligned.b.path,
                    "mean_confidence": plain_number(attempt.aligned.mean_confidence),
                    "mirrored": attempt.aligned.alignment.mirrored,
                    "turn": plain_number(attempt.view.turn),
                    "findings": len(attempt.findings),
                    "no_findings": attempt.no_findings,
                    "notes": list(attempt.notes),
                }
                for number, attempt in enumerate(self.attempts, start=1)
            ],
            "left_out": dict(self.left_out),
            "series": [
                {
                    "kind": series.kind,
                    "joint": series.joint,
                    "span": series.span,
                    "start": plain_number(series.start),
                    "end": plain_number(series.end),
                    "stated": series.stated,
                    "median": plain_number(series.usual),
                    "values": rounded(series.value, 4),
                    "sentence": series_sentence(series, len(self.attempts)),
                }
                for series in self.series
            ],
            "files": [str(file) for file in self.files],
        }


def compare_attempts(
    project: Project,
    reference: str,
    names: Sequence[str],
    request: AlignRequest,
    progress: Progress | None = None,
) -> AttemptsResult:
    """Compare every attempt with clip `reference`. names: clips or video files, the first attempt
    first. An attempt that cannot be compared is left out, and so is the reference itself.

    Raises UserError (exit 4) if only one attempt is left, and the first error if none is left.
    """
    progress = progress or Progress()
    # Notes on every attempt would bury the result, which contains them.
    aligner = PairAligner(project, request)
    done: list[CompareResult] = []
    left_out: dict[str, str] = {}
    failed: UserError | None = None
    progress.begin("comparing attempts", len(names))
    for name in names:
        try:
            result = compare(project, reference, name, request, aligner=aligner)
        except UserError as error:
            left_out[name] = error.message
            failed = failed or error
        else:
            if result.aligned.b.id == result.aligned.a.id:
                left_out[name] = "it is the reference"
            elif result.aligned.b.id in {attempt.aligned.b.id for attempt in done}:
                left_out[name] = "it is already one of the attempts"
            elif done and _form(result) != _form(done[0]):
                left_out[name] = "its joints differ from those of the first attempt"
            else:
                done.append(result)
        progress.advance()
    progress.end()
    if not done and failed is not None:  # it may be the reference that cannot be read
        raise failed
    if len(done) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise UserError(
            f"only {len(done)} of the attempts can be compared, and two are needed"
            + (f" ({reasons})" if reasons else ""),
            hint="compare a single clip without --attempts",
            exit_code=ExitCode.UNUSABLE,
        )
    spans = _parts(done)
    return AttemptsResult(tuple(done), left_out, spans, _series(done, spans))


def _form(result: CompareResult) -> tuple[str, bool]:
    """What comparisons must have in common for their angles to be combined: skeleton, and 3D."""
    return result.aligned.pose_a.skeleton, result.aligned.pose_a.spatial


# --- which clips -------------------------------------------------------------------------------


def attempt_names(project: Project, selection: Sequence[str]) -> list[str]:
    """Clips and video files that `--attempts` names, the first attempt first.

    selection: names, folders and patterns; each text may hold several, separated by commas. A
    pattern matches clips of the project by id or file name, or files if no clip matches. Matches
    are sorted by name, numbers by value.

    Raises UserError (exit 3) for a pattern without a match.
    """
    videos = project.videos()
    names: list[str] = []
    for text in selection:
        for token in [text] if os.path.lexists(text) else text.split(","):
            names += _matches(videos, token.strip()) if token.strip() else []
    return list(dict.fromkeys(names))


def _matches(videos: Sequence[Video], token: str) -> list[str]:
    if not any(mark in token for mark in "*?[") and not os.path.isdir(token):
        return [token]
    fitting = [v for v in videos if fnmatchcase(v.id, token) or fnmatchcase(v.name, token)]
    if fitting:
        by_name: dict[str, list[str]] = {}
        for video in fitting:
            name = video.name if video.person == 1 else video.id
            by_name.setdefault(name, []).append(video.id)
        return [v for name in natural_order(by_name) for v in natural_order(by_name[name])]
    files = [entry.name for entry in collect_entries([token])]
    if files == [token]:
        raise unreadable(
            f"no clip of the project and no file matches {token}",
            "check the spelling; quote patterns, so that the shell leaves them alone",
            "V006",
        )
    return files


# --- series ------------------------------------------------------------------------------------


def _parts(attempts: Sequence[CompareResult]) -> tuple[Span, ...]:
    """The labelled phases of the reference, or else thirds of what most attempts show of it. Thirds
    of what each shows by itself would be other moments in each."""
    spans = attempts[0].spans
    if any(span.labelled for span in spans):
        return spans
    shown = np.stack([~np.isnan(one.aligned.alignment.position) for one in attempts]).sum(axis=0)
    enough = max(1, min(math.ceil(_SHOWN * len(attempts)), int(shown.max())))
    return tuple(spans_of(attempts[0].aligned.pose_a, [], shown >= enough))


def _series(attempts: Sequence[CompareResult], spans: Sequence[Span]) -> tuple[Series, ...]:
    """Angles before tempo, those that are stated most often first, then the largest."""

    def rank(series: Series) -> tuple[bool, float, float]:
        size = abs(series.usual) if np.isfinite(series.usual) else 0.0
        return series.kind == "tempo", -series.stated, -size

    found = [*_angle_series(attempts, spans), *_tempo_series(attempts, spans)]
    return tuple(sorted(found, key=rank))


def _angle_series(attempts: Sequence[CompareResult], spans: Sequence[Span]) -> list[Series]:
    """A series for every stretch of time in which a joint is stated to differ in one direction in
    several attempts; it covers the moments that are stated most often. None if every attempt shows
    another small part of them."""
    angles = attempts[0].angles
    series = []
    for sign in (1, -1):
        stated = np.stack([_stated(attempt, sign) for attempt in attempts])  # (A, N, J)
        for j, joint in enumerate(angles.names):
            often = stated[:, :, j].sum(axis=0)
            for first, stop in joined_runs(runs_of(often > 0), angles.time):
                count = int(stated[:, first:stop, j].any(axis=1).sum())
                if count < _STATED:
                    continue
                part = often[first:stop]
                rows = first + np.flatnonzero(part >= _CORE * part.max())
                value = np.array([_mean_difference(attempt, rows, j) for attempt in attempts])
                if np.isnan(value).all():
                    continue
                start, end = float(angles.time[rows[0]]), float(angles.time[rows[-1]])
                names = [span_at(spans, int(row)) for row in rows[[0, -1]]]
                span = names[0] if names[0] == names[1] else " to ".join(filter(None, names))
                series.append(Series("angle", joint, span, value, count, start, end))
    return series


def _stated(attempt: CompareResult, sign: int) -> BoolArray:
    """(N, J) where the attempt is stated to differ in one direction."""
    reported = in_episodes(attempt.angles)
    with np.errstate(invalid="ignore"):
        side = sign * attempt.angles.beyond > 0
    return reported & side & (not attempt.no_findings)


def _mean_difference(attempt: CompareResult, rows: IntArray, j: int) -> float:
    """Degrees over the rows of the reference that can be judged; NaN if there are too few."""
    judged = attempt.angles.judged[rows, j] & (not attempt.no_findings)
    if judged.mean() < _JUDGED:
        return float("nan")
    return float(attempt.angles.difference[rows[judged], j].mean())


def _tempo_series(attempts: Sequence[CompareResult], spans: Sequence[Span]) -> list[Series]:
    labelled = any(span.labelled for span in spans)
    paces = [one.tempo if labelled else tempo(one.aligned.alignment, spans, {}) for one in attempts]
    time = attempts[0].angles.time
    series = []
    for number, span in enumerate(spans):
        part = [of_one[number] for of_one in paces]
        stated = sum(pace.verdict in ("slower", "faster") for pace in part)
        if stated < _STATED:
            continue
        known = [pace.ratio if pace.sure and pace.ratio > 0 else math.nan for pace in part]
        start, end = float(time[span.first]), float(time[span.stop - 1])
        series.append(Series("tempo", "", span.name, np.array(known), stated, start, end))
    return series


# --- sentences ---------------------------------------------------------------------------------


def series_name(series: Series) -> str:
    """`Right knee at 1.10 to 1.33 s, in 'rise'`, or `Tempo of 'rise'`."""
    if series.kind == "tempo":
        return f"Tempo of '{series.span}'"
    where = f", in '{series.span}'" if series.span else ""
    return f"{joint_name(series.joint)} at {series.start:.2f} to {series.end:.2f} s{where}"


def amount_text(series: Series, value: float) -> str:
    """A value of the series as text: `24° straighter`, `1.20 times as long`."""
    if not np.isfinite(value):
        return "–"
    if series.kind == "tempo":
        return f"{value:.2f} times as long"
    return f"{abs(value):.0f}° {direction(series.joint, value)}"


def series_sentence(series: Series, attempts: int) -> str:
    """What all attempts show, and the first and the last of them."""
    usual = f"{series_name(series)}: {amount_text(series, series.usual)} in the median"
    often = f"stated in {series.stated} of {attempts} attempts"
    known = series.value[~np.isnan(series.value)]
    if len(known) < 2:
        return f"{usual}, {often}"
    first, last = (amount_text(series, value).split(" times")[0] for value in known[[0, -1]])
    return f"{usual} ({first} in the first, {last} in the last), {often}"


def attempts_lines(result: AttemptsResult) -> list[str]:
    """A sentence for each series, or one that says that there are none."""
    count = len(result.attempts)
    if not result.series:
        return ["No difference of the same joint or part is stated in two attempts."]
    return [series_sentence(series, count) for series in result.series]
