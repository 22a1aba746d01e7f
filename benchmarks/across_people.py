"""Models trained on one half of the people and tested on the other half, judged by event transfer.

The people of a data set are divided into two halves, and each half is tested with models trained on
the other (`halves`, `mark_test`). `cached_transfers` and `cached_coverage` measure one project of
such a fold; `pool` combines the folds, and the statistics are resampled by people, since clips of
one person are not independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.confidence import FLAT
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.embedding.trained import weights_key
from la2ds_cli.evaluation.clips import check_unseen, select_clips
from la2ds_cli.evaluation.event_transfer import Draw, draw_trims, transfer_events
from la2ds_cli.evaluation.events import EvaluationClip, choose_events
from la2ds_cli.evaluation.features import FeatureRequest, feature_sets
from la2ds_cli.evaluation.measure import interval, resampled_averages, resampled_medians
from la2ds_cli.experiments.scores import scored_inputs
from la2ds_cli.training.base_weights import base_key

VERSION = 1
FOLDER = "people"

PairKind = Callable[[str, str], str]
"""Ids of clips A and B -> the kind of their pair; each kind is evaluated separately. Empty for
clips that are not a pair."""


# --- two halves of the people --------------------------------------------------------------------


def halves(people: Collection[str], seed: int) -> tuple[list[str], list[str]]:
    """All people in two disjoint random halves by `seed`; the first is larger if the number is
    odd."""
    names = sorted(set(people))
    order = np.random.default_rng(seed).permutation(len(names))
    middle = (len(names) + 1) // 2
    first, second = (sorted(names[n] for n in part) for part in (order[:middle], order[middle:]))
    return first, second


def mark_test(project: Project, person: Mapping[str, str], test: Collection[str]) -> None:
    """Write the person of each clip (id -> name) into the column `group` of videos.csv, and `test`
    into `split` for clips of the people in `test`, `train` for all others."""
    project.add_videos(
        replace(v, group=person[v.id], split="test" if person[v.id] in test else "train")
        for v in project.videos()
    )


# --- one project ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bench:
    """The clips of a project under test and, for each kind of pairs, their draws."""

    clips: list[EvaluationClip]
    draws: dict[str, list[Draw]]
    training: list[PoseSequence]
    warnings: list[str]

    @classmethod
    def of(cls, project: Project, config: Config, kind: PairKind) -> _Bench:
        warnings: list[str] = []
        selection = select_clips(project, config, warnings)
        clips, source, notes = choose_events(selection.test, selection.phases)
        if source != "phases":
            raise ValueError(f"{project.root} has no labelled events")
        kinds = {kind(a.id, b.id) for a in clips for b in clips if a.id != b.id} - {""}
        draws = {
            name: draw_trims(clips, config.evaluate, lambda a, b, name=name: kind(a, b) == name)
            for name in sorted(kinds)
        }
        return cls(clips, draws, list(selection.fit.values()), warnings + notes)

    def merged(self) -> list[Draw]:
        """The pairs of all kinds in one draw, so that each trimmed clip is embedded once."""
        return [
            replace(parts[0], pair=np.concatenate([part.pair for part in parts]))
            for parts in zip(*self.draws.values(), strict=True)
        ]

    def whole_pairs(self) -> list[tuple[int, int]]:
        """Numbers of the clips in the first draw's pairs, sorted by A."""
        return sorted((a, b) for a, b in self.merged()[0].pair.tolist())

    def digest(self, kind: PairKind) -> str:
        """Digest of all pairs with their kinds."""
        rows = [
            f"{draw.number} {self.clips[a].id} {self.clips[b].id} "
            + kind(self.clips[a].id, self.clips[b].id)
            for draw in self.merged()
            for a, b in draw.pair.tolist()
        ]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def cached_transfers(
    project: Project,
    name: str,
    *,
    config: Config,
    features: Sequence[str],
    kind: PairKind,
    run: str = "",
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Event transfer over the test clips of a project by every variant of `features`.

    run: its network is the feature set `model`, empty = none. Pairs of each kind are drawn
    separately, at most `config.evaluate.pairs` of them. Returns, and caches in
    results/people/NAME.json: `events`, a row [kind, draw, a, b, event] for each event of each pair;
    `percent`, feature set -> one entry for each variant with its `variant` (name) and `percent`,
    the errors in the order of the events; `warnings`.
    """
    bench = _Bench.of(project, config, kind)
    recipe = _recipe(project, "people-transfer", bench.digest(kind), run, config, features)

    def compute() -> dict[str, Any]:
        return _transfers(project, bench, config, features, kind, run, device, progress)

    return _cached(project.results_dir(FOLDER) / f"{name}.json", recipe, compute)


def _transfers(
    project: Project,
    bench: _Bench,
    config: Config,
    features: Sequence[str],
    kind: PairKind,
    run: str,
    device: DeviceName,
    progress: Progress | None,
) -> dict[str, Any]:
    progress = progress or Progress()
    pose = bench.clips[0].pose
    request = FeatureRequest(
        *(project, features, (run or DEFAULT_RUN,), config, device, pose, bench.training),
        optional=not run,
    )
    sets = feature_sets(request, bench.warnings)
    if run:
        check_unseen(project, [run], bench.warnings)
    draws = bench.merged()
    pairs = sum(len(draw.pair) for draw in draws)
    progress.begin(f"transfer {run or 'baselines'}", pairs * sum(len(s.variants) for s in sets))
    events: list[list[Any]] = []
    percent: dict[str, list[dict[str, Any]]] = {}
    for feature_set in sets:
        for variant in feature_set.variants:
            errors = transfer_events(
                bench.clips, draws, variant.views, variant.aligner, progress.advance
            )
            ids = [(bench.clips[e.a].id, bench.clips[e.b].id) for e in errors]
            # The same for every variant, since they depend only on labels and trims.
            events = [
                [kind(a, b), e.draw, a, b, e.event] for e, (a, b) in zip(errors, ids, strict=True)
            ]
            values = [round(e.percent, 5) for e in errors]
            entry = {"variant": variant.name, "percent": values}
            percent.setdefault(feature_set.name, []).append(entry)
    progress.end()
    return {"events": events, "percent": percent, "warnings": bench.warnings}


def event_pairs(
    project: Project, config: Config, kind: PairKind
) -> list[tuple[EvaluationClip, EvaluationClip]]:
    """The untrimmed clips of the first draw's pairs of `cached_transfers`, sorted by A."""
    bench = _Bench.of(project, config, kind)
    return [(bench.clips[a], bench.clips[b]) for a, b in bench.whole_pairs()]


def cached_coverage(
    project: Project,
    name: str,
    *,
    config: Config,
    kind: PairKind,
    run: str = "",
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Whether the intervals of `align` contain the labelled events, on untrimmed clips.

    The pairs are those of the first draw of `cached_transfers`. run: its network is used to align,
    empty = raw poses. Returns, and caches in results/people/NAME.json: `events`, a row [kind, a, b,
    event] for each event that has a counterpart; `held`, 1 if the event of B lies within the
    interval, else 0; `width` of the interval in % of B; `unmatched`, the rows of the events without
    a counterpart.
    """
    bench = _Bench.of(project, config, kind)
    features = "model" if run else "pose"
    recipe = _recipe(project, "people-coverage", bench.digest(kind), run, config, [features])

    def compute() -> dict[str, Any]:
        request = AlignRequest(config, run or DEFAULT_RUN, features, device=device)
        return _coverage(project, bench, request, kind, progress or Progress())

    return _cached(project.results_dir(FOLDER) / f"{name}.json", recipe, compute)


def _coverage(
    project: Project, bench: _Bench, request: AlignRequest, kind: PairKind, progress: Progress
) -> dict[str, Any]:
    document: dict[str, Any] = {"events": [], "held": [], "width": [], "unmatched": []}
    pairs = bench.whole_pairs()  # sorted by A, so that the cache of A is reused
    progress.begin(f"coverage {request.features}", len(pairs))
    cache = AlignmentCache()
    for a, b in pairs:
        first, second = bench.clips[a], bench.clips[b]
        cache = cache if cache.a == first.id else AlignmentCache()
        found = find_alignment(project, first.id, second.id, request, cache=cache).alignment
        for event in sorted(first.events.keys() & second.events.keys()):
            frame, truth = first.events[event], second.events[event]
            row = [kind(first.id, second.id), first.id, second.id, event]
            if np.isnan(found.position[frame]):
                document["unmatched"].append(row)
                continue
            low, high = float(found.low[frame]), float(found.high[frame])
            document["events"].append(row)
            document["held"].append(int(low <= truth <= high))
            document["width"].append(round(100 * (high - low) / len(second.pose), 5))
        progress.advance()
    progress.end()
    return document


def _recipe(
    project: Project, step: str, pairs: str, run: str, config: Config, features: Sequence[str]
) -> artifact.Recipe:
    settings = {
        "features": list(features),
        "align": asdict(config.align),
        "evaluate": asdict(config.evaluate),
    }
    inputs = scored_inputs(project, config) | {"pairs": pairs}
    if "model" in features:
        inputs["weights"] = weights_key(project, run)
    elif "untrained" in features:
        settings["model"] = asdict(config.model)
    if "base" in features:
        inputs["base"] = base_key()
    if step == "people-coverage":
        settings["flat"] = FLAT
    return artifact.Recipe(step, VERSION, settings, inputs)


def _cached(
    path: Path, recipe: artifact.Recipe, compute: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    document = artifact.read_document(path)
    if document.get("key") == recipe.key:
        return document
    document = {"key": recipe.key, **compute()}
    artifact.write_json(path, document)
    return document


# --- all folds -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pooled:
    """Values (E,) float64 of events of all folds; a, b: (E,) number of the person of each clip;
    pairs: number of trimmed pairs that they come from."""

    value: FloatArray
    a: IntArray
    b: IntArray
    pairs: int


def pool(
    folds: Sequence[tuple[Sequence[Sequence[Any]], Sequence[float]]],
    kind: str,
    person: Mapping[str, int],
) -> Pooled:
    """The values of one kind of pairs over all folds.

    folds: `events` of a document of this file, and a value for each of them. person: id of a clip
    -> number of its person.
    """
    rows, values = [], []
    for fold, (events, value) in enumerate(folds):
        for row, one in zip(events, value, strict=True):
            if row[0] == kind:
                rows.append((fold, row))
                values.append(one)
    a, b = (
        np.array([person[row[side]] for _, row in rows], np.int64).reshape(-1) for side in (-3, -2)
    )
    pairs = {(fold, *row[1:-1]) for fold, row in rows}
    return Pooled(np.array(values, np.float64), a, b, len(pairs))


@dataclass(frozen=True)
class Statistic:
    """A figure and its resamples (R,) over people."""

    value: float
    resampled: FloatArray

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval over people."""
        return interval(self.resampled)

    def over(self, other: Statistic) -> Statistic:
        """The ratio of this figure to another, in the same resamples."""
        with np.errstate(divide="ignore", invalid="ignore"):
            resampled = self.resampled / other.resampled
        ratio = self.value / other.value if other.value else np.nan
        return Statistic(ratio, np.where(np.isfinite(resampled), resampled, np.nan))


def median(pooled: Pooled, counts: IntArray) -> Statistic:
    """The median of the values. counts: (R, people) of measure.video_counts."""
    resampled = resampled_medians(pooled.value, pooled.a, pooled.b, counts)
    return Statistic(float(np.median(pooled.value)), resampled)


def mean(pooled: Pooled, counts: IntArray) -> Statistic:
    """The mean of the values. counts: (R, people) of measure.video_counts."""
    resampled = resampled_averages(pooled.value, pooled.a, pooled.b, counts)
    return Statistic(float(np.mean(pooled.value)), resampled)


def over_runs(runs: Sequence[Statistic]) -> Statistic:
    """The mean over several training runs; its interval does not include the spread over them."""
    return Statistic(
        float(np.mean([run.value for run in runs])),
        np.mean([run.resampled for run in runs], axis=0),
    )
