"""The trained network of a run, and embedders that run it in torch.

From top to bottom: the runs of a project and their weights, the network with its weights, and the
embedders of a trained and of an untrained network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import SKELETONS, Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embedder import UNKNOWN, Embedder, FrameFeatureSource, Moments
from la2ds_cli.embedding.numpy_network import numpy_forward
from la2ds_cli.features.body_joints import BODY, body_joints, joint_sources
from la2ds_cli.features.network_input import joint_width

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork


def checkpoint_path(project: Project, run: str) -> Path:
    """The weights that compute the embeddings of a run; BASE_RUN is the base model."""
    if run == BASE_RUN:
        from la2ds_cli.training.base_weights import base_path

        return base_path()
    return project.run_dir(run) / "best.safetensors"


def weights_key(project: Project, run: str) -> str:
    """SHA-256 of the weights of a run (`checkpoint_path`), which identifies them in recipes. It is
    computed again only when the file has changed, since alignments of many pairs ask for each.
    Raises OSError if the file is missing."""
    path = checkpoint_path(project, run)
    state = path.stat()
    return _digest(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(path: Path, *_state: int) -> str:
    return artifact.file_digest(path)


def has_model(project: Project, run: str = DEFAULT_RUN) -> bool:
    """Whether the run has weights."""
    return checkpoint_path(project, run).exists()


def trained_runs(project: Project) -> list[str]:
    """Names of the runs that have weights, sorted."""
    folder = project.root / "checkpoints"
    return [run for run in project.runs() if (folder / run / "best.safetensors").exists()]


def run_input(project: Project, run: str) -> str:
    """What the network of a run reads (`model.input`), from the header of its weights; empty if
    they are missing or damaged."""
    from la2ds_cli.training import checkpoint

    recipe, _ = _run_header(project, run)
    return "" if recipe is None else load_config(checkpoint.settings_of(recipe)).model.input


def run_spread(project: Project, run: str) -> float:
    """`Embedder.spread` of a run, from the header of its weights; 0 if they are missing or
    damaged."""
    with suppress(TypeError, ValueError):
        return float(_run_header(project, run)[1].get("spread", 0.0))
    return 0.0


def run_skeleton(project: Project, run: str) -> str:
    """Name of the skeleton that a run reads, from the header of its weights; empty if they are
    missing or damaged."""
    return str(_run_header(project, run)[1].get("skeleton", ""))


def run_clips(project: Project, run: str) -> tuple[list[str], list[str]]:
    """Ids of the clips that the training of a run held out, and of those that it was trained on,
    from the header of its weights; none if they are missing or damaged."""
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.data import held_out

    recipe, facts = _run_header(project, run)
    if recipe is None:
        return [], []
    with suppress(TypeError):
        share = load_config(checkpoint.settings_of(recipe)).train.validation_share
        return held_out([str(video) for video in facts.get("videos", [])], share)
    return [], []


def _run_header(project: Project, run: str) -> tuple[artifact.Recipe | None, dict[str, Any]]:
    """The recipe and the facts of a run's weights; None and none if they are missing or damaged."""
    try:
        return artifact.read_header(checkpoint_path(project, run))
    except (FileNotFoundError, artifact.ArtifactError):
        return None, {}


