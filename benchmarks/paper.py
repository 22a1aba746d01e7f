"""The tables of docs/results/paper.md: the recipe of the paper trained to its end, and its curve.

    python benchmarks/paper.py PENN PHASES.csv --work DIR [--out docs/results]
        [--actions golf_swing] [--presets paper-penn-casa] [--seeds 0] [--set K=V] [--only-score]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. Each preset is trained with
each seed on each action, in DIR/ACTION, as run PRESET-sSEED; its weights after every EVERY steps
are kept as a run of their own, PRESET-sSEED-stepNNNN. Each is scored once, on the test clips: the
metrics of Tables 1 to 3 by the protocol `paper`, and event transfer on trimmed pairs by `la2ds`,
with the embedding alone (align.movement=0, align.base=0). Writes paper-curve.csv and
paper-tables.csv to --out. The same command goes on after an interruption, and --only-score
tabulates what there is while another process trains.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from people import penn_project

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.experiments.benchmark import ALONE
from la2ds_cli.experiments.paper import paper_data, paper_methods
from la2ds_cli.training.checkpoint import read_weights
from la2ds_cli.training.train import train

EVERY = 100
COLUMNS = (
    *("classification 10 %", "50 %", "100 %", "progression", "tau", "AP@5", "AP@10", "AP@15"),
    *("median %", "mean %"),
)
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


def scores(project: Project, work: Path, run: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """The figures of the feature sets `names`, scored unless they are in DIR/scores."""
    path = work / "scores" / project.root.name / f"{run}-{'-'.join(names)}.json"
    if not path.exists():
        config = project.config(overrides=ALONE)
        by = {
            name: score_request(Request(project, config, (run,), name, names)).document["features"]
            for name in ("paper", "la2ds")
        }
        rows = {name: figures(by["paper"][name], by["la2ds"][name]) for name in names}
        path.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_json(path, rows)
    return json.loads(path.read_text("utf-8"))


def cells(rows: Sequence[Sequence[float]]) -> list[str]:
    """Means over seeds with their standard deviation, of several."""
    text = []
    for n, each in enumerate(zip(*rows, strict=True)):
        digits = {3: 3, 4: 3, 8: 2, 9: 2}.get(n, 1)
        spread = f" ±{stdev(each):.{digits}f}" if len(each) > 1 else ""
        text.append(f"{mean(each):.{digits}f}{spread}")
    return text


def trained(project: Project, run: str, settings: Sequence[str]) -> None:
    """Train a run, or go on with it, and keep its weights."""
    keeper, more = Keeper(project, run), f"train.validate_every={EVERY}"
    config = project.config(preset=run.rpartition("-s")[0], overrides=[*settings, more])
    train(project, run=run, config=config, progress=keeper)
    keeper.advance()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--actions", default="golf_swing")
    parser.add_argument("--presets", default="paper-penn-casa")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--only-score", action="store_true")
    given = parser.parse_args()
    curve, table = [], []
    for name in ("casa", "la2ds"):
        printed = list(paper_data()["penn-action"].figures[name].values())
        label = f"{paper_methods()[name].label} in the paper, {paper_methods()[name].input}"
        table.append(["13 actions", label, *cells([printed]), "", ""])
    for action in given.actions.split(","):
        project = penn_project(given.penn, action, given.work / action, given.phases)
        shown: dict[str, str] = BASELINES
        for preset in given.presets.split(","):
            reached: dict[int, list[list[float]]] = {}
            first = ""
            for seed in given.seeds.split(","):
                run = f"{preset}-s{seed}"
                if not given.only_score:
                    trained(project, run, [*given.settings, f"train.seed={seed}"])
                for step, kept in kept_runs(project, run):
                    first = first or kept
                    found = scores(project, given.work, kept, ["model"])["model"]
                    reached.setdefault(step, []).append(found)
            for step, rows in sorted(reached.items()):
                curve.append([action, preset, str(step), str(len(rows)), *cells(rows)])
            if reached:
                table.append([action, f"{preset}, {max(reached)} steps", *curve[-1][4:]])
                shown = {**shown, "untrained": f"{preset}, untrained"}
                for name, row in scores(project, given.work, first, list(shown)).items():
                    table.append([action, shown[name], *cells([row])])
                shown = {}
    steps, methods = ["action", "recipe", "steps", "seeds"], ["clips", "method"]
    for name, columns, rows in (("curve", steps, curve), ("tables", methods, table)):
        text = table_text([*columns, *COLUMNS], rows)
        artifact.write_text(given.out / f"paper-{name}.csv", text)


if __name__ == "__main__":
    main()
