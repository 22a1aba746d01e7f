"""The settings of each step. Units and meaning stand beside every field.

Fields are plain str, int, float, bool or Literal, so that each maps to one TOML value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PosesConfig:
    """Pose extraction: which detector and pose network, and what makes a clip usable."""

    detector: str = "auto"  # auto: fasterrcnn on CUDA, fasterrcnn-mobilenet on CPU; or a .onnx file
    pose: str = "hrnet-w32"  # backend name or a .onnx file
    detect_threshold: float = 0.3  # lowest detector score of a person box
    joint_threshold: float = 0.05  # joints scored below this are "not seen"
    min_frames: int = 8  # shorter clips are skipped
    batch_size: int = 16  # crops per forward pass


@dataclass(frozen=True)
class HeatmapConfig:
    """Heatmaps (paper sec. 3.1, eq. 1 and 2)."""

    size: int = 30  # cells per side
    sigma: float = 0.6  # standard deviation of the Gaussians, in heatmap cells
    channels: Literal["joints+limbs", "joints", "limbs"] = "joints+limbs"
    distance: Literal["squared", "printed"] = "squared"  # limb distance in eq. 2
    crop: Literal["robust", "smallest"] = "robust"  # robust: percentile box of the clip
    aspect: Literal["stretch", "keep"] = "keep"  # box to square: stretched, or padded
    padding: float = 0.1  # margin added to the box, share of its longer side


@dataclass(frozen=True)
class AugmentConfig:
    """The augmented copy S' (paper sec. 3.2, A.1), plus trimming, which the paper lacks."""

    drop: float = 0.5  # temporal: up to this share of the frames is dropped
    warp: float = 0.0  # smooth speed change, standard deviation of the log speed; 0 = the paper
    trim: float = 0.5  # up to this share is cut off the two ends together; 0 = the paper
    position_probability: float = 0.3
    position_std: float = 1.0  # heatmap cells
    orientation_probability: float = 0.3
    orientation_std: float = 0.1  # radians
    flip_probability: float = 0.3
    geometry: float = 0.0  # strength of clip-constant shear, stretch and limb scaling; 0 = paper
    missing_probability: float = 0.0  # chance that a clip loses one limb in part of its frames


@dataclass(frozen=True)
class ModelConfig:
    """Alignment network (paper sec. 3.3). Widths in features, depths in layers."""

    input: Literal["both", "heatmap", "joints"] = "both"
    width: int = 192
    heads: int = 3
    spatial_layers: int = 4
    temporal_layers: int = 4
    cross_layers: int = 0
    mlp_ratio: int = 4
    patch: int = 10  # cells per patch side
    spatial_position: Literal["learned", "none"] = "learned"
    temporal_position: Literal["rotary", "learned", "offset", "none"] = "rotary"
    max_frames: int = 1024  # length of the learned temporal position table
    projection_head: bool = True
    embed_at: Literal["temporal", "cross"] = "temporal"  # where the embedding is taken


@dataclass(frozen=True)
class TrainConfig:
    """Self-supervised training (paper sec. 3.3, eq. 3-5)."""

    fps: float = 20.0  # clips are resampled by time to this rate
    frames: int = 64  # longest sequence of a training step; longer clips are sub-sampled
    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 1e-3
    warmup: int = 20  # steps
    schedule: Literal["cosine", "milestones", "constant"] = "cosine"
    weight_decay: float = 0.0
    clip_norm: float = 0.5
    temperature: float = 0.1
    scaling: Literal["casa", "plain"] = "casa"  # casa: distance / (temperature * D**1.5)
    index: Literal["raw", "normalised"] = "raw"  # unit of the regressed frame index
    seed: int = 0
    validate_every: int = 200  # steps
    validation_share: float = 0.15  # training clips held out for the synthetic warp error
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = 0  # torch threads on CPU; 0 = measured at start


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of two clips."""

    method: str = "dtw"
    open_ends: bool = False  # the clips may start and end at different moments
    skip_cost: float = 1.0  # cost of an unmatched end frame, in mean nearest-frame distances
    band: float = 0.0  # Sakoe-Chiba half width, share of the longer clip; 0 = none


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluation protocol."""

    tau_stride: int = 1  # frames
    pairs: int = 300  # seeded sample of ordered pairs; fewer clips use all pairs
    max_trim: float = 0.3  # largest share cut off each end, independently
    trim_draws: int = 3
    seed: int = 0
