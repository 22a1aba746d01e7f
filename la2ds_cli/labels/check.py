"""How far propagated boundaries are from labelled ones, measured on labelled clips.

Labels are propagated to clips with labels of their own, which are held back and then compared.
Everything but the aligner is the same for all rows of the result: the labelled clips, which are
drawn once, the voting and the computation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import combinations, islice, pairwise
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.clip_features import frame_rate
from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.alignment.request import AlignRequest, features_name
from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.features import Variant, baseline_sets
from la2ds_cli.evaluation.measure import LEAST_CLIPS, interval, resampled_medians, video_counts
from la2ds_cli.features.resample import seconds_at
from la2ds_cli.labels.clip_labels import ClipLabels, clip_labels, frame_confidence
from la2ds_cli.labels.inputs import (
    PropagationInputs,
    choose_sources,
    choose_targets,
    labelled_clips,
    load_inputs,
)
from la2ds_cli.labels.pairs import PairAlignments, compute_features
from la2ds_cli.labels.vote import (
    Correspondence,
    PhaseKey,
    Span,
    labelled_spans,
    propagate_spans,
    vote,
)

_UNITS = ("percent", "frames", "seconds")
FRAME_BINS = (0.0, 0.5, 0.8, 0.95, 1.0)


@dataclass(frozen=True)
class BoundaryError:
    """A labelled boundary of a clip and where it was propagated to.

    side: `start` or `end` of the phase. frames, seconds, percent (of the clip's frames): distance
    from the label, NaN if the boundary was not propagated. covered: the label is in the 90 %
    interval. confidence: of the boundary.
    """

    video: str
    draw: int
    phase: str
    side: str
    frames: float
    seconds: float
    percent: float
    confidence: float
    covered: bool


@dataclass(frozen=True)
class AlignerScore:
    """One aligner, with a number of votes. variant: which of those that were tried. errors: of all
    labelled boundaries. right: (F,) whether each labelled frame got its phase; confidence: (F,) of
    the phase it got. tried: all variants, if there were several; this one has the lowest median."""

    name: str
    variant: str
    votes: int
    errors: list[BoundaryError]
    right: FloatArray
    confidence: FloatArray
    tried: tuple[AlignerScore, ...] = ()

    def figures(self) -> dict[str, float]:
        """Statistics of the errors of propagated boundaries; empty if there are none."""
        errors = _propagated(self.errors)
        if not errors:
            return {}
        values = {name: [getattr(e, name) for e in errors] for name in _UNITS}
        percent = values["percent"]
        figures = {f"median_{name}": float(np.median(of)) for name, of in values.items()}
        figures |= {f"mean_{name}": float(np.mean(of)) for name, of in values.items()}
        return figures | {"p90_percent": float(np.percentile(percent, 90))}


@dataclass(frozen=True)
class CheckResult:
    """scores: `carried` (as transfer-labels does it), `equal_votes`, and the baselines, for each
    number of votes. videos: ids of the target clips. items: clips that could not be used. warnings:
    for the user."""

    scores: list[AlignerScore]
    videos: list[str]
    sources: list[str]
    draws: int
    seed: int
    features: str
    run: str
    items: list[ItemResult]
    warnings: list[str]


def check_propagation(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    request: AlignRequest,
    *,
    votes: Sequence[int] = (),
    draws: int = 1,
    progress: Progress | None = None,
) -> CheckResult:
    """Propagate the labels of `sources` to the labelled clips among `targets`, and compare.

    votes: how many labelled clips vote, drawn from the sources `draws` times by the seed of
    [evaluate]; none = all of them, once. Raises UserError as propagate_labels, and (exit 4) if
    there is no labelled clip to propagate to, or there are fewer sources than votes.
    """
    progress = progress or Progress()
    phases = labelled_clips(project)
    source_ids = choose_sources(project, sources, phases)
    target_ids = [clip for clip in choose_targets(project, targets, phases) if clip in phases]
    inputs = load_inputs(project, source_ids, target_ids, phases, request, progress)
    truth = {
        clip: labelled_spans(inputs.poses[clip].frame, phases[clip]) for clip in inputs.targets
    }
    truth = {clip: spans for clip, spans in truth.items() if scored_boundaries(spans)}
    seed = request.config.evaluate.seed
    plan = _plan(list(inputs.spans), list(truth), votes, draws, seed)
    aligners = _aligners(project, inputs, request)
    progress.begin("checking", len(plan) * sum(map(len, aligners.values())))
    scores = []
    for count, draws_of_count in plan.items():
        for name, variants in aligners.items():
            if name == "equal_votes" and count == 1:
                continue
            tried = []
            for aligner in variants:
                tried.append(_score(name, count, inputs, truth, draws_of_count, aligner))
                progress.advance()
            best = min(tried, key=lambda score: score.figures().get("median_percent", np.inf))
            scores.append(replace(best, tried=tuple(tried) if len(tried) > 1 else ()))
    progress.end()
    return CheckResult(
        scores,
        list(truth),
        list(inputs.spans),
        draws if votes else 1,
        seed,
        inputs.alignments.features.kind,
        request.run,
        inputs.problems,
        [f"fewer than {n} other labelled clips: left out" for n in votes if n not in plan],
    )


# --- which labelled clips vote ----------------------------------------------------------------

Draw = tuple[int, str, list[str]]
"""Number of the draw, the clip to label, and the labelled clips that vote."""


def _plan(
    sources: Sequence[str], targets: Sequence[str], votes: Sequence[int], draws: int, seed: int
) -> dict[int, list[Draw]]:
    """Draws by number of votes."""
    plan: dict[int, list[Draw]] = {}
    if votes:
        for count in votes:
            for draw in range(draws):
                for clip in targets:
                    drawn = draw_sources(sources, clip, count, draw, draws, seed)
                    if drawn is not None:
                        plan.setdefault(count, []).append((draw, clip, drawn))
    else:
        rows = [(0, clip, [s for s in sources if s != clip]) for clip in targets]
        rows = [row for row in rows if row[2]]
        if rows:
            plan[max(len(row[2]) for row in rows)] = rows
    if not plan:
        raise UserError(
            "there is no labelled clip to check against another labelled clip",
            hint="--check needs two clips with phases set by people and a boundary within the "
            "clip, and as many labelled clips as --votes asks for in addition to the checked "
            "one",
            exit_code=ExitCode.UNUSABLE,
        )
    return plan


def draw_sources(
    sources: Sequence[str], target: str, count: int, draw: int, draws: int, seed: int
) -> list[str] | None:
    """`count` labelled clips other than the target, for one of `draws` draws.

    Drawn at random, in an order that depends only on seed and draw, so that a larger number of
    votes includes the clips of a smaller one. If there are no more than `draws` combinations, each
    is used once; draws beyond them are None, as are draws if there are too few clips.
    """
    others = [source for source in sources if source != target]
    count_of_all = comb(len(others), count)
    if count_of_all <= draws:
        if draw >= count_of_all:
            return None
        return list(next(islice(combinations(others, count), draw, None)))
    order: list[int] = np.random.default_rng([seed, draw]).permutation(len(sources)).tolist()
    return [sources[n] for n in order if sources[n] != target][:count]


# --- aligners: that of the project, and baselines that need no training ----------------------

Correspond = Callable[[str, str], Correspondence]
"""The position in one clip of each frame of another, by their ids."""


@dataclass(frozen=True)
class PairAligner:
    """A way of aligning clips, and its name."""

    name: str
    correspondence: Correspond


def _aligners(
    project: Project, inputs: PropagationInputs, request: AlignRequest
) -> dict[str, list[PairAligner]]:
    """Aligners by name of the row, several if the best of them counts. raw_pose_best also includes
    the movement of the joints with consensus through reference clips, as used by `align` without a
    model."""
    pairs = inputs.alignments
    clips = {c: inputs.poses[c] for c in dict.fromkeys([*inputs.spans, *inputs.targets])}
    by_model = pairs.features.kind != "pose"
    movement = pairs
    if by_model:
        poses = clips | {clip: inputs.poses[clip] for clip in pairs.references}
        features = compute_features(project, poses, "pose", request, Progress())
        movement = PairAlignments(features, pairs.references, pairs.settings)
    name = features_name(pairs.features.kind, request.run)
    aligners = {
        "carried": [PairAligner(name, pairs.correspondence)],
        "equal_votes": [PairAligner(name, with_equal_votes(pairs.correspondence))],
    }
    for baseline in baseline_sets():
        aligners[baseline.name] = [
            PairAligner(variant.name, _baseline(variant, clips)) for variant in baseline.variants
        ]
    aligners["raw_pose_best"].append(
        PairAligner(
            "movement, by consensus through reference clips",
            with_equal_votes(movement.correspondence),
        )
    )
    return aligners


def _baseline(variant: Variant, poses: Mapping[str, PoseSequence]) -> Correspond:
    views = variant.views(list(poses.values()))
    prepared = {
        clip: variant.aligner.prepare(view) for clip, view in zip(poses, views, strict=True)
    }
    cache: dict[tuple[str, str], Correspondence] = {}

    def correspondence(a: str, b: str) -> Correspondence:
        if (a, b) not in cache:
            position = variant.aligner.match(prepared[a], prepared[b])
            step = frame_rate(poses[b]) / frame_rate(poses[a])
            cache[a, b] = without_confidence(position, len(poses[b]), step)
        return cache[a, b]

    return correspondence


def without_confidence(position: FloatArray, length: int, step: float = 1.0) -> Correspondence:
    """A correspondence in which all frames count equally."""
    sure = np.where(np.isnan(position), 0.0, 1.0)
    return Correspondence(position, position, position, sure, length, step)


def with_equal_votes(correspond: Correspond) -> Correspond:
    """The same positions and intervals, with equal votes."""

    def correspondence(a: str, b: str) -> Correspondence:
        weighted = correspond(a, b)
        sure = without_confidence(weighted.position, weighted.length).confidence
        return replace(weighted, confidence=sure)

    return correspondence


# --- comparison with the labels that were held back ------------------------------------------


def _score(
    name: str,
    votes: int,
    inputs: PropagationInputs,
    truth: dict[str, list[Span]],
    draws: Sequence[Draw],
    aligner: PairAligner,
) -> AlignerScore:
    errors: list[BoundaryError] = []
    right, sure = [], []
    for draw, clip, sources in draws:
        pose = inputs.poses[clip]
        propagated = [
            propagate_spans(inputs.spans[source], aligner.correspondence(source, clip))
            for source in sources
        ]
        labels = clip_labels(clip, pose, vote(propagated, len(pose)))
        errors += [replace(error, draw=draw) for error in boundary_errors(labels, truth[clip])]
        names, confidence = frame_confidence(labels)
        true_names = true_frames(truth[clip], len(pose))
        labelled = [row for row, phase in enumerate(true_names) if phase]
        right += [names[row] == true_names[row] for row in labelled]
        sure += [confidence[row] for row in labelled]
    return AlignerScore(name, aligner.name, votes, errors, np.array(right, float), np.array(sure))


def scored_boundaries(spans: Sequence[Span]) -> list[tuple[PhaseKey, str, float]]:
    """(phase, `start` or `end`, row) of the boundaries within a clip; a shared one is listed
    once."""
    boundaries: list[tuple[PhaseKey, str, float]] = []
    for span, after in pairwise([*spans, None]):
        if span is None:
            continue
        if span.starts:
            boundaries.append((span.key, "start", span.start))
        if span.ends and (after is None or after.start != span.end):
            boundaries.append((span.key, "end", span.end))
    return boundaries


def boundary_errors(labels: ClipLabels, truth: Sequence[Span]) -> list[BoundaryError]:
    """Errors of all boundaries within the clip, draw 0. One that was not propagated, or at which
    the propagated phase was cut off, is NaN."""
    phases = {phase.key: phase for phase in labels.consensus.phases}
    errors = []
    for key, side, row in scored_boundaries(truth):
        phase = phases.get(key)
        boundary = None if phase is None else getattr(phase, side)
        if boundary is None or boundary.cut:
            figures = (np.nan, np.nan, np.nan, 0.0, False)
        else:
            frames = abs(boundary.row - row)
            seconds = abs(seconds_at(labels.pose, boundary.row) - seconds_at(labels.pose, row))
            percent = 100 * frames / len(labels.pose)
            covered = bool(boundary.low <= row <= boundary.high)
            figures = (frames, seconds, percent, boundary.confidence, covered)
        errors.append(BoundaryError(labels.video, 0, str(key), side, *figures))
    return errors


def true_frames(spans: Sequence[Span], length: int) -> list[str]:
    """Phase of each frame, "" = none."""
    names = [""] * length
    for span in spans:
        for row in range(int(np.ceil(span.start)), min(int(np.ceil(span.end)), length)):
            names[row] = span.key.name
    return names


# --- figures: a JSON document and a table of boundaries --------------------------------------


def check_json(check: CheckResult) -> dict[str, Any]:
    """All figures. Errors in percent are relative to the number of frames of the target clip."""
    return {
        "schema_version": 1,
        "features": check.features,
        "run": check.run if check.features == "model" else None,
        "videos": len(check.videos),
        "sources": len(check.sources),
        "draws": check.draws,
        "seed": check.seed,
        "rows": [_row(score, check) for score in check.scores],
        "calibration": [_calibration(score) for score in check.scores if score.name == "carried"],
        "items": [item.to_json() for item in check.items],
        "warnings": check.warnings,
    }


def _propagated(errors: Sequence[BoundaryError]) -> list[BoundaryError]:
    return [error for error in errors if not np.isnan(error.frames)]


def _row(score: AlignerScore, check: CheckResult) -> dict[str, Any]:
    """Of several variants, the lowest value of each figure; everything else is from the variant
    with the lowest median."""
    errors = _propagated(score.errors)
    percent = np.array([error.percent for error in errors])
    spread = _interval(percent, [error.video for error in errors], check) if errors else None
    tried = [(one.variant, one.figures()) for one in score.tried or (score,)]
    best = {
        key: min((figures[key], variant) for variant, figures in tried if figures)
        for key in score.figures()
    }
    names = [f"{kind}_{unit}" for unit in _UNITS for kind in ("median", "mean")]
    row: dict[str, Any] = {key: best[key][0] if best else None for key in [*names, "p90_percent"]}
    if score.tried:
        row["best_variants"] = {key: variant for key, (_, variant) in best.items()}
    return {
        "name": score.name,
        "variant": score.variant,
        "votes": score.votes,
        **row,
        "interval_percent": list(spread) if spread else None,
        "boundaries": len(score.errors),
        "not_carried": len(score.errors) - len(errors),
        "frames_right": float(score.right.mean()) if len(score.right) else None,
        "by_boundary": _by_boundary(errors),
    }


def _interval(
    percent: FloatArray, videos: Sequence[str], check: CheckResult
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the median over the target clips, None for one of them."""
    if len(set(videos)) < LEAST_CLIPS:
        return None
    counts = video_counts(len(check.videos), check.seed)
    always = np.hstack([counts, np.ones((len(counts), 1), counts.dtype)])
    clip = np.array([check.videos.index(video) for video in videos])
    one = np.full(len(clip), len(check.videos))
    return interval(resampled_medians(percent, clip, one, always))


def _by_boundary(errors: Sequence[BoundaryError]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[float]] = {}
    for error in errors:
        groups.setdefault(f"{error.phase} {error.side}", []).append(error.percent)
    return {
        name: {
            "median_percent": float(np.median(group)),
            "mean_percent": float(np.mean(group)),
            "boundaries": len(group),
        }
        for name, group in sorted(groups.items())
    }


def _calibration(score: AlignerScore) -> dict[str, Any]:
    """Whether errors fall as confidence rises. quarters: boundaries by confidence, lowest first.
    covered: share of labels inside the 90 % interval. frames: labelled frames by the probability
    of their phase."""
    errors = sorted(_propagated(score.errors), key=lambda error: error.confidence)
    quarters = [[errors[n] for n in part] for part in np.array_split(np.arange(len(errors)), 4)]
    return {
        "votes": score.votes,
        "covered": float(np.mean([error.covered for error in errors])) if errors else None,
        "rank_correlation": _rank_correlation(errors),
        "quarters": [
            {
                "confidence": float(np.mean([error.confidence for error in part])),
                "within_5_percent": float(np.mean([e.percent <= 100 * NEAR for e in part])),
                "mean_percent": float(np.mean([error.percent for error in part])),
                "median_percent": float(np.median([error.percent for error in part])),
                "boundaries": len(part),
            }
            for part in quarters
            if part
        ],
        "frames": [
            {
                "from": low,
                "to": high,
                "confidence": float(score.confidence[inside].mean()),
                "right": float(score.right[inside].mean()),
                "frames": int(inside.sum()),
            }
            for low, high in pairwise(FRAME_BINS)
            if (
                inside := (score.confidence >= low) & ((score.confidence < high) | (high == 1))
            ).any()
        ],
    }


def _rank_correlation(errors: Sequence[BoundaryError]) -> float | None:
    """Spearman's correlation of confidence with error: -1 = surer is always nearer."""
    if len(errors) < 3:
        return None
    from scipy.stats import rankdata

    ranks = rankdata([[error.confidence, error.percent] for error in errors], axis=0)
    if (ranks == ranks[0]).all(axis=0).any():
        return None
    return float(np.corrcoef(ranks.T)[0, 1])


def errors_csv(check: CheckResult) -> str:
    """CSV of every boundary of every row; `frames`, `seconds`, `percent` are empty if it was not
    propagated."""
    rows = []
    for score in check.scores:
        for error in score.errors:
            shown = ["" if value != value else value for value in astuple(error)]
            shown = [round(v, 6) if isinstance(v, float) else v for v in shown]
            rows.append([score.name, score.votes, *shown])
    return table_text(["name", "votes", *(field.name for field in fields(BoundaryError))], rows)


def write_check(check: CheckResult, folder: Path) -> tuple[Path, Path]:
    """check.json and check-boundaries.csv in `folder`."""
    paths = folder / "check.json", folder / "check-boundaries.csv"
    artifact.write_json(paths[0], check_json(check))
    artifact.write_text(paths[1], errors_csv(check))
    return paths
