"""The alignment network in torch: built from a configuration, and batches of clips for it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from la2ds_cli.core.config_sections import HeatmapConfig, ModelConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import NOT_FOUND, check_trusted
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.network_input import NetworkInput, joint_blocks, joint_width, map_channels
from la2ds_models.sequence_network import NetworkSettings, SequenceNetwork

ENCODERS = {
    "casa": "la2ds_models.casa",
    "stgcn": "la2ds_models.stgcn",
    "vivit": "la2ds_models.alignment_network",
}
"""model.encoder -> module. Its function `build` takes NetworkSettings and returns a
SequenceNetwork, both of la2ds_models.sequence_network. A module that does not read every
`model.input` lists its inputs, as INPUTS = ("joints",)."""


@dataclass(frozen=True)
class ClipBatch:
    """Clips of different lengths, without padded frames in the large arrays.

    maps: (F, ...), as SequenceNetwork.read returns them, of the real frames of all clips,
    concatenated, or None. joints: (F, J) features of the joints or the image of each such frame, or
    None. mask: (B, T), True = real frame; F = mask.sum().
    """

    maps: torch.Tensor | None
    joints: torch.Tensor | None
    mask: torch.Tensor


def build_network(
    model: ModelConfig, heatmap: HeatmapConfig, skeleton: Skeleton, seed: int
) -> SequenceNetwork:
    """Build the network of these settings, with random weights from `seed`.

    Torch's global random state is left unchanged. Raises UserError (exit 2) if the encoder is
    unknown or cannot be built with the settings.
    """
    module = _encoder(model.encoder)
    inputs = getattr(module, "INPUTS", (model.input,))
    if model.input not in inputs:
        raise UserError(
            f"these settings fit no network: the encoder '{model.encoder}' does not read "
            f"{model.input}; model.input must be {' or '.join(inputs)}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs as well
        try:
            settings = NetworkSettings(
                channels=map_channels(skeleton, heatmap, model),
                joint_width=joint_width(skeleton, model),
                joint_count=len(skeleton.joints),
                joint_blocks=joint_blocks(model.joints, spatial=model.input == "joints3d"),
                limbs=skeleton.limbs,
                size=heatmap.size,
                patch=model.patch,
                pooling=model.pooling,
                width=model.width,
                heads=model.heads,
                spatial_layers=model.spatial_layers,
                temporal_layers=model.temporal_layers,
                cross_layers=model.cross_layers,
                mlp_ratio=model.mlp_ratio,
                spatial_position=model.spatial_position == "learned",
                temporal_position=model.temporal_position,
                max_frames=model.max_frames,
                projection_head=model.projection_head,
                embed_at=model.embed_at,
                context=model.context,
            )
            return module.build(settings)
        except ValueError as error:
            raise UserError(f"these settings fit no network: {error}") from error


def _encoder(name: str) -> ModuleType:
    """Return the module of an encoder, which has a function `build`."""
    path = ENCODERS.get(name, name)
    if path == name and "." in name:
        check_trusted(name, "encoder")
    try:
        spec = importlib.util.find_spec(path) if "." in path else None
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None:
        missing = f"{NOT_FOUND}; " if "." in name else ""
        raise UserError(
            f"unknown encoder '{name}'",
            hint=f"{missing}known: {', '.join(ENCODERS)}; or the dotted path of a module with "
            "build(...)",
        )
    return importlib.import_module(path)


def collate(inputs: Sequence[NetworkInput], device: torch.device) -> ClipBatch:
    """Pack the joints of clips into one batch on `device`, without their maps."""
    length = [len(item) for item in inputs]
    mask = torch.arange(max(length))[None] < torch.tensor(length)[:, None]
    parts = [item.joints for item in inputs if item.joints is not None]
    joints = torch.from_numpy(np.concatenate(parts)).to(device) if parts else None
    return ClipBatch(None, joints, mask.to(device))


def embed_input(network: SequenceNetwork, item: NetworkInput, device: torch.device) -> FloatArray:
    """Return the embedding (T, D) float32 of a clip by a network in eval mode."""
    batch = collate([item], device)
    maps = None if item.maps is None else torch.from_numpy(item.maps).to(device)
    with torch.inference_mode():
        return network.embed(maps, batch.joints, batch.mask)[0].float().cpu().numpy()
