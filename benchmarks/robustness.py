"""Make the tables of docs/results/robustness.md: LA2DS and CASA on worse joints (Tables 7 and 8).

    python benchmarks/robustness.py --work DIR [--minutes 2] [--seeds 0,1,2] [--noisy-seeds 0]

DIR: where benchmarks/methods.py has made its projects. Trained with its budget: LA2DS on heatmaps,
which is what the paper's claim is about, LA2DS on joints, and CASA, each with missing joints as
zeros and with missing joints imputed (model.missing), on clean and on noisy joints. A run is tested
with the treatment that it was trained with. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from methods import ACTIONS, TIMED
from page import put_into

from la2ds_cli.core import artifact
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Cell, Column, Row, Table, markdown
from la2ds_cli.experiments.benchmark import NAME
from la2ds_cli.experiments.corruption import ANY
from la2ds_cli.experiments.methods import Method, common_config, find_methods
from la2ds_cli.experiments.robustness import TREATMENTS, limb_sweep, noise_sweep
from la2ds_cli.experiments.runs import Budget, run_name, train_run

PAGE = Path(__file__).parents[1] / "docs" / "results" / "robustness.md"
MISSING = (0.0, 0.5, 1.0)
METRICS = {
    "classification": ("phases right, %", 1),
    "precision_at_10": ("AP@10, %", 1),
    "event_transfer_median": ("event transfer, median %", 2),
}
Scores = dict[str, dict[str, dict[str, float | None]]]  # feature set -> condition -> metric


def contenders() -> list[Method]:
    la2ds, casa = find_methods(["la2ds", "casa"])
    heatmap = replace(la2ds, name="la2ds-heatmap", label="LA2DS, heatmaps", preset="heatmap")
    joints = replace(la2ds, label="LA2DS, joints (default)")
    return [
        replace(
            method,
            name=f"{method.name}-{missing}",
            label=f"{method.label}, {missing}",
            overrides=(*method.overrides, f"model.missing={missing}"),
        )
        for missing in TREATMENTS
        for method in (heatmap, joints, casa)
    ]


def swept(project: Project, method: Method, seed: int, minutes: float, kind: str) -> Scores:
    """One run in all conditions of a table; cached beside the other results."""
    config = common_config(project, TIMED)
    budget = Budget(project, "", TIMED, minutes, "auto", False, Progress())
    run = run_name(NAME, method.name, seed)
    cache = project.results_dir("robustness") / f"{run}-{kind}-kept.json"
    if cache.exists():
        return json.loads(cache.read_text("utf-8"))
    train_run(budget, run, method.config(project, TIMED, seed))
    if kind == "noise":
        sweep = noise_sweep(project, run=run, config=config, minutes=minutes)
    else:
        limb = ANY if kind == "limbs" else kind
        sweep = limb_sweep(project, run=run, config=config, limb=limb, probabilities=MISSING)
    scores: Scores = {}
    for condition in sweep.conditions:
        joints = f"{condition.train} → {condition.test}" if kind == "noise" else condition.test
        scores.setdefault(condition.features, {})[joints] = condition.scores
    artifact.write_json(cache, scores)
    return scores


def table(project: Project, seeds: list[int], minutes: float, kind: str) -> list[str]:
    """A line for each method and condition, with the change from the first condition."""
    by_label = {}
    for method in contenders():
        runs = [swept(project, method, seed, minutes, kind) for seed in seeds]
        by_label[method.label] = [run["model"] for run in runs]
        by_label["raw pose"] = [runs[0]["raw_pose"]]  # of any method: it has no seed
    by_label["raw pose"] = by_label.pop("raw pose")  # the last line
    conditions = list(by_label["raw pose"][0])
    rows = []
    for condition in conditions:
        for label, runs in by_label.items():
            cells = [Cell(condition), Cell(label)]
            for metric, (_, digits) in METRICS.items():
                now, clean = (
                    np.array([run[c][metric] for run in runs], np.float64)
                    for c in (condition, conditions[0])
                )
                text = f"{now.mean():.{digits}f}"
                if condition != conditions[0]:
                    change = round(float((now - clean).mean()), digits) + 0.0  # no -0.0
                    text += f" ({change:+.{digits}f})"
                spread = f"±{now.std(ddof=1):.{digits}f}" if len(now) > 1 else ""
                cells.append(Cell(text, spread))
            rows.append(Row(cells))
    columns = [Column("joints", kind="text"), Column("features", kind="text")]
    return markdown(Table([*columns, *(Column(label) for label, _ in METRICS.values())], rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--noisy-seeds", default="0")
    parser.add_argument("--action", help="Run this one alone and write no page.")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    lines = []
    for title, text, kind in (
        ("One limb, drawn in each frame, missing in a share of the frames", given.seeds, "limbs"),
        ("The left arm missing in a share of the frames", given.seeds, "left_arm"),
        ("Noisy joints: trained on → tested on", given.noisy_seeds, "noise"),
    ):
        seeds = [int(seed) for seed in text.split(",")]
        lines += [f"### {title}", ""]
        for action in ACTIONS:
            if given.action in (None, action):
                project = Project.open(given.work / action)
                shown = ", ".join(map(str, seeds))
                lines += [f"{action}, seed{'s' * (len(seeds) > 1)} {shown}:", ""]
                lines += [*table(project, seeds, given.minutes, kind), ""]
    if given.action is None:
        put_into(given.page, "\n".join(lines).strip())


if __name__ == "__main__":
    main()
