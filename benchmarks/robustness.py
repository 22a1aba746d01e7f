"""The tables of docs/results/robustness.md: LA2DS and CASA on worse joints (Tables 7 and 8).

    python benchmarks/robustness.py --work DIR [--minutes 2] [--seeds 0,1,2] [--noisy-seeds 0]

DIR: a folder of benchmarks/methods.py with its projects. Trained with its budget: LA2DS on
heatmaps, which is what the paper's claim is about, LA2DS on joints, and CASA, each with missing
joints as zeros and with missing joints imputed (model.missing), on clean and on noisy joints. A run
is tested with the treatment that it was trained with. Prints Markdown; the same figures are in
results/robustness of each project, as CSV. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from methods import ACTIONS, TIMED

from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.benchmark import NAME, common_config, method_config
from la2ds_cli.experiments.comparison import Baseline, Result, Row, Rows
from la2ds_cli.experiments.reproduce import TREATMENTS, conditions
from la2ds_cli.experiments.runner import Bench, Plan, run_table, shared_facts
from la2ds_cli.experiments.scores import Task
from la2ds_cli.experiments.tables import figures, markdown

MISSING = ("p0", "p50", "p100")  # of the rows of Table 7
METHODS = {"heatmap": "LA2DS, heatmaps", "default": "LA2DS, joints (default)", "casa": "CASA"}
HEADINGS = {
    "classification": "phases right, %",
    "precision_at_10": "AP@10, %",
    "event_transfer_median": "event transfer, median %",
}


def rows(project: StoredProject, table: str, settings: Sequence[str]) -> Rows:
    """Every method with either treatment of missing joints in every condition of a table."""
    made, baselines = [], {}
    for missing in TREATMENTS:
        for preset, label in METHODS.items():
            recipe = partial(method_config, preset, [f"model.missing={missing}"], settings)
            for one in conditions(table, recipe(project, 0)):
                if table == "table7" and one.name not in MISSING:
                    continue
                name, run = f"{preset}-{missing}", f"{NAME}-{preset}"
                label_of = f"{one.label}: {label}, {missing}"
                joints = replace(one.joints, label=f"{one.joints.label}-{name}")
                made.append(Row(f"{name}-{one.name}", label_of, recipe, run, joints=joints))
                pose = Baseline(one.name, f"{one.label}: raw pose", "raw_pose", one.joints)
                baselines.setdefault(one.name, pose)
    common = partial(common_config, settings=settings)
    return Rows(f"{NAME}-robustness", made, common, tuple(baselines.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--noisy-seeds", default="0")
    parser.add_argument("--actions", default=",".join(ACTIONS))
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    given = parser.parse_args()
    settings = (*TIMED, *given.settings)
    for title, text, table in (
        ("One limb, drawn in each frame, missing", given.seeds, "table7"),
        ("Noisy joints: trained on → tested on", given.noisy_seeds, "table8"),
    ):
        plan = Plan([int(seed) for seed in text.split(",")], given.minutes, settings)
        for action in given.actions.split(","):
            project = StoredProject.open(given.work / action)
            every = rows(project, table, settings)
            task = Task(table, title, 0, HEADINGS)
            facts = shared_facts(project, plan, every)
            result = Result(table, title, (task,), facts)
            bench = Bench(action, project, every, plan, SILENT)
            run_table(result, [bench], project.results_dir("robustness"), {})
            print(markdown(result, figures(result)))


if __name__ == "__main__":
    main()
