"""The trained network of a run, and embedders that run it.

From top to bottom: the network with its weights, and the embedders of a trained and of an untrained
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device, torch_threads
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import BASE_RUN, DEFAULT_RUN, StoredProject
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.features.network_input import NetworkInput, joint_width
from la2ds_cli.network.base_weights import base_key, base_path
from la2ds_cli.network.embedder import UNKNOWN, Embedder, EmbeddingStatistics, FrameFeatureSource
from la2ds_cli.network.numpy_network import numpy_forward
from la2ds_cli.network.run_weights import StoredWeights, existing_weights, run_header

if TYPE_CHECKING:
    import torch

    from la2ds_cli.core.types import FloatArray
    from la2ds_models.sequence_network import SequenceNetwork


def load_network(project: StoredProject, run: str) -> tuple[SequenceNetwork, StoredWeights]:
    """Return the trained network of a run, on the CPU, and the file it is from.

    Raises
    ------
    UserError: if the run has no weights (exit 4), if they are damaged (exit 3), or if the file is
        not a checkpoint, does not fit the network, or the user's encoder has changed since (exit
        5).
    """
    import torch

    from la2ds_cli.network.torch_network import build_network

    path = existing_weights(project, run)
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
    statistics: EmbeddingStatistics = UNKNOWN,
) -> Embedder:
    """Return an embedder in torch on `device`; nothing else may use the network afterwards."""
    import torch

    from la2ds_cli.network.torch_network import embed_input

    # Clips are embedded one by one; threads that wait for a busy core cost far more than they save.
    threads = min(torch.get_num_threads(), free_cores()) if device.type == "cpu" else 1
    network = network.to(device).eval()
    _keep_shown(network, config.train.frames)

    def forward(item: NetworkInput) -> FloatArray:
        with torch_threads(threads):
            return embed_input(network, item, device=device)

    return Embedder(forward, config, skeleton, key, frame_features, statistics)


def load_embedder(
    project: StoredProject, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """Return the trained embedder of a run, in torch.

    Raises
    ------
    UserError: as load_network does.
    """
    network, stored = load_network(project, run)
    header, chosen = stored.header, resolve_device(device)
    frames = frame_feature_reader(project, header.config, header.frames, device)
    embedder = torch_embedder(
        network, header.config, header.skeleton, stored.key, chosen, frames, stored.statistics
    )
    embedder.of_bodies = run == BASE_RUN
    return embedder


def light_embedder(
    project: StoredProject, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """Like load_embedder, for commands that embed a few clips: without torch and on the CPU if
    numpy_network supports the network."""
    if device != "cuda":
        path = existing_weights(project, run)
        if light := light_base() if run == BASE_RUN else _light(path):
            return light
    return load_embedder(project, run, device)


def _light(path: Path) -> Embedder | None:
    """Return the numpy embedder of a file of weights; None if its network is not supported, or if
    the weights do not fit, which load_embedder reports."""
    stored = StoredWeights.of(path)
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    forward = numpy_forward(config.model, joint_width(skeleton, config.model), stored.weights)
    if forward is None:
        return None
    return Embedder(forward, config, skeleton.name, stored.key, statistics=stored.statistics)


@cache
def light_base() -> Embedder:
    """Return the embedder of the base model without torch, which its network allows."""
    base_key()
    light = _light(base_path())
    if light is None:
        raise ValueError("the network of the base model needs torch")
    light.of_bodies = True
    return light


def run_frames(project: StoredProject, run: str) -> FrameFeatureSource | None:
    """Return the reader of frame features for a run; None if the run reads joints, or has no
    weights."""
    header = run_header(project, run)
    if header.input != "rgb":
        return None

    return frame_feature_reader(project, header.config, header.frames)


def untrained_embedder(
    config: Config,
    skeleton: str,
    *,
    seed: int = 0,
    device: DeviceName = "auto",
    frame_features: FrameFeatureSource | None = None,
) -> Embedder:
    """Return the same architecture with random weights: the baseline `untrained`.

    Parameters
    ----------
    frame_features: for a network that reads video frames. Its statistics are unknown.
    """
    from la2ds_cli.network.torch_network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    key = f"untrained-{seed}"
    return torch_embedder(network, config, skeleton, key, resolve_device(device), frame_features)
