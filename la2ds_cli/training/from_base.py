"""Training that starts from the weights of the base model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.config_sections import ModelConfig
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.features.body_joints import BODY, joint_sources
from la2ds_cli.features.network_input import joint_blocks
from la2ds_cli.network.base_weights import base_key, base_path
from la2ds_cli.network.run_weights import read_weights, settings_of

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

FIRST_LAYER = "frame.joints.0.weight"  # (width, features of all joints)
UNKNOWN_JOINTS = 0.1  # factor on the random first-layer weights of joints that the base lacks


def load_base() -> tuple[dict[str, torch.Tensor], Config]:
    """Return the base model's float32 tensors by name, and its settings.

    Raises UserError (exit 3) as base_key does.
    """
    import torch

    base_key()
    weights, recipe, _ = read_weights(base_path())
    config = load_config(settings_of(recipe))
    return {name: torch.from_numpy(value).float() for name, value in weights.items()}, config


def start_from_base(network: SequenceNetwork, config: Config, skeleton: Skeleton) -> None:
    """Load the weights of the base model into the network.

    For another skeleton, the first layer keeps the base's weights of the joints that both have; the
    other joints start with small random weights. Raises UserError (exit 5) if the settings describe
    another network, or if the skeleton is not a body's.
    """
    weights, base = load_base()
    _check_model(config.model, base.model)
    if skeleton.name != BODY:
        weights[FIRST_LAYER] = _for_skeleton(
            weights[FIRST_LAYER], network.state_dict()[FIRST_LAYER], skeleton, base.model
        )
    network.load_state_dict(weights, strict=False)  # the head of another method is missing


def _check_model(model: ModelConfig, base: ModelConfig) -> None:
    wanted, present = asdict(base), asdict(model)
    # `model.missing`, which is for joints that are not seen, does not change the network.
    differ = [name for name in wanted if wanted[name] != present[name] and name != "missing"]
    if differ:
        listed = ", ".join(f"model.{name}={present[name]}, not {wanted[name]}" for name in differ)
        raise Mismatch(
            f"these settings describe a different network from the base model: {listed}",
            hint="use --preset base, or train without --from",
        )


def _for_skeleton(
    base: torch.Tensor, random: torch.Tensor, skeleton: Skeleton, model: ModelConfig
) -> torch.Tensor:
    """Return the first layer (width, J) for a skeleton, from the base's (width, J of penn13)."""
    layer = random * UNKNOWN_JOINTS
    sources = joint_sources(skeleton.name)
    before = len(get_skeleton(BODY).joints)
    at_base = at = 0
    for count in joint_blocks(model.joints):
        for k, source in enumerate(sources):
            if source is not None:
                column, own = at_base + k * count, at + source * count
                layer[:, own : own + count] = base[:, column : column + count]
        at_base, at = at_base + count * before, at + count * len(skeleton.joints)
    return layer