# --- the network ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a run.

    key: digest of the checkpoint, the identity of the weights. facts: of the checkpoint (docs/
    file-formats.md). frames: identity of the ResNet weights behind the frame features that it was
    trained on, empty if it reads joints.
    """

    network: SequenceNetwork
    config: Config
    key: str
    facts: Mapping[str, Any]
    frames: str = ""
    moments: Moments = UNKNOWN

    @property
    def skeleton(self) -> str:
        return self.facts["skeleton"]


def load_network(project: Project, run: str) -> TrainedNetwork:
    """The trained network of a run, on the CPU.

    Raises UserError if the run has no weights (exit 4), if they are damaged (exit 3), or if the
    file is not a checkpoint or does not fit the network (exit 5).
    """
    from la2ds_cli.training import checkpoint
    from la2ds_cli.training.network import build_network

    path = _existing(project, run)
    weights, recipe, facts = checkpoint.load_weights(path)
    skeleton, config = _skeleton(path, facts), load_config(checkpoint.settings_of(recipe))
    settings = config.model, config.heatmap, skeleton, config.train.seed
    try:
        _check_shapes(build_network, settings, weights)
        network = build_network(*settings)
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{path} does not fit the network its settings describe",
            hint="train again with --overwrite, or restore the file",
            exit_code=ExitCode.MISMATCH,
        ) from error
    moments = _moments(path, facts, config)
    frames = recipe.inputs.get(checkpoint.FRAMES, "")
    return TrainedNetwork(network, config, artifact.file_digest(path), facts, frames, moments)


def _existing(project: Project, run: str) -> Path:
    """The weights of a run; UserError (exit 4) if it has none."""
    path = checkpoint_path(project, run)
    if not path.exists():
        runs = trained_runs(project)
        others = f"trained runs: {', '.join(runs)}; " if runs else ""
        raise UserError(
            f"run '{run}' has no trained model",
            hint=f"{others}la2ds train --run {run} trains it",
            exit_code=ExitCode.UNUSABLE,
        )
    return path


def _skeleton(path: Path, facts: Mapping[str, Any]) -> Skeleton:
    """The skeleton that a checkpoint names; UserError (exit 3) if it is missing or unknown."""
    if facts.get("skeleton") not in list(SKELETONS):
        raise _damaged(path, "its skeleton is missing or unknown")
    return get_skeleton(facts["skeleton"])


def _moments(path: Path, facts: Mapping[str, Any], config: Config) -> Moments:
    """The moments in the facts of a checkpoint; UserError (exit 3) for invalid values."""
    try:
        return Moments.of(facts, config.model.width)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is damaged: {reason}",
        hint="train again with --overwrite, or restore the file",
        exit_code=ExitCode.UNREADABLE,
    )


def _check_shapes(
    build: Callable[..., SequenceNetwork], settings: tuple[Any, ...], weights: Mapping[str, Any]
) -> None:
    """Raise RuntimeError if the network of these settings has other weights than the file: such
    settings might ask for more memory than there is. The network is built on torch's `meta` device,
    which allocates no memory; an encoder that cannot be built there is not checked."""
    import torch

    try:
        with torch.device("meta"):
            planned = build(*settings).state_dict()
    except NotImplementedError:
        return
    if {name: value.shape for name, value in planned.items()} != {
        name: value.shape for name, value in weights.items()
    }:
        raise RuntimeError("other weights")


# --- embedders -----------------------------------------------------------------------------------


def torch_embedder(
    network: SequenceNetwork,
    config: Config,
    skeleton: str,
    key: str,
    device: torch.device,
    frame_features: FrameFeatureSource | None = None,
    moments: Moments = UNKNOWN,
) -> Embedder:
    """An embedder in torch on `device`; nothing else may use the network afterwards."""
    import torch

    from la2ds_cli.training.network import embed_input

    if device.type == "cpu":
        # Clips are embedded one by one; threads that wait for a busy core cost far more than they
        # save.
        torch.set_num_threads(min(torch.get_num_threads(), free_cores()))
    network = network.to(device).eval()
    network.keep_shown_positions(config.train.frames)
    return Embedder(
        partial(embed_input, network, device=device), config, skeleton, key, frame_features, moments
    )


def load_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """The trained embedder of a run, in torch. Raises UserError as load_network does, and as
    base_embedder for BASE_RUN."""
    from la2ds_cli.features.frame_features import frame_feature_reader

    if run == BASE_RUN:
        return base_embedder(device=device)
    trained = load_network(project, run)
    return torch_embedder(
        trained.network,
        trained.config,
        trained.skeleton,
        trained.key,
        resolve_device(device),
        frame_feature_reader(project, trained.config, trained.frames, device),
        trained.moments,
    )


def light_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """Like load_embedder, for commands that embed a few clips: without torch and on the CPU if
    numpy_network supports the network."""
    if device != "cuda":
        if run == BASE_RUN:
            return light_base()
        if light := _light(project, run):
            return light
    return load_embedder(project, run, device)


def _light(project: Project, run: str) -> Embedder | None:
    """The numpy embedder of a run; None if it is not supported, or if the weights do not fit, which
    load_embedder reports."""
    from la2ds_cli.training import checkpoint

    path = _existing(project, run)
    weights, recipe, facts = checkpoint.read_weights(path)
    skeleton, config = _skeleton(path, facts), load_config(checkpoint.settings_of(recipe))
    forward = numpy_forward(config.model, joint_width(skeleton, config.model), weights)
    if forward is None:
        return None
    moments = _moments(path, facts, config)
    return Embedder(forward, config, skeleton.name, artifact.file_digest(path), moments=moments)


@cache
def light_base() -> Embedder:
    """The embedder of the base model without torch, which its network allows."""
    from la2ds_cli.training.base_weights import base_key, read_base

    weights, config, facts = read_base()
    forward = numpy_forward(config.model, joint_width(get_skeleton(BODY), config.model), weights)
    if forward is None:  # another network than the one in the package
        return base_embedder(device="cpu")
    moments = Moments.of(facts, config.model.width)
    return BaseEmbedder(forward, config, BODY, base_key(), moments=moments)


class BaseEmbedder(Embedder):
    """Embeds poses of any body skeleton with the base model, an alignment network that ships with
    la2ds (docs/explanation/alignment.md); see Embedder."""

    def _embed(self, pose: PoseSequence) -> FloatArray:
        return super()._embed(body_joints(pose))


def base_embedder(skeleton: str = BODY, device: DeviceName = "auto") -> Embedder:
    """The embedder of the base model in torch, which reads poses of any body skeleton.

    skeleton: of the poses that will be embedded, checked here. Raises UserError if it is not a body
    (exit 5), and if the weights are damaged (exit 3).
    """
    from la2ds_cli.training.base_weights import base_key, load_base
    from la2ds_cli.training.network import build_network

    joint_sources(skeleton)
    weights, config, facts = load_base()
    network = build_network(config.model, config.heatmap, get_skeleton(BODY), 0)
    network.load_state_dict(weights)
    plain = torch_embedder(network, config, BODY, base_key(), resolve_device(device))
    moments = Moments.of(facts, config.model.width)
    return BaseEmbedder(plain.forward, config, BODY, plain.key, moments=moments)


def run_frames(project: Project, run: str) -> FrameFeatureSource | None:
    """The reader of frame features for a run, from the header of its checkpoint.

    None if the run reads joints. Raises artifact.ArtifactError if the checkpoint is damaged.
    """
    from la2ds_cli.training import checkpoint

    recipe, _ = artifact.read_header(checkpoint_path(project, run))
    config = load_config(checkpoint.settings_of(recipe))
    if config.model.input != "rgb":
        return None
    from la2ds_cli.features.frame_features import frame_feature_reader

    return frame_feature_reader(project, config, recipe.inputs.get(checkpoint.FRAMES, ""))


def untrained_embedder(
    config: Config,
    skeleton: str,
    *,
    seed: int = 0,
    device: DeviceName = "auto",
    frame_features: FrameFeatureSource | None = None,
) -> Embedder:
    """The same architecture with random weights: the baseline `untrained`.

    frame_features: for a network that reads video frames. Its moments are unknown.
    """
    from la2ds_cli.training.network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    key = f"untrained-{seed}"
    return torch_embedder(network, config, skeleton, key, resolve_device(device), frame_features)
