"""The trained network of a run, and embedders that run it in torch.

From top to bottom: the runs of a project and their weights, the network with its weights, and the
embedders of a trained and of an untrained network.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device, torch_threads
from la2ds_cli.core.errors import Mismatch, Unreadable, Unusable, UserError
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.features.network_input import NetworkInput, joint_width
from la2ds_cli.network.embedder import UNKNOWN, Embedder, FrameFeatureSource, Moments
from la2ds_cli.network.numpy_network import numpy_forward

if TYPE_CHECKING:
    import numpy as np
    import torch

    from la2ds_cli.core.types import FloatArray
    from la2ds_models.sequence_network import SequenceNetwork


def checkpoint_path(project: Project | None, run: str) -> Path:
    """The weights that compute the embeddings of a run; BASE_RUN is the base model, the only one
    without a project."""
    if run == BASE_RUN or project is None:
        from la2ds_cli.training.base_weights import base_path

        return base_path()
    return project.run_dir(run) / "best.safetensors"


def weights_key(project: Project, run: str) -> str:
    """SHA-256 of the weights of a run (`checkpoint_path`), which identifies them in recipes. Raises
    OSError if the file is missing."""
    return artifact.once(artifact.file_digest, checkpoint_path(project, run))


def has_model(project: Project, run: str = DEFAULT_RUN) -> bool:
    """Whether the run has weights."""
    return checkpoint_path(project, run).exists()


def trained_runs(project: Project) -> list[str]:
    """Names of the runs that have weights, sorted."""
    folder = project.root / "checkpoints"
    return [run for run in project.runs() if (folder / run / "best.safetensors").exists()]


@dataclass(frozen=True)
class RunHeader:
    """What the header of a run's weights says about it.

    settings: of the run, None if its weights are missing or damaged.
    skeleton: that it reads, empty if that is unknown.
    spread: `Embedder.spread`, 0 if that is unknown.
    clips: ids of those that its training knew.
    frames: identity of the ResNet weights behind the frame features that it was trained on, empty
    if it reads joints.
    code: digests of the user's modules, by dotted name.
    shown: frames of the longest clip that it was trained on, 0 if that is unknown.
    """

    settings: Mapping[str, Any] | None = None
    skeleton: str = ""
    spread: float = 0.0
    clips: tuple[str, ...] = ()
    frames: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    shown: int = 0

    @classmethod
    def of(cls, recipe: artifact.Recipe, facts: Mapping[str, Any]) -> RunHeader:
        """From the header of the file of the weights."""
        from la2ds_cli.training import checkpoint

        spread, clips, mark = facts.get("spread", 0.0), facts.get("videos", []), checkpoint.CODE
        shown = facts.get("frames_shown", 0)
        return cls(
            checkpoint.settings_of(recipe),
            str(facts.get("skeleton", "")),
            float(spread) if isinstance(spread, int | float) else 0.0,
            tuple(map(str, clips)) if isinstance(clips, list) else (),
            recipe.inputs.get(checkpoint.FRAMES, ""),
            {n.removeprefix(mark): d for n, d in recipe.inputs.items() if n.startswith(mark)},
            shown if isinstance(shown, int) and shown > 0 else 0,
        )

    @cached_property
    def config(self) -> Config:
        """The settings. Raises UserError (exit 2) for unknown ones."""
        return load_config(dict(self.settings or {}))

    @property
    def input(self) -> str:
        """What the network reads (`model.input`); empty if the weights are missing or damaged."""
        return "" if self.settings is None else self.config.model.input

    @property
    def split(self) -> tuple[list[str], list[str]]:
        """Ids of the clips that the training held out, and of those that it was trained on."""
        from la2ds_cli.training.clips import held_out

        return held_out(list(self.clips), self.config.train.validation_share)


def run_header(project: Project | None, run: str) -> RunHeader:
    """The header of a run's weights; an empty one if they are missing or damaged."""
    with suppress(FileNotFoundError, artifact.ArtifactError):
        return artifact.once(_read_header, checkpoint_path(project, run))
    return RunHeader()


def _read_header(path: Path) -> RunHeader:
    return RunHeader.of(*artifact.read_header(path))


# --- the network ---------------------------------------------------------------------------------


class StoredWeights(NamedTuple):
    """What the file of a run's weights holds. key: its digest, the identity of the weights."""

    weights: Mapping[str, np.ndarray]
    header: RunHeader
    key: str
    moments: Moments

    @classmethod
    def of(cls, path: Path) -> StoredWeights:
        """Raises UserError as load_network does."""
        from la2ds_cli.training import checkpoint

        weights, recipe, facts = checkpoint.read_weights(path)
        header = RunHeader.of(recipe, facts)
        if header.skeleton not in SKELETONS:
            raise _damaged(path, "its skeleton is missing or unknown")
        try:
            moments = Moments.of(facts, header.config.model.width)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        return cls(weights, header, artifact.file_digest(path), moments)


