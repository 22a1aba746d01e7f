"""The tables of docs/results/paper.md: the recipe of the paper trained to its end, and its curve.

    python benchmarks/paper.py PENN PHASES.csv --work DIR [--out docs/results] [--people EVENTS]
        [--actions golf_swing] [--recipes paper-penn-casa] [--seeds 0] [--set K=V] [--only-score]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. EVENTS: a folder with golf/ and
repetitions/, on whose clips of the action the last weights are tested as well. A recipe is a preset
with settings of its own, PRESET+K=V. It is trained with each seed on each action, in DIR/ACTION;
its weights after every EVERY steps are kept as a run of their own, RUN-stepNNNN. Each is scored
once, on the test clips: the metrics of Tables 1 to 3 by the protocol `paper`, and event transfer on
trimmed pairs by `la2ds`, with the embedding alone (align.movement=0, align.base=0); the last
weights also on worse joints (Tables 7 and 8). Writes paper-curve.csv, paper-tables.csv and
paper-worse.csv to --out. The same command goes on after an interruption, and --only-score tabulates
what there is while another process trains.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from human_labels import figure, transfers
from people import SETS, Fold, make_folds, penn_project

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.experiments.benchmark import ALONE
from la2ds_cli.experiments.corruption import CLEAN, Joints
from la2ds_cli.experiments.paper import paper_data, paper_methods
from la2ds_cli.experiments.reproduce import conditions
from la2ds_cli.training.checkpoint import read_weights
from la2ds_cli.training.train import train

EVERY = 100
COLUMNS = (
    *("phases 10 %", "phases 50 %", "phases 100 %", "progression", "tau", "AP@5", "AP@10", "AP@15"),
    *("median %", "mean %"),
    *("people", "slow motion", "both speeds"),  # medians on SETS[PEOPLE[action]], for tables
)
PEOPLE = {"golf_swing": "golf", "squat": "squat", "pullup": "pull_up"}
WORSE, TABLES = ("phases 100 %", "median %"), ("table7", "table8")
CONDITIONS = {"": "clean", "p50": "limb in half", "p100": "in all", "clean-to-noisy": "noisy"}
BASELINES = {
    "base": "base model, no training",
    "raw_pose_best": "best raw pose, for each figure",
    "time_only": "time only",
}


class Keeper(Progress):
    """Keeps a copy of the last weights whenever a validation has written them."""

    def __init__(self, project: Project, run: str) -> None:
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


def kept_runs(project: Project, run: str) -> Iterator[tuple[int, str]]:
    """The steps after which weights of a run were kept, and the names of those runs."""
    for weights in sorted(project.run_dir(run).parent.glob(f"{run}-step*/best.safetensors")):
        name = weights.parent.name
        yield int(name.rpartition("-step")[2]), name


def figures(features: dict[str, Any], transfer: dict[str, Any]) -> list[float | None]:
    """The figures of COLUMNS, in %, from the entries of a feature set by both protocols."""
    labels, near = features["phase_classification"], features["precision_at_k"]
    found = [
        *(labels[share]["value"] for share in ("10 %", "50 %", "100 %")),
        *(features[name]["value"] for name in ("phase_progression", "kendalls_tau")),
        *(near[k]["value"] for k in ("5", "10", "15")),
        *(transfer["event_transfer"][f"{kind}_percent"]["value"] for kind in ("median", "mean")),
    ]
    shares = (0, 1, 2, 5, 6, 7)
    return [100 * value if n in shares and value else value for n, value in enumerate(found)]


def scores(
    project: Project, work: Path, run: str, names: Sequence[str], joints: Joints = CLEAN
) -> dict[str, list[Any]]:
    """The figures of the feature sets `names`, scored unless they are in DIR/scores."""
    name = "-".join([run, *names, joints.label]).rstrip("-")
    path = work / "scores" / project.root.name / f"{name}.json"
    if not path.exists():
        config, project = project.config(overrides=ALONE), joints.in_test(project)
        by = {
            name: score_request(Request(project, config, (run,), name, names)).document["features"]
            for name in ("paper", "la2ds")
        }
        rows = {name: figures(by["paper"][name], by["la2ds"][name]) for name in names}
        path.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_json(path, rows)
    return json.loads(path.read_text("utf-8"))


def people(folds: Sequence[Fold], run: Path | None, names: Sequence[str]) -> dict[str, list[float]]:
    """Of the feature sets `names`: the median errors on the kinds of pairs of people's clips, none
    without folds. run: the folder of the network `model`."""
    documents = []
    for fold in folds:
        if run is not None and not fold.project.run_dir(run.name).exists():
            shutil.copytree(run, fold.project.run_dir(run.name))
        config, tested = fold.project.config(overrides=ALONE), "" if run is None else run.name
        documents.append(transfers(fold, config, names, tested))
    kinds = folds[0].data.kinds if folds else ()
    return {name: [figure(documents, name, kind)[0] for kind in kinds] for name in names}


def on_worse_joints(project: Project, work: Path, runs: Collection[str], feature: str) -> list[str]:
    """Cells of paper-worse.csv: WORSE in those conditions of Tables 7 and 8 that change the test
    clips alone."""
    config = project.config(overrides=ALONE)
    every = {one.name: one.joints for table in TABLES for one in conditions(table, config)}
    every[""] = CLEAN
    text = [
        cells([scores(project, work, run, [feature], every[name])[feature] for run in runs])
        for name in CONDITIONS
    ]
    return [one[COLUMNS.index(name)] for name in WORSE for one in text]


def cells(rows: Iterable[Sequence[float]]) -> list[str]:
    """Means over seeds with their standard deviation, of several, and empty cells at the end."""
    text = []
    for n, each in enumerate(zip(*rows, strict=True)):
        digits = {3: 3, 4: 3}.get(n, 1 if n < 8 else 2)
        spread = f" ±{stdev(each):.{digits}f}" if len(each) > 1 else ""
        text.append(f"{mean(each):.{digits}f}{spread}")
    return [*text, *[""] * (len(COLUMNS) - len(text))]


def run_of(recipe: str, seed: str) -> str:
    """PRESET-sSEED, with the values of the settings of a recipe between them."""
    preset, *settings = recipe.split("+")
    return "-".join([preset, *(one.partition("=")[2] for one in settings), f"s{seed}"])


def trained(project: Project, recipe: str, seed: str, settings: Sequence[str]) -> None:
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
        shown: dict[str, str] = BASELINES
        others = people(folds, None, list(BASELINES))
        for recipe in given.recipes.split(","):
            label, reached = recipe.replace("+", ", "), {}
            for seed in given.seeds.split(","):
                if not given.only_score:
                    trained(project, recipe, seed, given.settings)
                for step, run in kept_runs(project, run_of(recipe, seed)):
                    found = scores(project, given.work, run, ["model"])["model"]
                    reached.setdefault(step, {})[run] = found
            for step, runs in sorted(reached.items()):
                curve.append([action, label, str(step), str(len(runs)), *cells(runs.values())[:10]])
            if not reached:
                continue
            last, steps = reached[max(reached)], f"{label}, {max(reached)} steps"
            on_people = (people(folds, project.run_dir(run), ["model"])["model"] for run in last)
            rows = [own + more for own, more in zip(last.values(), on_people, strict=True)]
            table.append([action, steps, *cells(rows)])
            for feature, name in {"model": steps, **shown}.items():
                found = on_worse_joints(project, given.work, last, feature)
                worse.append([action, name, *found])
            for name, said in shown.items():
                row = scores(project, given.work, next(iter(last)), [name])[name] + others[name]
                table.append([action, said, *cells([row])])
            shown = {}
    joints = [f"{figure_of}, {one}" for figure_of in WORSE for one in CONDITIONS.values()]
    files = {
        "curve": (("action", "recipe", "steps", "seeds", *COLUMNS[:10]), curve),
        "tables": (("clips", "method", *COLUMNS), table),
        "worse": (("action", "method", *joints), worse),
    }
    for name, (columns, rows) in files.items():
        artifact.write_text(given.out / f"paper-{name}.csv", table_text(columns, rows))


if __name__ == "__main__":
    main()
