"""Step: compare several attempts at a movement with one reference, and find what all of them do.

Each attempt is compared with the reference as in `compare`. Moments at which a difference of a
joint is stated in several attempts become a series: one number per attempt, measured in all
attempts over these moments. The tempo of each part, the same part in all attempts, becomes a series
as well.
"""

# ruff: noqa: PTH112 - the methods of Path raise for names that are longer than the system allows

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare_clips import CompareResult, compare
from la2ds_cli.compare.findings import LASTING, in_episodes, span_at, spans_of, tempo
from la2ds_cli.compare.words import amount, joint_name
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BoolArray, FloatArray
from la2ds_cli.core.video_list import VideoList
from la2ds_cli.features.body_quantities import Quantity
from la2ds_cli.poses.sources import collect_entries
from la2ds_cli.video.media_files import natural_order, unreadable

_STATED = 2  # attempts in which a difference must be stated to become a series
_JUDGED = 0.5  # share of these moments that an attempt must show
_SHOWN = 0.8  # share of the attempts that show the moments of which parts are thirds; others differ


@dataclass(frozen=True)
class Series:
    """One number per attempt: the mean difference of a joint from the reference over moments of the
    reference (start to end, seconds), in degrees or the unit of `quantity`; or, if `joint` is
    empty, how many times as long as in the reference a part takes. span: the part, or the first and
    the last part. value: (A,), NaN = not judged in that attempt. stated: number of attempts in
    which it is stated as a finding.
    """

    joint: str
    span: str
    value: FloatArray
    stated: int
    start: float
    end: float
    quantity: Quantity | None = None

    @property
    def kind(self) -> str:
        return "angle" if self.joint else "tempo"

    @property
    def usual(self) -> float:
        """Median over the attempts in which it is known, one at least."""
        return float(np.nanmedian(self.value))


@dataclass(frozen=True)
class AttemptsResult:
    """attempts: one comparison each, in order. left_out: name -> why it could not be compared.
    series: those that are stated most often first. files: written, in order."""

    attempts: tuple[CompareResult, ...]
    left_out: Mapping[str, str]
    series: tuple[Series, ...]
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entire result as JSON (docs/how-to/compare.md); None stands for "not
        known"."""
        reference = self.attempts[0].aligned.a
        return {
            "schema_version": 1,
            "reference": {"video": reference.id, "path": reference.path},
            "attempts": [
                {
                    "number": number,
                    "video": attempt.aligned.b.id,
                    "path": attempt.aligned.b.path,
                    "notes": [*attempt.notes, *filter(None, [attempt.no_findings])],
                }
                for number, attempt in enumerate(self.attempts, start=1)
            ],
            "left_out": dict(self.left_out),
            "series": [
                {
                    "kind": series.kind,
                    "joint": series.joint,
                    "span": series.span,
                    "start": round(series.start, 4),
                    "end": round(series.end, 4),
                    "stated": series.stated,
                    "values": rounded(series.value, 4),
                    "sentence": series_sentence(series, len(self.attempts)),
                }
                for series in self.series
            ],
            "files": [str(file) for file in self.files],
        }


def compare_attempts(
    project: StoredProject,
    reference: str,
    names: Sequence[str],
    request: AlignRequest,
    progress: Progress = SILENT,
    quantities: Sequence[Quantity] = (),
) -> AttemptsResult:
    """Compare every attempt with clip `reference`.

    Parameters
    ----------
    names: clips or video files, the first attempt first. An attempt that cannot be compared is left
        out, and so is the reference itself.
    quantities: of plugins, as for `compare`.

    Raises
    ------
    UserError: exit 4 if only one attempt is left, and the first error if none is left.
    """
    # Notes on every attempt would bury the result, which contains them.
    aligner = ProjectAligner(project, request)
    done: list[CompareResult] = []
    left_out: dict[str, str] = {}
    failed: UserError | None = None
    for name in progress.over("comparing attempts", names):
        try:
            result = compare(
                project, reference, name, request, aligner=aligner, quantities=quantities
            )
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
    if not done and failed is not None:  # it may be the reference that cannot be read
        raise failed
    if len(done) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise Unusable(
            f"only {len(done)} of the attempts can be compared, and two are needed"
            + (f" ({reasons})" if reasons else ""),
            hint="compare a single clip without --attempts",
        )
    series = [*_angle_series(done), *_tempo_series(done)]
    series.sort(key=lambda one: (one.kind, -one.stated, -abs(one.usual)))
    return AttemptsResult(tuple(done), left_out, tuple(series))


def _form(result: CompareResult) -> tuple[str, bool]:
    """Return what comparisons must have in common for their angles to be combined: skeleton, and
    3D."""
    return result.aligned.pose_a.skeleton, result.aligned.pose_a.spatial


# --- which clips -------------------------------------------------------------------------------


def attempt_names(project: StoredProject, selection: Sequence[str]) -> list[str]:
    """Clips and video files that `--attempts` names, the first attempt first.

    Parameters
    ----------
    selection: names, folders and patterns; each text may hold several, separated by commas. A
        pattern matches clips of the project by id or file name, and files that are none of its
        clips. Matches are sorted by name, numbers by value, clips before files.

    Raises
    ------
    UserError: exit 3 for a pattern without a match.
    """
    clips = project.video_list()
    names: list[str] = []
    for text in selection:
        for token in [text] if os.path.lexists(text) else text.split(","):
            names += _matches(clips, token.strip()) if token.strip() else []
    return list(dict.fromkeys(names))


