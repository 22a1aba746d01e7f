"""Files of one training run: weights as safetensors, resume state, metrics, settings.

checkpoints/<run>/ config.toml · metrics.jsonl · last.safetensors · best.safetensors · resume.pt
· CARD.md. Weights carry the recipe and the settings in their header, so one file is enough to
embed with.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.training.losses import HEAD

if TYPE_CHECKING:
    from la2ds_models.sequence_network import SequenceNetwork

VERSION = 1
SECTIONS = ("heatmap", "augment", "model", "train")
# Settings that came later: runs from before them are runs with these values.
LATER = {
    ("train", "method"): "la2ds",
    ("model", "encoder"): "vivit",
    ("model", "context"): 0,
    ("model", "rgb_weights"): "resnet50-imagenet",
}
FRAMES = "frames"  # the input of a recipe that is the identity of model.rgb_weights
SPEED_ONLY = {("train", "threads"), ("train", "compile")}  # change nothing but rounding


def recipe(config: Config, digest: str, frames: str = "") -> artifact.Recipe:
    """Recipe of a run: every setting that shapes the weights, the digest of its clips, and the
    identity of the weights that read its video frames, where it reads them."""
    settings = {
        f"{section}.{key}": value
        for section in SECTIONS
        for key, value in asdict(getattr(config, section)).items()
        if (section, key) not in SPEED_ONLY and LATER.get((section, key)) != value
    }
    inputs = {"clips": digest} | ({FRAMES: frames} if frames else {})
    return artifact.Recipe("train", VERSION, settings, inputs)


def settings_of(made_from: artifact.Recipe) -> dict[str, dict[str, Any]]:
    """Nested settings of a recipe, ready for config.load_config."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in made_from.config.items():
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


def save_weights(
    path: Path, network: SequenceNetwork, made_from: artifact.Recipe, facts: Mapping[str, Any]
) -> None:
    """Write the weights (float32) whole or not at all, without the head of the method: what embeds
    does not need it."""
    arrays = {
        name: tensor.detach().cpu().float().numpy()
        for name, tensor in network.state_dict().items()
        if not name.startswith(f"{HEAD}.")
    }
    artifact.write_arrays(path, arrays, made_from, facts)


def load_weights(path: Path) -> tuple[dict[str, Any], artifact.Recipe, dict[str, Any]]:
    """Tensors by name, recipe and facts of a checkpoint.

    UserError (exit 3) when the file is damaged or not a la2ds checkpoint.
    """
    import torch

    try:
        arrays, made_from, facts = artifact.read_arrays(path)
    except artifact.ArtifactError as error:
        raise UserError(
            f"{path} is not a usable checkpoint: {error}",
            hint="train again with --overwrite, or restore the file",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    if made_from.step != "train":
        raise UserError(
            f"{path} is not a checkpoint but the output of step '{made_from.step}'",
            exit_code=ExitCode.MISMATCH,
        )
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, made_from, facts


def save_resume(path: Path, state: Mapping[str, Any]) -> None:
    """Write optimiser state and counters (plain containers and tensors only)."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    artifact.write_bytes(path, buffer.getvalue())


def load_resume(path: Path) -> dict[str, Any] | None:
    """State written by save_resume, None when there is none or it is damaged."""
    import pickle

    import torch

    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
        return None


def keep_metrics(path: Path, up_to_step: int) -> None:
    """Drop lines of metrics.jsonl after a step, and a half-written last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= up_to_step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError):
            continue
    artifact.write_text(path, "".join(f"{line}\n" for line in kept))


def append_metrics(path: Path, row: Mapping[str, Any]) -> None:
    """Append one line to metrics.jsonl."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(row) + "\n")
