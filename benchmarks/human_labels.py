"""The accuracy table of README.md and of docs/results/human-labels.md: events of people that were
never trained on, carried from clip A to clip B.

    python benchmarks/human_labels.py --data HUMAN_EVENTS --films FILMS --work DIR [--pairs 60]
        [--sets golf,skijump,walk,exercises,...] [--references 8] [--out human-labels.csv]
        [--preset default] [--seeds 0,1,2] [--set K=V]

HUMAN_EVENTS: a folder with golf, skijump and repetitions; the walks are in one beside it, gait.
FILMS: exercises by motion capture, filmed from several sides (films.py). Every set becomes two
projects below --work, one for each half of the people: it tests that half, and its reference clips
are of the other. Every pair is aligned as `la2ds evaluate` does, which calls the function that
`la2ds align` calls; both clips are trimmed at random. Errors are in % of B: within a rest they are
zero, beyond it they are the distance to its nearer end. Moments at which A or B rests have rows of
their own, below those in motion.

Baselines are two clips alone; of raw poses each figure is that of the best variant. Writes all rows
to --out, and prints those of README.md. With --preset, a network of that preset is trained on the
other half for each seed, and has a column. The same command goes on after an interruption: nothing
is trained or scored twice. Pairs and trims have the seeds 0, 1 and 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from films import exercise_sets
from people import SETS, DataSet, Fold, drawn_pairs, make_folds, page_table

from la2ds_cli.core import artifact
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import DEFAULT_RUN
from la2ds_cli.evaluation.clips import check_unseen
from la2ds_cli.evaluation.event_transfer import transfer_events
from la2ds_cli.evaluation.features import FeatureRequest, feature_sets
from la2ds_cli.experiments.leaderboard import LABELS
from la2ds_cli.experiments.runner import Plan, run_name, train_run
from la2ds_cli.experiments.scores import scored_inputs
from la2ds_cli.network.base_weights import base_key
from la2ds_cli.network.run_weights import weights_key

ALONE = "two clips alone"
# Of people whose labels lie in a rest, or of other movements than most films show.
NOT_IN_README = ("squat", "push-up", "pull-up")
FEWEST_RESTS = 300  # moments of a row of README.md
EVENT, AT_REST = 4, 5  # columns of `events`
FILMED = "exercises"


@dataclass(frozen=True)
class Row:
    """Errors of the events of one kind of pairs, in motion or at rests, by the column of the
    table: median and mean, in % of B."""

    title: str
    at_rest: bool
    events: int
    figures: dict[str, tuple[float, float]]

    @property
    def label(self) -> str:
        return f"{self.title}: rests" if self.at_rest else self.title


def transfers(fold: Fold, config: Config, features: Sequence[str], run: str = "") -> dict[str, Any]:
    """Event transfer over the test clips of a fold by every variant of `features`.

    run: its network is the feature set `model`, empty = none. Returns, and caches in
    results/people: `events`, a row [kind, draw, a, b, event, at rest] for each event of each pair;
    `percent`, feature set -> the errors by each variant, in the order of the events.
    """
    pairs = drawn_pairs(fold.project, config, fold.kind)
    settings = {name: asdict(getattr(config, name)) for name in ("align", "evaluate", "model")}
    inputs = scored_inputs(fold.project, config) | {"base": base_key()}
    inputs |= {"weights": weights_key(fold.project, run)} if run else {}
    recipe = artifact.Recipe("people", 4, settings | {"features": list(features)}, inputs)
    name = f"{run or '-'.join(features)}-{recipe.key[:8]}.json"
    path = fold.project.results_dir("people") / name
    if path.exists():
        return artifact.read_document(path)
    if run:
        check_unseen(fold.project, [run], {}, [])
    request = FeatureRequest(
        *(fold.project, features, (run or DEFAULT_RUN,), config, "auto"),
        *(pairs.clips[0].pose, pairs.training),
        optional=not run,
    )
    found: dict[str, Any] = {"events": [], "percent": {}}
    for feature_set in feature_sets(request, []):
        for variant in feature_set.variants:
            errors = transfer_events(pairs.clips, pairs.draws, variant.align)
            # The same for every variant, since they depend only on labels, joints and trims.
            found["events"] = [
                [fold.kind(a, b), error.draw, a, b, error.event, error.at_rest]
                for error in errors
                for a, b in [(pairs.clips[error.a].id, pairs.clips[error.b].id)]
            ]
            values = [round(error.percent, 5) for error in errors]
            found["percent"].setdefault(feature_set.name, []).append(values)
    artifact.write_json(path, found)
    return found


def trained(fold: Fold, preset: str, settings: Sequence[str], pairs: int) -> dict[str, Any]:
    """`transfers` of a run, which is trained where it is not there yet. Its pairs and trims are
    those of the other columns, come what may."""
    config = fold.project.config(preset=preset, overrides=settings)
    config = replace(config, evaluate=common(fold, pairs).evaluate)
    run = run_name(preset, fold.project, config)
    train_run(fold.project, run, config, Plan(), SILENT)
    return transfers(fold, config, ["model"], run)


def common(fold: Fold, pairs: int, references: int = 0) -> Config:
    """The settings of the evaluation of all. pairs: of each kind, draw and half."""
    overrides = [f"evaluate.pairs={pairs}", f"align.reference_clips={references}"]
    return fold.project.config(preset="default", overrides=overrides)


def errors_of(
    folds: Sequence[dict[str, Any]], feature: str, kind: str, *, at_rest: bool | None = None
) -> list[FloatArray]:
    """Errors on one kind of pairs, of all folds together, by each variant of a feature set.

    folds: documents of `transfers`, which have the same variants. at_rest: None = of all moments.
    """
    found = []
    for variants in zip(*(document["percent"][feature] for document in folds), strict=True):
        both = zip(folds, variants, strict=True)
        rows = [pair for d, values in both for pair in zip(d["events"], values, strict=True)]
        chosen = [error for e, error in rows if e[0] == kind and at_rest in (None, e[AT_REST])]
        found.append(np.array(chosen))
    return found


def best(errors: Sequence[FloatArray]) -> tuple[float, float]:
    """Median and mean, each of its own best variant; NaN without events."""
    if not len(errors[0]):
        return np.nan, np.nan
    median, mean = np.min([(np.median(one), np.mean(one)) for one in errors], axis=0)
    return float(median), float(mean)


def measured_rows(
    folds: Sequence[Fold],
    pairs: int,
    references: Sequence[int] = (8,),
    presets: Sequence[str] = (),
    seeds: Sequence[str] = ("0",),
    settings: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of one data set, or of several with one heading; of presets the mean over
    the seeds."""

    def score(features: Sequence[str], count: int) -> list[dict[str, Any]]:
        return [transfers(fold, common(fold, pairs, count), features) for fold in folds]

    runs = {ALONE: [(score(["base"], 0), "base")]}
    for count in references:
        runs[f"through {count} reference clips"] = [(score(["base"], count), "base")]
    baselines = ["raw_pose_best", "time_only"]
    documents = score(baselines, 0)
    runs |= {LABELS[name]: [(documents, name)] for name in baselines}
    for preset in presets:
        runs[f"model, {preset}"] = [
            ([trained(f, preset, [*settings, f"train.seed={n}"], pairs) for f in folds], "model")
            for n in seeds
        ]
    rows, data = [], folds[0].data
    for kind in data.kinds:
        for at_rest in (False, True):
            every = {
                column: [errors_of(*of, kind, at_rest=at_rest) for of in tried]
                for column, tried in runs.items()
            }
            count = len(every[ALONE][0][0])
            figures = {
                column: tuple(np.mean([best(errors) for errors in tried], axis=0).tolist())
                for column, tried in every.items()
            }
            rows += [Row(data.title(kind), at_rest, count, figures)] if count else []
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings, and median and mean of every row: moments in motion first, then rests."""
    ordered = sorted(rows, key=lambda row: row.at_rest)
    cells = [
        [row.label, str(row.events), *("{:.2f} ({:.2f})".format(*f) for f in row.figures.values())]
        for row in ordered
    ]
    return ["median (mean), % of B", "events", *ordered[0].figures], cells


def in_readme(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of README.md."""
    enough = [row for row in rows if not row.at_rest or row.events >= FEWEST_RESTS]
    return [row for row in enough if row.title not in NOT_IN_README]


