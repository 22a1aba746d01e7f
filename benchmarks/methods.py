"""Make the tables of docs/results/benchmark.md: all methods on two actions of Penn Action.

    python benchmarks/methods.py PENN PHASES.csv --work DIR [--minutes 2] [--seeds 0,1,2]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. Imports each action into a
project below --work, trains every method of the paper there for each seed, the two actions beside
each other with one thread each, scores all of them, and replaces what stands between the two marks
of the page. The same command goes on after an interruption: nothing is trained or scored twice.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.benchmark import benchmark
from la2ds_cli.experiments.benchmark_pages import markdown
from la2ds_cli.experiments.methods import paper_methods
from la2ds_cli.formats.penn_action import import_penn_action

ACTIONS = ("golf_swing", "squat")
PAGE = Path(__file__).parents[1] / "docs" / "results" / "benchmark.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
# Time alone ends a run, so that all methods learn equally long.
SETTINGS = ("train.threads=1", "train.steps=100000")


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


def start(project: Project, minutes: float, seeds: str, methods: str) -> subprocess.Popen[bytes]:
    """Train and score on one project in a process of its own."""
    # -P: the package of this process, and not one that lies in the current folder
    command = [sys.executable, "-P", "-c", "from la2ds_cli.main import main; main()", "benchmark"]
    command += ["--project", str(project.root), "--minutes", f"{minutes:g}", "--seeds", seeds]
    command += ["--methods", methods, "--quiet"]
    for setting in SETTINGS:
        command += ["--set", setting]
    # A run of several threads would take the core from the one that is trained beside it.
    return subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )


def without_title(text: str) -> str:
    """The tables below the headings of the page."""
    return re.sub(r"^#", "##", text.partition("\n")[2].strip(), flags=re.MULTILINE)


def put_into(page: Path, tables: str) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default=",".join(paper_methods()))
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    begun = time.monotonic()
    projects = [imported(given.penn, given.phases, action, given.work) for action in ACTIONS]
    beside = [start(project, given.minutes, given.seeds, given.methods) for project in projects]
    codes = [process.wait() for process in beside]
    if any(code not in (0, ExitCode.PARTIAL) for code in codes):
        sys.exit(f"the exit codes of the benchmarks are {codes}")
    print(f"trained and scored in {(time.monotonic() - begun) / 60:.0f} minutes")
    result = benchmark(  # takes the runs and scores that are there
        projects,
        methods=given.methods.split(","),
        seeds=[int(seed) for seed in given.seeds.split(",")],
        minutes=given.minutes,
        settings=SETTINGS,
        out=given.work / "tables",
    )
    put_into(given.page, without_title(markdown(result)))


if __name__ == "__main__":
    main()