def load_network(project: Project, run: str) -> tuple[SequenceNetwork, StoredWeights]:
    """The trained network of a run, on the CPU, and the file it is from.

    Raises UserError if the run has no weights (exit 4), if they are damaged (exit 3), or if the
    file is not a checkpoint, does not fit the network, or the user's encoder has changed since
    (exit 5).
    """
    import torch

    from la2ds_cli.training.network import build_network

    path = _existing(project, run)
    stored = StoredWeights.of(path)
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    settings = config.model, config.heatmap, skeleton, config.train.seed
    weights = {name: torch.from_numpy(value).float() for name, value in stored.weights.items()}
    _check_code(path, config.model.encoder, stored.header.code)
    try:
        planned = weights
        # On this device arrays take no memory, of which such settings might ask for more than there
        # is. An encoder that cannot be built on it is not checked.
        with suppress(NotImplementedError), torch.device("meta"):
            planned = build_network(*settings).state_dict()
        shapes, found = ({n: v.shape for n, v in one.items()} for one in (planned, weights))
        if shapes != found:
            raise RuntimeError("other weights")
        network = build_network(*settings)
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise Mismatch(
            f"{path} does not fit the network its settings describe",
            hint="train again with --overwrite, or restore the file",
        ) from error
    _keep_shown(network, stored.header.shown or config.train.frames)
    return network, stored


def _keep_shown(network: SequenceNetwork, frames: int) -> None:
    """Cut learned codes of moments to those that training used."""
    from la2ds_models.vivit import TemporalPosition

    for part in network.modules():
        if isinstance(part, TemporalPosition):
            part.keep_shown(frames)


def _existing(project: Project, run: str) -> Path:
    """The weights of a run; UserError (exit 4) if it has none, and (exit 3) if those of the base
    model are damaged."""
    path = checkpoint_path(project, run)
    if run == BASE_RUN:
        from la2ds_cli.training.base_weights import base_key

        base_key()
    elif not path.exists():
        runs = trained_runs(project)
        others = f"trained runs: {', '.join(runs)}; " if runs else ""
        raise Unusable(
            f"run '{run}' has no trained model", hint=f"{others}la2ds train --run {run} trains it"
        )
    return path


def _damaged(path: Path, reason: str) -> UserError:
    return Unreadable(
        f"{path} is damaged: {reason}", hint="train again with --overwrite, or restore the file"
    )


def _check_code(path: Path, encoder: str, known: Mapping[str, str]) -> None:
    """Raise UserError (exit 5) if an encoder of the user's is not the file that was trained: the
    same weights would give other embeddings."""
    if known.get(encoder, "") != code_digests(encoder).get(encoder, "") and "." in encoder:
        raise Mismatch(
            f"the encoder {encoder} has changed since {path} was trained",
            hint="train again with --overwrite or another --run, or restore its file",
        )


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

    # Clips are embedded one by one; threads that wait for a busy core cost far more than they save.
    threads = min(torch.get_num_threads(), free_cores()) if device.type == "cpu" else 1
    network = network.to(device).eval()
    _keep_shown(network, config.train.frames)

    def forward(item: NetworkInput) -> FloatArray:
        with torch_threads(threads):
            return embed_input(network, item, device=device)

    return Embedder(forward, config, skeleton, key, frame_features, moments)


def load_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """The trained embedder of a run, in torch. Raises UserError as load_network does."""
    from la2ds_cli.features.frame_features import frame_feature_reader

    network, stored = load_network(project, run)
    header, chosen = stored.header, resolve_device(device)
    frames = frame_feature_reader(project, header.config, header.frames, device)
    embedder = torch_embedder(
        network, header.config, header.skeleton, stored.key, chosen, frames, stored.moments
    )
    embedder.of_bodies = run == BASE_RUN
    return embedder


def light_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """Like load_embedder, for commands that embed a few clips: without torch and on the CPU if
    numpy_network supports the network."""
    if device != "cuda":
        path = _existing(project, run)
        if light := light_base() if run == BASE_RUN else _light(path):
            return light
    return load_embedder(project, run, device)


def _light(path: Path) -> Embedder | None:
    """The numpy embedder of a file of weights; None if its network is not supported, or if the
    weights do not fit, which load_embedder reports."""
    stored = StoredWeights.of(path)
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    forward = numpy_forward(config.model, joint_width(skeleton, config.model), stored.weights)
    if forward is None:
        return None
    return Embedder(forward, config, skeleton.name, stored.key, moments=stored.moments)


@cache
def light_base() -> Embedder:
    """The embedder of the base model without torch, which its network allows."""
    from la2ds_cli.training.base_weights import base_key, base_path

    base_key()
    light = _light(base_path())
    if light is None:
        raise ValueError("the network of the base model needs torch")
    light.of_bodies = True
    return light


def run_frames(project: Project, run: str) -> FrameFeatureSource | None:
    """The reader of frame features for a run; None if the run reads joints, or has no weights."""
    header = run_header(project, run)
    if header.input != "rgb":
        return None
    from la2ds_cli.features.frame_features import frame_feature_reader

    return frame_feature_reader(project, header.config, header.frames)


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