def _matches(clips: VideoList, token: str) -> list[str]:
    if not any(mark in token for mark in "*?[") and not os.path.isdir(token):
        return [token]
    fitting = [v.id for v in clips.videos if any(fnmatchcase(x, token) for x in (v.id, v.name))]
    files = [entry.name for entry in collect_entries([token])]
    if fitting:
        new = [file for file in files if file != token and not clips.of_source(Path(file))]
        return [*natural_order(fitting), *new]
    if files == [token]:
        raise unreadable(
            f"no clip of the project and no file matches {token}",
            "check the spelling; quote patterns, so that the shell leaves them alone",
            "V006",
        )
    return files


# --- series ------------------------------------------------------------------------------------


def _angle_series(attempts: Sequence[CompareResult]) -> list[Series]:
    """Return a series for every stretch of time in which a joint is stated to differ in one
    direction in several attempts. None if every attempt shows another small part of it."""
    angles = attempts[0].angles
    series = []
    for sign in (1, -1):
        stated = np.stack([_stated(attempt, sign) for attempt in attempts])  # (A, N, J)
        for j, joint in enumerate(angles.names):
            often = stated[:, :, j].sum(axis=0) >= _STATED
            for first, stop in angles.axis.joined_runs(often, LASTING):
                value = np.array([_mean_difference(one, slice(first, stop), j) for one in attempts])
                if np.isnan(value).all():
                    continue
                names = [span_at(attempts[0].spans, row) for row in (first, stop - 1)]
                span = " to ".join(filter(None, dict.fromkeys(names)))
                count = int(stated[:, first:stop, j].any(axis=1).sum())
                start, end = angles.time[[first, stop - 1]].tolist()
                quantity = angles.quantity(joint)
                series.append(Series(joint, span, value, count, start, end, quantity))
    return series


def _stated(attempt: CompareResult, sign: int) -> BoolArray:
    """Return (N, J) where the attempt is stated to differ in one direction."""
    side = attempt.angles.direction == sign
    return in_episodes(attempt.angles) & side & (not attempt.no_findings)


def _mean_difference(attempt: CompareResult, rows: slice, j: int) -> float:
    """Return degrees over the rows of the reference that can be judged; NaN if there are too
    few."""
    judged = attempt.angles.judged[rows, j] & (not attempt.no_findings)
    known = attempt.angles.difference[rows, j][judged]
    return float(known.mean()) if judged.mean() >= _JUDGED else np.nan


def _tempo_series(attempts: Sequence[CompareResult]) -> list[Series]:
    """Parts are the labelled phases of the reference, or else thirds of what most attempts show of
    it: thirds of what each shows by itself would be other moments in each. A part counts if more
    attempts are stated to be slower than faster, or the reverse."""
    spans, paces = attempts[0].spans, [one.tempo for one in attempts]
    if not any(span.labelled for span in spans):
        shown = [~np.isnan(one.aligned.position) & ~one.aligned.rests for one in attempts]
        spans = spans_of(attempts[0].aligned.pose_a, [], np.mean(shown, axis=0) >= _SHOWN)
        paces = [tempo(one.aligned, spans, {}) for one in attempts]
    time = attempts[0].angles.time
    series = []
    for number, span in enumerate(spans):
        part = [of_one[number] for of_one in paces]
        said = [pace.verdict for pace in part]
        slower, faster = said.count("slower"), said.count("faster")
        if max(slower, faster) >= _STATED and slower != faster:
            value = np.array(
                [pace.ratio if pace.sure and pace.ratio > 0 else np.nan for pace in part]
            )
            if np.isnan(value).all():
                continue
            start, end = time[[span.first, span.stop - 1]].tolist()
            series.append(Series("", span.name, value, max(slower, faster), start, end))
    return series


# --- sentences ---------------------------------------------------------------------------------


def series_name(series: Series) -> str:
    """`Right knee at 1.10 to 1.33 s, in 'rise'`, or `Time for 'rise'`."""
    if not series.joint:
        return f"Time for '{series.span}'"
    where = f", in '{series.span}'" if series.span else ""
    label = series.quantity.label if series.quantity else joint_name(series.joint)
    return f"{label} at {series.start:.2f} to {series.end:.2f} s{where}"


def series_sentence(series: Series, attempts: int) -> str:
    """Return what all attempts show, and the first and the last of them in which it is known."""
    ends = np.flatnonzero(~np.isnan(series.value))[[0, -1]]
    usual, first, last = (
        amount(series.joint, value, series.quantity) if series.joint else _tempo_words(value)
        for value in (series.usual, *series.value[ends].tolist())
    )
    return (
        f"{series_name(series)}: {usual} in the median ({first} in attempt {ends[0] + 1}, "
        f"{last} in attempt {ends[1] + 1}), stated in {series.stated} of {attempts} attempts"
    )


def _tempo_words(times: float) -> str:
    """`60 % longer` than in the reference, `20 % shorter`, or `as long`."""
    percent = round(100 * abs(times - 1))
    return f"{percent} % {'longer' if times > 1 else 'shorter'}" if percent else "as long"


def attempts_lines(result: AttemptsResult) -> list[str]:
    """Return a sentence for each series, or one that says that there are none."""
    count = len(result.attempts)
    if not result.series:
        return ["No difference of the same joint or part is stated in two attempts."]
    return [series_sentence(series, count) for series in result.series]
