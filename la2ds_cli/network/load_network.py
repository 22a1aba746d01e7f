"""Load the trained network of a run, and make embedders of trained and untrained networks."""

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
    """Return the trained network of a run, on the CPU, and its stored weights.

    Raises
    ------
    UserError: exit 3 if the weights are damaged; 4 if the run has none; 5 if the file is not a
        checkpoint or does not fit the network, or if the user's encoder has changed since.
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
        # On the device `meta` arrays take no memory: damaged settings may ask for more than there
        # is. An encoder that cannot be built on it is not checked.
        with suppress(NotImplementedError), torch.device("meta"):
            planned = build_network(*settings).state_dict()
        expected, stored_shapes = (
            {name: value.shape for name, value in state.items()} for state in (planned, weights)
        )
        if expected != stored_shapes:
            raise RuntimeError("other weights")
        network = build_network(*settings)
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise Mismatch(
            f"{path} does not fit the network that its settings describe",
            hint="train again with --overwrite, or restore the file",
        ) from error
    _keep_shown(network, stored.header.shown or config.train.frames)
    return network, stored


def _keep_shown(network: SequenceNetwork, frames: int) -> None:
    """Cut learned position codes to the frames that training used."""
    from la2ds_models.vivit import TemporalPosition

    for part in network.modules():
        if isinstance(part, TemporalPosition):
            part.keep_shown(frames)


def _check_code(path: Path, encoder: str, trained: Mapping[str, str]) -> None:
    """Raise UserError (exit 5) if the user's encoder has changed since training, when its digest
    was in `trained`: the same weights would give other embeddings. An encoder that is not found, or
    not trusted, is left to `build_network`, which says so."""
    digest = code_digests(encoder).get(encoder, "") if "." in encoder else ""
    if digest and trained.get(encoder, "") != digest:
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
    """Return an embedder in torch on `device`; nothing else may use the network afterwards.

    Parameters
    ----------
    network: with its weights.
    config: settings of the run.
    skeleton: that the network reads.
    key: identity of the weights.
    frame_features: for a network that reads video frames.
    statistics: of its embeddings.
    """
    import torch

    from la2ds_cli.network.torch_network import embed_input

    # Threads that wait for a busy core cost far more than they save: clips are embedded one by one.
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
    """Return the trained embedder of a run, in torch; raises UserError as load_network does."""
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
    """Return the trained embedder of a run for a few clips: without torch, on the CPU, if
    numpy_network supports the network; otherwise as load_embedder."""
    if device != "cuda":
        path = existing_weights(project, run)
        if light := light_base() if run == BASE_RUN else _light(path):
            return light
    return load_embedder(project, run, device)


def _light(path: Path) -> Embedder | None:
    """Return the numpy embedder of a file of weights; None if the network is not supported, or if
    the weights do not fit, which load_embedder reports."""
    stored = StoredWeights.of(path)
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    forward = numpy_forward(config.model, joint_width(skeleton, config.model), stored.weights)
    if forward is None:
        return None
    return Embedder(forward, config, skeleton.name, stored.key, statistics=stored.statistics)


@cache
def light_base() -> Embedder:
    """Return the embedder of the base model, in numpy."""
    base_key()
    light = _light(base_path())
    if light is None:
        raise ValueError("the network of the base model needs torch")
    light.of_bodies = True
    return light


def run_frames(project: StoredProject, run: str) -> FrameFeatureSource | None:
    """Return the reader of frame features for a run; None if it reads joints or has no weights."""
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
    """Return an embedder with random weights from `seed`: the baseline `untrained`.

    Parameters
    ----------
    config: settings, with the architecture.
    skeleton: that the network reads.
    seed: of the weights.
    frame_features: for a network that reads video frames.
    """
    from la2ds_cli.network.torch_network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    key = f"untrained-{seed}"
    return torch_embedder(network, config, skeleton, key, resolve_device(device), frame_features)
