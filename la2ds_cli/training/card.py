"""The model card written beside every run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config

if TYPE_CHECKING:
    from la2ds_cli.training.data import TrainingSet
    from la2ds_cli.training.loop import LoopState


def _percent(error: float) -> str:
    return f"{error:.2f} %" if math.isfinite(error) else "not measured"


def write_card(
    run_dir: Path,
    config: Config,
    data: TrainingSet,
    state: LoopState,
    device: str,
    warnings: list[str],
) -> None:
    """Write CARD.md: what the model is, what it learned from, how well, what it cannot do."""
    import torch

    held_out = data.validation is not data.train
    lines = [
        f"# Alignment model: run {run_dir.name}",
        "",
        f"Trained by la2ds {__version__} (torch {torch.__version__}, {device}), "
        f"preset `{config.preset}`, seed {config.train.seed}.",
        "",
        "| | |",
        "|---|---|",
        f"| skeleton | {data.skeleton.name} |",
        f"| input | {config.model.input} |",
        f"| clips trained on | {len(data.train)} |",
        f"| clips held out for validation | {len(data.validation) if held_out else 0} |",
        f"| frames per second | {config.train.fps:g} |",
        f"| steps | {state.step} of {config.train.steps} |",
        f"| time | {state.seconds:.0f} s |",
        f"| drawing batches, beside the network | {100 * state.drawing_share():.0f} % of it |",
        f"| waiting for them | {100 * state.data_share():.0f} % of it |",
        f"| validation error (synthetic warps, best at step {state.best_step}) | "
        f"{state.best_error:.2f} % of the clip length |",
        f"| the same error of raw poses, without training | {_percent(state.raw_pose_error)} |",
        f"| embedding dimensions in use | {state.rank:.1f} of {config.model.width} |",
        "",
        "The validation error is measured without labels on warped copies "
        + ("of clips held out of training." if held_out else "of the training clips themselves.")
        + " It does not say how well different performers align: `la2ds evaluate` does, beside "
        "the baselines.",
        "",
        "## Limits",
        "",
        "- One action: clips of another movement embed, but mean nothing.",
        "- Two-dimensional joints: a change of camera by more than some tens of degrees changes "
        "what the network sees.",
        "- Repeated movements look alike: a frame of one repetition may match another repetition.",
        "- A run limited by `--max-minutes` depends on the speed of the machine and is not exactly "
        "reproducible; one limited by steps is.",
    ]
    if warnings:
        lines += ["", "## Warnings", "", *(f"- {warning}" for warning in warnings)]
    artifact.write_text(run_dir / "CARD.md", "\n".join(lines) + "\n")
