"""The alignment network of joints in numpy, for commands that embed a few clips.

Importing torch takes a second, as long as embedding hundreds of clips. This is the forward pass of
la2ds_models.alignment_network for the settings of the default and the base preset: joints only, no
cross-attention, relative positions or none. Other networks need torch. The embeddings of both agree
to 1e-4 and share a key (docs/decisions/0011-one-key-for-both-engines.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from la2ds_cli.core.config_sections import ModelConfig
from la2ds_cli.core.device import one_blas_thread
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.network_input import NetworkInput
from la2ds_cli.network.embedder import Forward

Weights = Mapping[str, np.ndarray]
ROTARY_BASE = 100.0  # la2ds_models.vivit
LAYER_NORM_EPSILON = 1e-5  # torch's
# Abramowitz and Stegun 1964, 7.1.26: erf to 1.5e-7.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_SCALE = 0.3275911


def numpy_forward(model: ModelConfig, joint_width: int, weights: Weights) -> Forward | None:
    """Return the network with these settings and weights, for `joint_width` features per frame.

    None if it needs torch, because it has other parts or its weights do not match the settings.
    """
    supported = (
        model.encoder == "vivit"
        and model.input in ("joints", "joints3d")
        and model.temporal_position in ("rotary", "none")
        and not model.context
        and not model.cross_layers
    )
    head_width = model.width // model.heads
    if not supported or model.width % model.heads or head_width % 2:
        return None
    single = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    shapes = {name: value.shape for name, value in single.items()}
    if shapes != _shapes(model, joint_width):
        return None
    rotary = model.temporal_position == "rotary"

    def forward(item: NetworkInput) -> FloatArray:
        if item.joints is None:
            raise ValueError("this network needs joint features, got none")
        with one_blas_thread():
            return layers(item.joints)

    def layers(x: FloatArray) -> FloatArray:
        for layer in (0, 2, 4):
            x = _linear(x if layer == 0 else gelu(x), single, f"frame.joints.{layer}")
        angle = _angles(len(x), head_width) if rotary else None
        for n in range(model.temporal_layers):
            x = x + _attention(
                _norm(x, single, f"temporal.{n}.norm_attention"),
                single, f"temporal.{n}.attention", model.heads, angle,
            )  # fmt: skip
            wide = _linear(
                _norm(x, single, f"temporal.{n}.norm_mlp"), single, f"temporal.{n}.mlp.0"
            )
            x = x + _linear(gelu(wide), single, f"temporal.{n}.mlp.2")
        return _norm(x, single, "norm")

    return forward


def _shapes(model: ModelConfig, joint_width: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights for supported settings."""
    width, wide = model.width, model.mlp_ratio * model.width
    linear = {"frame.joints.0": (width, joint_width)}
    linear |= {f"frame.joints.{n}": (width, width) for n in (2, 4)}
    norms = ["norm"]
    for n in range(model.temporal_layers):
        block = f"temporal.{n}"
        norms += [f"{block}.norm_attention", f"{block}.norm_mlp"]
        linear |= {
            f"{block}.attention.to_query": (width, width),
            f"{block}.attention.to_key_value": (2 * width, width),
            f"{block}.attention.out": (width, width),
            f"{block}.mlp.0": (wide, width),
            f"{block}.mlp.2": (width, wide),
        }
    if model.projection_head:
        linear |= {f"head.{n}": (width, width) for n in (0, 2)}
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": size for name, size in linear.items()}
    shapes |= {f"{name}.bias": size[:1] for name, size in linear.items()}
    return shapes | {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}


def gelu(x: FloatArray) -> FloatArray:
    """Return the GELU of x (T, D) float32: x times the standard normal distribution function at
    x."""
    size = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(_ERF_SCALE) * size)
    total = np.zeros_like(t)
    for factor in reversed(_ERF):
        total = (total + np.float32(factor)) * t
    above = total * np.exp(-size * size)  # 1 - erf
    return np.where(x < 0, above, 2 - above) * x * np.float32(0.5)


def _linear(x: FloatArray, weights: Weights, name: str) -> FloatArray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(x: FloatArray, weights: Weights, name: str) -> FloatArray:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.mean(centred * centred, axis=1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.float32(LAYER_NORM_EPSILON))
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _attention(
    x: FloatArray, weights: Weights, name: str, heads: int, angle: FloatArray | None
) -> FloatArray:
    """Return the multi-head self-attention of x (T, D); angle: (T, d / 2) of the rotary position
    code."""

    def of_heads(value: FloatArray) -> FloatArray:  # (H, T, d)
        return value.reshape(len(x), heads, -1).swapaxes(0, 1)

    query = of_heads(_linear(x, weights, f"{name}.to_query"))
    key, value = map(of_heads, np.split(_linear(x, weights, f"{name}.to_key_value"), 2, axis=1))
    if angle is not None:
        query, key = _rotated(query, angle), _rotated(key, angle)
    score = query @ key.swapaxes(1, 2) * np.float32(query.shape[-1] ** -0.5)  # (H, T, T)
    share = np.exp(score - score.max(axis=2, keepdims=True))
    mixed = share @ value / share.sum(axis=2, keepdims=True)
    return _linear(mixed.swapaxes(0, 1).reshape(x.shape), weights, f"{name}.out")


def _angles(length: int, head_width: int) -> FloatArray:
    """Return the angles of la2ds_models.vivit.rotary_code."""
    pair = np.arange(0, head_width, 2, dtype=np.float32)
    frequency = np.float32(ROTARY_BASE) ** (-pair / head_width)
    return np.arange(length, dtype=np.float32)[:, None] * frequency


def _rotated(x: FloatArray, angle: FloatArray) -> FloatArray:
    first, second = np.split(x, 2, axis=-1)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)
