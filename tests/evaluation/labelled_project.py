"""A project of labelled training and test clips whose phases the joints show clearly, and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.evaluate import Request, evaluate
from la2ds_cli.evaluation.evaluation_table import evaluation_table
from tests.movement import add_sequence, sequence, warped_phase

BOUNDS = (0.35, 0.65)
NAMES = ("begin", "middle", "end")
TINY = [
    *("model.input=joints", "model.width=24", "model.heads=2", "model.spatial_layers=1"),
    *("model.temporal_layers=1", "evaluate.trim_draws=1"),
]


def labelled_project(
    root: Path, *, train: int = 6, test: int = 4, labels: bool = True, split: bool = True
) -> StoredProject:
    """Clips train0.., test0.. of one movement at known, different paces and frame rates; the phases
    begin at fixed shares of the movement, not of the clip."""
    project = StoredProject.create(root)
    rows = ["video,start,end,phase"]
    for n in range(train + test):
        name = f"train{n}" if n < train else f"test{n - train}"
        phase = warped_phase(40 + 3 * n, seed=n)
        pose = sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=50.0 + 5 * n)
        add_sequence(project, name, pose, name.rstrip("0123456789") if split else "")
        rows += label_rows(name, phase)
    if labels:
        write_text(project.phases_path, "\n".join(rows) + "\n")
    return project


def label_rows(name: str, phase: np.ndarray) -> list[str]:
    """Rows of phases.csv of a clip with phase (T,)."""
    first, second = (int(np.abs(phase - share).argmin()) for share in BOUNDS)
    edges = (0, first, second, len(phase))
    return [f"{name},{edges[i]},{edges[i + 1]},{NAMES[i]}" for i in range(3)]


def random_run(project: StoredProject, run: str, seed: int = 0, *overrides: str) -> None:
    """Random weights, which do not name the clips they have seen."""
    from la2ds_cli.network.torch_network import build_network
    from la2ds_cli.training import checkpoint

    config = load_config(overrides=[*TINY, f"train.seed={seed}", *overrides])
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), seed)
    checkpoint.save_weights(
        project.run_dir(run) / "best.safetensors",
        network,
        checkpoint.training_recipe(config, "digest"),
        {"skeleton": "penn13"},
    )


def evaluated(
    project: StoredProject, *runs: str, config: Config | None = None, **fields: Any
) -> Any:
    """The document of an evaluation; fields: of the request."""
    fields = {"device": "cpu", **fields}
    return evaluate(Request(project, config or Config(), runs, **fields)).document


def shown(result: dict[str, Any], width: int = 100) -> str:
    """The table of an evaluation in a terminal."""
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(evaluation_table(result))
    return capture.get()


def relabel(project: StoredProject, old: str, new: str) -> None:
    """Replace text in phases.csv."""
    path = project.phases_path
    text = path.read_text("utf-8")
    assert old in text
    write_text(path, text.replace(old, new))
