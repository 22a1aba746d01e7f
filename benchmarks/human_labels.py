"""The last table of docs/results/human-labels.md: events that people set, people never trained on.

    python benchmarks/human_labels.py --data HUMAN_EVENTS --work DIR [--preset default] [--set K=V]
        [--seeds 0,1,2] [--sets golf,skijump,squat,push_up,pull_up,walk]

HUMAN_EVENTS: a folder with golf, skijump and repetitions; the walks are in one beside it, gait.
Imports each data set into two projects below --work, one for each half of the people: it tests that
half and trains on the joints of the other. Trains every preset there for each seed, and prints the
median and mean error of event transfer beside the baselines, for each kind of pairs. The same
command goes on after an interruption: nothing is trained or scored twice. --sets makes a part of
the work, as for two processes beside each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from people import SETS, Fold, drawn_pairs, make_folds, page_table

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import DEFAULT_RUN
from la2ds_cli.evaluation.clips import check_unseen
from la2ds_cli.evaluation.event_transfer import transfer_events
from la2ds_cli.evaluation.features import FEATURE_NAMES, FeatureRequest, feature_sets
from la2ds_cli.experiments.runner import Plan, run_name, train_run
from la2ds_cli.experiments.scores import scored_inputs
from la2ds_cli.network.base_weights import base_key
from la2ds_cli.network.run_weights import weights_key

BASELINES = [name for name in FEATURE_NAMES if name != "model"]


def transfers(fold: Fold, config: Config, features: Sequence[str], run: str = "") -> dict[str, Any]:
    """Event transfer over the test clips of a fold by every variant of `features`.

    run: its network is the feature set `model`, empty = none. Returns, and caches in
    results/people: `events`, a row [kind, draw, a, b, event] for each event of each pair;
    `percent`, feature set -> the errors by each variant, in the order of the events.
    """
    pairs = drawn_pairs(fold.project, config, fold.kind)
    settings = {name: asdict(getattr(config, name)) for name in ("align", "evaluate", "model")}
    inputs = scored_inputs(fold.project, config) | {"base": base_key()}
    inputs |= {"weights": weights_key(fold.project, run)} if run else {}
    recipe = artifact.Recipe("people", 3, settings | {"features": list(features)}, inputs)
    name = f"{run or 'baselines'}-{recipe.key[:8]}.json"
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
            # The same for every variant, since they depend only on labels and trims.
            found["events"] = [
                [fold.kind(a, b), error.draw, a, b, error.event]
                for error in errors
                for a, b in [(pairs.clips[error.a].id, pairs.clips[error.b].id)]
            ]
            values = [round(error.percent, 5) for error in errors]
            found["percent"].setdefault(feature_set.name, []).append(values)
    artifact.write_json(path, found)
    return found


def trained(fold: Fold, preset: str, settings: Sequence[str], pairs: int) -> dict[str, Any]:
    """`transfers` of a run, which is trained where it is not there yet. Its pairs and trims are
    those of the baselines, come what may."""
    config = fold.project.config(preset=preset, overrides=settings)
    config = replace(config, evaluate=common(fold, pairs).evaluate)
    run = run_name(preset, fold.project, config)
    train_run(fold.project, run, config, Plan(), SILENT)
    return transfers(fold, config, ["model"], run)


def common(fold: Fold, pairs: int) -> Config:
    """The settings of the baselines, and of the evaluation of all. pairs: of each kind and draw."""
    return fold.project.config(preset="default", overrides=[f"evaluate.pairs={pairs}"])


def figure(folds: Sequence[dict[str, Any]], feature: str, kind: str) -> tuple[float, float]:
    """Median and mean of the errors on one kind of pairs, each of its own best variant.

    folds: documents of `transfers`, which have the same variants.
    """
    every = []
    for variants in zip(*(document["percent"][feature] for document in folds), strict=True):
        both = zip(folds, variants, strict=True)
        rows = [zip(document["events"], values, strict=True) for document, values in both]
        errors = [value for each in rows for event, value in each if event[0] == kind]
        every.append((np.median(errors), np.mean(errors)))
    median, mean = np.min(every, axis=0)
    return float(median), float(mean)


def figures(
    folds: Sequence[Fold],
    presets: Sequence[str],
    seeds: Sequence[str],
    settings: Sequence[str],
    pairs: int,
) -> dict[str, dict[str, tuple[float, float]]]:
    """Title of a kind of pairs -> row -> median and mean, of presets the mean over the seeds."""
    documents = [transfers(fold, common(fold, pairs), BASELINES) for fold in folds]
    by_row = {name: [(documents, name)] for name in BASELINES}
    for preset in presets:
        by_row[f"model, {preset}"] = [
            ([trained(f, preset, [*settings, f"train.seed={n}"], pairs) for f in folds], "model")
            for n in seeds
        ]
    data = folds[0].data
    return {
        data.title(kind): {
            row: tuple(np.mean([figure(*of, kind) for of in runs], axis=0).tolist())
            for row, runs in by_row.items()
        }
        for kind in data.kinds
    }


def table(figured: dict[str, dict[str, tuple[float, float]]]) -> str:
    """Median / mean of every row on every kind of pairs."""
    rows = []
    for name in next(iter(figured.values())):
        rows.append([name, *("{:.2f} / {:.2f}".format(*of[name]) for of in figured.values())])
    return page_table(["median / mean, %", *figured], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--preset", action="append", help="A row; may be repeated.")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--pairs", type=int, default=300, help="Of each kind and draw, at most.")
    given = parser.parse_args()
    presets, seeds = given.preset or ["default"], given.seeds.split(",")
    figured: dict[str, dict[str, tuple[float, float]]] = {}
    for name in given.sets.split(","):
        folds = make_folds(SETS[name], given.data, given.work)
        figured |= figures(folds, presets, seeds, given.settings, given.pairs)
        print(f"{name}: done", flush=True)
    print(table(figured))


if __name__ == "__main__":
    main()
