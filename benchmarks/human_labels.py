"""The tables of docs/results/human-labels.md: events that people set, people never trained on.

    python benchmarks/human_labels.py --data HUMAN_EVENTS --work DIR [--preset default] [--set K=V]
        [--seeds 0,1,2] [--sets golf,skijump,squat,push_up,pull_up,walk] [--baselines]

HUMAN_EVENTS: a folder with golf, skijump and repetitions; the walks are in one beside it, gait.
Imports each data set into two projects below --work, one for each half of the people: it tests that
half and trains on the joints of the other. Trains every preset there for each seed, measures it
beside the baselines, and prints Markdown. The same command goes on after an interruption: nothing
is trained or scored twice. --sets makes a part of the work, as for two processes beside each other.
Intervals are over people, since clips of one person are not independent.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from people import SETS, Fold, drawn_pairs, make_folds

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.table import Cell, Column, Row, Table, markdown
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.embedding.trained import weights_key
from la2ds_cli.evaluation.clips import check_unseen
from la2ds_cli.evaluation.event_transfer import transfer_events
from la2ds_cli.evaluation.features import FEATURE_NAMES, FeatureRequest, feature_sets
from la2ds_cli.evaluation.measure import (
    interval,
    resampled_averages,
    resampled_medians,
    video_counts,
)
from la2ds_cli.experiments.runner import Plan, run_name, train_run
from la2ds_cli.experiments.scores import scored_inputs
from la2ds_cli.training.base_weights import base_key
from la2ds_cli.training.checkpoint import SPEED_ONLY

LABELS = {
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "clock",
    "untrained": "untrained",
    "base": "base model",
}
BEST_RAW = LABELS["raw_pose_best"]


# --- measuring -----------------------------------------------------------------------------------


def trained(
    fold: Fold, preset: str, seed: int, settings: Sequence[str], evaluate: Config
) -> tuple[Config, str]:
    """The settings and the name of a run; it is trained where it is not there yet. Its pairs and
    trims are those of the baselines, come what may."""
    config = fold.project.config(preset=preset, overrides=[*settings, f"train.seed={seed}"])
    config = replace(config, evaluate=evaluate.evaluate)
    run = run_name(preset, fold.project, config)
    train_run(fold.project, run, config, Plan(), Progress())
    return config, run


def transfers(fold: Fold, config: Config, features: Sequence[str], run: str = "") -> dict[str, Any]:
    """Event transfer over the test clips of a fold by every variant of `features`.

    run: its network is the feature set `model`, empty = none. Returns, and caches in
    results/people: `events`, a row [kind, draw, a, b, event] for each event of each pair;
    `percent`, feature set -> one entry for each variant with its `variant` (name) and `percent`,
    the errors in the order of the events.
    """
    pairs = drawn_pairs(fold.project, config, fold.kind)
    settings = {name: asdict(getattr(config, name)) for name in ("align", "evaluate", "model")}
    inputs = scored_inputs(fold.project, config) | {"base": base_key()}
    inputs |= {"weights": weights_key(fold.project, run)} if run else {}
    recipe = artifact.Recipe("people", 2, settings | {"features": list(features)}, inputs)
    name = f"{run or 'baselines'}-{recipe.key[:8]}.json"
    path = fold.project.results_dir("people") / name
    if path.exists():
        return artifact.read_document(path)
    if run:
        check_unseen(fold.project, [run], [])
    request = FeatureRequest(
        *(fold.project, features, (run or DEFAULT_RUN,), config, "auto"),
        *(pairs.clips[0].pose, pairs.training),
        optional=not run,
    )
    found: dict[str, Any] = {"events": [], "percent": {}}
    for feature_set in feature_sets(request, []):
        for variant in feature_set.variants:
            errors = transfer_events(pairs.clips, pairs.draws, variant.aligner)
            # The same for every variant, since they depend only on labels and trims.
            found["events"] = [
                [fold.kind(a, b), error.draw, a, b, error.event]
                for error in errors
                for a, b in [(pairs.clips[error.a].id, pairs.clips[error.b].id)]
            ]
            values = [round(error.percent, 5) for error in errors]
            entry = {"variant": variant.name, "percent": values}
            found["percent"].setdefault(feature_set.name, []).append(entry)
    artifact.write_json(path, found)
    return found


# --- figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statistic:
    """A figure and its resamples (R,) over people."""

    value: float
    resampled: FloatArray

    def over(self, other: Statistic) -> Statistic:
        """The ratio of this figure to another, in the same resamples."""
        with np.errstate(divide="ignore", invalid="ignore"):
            resampled = self.resampled / other.resampled
        ratio = self.value / other.value if other.value else np.nan
        return Statistic(ratio, np.where(np.isfinite(resampled), resampled, np.nan))

    def __str__(self) -> str:
        ends = interval(self.resampled)
        return f"{self.value:.2f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")


@dataclass(frozen=True)
class Pooled:
    """Values (E,) float64 of events of all folds; a, b: (E,) number of the person of each clip;
    pairs: number of trimmed pairs that they come from."""

    value: FloatArray
    a: IntArray
    b: IntArray
    pairs: int

    def statistics(self, counts: IntArray) -> tuple[Statistic, Statistic]:
        """Median and mean. counts: (R, people) of measure.video_counts."""
        of = self.value, self.a, self.b, counts
        return (
            Statistic(float(np.median(self.value)), resampled_medians(*of)),
            Statistic(float(np.mean(self.value)), resampled_averages(*of)),
        )


def pool(
    folds: Sequence[tuple[Sequence[Sequence[Any]], Sequence[float]]],
    kind: str,
    person: Mapping[str, int],
) -> Pooled:
    """The values of one kind of pairs over all folds.

    folds: `events` of a document of `transfers`, and a value for each of them. person: id of a clip
    -> number of its person.
    """
    known = [
        (fold, row, value)
        for fold, (events, values) in enumerate(folds)
        for row, value in zip(events, values, strict=True)
        if row[0] == kind
    ]
    a, b = (np.array([person[row[side]] for _, row, _ in known], np.int64) for side in (2, 3))
    pairs = {(fold, *row[1:4]) for fold, row, _ in known}
    return Pooled(np.array([value for *_, value in known], np.float64), a, b, len(pairs))


@dataclass(frozen=True)
class Figure:
    """One row on one kind of pairs. variants: that the median and the mean are of, where there was
    a choice. by_seed: median and mean of each training."""

    label: str
    median: Statistic
    mean: Statistic
    events: int
    pairs: int
    variants: tuple[str, str]
    by_seed: list[tuple[float, float]]


def figure(
    label: str,
    feature: str,
    by_seed: Sequence[Sequence[dict[str, Any]]],
    kind: str,
    folds: Sequence[Fold],
) -> Figure:
    """A row on one kind of pairs; of several variants each statistic takes its own best. by_seed:
    for each training a document of `transfers` for each fold."""
    person, counts = numbered(folds)
    runs, variants, sample = [], ("", ""), None
    for documents in by_seed:
        choices = []
        # Both folds have the same variants, of which one may name its number of references.
        for entries in zip(*(d["percent"][feature] for d in documents), strict=True):
            values = [(d["events"], e["percent"]) for d, e in zip(documents, entries, strict=True)]
            sample = pool(values, kind, person)
            choices.append((entries[0]["variant"], *sample.statistics(counts)))
        best = [min(choices, key=lambda one, n=n: one[n].value) for n in (1, 2)]
        variants = best[0][0], best[1][0]
        runs.append((best[0][1], best[1][2]))
    assert sample is not None
    means = [
        Statistic(
            float(np.mean([run[n].value for run in runs])),
            np.mean([run[n].resampled for run in runs], axis=0),
        )
        for n in (0, 1)
    ]
    values = [(middle.value, mean.value) for middle, mean in runs]
    return Figure(label, means[0], means[1], len(sample.value), sample.pairs, variants, values)


def numbered(folds: Sequence[Fold]) -> tuple[dict[str, int], IntArray]:
    """Id of a clip -> number of its person, and how often each resample draws each person."""
    names = sorted({fold.person(clip) for fold in folds for clip in fold.info})
    person = {clip: names.index(fold.person(clip)) for fold in folds for clip in fold.info}
    return person, video_counts(len(names), seed=0)


def figures(
    folds: Sequence[Fold],
    presets: Sequence[str],
    seeds: Sequence[int],
    settings: Sequence[str],
    pairs: int,
) -> dict[str, list[Figure]]:
    """Title of a kind of pairs -> the baselines, then the presets."""

    def baselines(project: Project) -> Config:
        evaluate = [s for s in settings if s.startswith("evaluate.")]
        return project.config(preset="default", overrides=[f"evaluate.pairs={pairs}", *evaluate])

    names = [name for name in FEATURE_NAMES if name != "model"]
    common = [transfers(fold, baselines(fold.project), names) for fold in folds]
    rows: list[tuple[str, str, list[list[dict[str, Any]]]]] = [
        (LABELS.get(name, name), name, [common]) for name in names
    ]
    told = [s for s in settings if tuple(s.partition("=")[0].split(".")) not in SPEED_ONLY]
    for preset in presets:
        by_seed = []
        for seed in seeds:
            runs = [trained(f, preset, seed, settings, baselines(f.project)) for f in folds]
            by_seed.append(
                [
                    transfers(fold, config, ["model"], run)
                    for fold, (config, run) in zip(folds, runs, strict=True)
                ]
            )
        rows.append((", ".join([f"model, {preset}", *told]), "model", by_seed))
    data = folds[0].data
    return {
        data.title(kind): [figure(*row, kind=kind, folds=folds) for row in rows]
        for kind in data.kinds
    }


# --- the page ------------------------------------------------------------------------------------


def transfer_table(shown: Sequence[Figure]) -> list[str]:
    best = next(f for f in shown if f.label == BEST_RAW)
    least = [min(of(f).value for f in shown) for of in (_median, _mean)]
    headings = ("median %", "mean %", "median / best raw", "mean / best raw")
    rows = []
    for f in shown:
        cells = [
            Cell(str(of(f)), rank=int(of(f).value == value))
            for of, value in zip((_median, _mean), least, strict=True)
        ]
        ratios = ["–" if f is best else str(of(f).over(of(best))) for of in (_median, _mean)]
        rows.append(Row([Cell(f.label), *cells, *map(Cell, ratios)]))
    return markdown(Table([Column("", kind="name"), *map(Column, headings)], rows))


def _median(figure: Figure) -> Statistic:
    return figure.median


def _mean(figure: Figure) -> Statistic:
    return figure.mean


def overview(figured: Mapping[str, Sequence[Figure]]) -> list[str]:
    """Median / mean of every row on every kind of pairs."""
    columns = [Column("", kind="name"), *(Column(title) for title in figured)]
    rows = [
        Row(
            [
                Cell(of_row[0].label),
                *(Cell(f"{f.median.value:.2f} / {f.mean.value:.2f}") for f in of_row),
            ]
        )
        for of_row in zip(*figured.values(), strict=True)
    ]
    return markdown(Table(columns, rows))


def tables(figured: Mapping[str, Sequence[Figure]], seeds: Sequence[int]) -> str:
    lines = ["### Overview: median / mean error, % of the clip", "", *overview(figured), ""]
    for title, shown in figured.items():
        lines += [f"### {title.capitalize()}", "", *transfer_table(shown), ""]
        facts = [f"{shown[0].pairs} trimmed pairs, {shown[0].events} events"]
        best = next(f for f in shown if f.label == BEST_RAW)
        facts.append(f"best raw pose: {best.variants[0]} (median), {best.variants[1]} (mean)")
        for f in shown:
            if len(f.by_seed) > 1:
                values = ", ".join(f"{m:.2f} / {n:.2f}" for m, n in f.by_seed)
                facts.append(f"{f.label}, seeds {', '.join(map(str, seeds))}: {values}")
        lines += [f"{'; '.join(facts)}.", ""]
    return "\n".join(lines).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--preset", action="append", help="A row; may be repeated.")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--split-seed", type=int, default=0, help="Of the two halves.")
    parser.add_argument("--pairs", type=int, default=300, help="Of each kind and draw, at most.")
    parser.add_argument("--baselines", action="store_true", help="Train nothing.")
    given = parser.parse_args()
    presets = () if given.baselines else tuple(given.preset or ["default"])
    seeds = [int(seed) for seed in given.seeds.split(",")]
    names = given.sets.split(",")
    figured: dict[str, list[Figure]] = {}
    for name in names:
        folds = make_folds(SETS[name], given.data, given.work, given.split_seed)
        figured |= figures(folds, presets, seeds, given.settings, given.pairs)
        print(f"{name}: done", flush=True)
    print(tables(figured, seeds))


if __name__ == "__main__":
    main()
