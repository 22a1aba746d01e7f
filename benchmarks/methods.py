"""Make the tables of docs/results/benchmark.md: all methods, with one protocol for all of them.

    python benchmarks/methods.py PENN PHASES.csv --work DIR [--people HUMAN_EVENTS]
        [--minutes 2,15] [--tries 3 | --rates FILE] [--seeds 0,1,2] [--processes 2] [--page FILE]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. HUMAN_EVENTS: a folder with
golf, whose events people set. For each budget of minutes every method of METHODS is trained on two
actions of Penn Action and on either half of the golfers, with the learning rate that does best of
--tries on held-out training clips, or with the one that an earlier benchmark chose (golf_rates.json
has those of two minutes), on all training clips, for each seed, and its last weights are scored.
What stands between the two marks of the page is replaced, if all of it was made. Each
project is a process of one thread, --processes of them at a time. The same command goes on after
an interruption: nothing is trained or scored twice.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import methods_people
from page import below, put_into

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.benchmark import Plan, benchmark
from la2ds_cli.experiments.benchmark_tables import figures, markdown, write_benchmark
from la2ds_cli.experiments.methods import paper_methods
from la2ds_cli.formats.penn_action import import_penn_action

ACTIONS = ("golf_swing", "squat")
# Those of the paper, methods since, and the paper's own recipe.
METHODS = (
    *paper_methods(),
    *("tcn-npairs", "gtcc", "vaot"),
    *("paper-penn-casa", "paper-penn"),
)
PAGE = Path(__file__).parents[1] / "docs" / "results" / "benchmark.md"
# Time alone ends a run, so that all methods learn equally long.
TIMED = ("train.threads=1", "train.steps=100000")
# The last weights of all methods; a validation would choose by the task of LA2DS. No clip is held
# out for it. The paper's 64 pairs of a step would be a handful of steps.
SETTINGS = (
    *TIMED,
    *("train.validate_every=100000", "train.validation_share=0", "train.batch_size=8"),
)


def imported(penn: Path, phases: Path, action: str, work: Path) -> Project:
    root = work / action
    if (root / "project.toml").exists():
        return Project.open(root)
    project = Project.create(root)
    results = import_penn_action(project, penn, action=action, phases=phases)
    refused = [item for item in results if not item.usable]
    if refused:
        print(f"{action}: {len(refused)} clips were not imported, such as {refused[0].message}")
    return project


def rates_options(given: argparse.Namespace) -> list[str]:
    return ["--rates", str(given.rates)] if given.rates else ["--tries", str(given.tries)]


def command(given: argparse.Namespace, project: Project, minutes: float) -> list[str]:
    """Trains and scores on one action."""
    # -P: the package of this process, and not one that lies in the current folder
    line = [sys.executable, "-P", "-c", "from la2ds_cli.main import main; main()", "benchmark"]
    line += ["--project", str(project.root), "--minutes", f"{minutes:g}", "--seeds", given.seeds]
    line += ["--methods", given.methods, *rates_options(given), "--quiet"]
    for setting in (*SETTINGS, *given.settings):
        line += ["--set", setting]
    return line


def people_command(given: argparse.Namespace, work: Path, minutes: float, fold: int) -> list[str]:
    """Trains and scores on one half of the golfers."""
    line = [sys.executable, methods_people.__file__, "--data", str(given.people)]
    line += ["--work", str(work), "--minutes", f"{minutes:g}", "--seeds", given.seeds]
    line += ["--methods", given.methods, *rates_options(given), "--fold", str(fold)]
    for setting in (*SETTINGS, *given.settings):
        line += ["--set", setting]
    return line


def run(line: list[str]) -> int:
    """The exit code. A run of several threads would take the core of the one beside it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


def tables(given: argparse.Namespace, work: Path, minutes: float) -> list[str]:
    """Markdown of one budget, from the runs and scores that are there."""
    methods, seeds = given.methods.split(","), [int(seed) for seed in given.seeds.split(",")]
    settings = (*SETTINGS, *given.settings)
    rates, tries = methods_people.rates_and_tries(given)
    result = benchmark(
        [Project.open(work / action) for action in given.actions.split(",")],
        Plan(methods, seeds, minutes, settings, tries=tries, rates=rates),
        out=work / "tables",
    )
    each = f"{minutes:g} minutes each"
    parts = [below(f"Penn Action, {each}", markdown(result, figures(result)))]
    if given.people is not None:
        runs = methods_people.Runs(methods, seeds, settings, minutes, tries, rates)
        people = methods_people.result(given.people, work, runs, result.facts)
        write_benchmark(people, work / "tables")
        parts.append(
            below(f"Golf, events that people set, {each}", markdown(people, figures(people)))
        )
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--people", type=Path, metavar="HUMAN_EVENTS")
    parser.add_argument("--minutes", default="2,15")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--rates", type=Path, metavar="FILE")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--actions", default=",".join(ACTIONS))
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    begun = time.monotonic()
    budgets = {given.work / f"{m}min": float(m) for m in given.minutes.split(",")}
    lines = []
    for work, minutes in budgets.items():
        for action in given.actions.split(","):
            project = imported(given.penn, given.phases, action, work)
            lines.append(command(given, project, minutes))
        if given.people is None:
            continue
        methods_people.folds(given.people, work)  # before two processes would make them
        for fold in (0, 1):
            lines.append(people_command(given, work, minutes, fold))
    with ThreadPoolExecutor(given.processes) as pool:
        codes = list(pool.map(run, lines))
    if any(code not in (0, ExitCode.PARTIAL) for code in codes):
        sys.exit(f"the exit codes of the benchmarks are {codes}")
    print(f"trained and scored in {(time.monotonic() - begun) / 60:.0f} minutes")
    parts = [part for work, minutes in budgets.items() for part in tables(given, work, minutes)]
    put_into(given.page, "\n\n".join(parts))


if __name__ == "__main__":
    main()
