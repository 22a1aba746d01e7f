"""The trained network of a run: its weights, and embedders made of it by torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.embedding.embedder import Embedder, FrameFeatureSource
from la2ds_cli.features.frame_features import frame_feature_reader

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

WEAK = 10.0  # % synthetic warp error above which the user is warned; good runs reach 2 to 4


def torch_embedder(
    network: SequenceNetwork,
    config: Config,
    skeleton: str,
    key: str,
    device: torch.device,
    frame_features: FrameFeatureSource | None = None,
) -> Embedder:
    """An embedder that computes by torch on `device`, of a network that nothing else uses."""
    import torch

    from la2ds_cli.training.network import embed_input

    if device.type == "cpu":
        # Clips go through one by one; threads that wait for a busy core cost far more
        # than they save.
        torch.set_num_threads(min(torch.get_num_threads(), free_cores()))
    network = network.to(device).eval()
    network.keep_shown_positions(config.train.frames)
    return Embedder(
        partial(embed_input, network, device=device), config, skeleton, key, frame_features
    )


def checkpoint_path(project: Project, run: str) -> Path:
    """The weights that embeddings of a run are made with."""
    return project.run_dir(run) / "best.safetensors"


def has_model(project: Project, run: str = DEFAULT_RUN) -> bool:
    """Whether the run has weights."""
    return checkpoint_path(project, run).exists()


def trained_runs(project: Project) -> list[str]:
    """Names of the runs that have weights, sorted."""
    return sorted(p.parent.name for p in project.root.glob("checkpoints/*/best.safetensors"))


def weakness(project: Project, run: str) -> str:
    """One sentence when the run's model undoes synthetic warps badly, else an empty string."""
    try:
        facts = artifact.read_header(checkpoint_path(project, run))[1]
    except (FileNotFoundError, artifact.ArtifactError):
        return ""
    error = float(facts.get("validation_error", 0.0))
    if error <= WEAK:
        return ""
    return (
        f"the model of run {run} is weak (it undoes warps of its own clips to {error:.0f} % of "
        "their length only): compare with --features pose"
    )


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a run. key: digest of the checkpoint, the identity of the
    weights; facts: of the checkpoint (docs/file-formats.md); frames: identity of the weights that
    made the features of video frames it was trained on, empty where it reads none."""

    network: SequenceNetwork
    config: Config
    key: str
    facts: Mapping[str, Any]
    frames: str = ""

    @property
    def skeleton(self) -> str:
        return self.facts["skeleton"]


def load_network(project: Project, run: str) -> TrainedNetwork:
    """The trained network of a run, on the CPU.

    UserError (exit 4) when the run has no weights, (exit 3) when they are damaged, (exit 5) when
    the file is no checkpoint.
    """
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.network import build_network

    path = checkpoint_path(project, run)
    if not path.exists():
        raise _untrained(project, run)
    weights, made_from, facts = checkpoint.load_weights(path)
    config = load_config(checkpoint.settings_of(made_from))
    network = build_network(
        config.model, config.heatmap, get_skeleton(facts["skeleton"]), config.train.seed
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{path} does not fit the network its settings describe",
            hint="train again with --overwrite, or restore the file",
            exit_code=ExitCode.MISMATCH,
        ) from error
    frames = made_from.inputs.get(checkpoint.FRAMES, "")
    return TrainedNetwork(network, config, artifact.file_digest(path), facts, frames)


def _untrained(project: Project, run: str) -> UserError:
    runs = trained_runs(project)
    known = f"trained runs: {', '.join(runs)}; " if runs else ""
    return UserError(
        f"run '{run}' has no trained model",
        hint=f"{known}la2ds train --run {run} trains it",
        exit_code=ExitCode.UNUSABLE,
    )


def load_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """The trained embedder of a run, by torch; UserError as load_network."""
    trained = load_network(project, run)
    return torch_embedder(
        trained.network,
        trained.config,
        trained.skeleton,
        trained.key,
        resolve_device(device),
        frame_feature_reader(project, trained.config, trained.frames, device),
    )


def run_frames(project: Project, run: str) -> FrameFeatureSource | None:
    """What gives a run its video frames, by the header of its checkpoint; None where it reads
    none. Raises artifact.ArtifactError for a damaged checkpoint."""
    from la2ds_cli.training import checkpoint

    made_from, _ = artifact.read_header(checkpoint_path(project, run))
    config = load_config(checkpoint.settings_of(made_from))
    return frame_feature_reader(project, config, made_from.inputs.get(checkpoint.FRAMES, ""))


def untrained_embedder(
    config: Config,
    skeleton: str,
    *,
    seed: int = 0,
    device: DeviceName = "auto",
    frame_features: FrameFeatureSource | None = None,
) -> Embedder:
    """The same architecture with random weights: the baseline `untrained`.

    frame_features: for a network that reads video frames.
    """
    from la2ds_cli.training.network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    key = f"untrained-{seed}"
    return torch_embedder(network, config, skeleton, key, resolve_device(device), frame_features)
