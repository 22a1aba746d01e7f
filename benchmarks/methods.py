"""The tables of docs/results/benchmark.md: all methods, with one protocol for all of them.

    python benchmarks/methods.py PENN PHASES.csv --work DIR [--people HUMAN_EVENTS]
        [--minutes 2,15] [--seeds 0,1,2] [--processes 2]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. HUMAN_EVENTS: a folder with
golf, whose events people set. For each budget of minutes every method of METHODS is trained on two
actions of Penn Action and on either half of the golfers, to be tested on the other half, for each
seed, and its last weights are scored. The learning rates are those of golf_rates.json: of three,
the one with the lowest mean error of event transfer between held-out training clips of the golf
swings after two minutes. Each project is a process of one thread, --processes of them at a time.
Prints Markdown; the same figures are in --work, as CSV. The same command goes on after an
interruption: nothing is trained or scored twice.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from people import SETS, make_folds, penn_project

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.benchmark import benchmark
from la2ds_cli.experiments.printed_tables import paper_methods
from la2ds_cli.experiments.runner import Plan
from la2ds_cli.experiments.tables import figures, markdown

ACTIONS = ("golf_swing", "squat")
# Those of the paper, methods since, and the paper's own recipe.
METHODS = (*paper_methods(), *("tcn-npairs", "gtcc", "vaot"), *("paper-penn-casa", "paper-penn"))
# Time alone ends a run, so that all methods learn equally long.
TIMED = ("train.threads=1", "train.steps=100000")
# The last weights of all methods; a validation would choose by the task of LA2DS. No clip is held
# out for it. The paper's 64 pairs of a step would be a handful of steps.
SETTINGS = (
    *TIMED,
    *("train.validate_every=100000", "train.validation_share=0", "train.batch_size=8"),
)


RATES = Path(__file__).with_name("golf_rates.json")


def rates() -> dict[str, float]:
    """The chosen learning rate of each method."""
    return {name: row["rate"] for name, row in json.loads(RATES.read_text("utf-8")).items()}


def plan(given: argparse.Namespace, minutes: str) -> Plan:
    seeds = [int(seed) for seed in given.seeds.split(",")]
    return Plan(seeds, float(minutes), (*SETTINGS, *given.settings), rates=rates())


def run(given: argparse.Namespace, root: Path, minutes: str) -> None:
    """Train and score in one project."""
    benchmark([StoredProject.open(root)], plan(given, minutes), given.methods.split(","))


def part(
    given: argparse.Namespace, title: str, projects: Sequence[StoredProject], minutes: str
) -> str:
    """Markdown of one budget, from the runs and scores that are there."""
    out = given.work / f"{minutes}min" / "tables" / title
    result = benchmark(projects, plan(given, minutes), given.methods.split(","), out=out)
    result.title = f"{title}, {minutes} minutes each"
    return markdown(result, figures(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--people", type=Path, metavar="HUMAN_EVENTS")
    parser.add_argument("--minutes", default="2,15")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--actions", default=",".join(ACTIONS))
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    begun = time.monotonic()
    groups: list[tuple[str, list[StoredProject], str]] = []
    for minutes in given.minutes.split(","):
        work = given.work / f"{minutes}min"
        names = given.actions.split(",")
        actions = [penn_project(given.penn, name, work / name, given.phases) for name in names]
        groups.append(("Penn Action", actions, minutes))
        if given.people is not None:
            folds = make_folds(SETS["golf"], given.people, work / "people")
            projects = [fold.project for fold in folds]
            groups.append(("Golf, events that people set", projects, minutes))
    os.environ["OMP_NUM_THREADS"] = "1"  # several threads would take the core of the run beside it
    work = [(project.root, minutes) for _, projects, minutes in groups for project in projects]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, fresh) as pool:
        list(pool.map(partial(run, given), *zip(*work, strict=True)))
    print(f"trained and scored in {(time.monotonic() - begun) / 60:.0f} minutes")
    for group in groups:
        print(part(given, *group))


if __name__ == "__main__":
    main()
