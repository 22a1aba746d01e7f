"""The tables of docs/results/paper.md: the recipe of the paper trained to its end, and its curve.

    python benchmarks/paper.py PENN PHASES.csv --work DIR [--out docs/results] [--people EVENTS]
        [--actions golf_swing] [--recipes paper-penn-casa] [--seeds 0] [--set K=V] [--only-score]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. EVENTS: a folder with golf/ and
repetitions/. A recipe is a preset with settings of its own, PRESET+K=V. It is trained with each
seed on each action, in DIR/ACTION; its weights after every EVERY steps are kept as a run of their
own, RUN-stepNNNN. Each is scored once, on the test clips: the metrics of Tables 1 to 3 by the
protocol `paper`, and event transfer on trimmed pairs by `la2ds`, with the embedding alone
(align.movement=0, align.base=0); the last weights, the last of all seeds, and the first of EARLY
recipes also on people's clips, alone and as by default, in one distance with movement and base
model, and on worse joints (Tables 7 and 8). Writes paper-curve.csv, paper-tables.csv and
paper-worse.csv to --out. The same command goes on after an interruption, and --only-score tabulates
what there is while another process trains.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

import numpy as np
from human_labels import best, errors_of, transfers
from people import SETS, Fold, make_folds, penn_project

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.experiments.corruption import CLEAN, Joints
from la2ds_cli.experiments.printed_tables import paper_data, paper_methods
from la2ds_cli.experiments.reproduce import conditions
from la2ds_cli.experiments.runner import ALONE
from la2ds_cli.network import load_network
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.training.train import train

EVERY = 100
EARLY = "default", "heatmap"  # recipes that are near their best after so many steps
FIGURES = (
    *("phases 10 %", "phases 50 %", "phases 100 %", "progression", "tau", "AP@5", "AP@10", "AP@15"),
    *("median %", "mean %"),
)
KINDS = "people", "slow motion", "both speeds"  # medians on SETS[PEOPLE[action]]
PEOPLE = {"golf_swing": "golf", "squat": "squat", "pullup": "pull_up"}
WORSE, TABLES = ("phases 100 %", "median %"), ("table7", "table8")
CONDITIONS = {"": "clean", "p50": "limb in half", "p100": "in all", "clean-to-noisy": "noisy"}
BASELINES = {
    "base": "base model, no training",
    "raw_pose_best": "best raw pose, for each figure",
    "time_only": "time only",
    "number": "number of the frame",
}


@dataclass
class Counter:
    """In the place of the base model: an embedder of the number of the frame, which sees no
    pose."""

    config: Config
    spread: float = 1.0
    frame_features: None = None

    def __call__(self, poses: Sequence[PoseSequence]) -> list[FloatArray]:
        return [np.arange(len(pose), dtype=np.float32)[:, None] for pose in poses]


class Keeper(Progress):
    """Keeps a copy of the last weights whenever a validation has written them."""

    def __init__(self, project: StoredProject, run: str) -> None:
        self.folder, self.written = project.run_dir(run), 0

    def advance(self, amount: float = 1) -> None:
        last = self.folder / "last.safetensors"
        if not last.exists() or last.stat().st_mtime_ns == self.written:
            return
        self.written = last.stat().st_mtime_ns
        kept = self.folder.with_name(f"{self.folder.name}-step{read_weights(last)[2]['step']:04d}")
        kept.mkdir(exist_ok=True)
        shutil.copy(self.folder / "config.toml", kept)
        artifact.write_bytes(kept / "best.safetensors", last.read_bytes())


def kept_runs(project: StoredProject, run: str) -> Iterator[tuple[int, str]]:
    """The steps after which weights of a run were kept, and the names of those runs."""
    for weights in sorted(project.run_dir(run).parent.glob(f"{run}-step*/best.safetensors")):
        name = weights.parent.name
        yield int(name.rpartition("-step")[2]), name


def figures(features: dict[str, Any], transfer: dict[str, Any]) -> list[float | None]:
    """FIGURES, in %, from the entries of a feature set by both protocols."""
    labels, near = features["phase_classification"], features["precision_at_k"]
    found = [
        *(labels[share]["value"] for share in ("10 %", "50 %", "100 %")),
        *(features[name]["value"] for name in ("phase_progression", "kendalls_tau")),
        *(near[k]["value"] for k in ("5", "10", "15")),
        *(transfer["event_transfer"][f"{kind}_percent"]["value"] for kind in ("median", "mean")),
    ]
    shares = (0, 1, 2, 5, 6, 7)
    return [100 * value if n in shares and value else value for n, value in enumerate(found)]


def feature_of(tested: str) -> tuple[str, str]:
    """The feature set that is tested, and its run: of one of BASELINES none, else it is a run."""
    if tested == "number":
        return "base", ""
    return (tested, "") if tested in BASELINES else ("model", tested)


def embedding(tested: str, config: Config) -> AbstractContextManager[Any]:
    """While it is open, the base model counts frames if their number is tested."""
    if tested != "number":
        return nullcontext()
    return patch.object(load_network, "load_embedder", lambda *_: Counter(config))


def scores(project: StoredProject, work: Path, tested: str, joints: Joints = CLEAN) -> list[float]:
    """The figures of a run or a baseline, scored unless they are in DIR/scores."""
    name = "-".join(filter(None, (tested, joints.label)))
    path = work / "scores" / project.root.name / f"{name}.json"
    if not path.exists():
        config, project = project.config(overrides=ALONE), joints.in_test(project)
        feature, run = feature_of(tested)
        runs = (run,) if run else ()
        asked = (Request(project, config, runs, by, [feature]) for by in ("paper", "la2ds"))
        with embedding(tested, config):
            paper, la2ds = (score_request(one).document["features"][feature] for one in asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_json(path, figures(paper, la2ds))
    return json.loads(path.read_text("utf-8"))


def people(
    project: StoredProject, folds: Sequence[Fold], tested: str, settings: Sequence[str] = ALONE
) -> list[float]:
    """Median errors of a run or a baseline on the kinds of pairs of people's clips, none without
    folds."""
    (feature, run), documents = feature_of(tested), []
    # The base model and the number have one name, and two entries in the cache.
    asked = [feature] if tested != "number" else [feature, "time_only"]
    for fold in folds:
        config = fold.project.config(overrides=settings)
        if run:
            shutil.copytree(project.run_dir(run), fold.project.run_dir(run), dirs_exist_ok=True)
        with embedding(tested, config):
            documents.append(transfers(fold, config, asked, run))
    kinds = folds[0].data.kinds if folds else ()
    return [best(errors_of(documents, feature, kind))[0] for kind in kinds]


def on_worse_joints(project: StoredProject, work: Path, tested: Sequence[str]) -> list[str]:
    """Cells of paper-worse.csv: WORSE in those conditions of Tables 7 and 8 that change the test
    clips alone."""
    config = project.config(overrides=ALONE)
    every = {one.name: one.joints for table in TABLES for one in conditions(table, config)}
    every[""] = CLEAN
    text = [cells(scores(project, work, one, every[name]) for one in tested) for name in CONDITIONS]
    return [one[FIGURES.index(name)] for name in WORSE for one in text]


def cells(rows: Iterable[Sequence[float]], first: int = 0) -> list[str]:
    """Means over seeds, with their standard deviation if there are several. first: the place of
    their first figure in a row of the tables."""
    text = []
    for n, each in enumerate(zip(*rows, strict=True), first):
        digits = {3: 3, 4: 3}.get(n, 1 if n < 8 else 2)
        spread = f" ±{stdev(each):.{digits}f}" if len(each) > 1 else ""
        text.append(f"{mean(each):.{digits}f}{spread}")
    return text


def run_of(recipe: str, seed: str) -> str:
    """PRESET-sSEED, with the values of the settings of a recipe between them."""
    preset, *settings = recipe.split("+")
    return "-".join([preset, *(one.partition("=")[2] for one in settings), f"s{seed}"])


def trained(project: StoredProject, recipe: str, seed: str, settings: Sequence[str]) -> None:
    """Train a run, or go on with it, and keep its weights."""
    run, (preset, *own) = run_of(recipe, seed), recipe.split("+")
    keeper, more = Keeper(project, run), [f"train.validate_every={EVERY}", f"train.seed={seed}"]
    config = project.config(preset=preset, overrides=[*own, *settings, *more])
    train(project, run=run, config=config, progress=keeper)
    keeper.advance()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--actions", default="golf_swing")
    parser.add_argument("--recipes", default="paper-penn-casa")
    parser.add_argument("--people", type=Path)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--only-score", action="store_true")
    given = parser.parse_args()
    curve, table, worse = [], [], []
    for name in ("casa", "la2ds"):
        printed = list(paper_data()["penn-action"].figures[name].values())
        label = f"{paper_methods()[name].label} in the paper, {paper_methods()[name].input}"
        table.append(["13 actions", label, *cells([printed])])
    for action in given.actions.split(","):
        project = penn_project(given.penn, action, given.work / action, given.phases)
        data = SETS.get(PEOPLE.get(action, "")) if given.people else None
        folds = make_folds(data, given.people, given.work / "people") if data else []
        methods, between = {label: [name] for name, label in BASELINES.items()}, list[str]()
        for recipe in given.recipes.split(","):
            label, reached = recipe.replace("+", ", "), {}
            for seed in given.seeds.split(","):
                if not given.only_score:
                    trained(project, recipe, seed, given.settings)
                for step, run in kept_runs(project, run_of(recipe, seed)):
                    reached.setdefault(step, []).append(run)
            for step, runs in sorted(reached.items()):
                found = cells(scores(project, given.work, run) for run in runs)
                curve.append([action, label, str(step), str(len(runs)), *found])
            seeds = max(map(len, reached.values()), default=0)
            last = max((step for step, runs in reached.items() if len(runs) == seeds), default=0)
            first = {EVERY} if recipe in EARLY else set()
            ends = {max(reached, default=0), *first}
            for step in sorted({last, *ends} & set(reached)):
                methods[f"{label}, {step} steps"] = reached[step]
                if step not in ends:
                    between.append(f"{label}, {step} steps")
        for label, tested in methods.items():
            rows = [scores(project, given.work, t) + people(project, folds, t) for t in tested]
            table.append([action, label, *cells(rows)])
            table[-1] += [""] * (len(FIGURES) + len(KINDS) - len(rows[0]))
            if tested[0] not in BASELINES or tested == ["base"]:
                table[-1] += cells((people(project, folds, t, ()) for t in tested), len(FIGURES))
            if label not in between:
                worse.append([action, label, *on_worse_joints(project, given.work, tested)])
    joints = [f"{figure_of}, {one}" for figure_of in WORSE for one in CONDITIONS.values()]
    kinds = [*KINDS, *(f"{kind}, as by default" for kind in KINDS)]
    files = {
        "curve": (("action", "recipe", "steps", "seeds", *FIGURES), curve),
        "tables": (("clips", "method", *FIGURES, *kinds), table),
        "worse": (("action", "method", *joints), worse),
    }
    for name, (columns, rows) in files.items():
        filled = [[*row, *[""] * (len(columns) - len(row))] for row in rows]
        artifact.write_text(given.out / f"paper-{name}.csv", table_text(columns, filled))


if __name__ == "__main__":
    main()
