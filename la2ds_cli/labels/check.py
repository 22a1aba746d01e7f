"""How far carried boundaries lie from labelled ones: labelled clips are carried to labelled clips.

The labels of the clip that is carried to are held back and then compared. Everything but the way in
which clips are aligned is the same for all rows of the result: the labelled clips, which are drawn
once, the voting and the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.resample import seconds_at
from la2ds_cli.labels.baselines import Way, baseline_ways, draw_sources, equal
from la2ds_cli.labels.carry import PhaseKey, Span, carry, labelled_spans
from la2ds_cli.labels.clips import choose_sources, choose_targets, labelled_clips
from la2ds_cli.labels.labels import ClipLabels, clip_labels, frame_confidence
from la2ds_cli.labels.material import Material, load_material
from la2ds_cli.labels.pairs import Pairs, make_features
from la2ds_cli.labels.vote import vote


@dataclass(frozen=True)
class BoundaryError:
    """A labelled boundary of a clip and where it was carried to.

    side: `start` or `end` of the phase. frames, seconds, percent (of the clip's frames): distance
    from the label, NaN where the boundary was not carried. covered: the label lies in the 90 %
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
class Scored:
    """One way to align, with a number of votes. variant: which, of those that were tried. errors:
    of all labelled boundaries. right: (F,) whether each labelled frame got its phase; sure: (F,)
    how sure it was of that."""

    name: str
    variant: str
    votes: int
    errors: list[BoundaryError]
    right: FloatArray
    sure: FloatArray

    @property
    def mean(self) -> float:
        """Mean error in percent; NaN where nothing was carried."""
        percent = [e.percent for e in self.errors if not np.isnan(e.percent)]
        return float(np.mean(percent)) if percent else float("nan")


@dataclass(frozen=True)
class Check:
    """scored: `carried` (as transfer-labels does it), `equal_votes`, and the baselines, for each
    number of votes. videos: ids of the clips that were carried to. items: clips that could not be
    used. warnings: for the user."""

    scored: list[Scored]
    videos: list[str]
    sources: list[str]
    draws: int
    seed: int
    features: str
    run: str
    items: list[ItemResult]
    warnings: list[str]


def check_transfer(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    request: AlignRequest,
    *,
    votes: Sequence[int] = (),
    draws: int = 1,
    progress: Progress | None = None,
) -> Check:
    """Carry the labels of `sources` to those of `targets` that have labels, and compare.

    votes: how many labelled clips vote, drawn from the sources `draws` times by the seed of
    [evaluate]; none = all of them, once. UserError as transfer_labels, and (exit 4) where there is
    no labelled clip to carry to, or there are fewer sources than votes.
    """
    progress = progress or Progress()
    phases = labelled_clips(project)
    chosen = choose_sources(project, sources, phases)
    wanted = [clip for clip in choose_targets(project, targets, phases) if clip in phases]
    material = load_material(project, chosen, wanted, phases, request, progress)
    known = list(material.spans)
    truth = {
        clip: labelled_spans(material.poses[clip].frame, phases[clip]) for clip in material.targets
    }
    truth = {clip: spans for clip, spans in truth.items() if scored_boundaries(spans)}
    seed = request.config.evaluate.seed
    plan = _plan(known, list(truth), votes, draws, seed)
    sets = _ways(project, material, request)
    progress.begin("checking", len(plan) * sum(map(len, sets.values())))
    scored = []
    for count, chosen_by in plan.items():
        for name, ways in sets.items():
            if name == "equal_votes" and count == 1:
                continue
            variants = []
            for way in ways:
                variants.append(_score(name, count, material, truth, chosen_by, way))
                progress.advance()
            scored.append(min(variants, key=lambda s: s.mean))
    progress.end()
    return Check(
        scored,
        list(truth),
        known,
        draws if votes else 1,
        seed,
        material.pairs.kind,
        request.run,
        material.problems,
        [f"fewer than {n} other labelled clips: left out" for n in votes if n not in plan],
    )


Plan = dict[int, list[tuple[int, str, list[str]]]]
"""Number of votes -> (draw, clip to carry to, labelled clips that vote)."""


def _plan(
    sources: Sequence[str], targets: Sequence[str], votes: Sequence[int], draws: int, seed: int
) -> Plan:
    plan: Plan = {}
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
            "there is no labelled clip to carry to and another one to carry from",
            hint="--check needs two clips with phases by people, with a boundary within the clip, "
            "and as many labelled clips as --votes asks for beside the one that is carried to",
            exit_code=ExitCode.UNUSABLE,
        )
    return plan