def sets_of(name: str, films: Path | None, work: Path) -> list[DataSet]:
    """The data sets of a name: an exercise each for FILMED, else one."""
    if name != FILMED:
        return [SETS[name]]
    if films is None:
        raise SystemExit("the exercises need --films")
    return exercise_sets(films, work.resolve() / "films")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--films", type=Path, help="Folder of the filmed exercises.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join((*SETS, FILMED)))
    parser.add_argument("--pairs", type=int, default=60, help="Of each kind, half and draw.")
    parser.add_argument("--references", default="8", help="Numbers of reference clips.")
    parser.add_argument("--out", type=Path, default=Path("human-labels.csv"))
    parser.add_argument("--preset", action="append", default=[], help="A column; repeatable.")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    counts, rows = [int(count) for count in given.references.split(",")], []
    for name in given.sets.split(","):
        sets = sets_of(name, given.films, given.work)
        folds = [fold for data in sets for fold in make_folds(data, given.data, given.work)]
        each = -(-given.pairs // len(sets))
        rows += measured_rows(
            folds, each, counts, given.preset, given.seeds.split(","), given.settings
        )
        print(f"{name}: done", flush=True)
    artifact.write_text(given.out, table_text(*table(rows)))
    if in_readme(rows):
        headings, cells = table(in_readme(rows))
        print(page_table(headings[:1] + headings[2:], [line[:1] + line[2:] for line in cells]))


if __name__ == "__main__":
    main()