def _ways(project: Project, material: Material, request: AlignRequest) -> dict[str, list[Way]]:
    pairs = material.pairs
    clips = {c: material.poses[c] for c in dict.fromkeys([*material.spans, *material.targets])}
    movement = pairs
    if pairs.kind == "model":
        made = make_features(
            project,
            clips | {clip: material.poses[clip] for clip in pairs.others},
            next(iter(material.spans)),
            kind="pose",
            run=request.run,
            settings=pairs.settings,
            device=request.device,
            progress=Progress(),
        )
        movement = Pairs(made, pairs.others, pairs.settings, "pose")
    by = "raw poses" if pairs.kind == "pose" else f"the model of run {request.run}"
    carried = {"carried": [Way(by, pairs.find)], "equal_votes": [Way(by, equal(pairs.find))]}
    return carried | baseline_ways(clips, equal(movement.find))


def _score(
    name: str,
    votes: int,
    material: Material,
    truth: dict[str, list[Span]],
    chosen: Sequence[tuple[int, str, list[str]]],
    way: Way,
) -> Scored:
    errors: list[BoundaryError] = []
    right, sure = [], []
    for draw, clip, sources in chosen:
        pose = material.poses[clip]
        carried = [carry(material.spans[source], way.find(source, clip)) for source in sources]
        labels = clip_labels(clip, pose, vote(carried, len(pose)))
        errors += [replace(error, draw=draw) for error in boundary_errors(labels, truth[clip])]
        told, confidence = frame_confidence(labels)
        wanted = true_frames(truth[clip], len(pose))
        scored = [row for row, phase in enumerate(wanted) if phase]
        right += [told[row] == wanted[row] for row in scored]
        sure += [confidence[row] for row in scored]
    return Scored(name, way.name, votes, errors, np.array(right, float), np.array(sure))


def scored_boundaries(spans: Sequence[Span]) -> list[tuple[PhaseKey, str, float]]:
    """(phase, `start` or `end`, row) of the boundaries within a clip, a shared one once."""
    found: list[tuple[PhaseKey, str, float]] = []
    for span, after in pairwise([*spans, None]):
        if span is None:
            continue
        if span.starts:
            found.append((span.key, "start", span.start))
        if span.ends and (after is None or after.start != span.end):
            found.append((span.key, "end", span.end))
    return found


def boundary_errors(labels: ClipLabels, truth: Sequence[Span]) -> list[BoundaryError]:
    """Errors of all boundaries within the clip, draw 0. One that was not carried, or at which the
    carried phase was cut off, is NaN."""
    have = {phase.key: phase for phase in labels.consensus.phases}
    errors = []
    for key, side, row in scored_boundaries(truth):
        phase = have.get(key)
        at = None if phase is None else getattr(phase, side)
        if at is None or at.cut:
            far = (np.nan, np.nan, np.nan, 0.0, False)
        else:
            frames = abs(at.row - row)
            seconds = abs(seconds_at(labels.pose, at.row) - seconds_at(labels.pose, row))
            percent = 100 * frames / len(labels.pose)
            far = (frames, seconds, percent, at.confidence, bool(at.low <= row <= at.high))
        errors.append(BoundaryError(labels.video, 0, str(key), side, *far))
    return errors


def true_frames(spans: Sequence[Span], length: int) -> list[str]:
    """Phase of each frame, "" where there is none."""
    names = [""] * length
    for span in spans:
        for row in range(int(np.ceil(span.start)), min(int(np.ceil(span.end)), length)):
            names[row] = span.key.name
    return names
