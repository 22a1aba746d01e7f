"""The settings of each step. The comment beside or above a field states unit and meaning;
scripts/write_docs.py turns them into docs/reference/settings.md.

Fields are str, int, float, bool or Literal, so that each maps to one TOML value. A number without a
`Range` of its own may be from 0 to 1e9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from la2ds_cli.core.errors import UserError

AT_LEAST_0, ABOVE_0 = "at least 0", "more than 0"


class Range(NamedTuple):
    """The range of a number. A value above `most` is a mistake that would exhaust memory or time
    far from the place where it was written."""

    rule: str = AT_LEAST_0
    most: float = 1e9

    def check(self, name: str, value: float) -> None:
        """Raise UserError (exit 2) for a setting whose value is out of range or NaN."""
        if not 0 <= value <= self.most or (value == 0 and self.rule == ABOVE_0):
            beyond = self.most <= 1 or value > self.most
            rule = self.rule + f" and at most {self.most:.10g}" * beyond
            raise UserError(f"{name} must be {rule}, got {value}")


Share = Annotated[float, Range(most=1.0)]
Positive = Annotated[float, Range(ABOVE_0)]
Rate = Annotated[float, Range(most=1e5)]
Seconds = Annotated[float, Range(ABOVE_0, 1e5)]  # MOST_SECONDS of core.types, which imports numpy
Few = Annotated[int, Range(most=1024)]
OneOrFew = Annotated[int, Range(ABOVE_0, 1024)]
Size = Annotated[int, Range(ABOVE_0, 16_384)]
Frames = Annotated[int, Range(ABOVE_0, 1e6)]
Steps = Annotated[int, Range(ABOVE_0)]
Seed = Annotated[int, Range(most=2**32 - 1)]  # of numpy's older generators


@dataclass(frozen=True)
class PosesConfig:
    """Pose extraction: which detector and pose network, and what makes a clip usable."""

    # person detector: auto (blazepose with that pose network, else fasterrcnn on CUDA and
    # fasterrcnn-mobilenet on a CPU), a name, or a file
    detector: str = "auto"
    # pose network: auto (that of the project's clips, else hrnet-w32-msra on CUDA, blazepose on a
    # CPU), a name of `la2ds models`, or a model file
    pose: str = "auto"
    detect_threshold: Share = 0.3  # lowest detector score of a person's box, 0 to 1
    detect_rate: Rate = 10.0  # detector passes per second of film; 0 = every frame
    joint_threshold: Share = 0.05  # joints with a lower score count as not seen
    # whom to follow: auto, or the number of the person
    subject: str = "auto"
    subjects: OneOrFew = 1  # people kept from each clip
    min_frames: Frames = 8  # frames; shorter clips are skipped
    max_duration: Seconds = 600.0  # seconds; of longer clips, --time-range must select a part
    # crops per forward pass; 0 = 4 on a CPU, 16 on CUDA
    batch_size: Annotated[int, Range(most=16_384)] = 0


@dataclass(frozen=True)
class HeatmapConfig:
    """Heatmaps (paper sec. 3.1, eq. 1 and 2)."""

    size: Size = 30  # cells per side
    sigma: Positive = 0.6  # standard deviation of the Gaussians, in the unit of sigma_unit
    # cells of the heatmap, or pixels of the frame, as maps drawn there, cropped and resized
    sigma_unit: Literal["cells", "pixels"] = "cells"
    channels: Literal["joints+limbs", "joints", "limbs"] = "joints+limbs"  # what the maps show
    distance: Literal["squared", "printed"] = "squared"  # of eq. 2: squared, or as printed
    confidence: Literal["score", "one"] = "score"  # c of eq. 1 and 2: the score, or 1 if seen
    # box of the joints: without stray frames and stray joints, or of all
    crop: Literal["robust", "smallest"] = "robust"
    aspect: Literal["stretch", "keep"] = "keep"  # box to square: stretched, or padded
    padding: float = 0.1  # margin added to the box, share of its longer side


@dataclass(frozen=True)
class AugmentConfig:
    """The augmented copy S' (paper sec. 3.2, A.1), plus trimming, which the paper lacks."""

    temporal_probability: Share = 1.0  # chance that `drop` and `warp` act; Table 9 prints 0.5
    drop: Share = 0.5  # temporal: up to this share of the frames is dropped
    warp: float = 0.0  # smooth speed change, standard deviation of the log speed; 0 = the paper
    trim: Share = 0.5  # up to this share is cut off the two ends together; 0 = the paper
    position_probability: Share = 0.3  # chance that the joints of a copy are displaced
    position_std: float = 1.0  # standard deviation of the displacement, heatmap cells
    orientation_probability: Share = 0.3  # chance that a limb turns about its joint
    orientation_std: float = 0.1  # standard deviation of the turn, radians
    noise: Literal["independent", "smooth", "smooth-angle"] = "independent"  # noise over time
    flip_probability: Share = 0.3  # chance that a copy is mirrored
    flip_swap: bool = True  # a mirrored copy swaps left and right joints; false: x alone, as CASA
    geometry: float = 0.0  # strength of clip-constant shear, stretch and limb scaling; 0 = paper
    missing_probability: Share = 0.0  # chance that a clip loses one limb in part of its frames
    turn: float = 0.3  # joints3d: standard deviation of a turn about the vertical, radians
    tilt: float = 0.1  # joints3d: standard deviation of a camera's pitch and of its roll, radians


JointKind = Literal["position", "movement", "both"]
MissingJoints = Literal["mixed", "zero", "imputed"]
ModelInput = Literal["both", "heatmap", "joints", "joints3d", "rgb"]


@dataclass(frozen=True)
class ModelConfig:
    """Alignment network (paper sec. 3.3). Widths in features, depths in layers."""

    # a name of la2ds_cli.network.torch_network.ENCODERS, or the dotted path of a module
    encoder: str = "vivit"
    # both: heatmaps and joints; joints3d: joints in metres, of clips that have them; rgb: features
    # of the video frames, by some methods alone
    input: ModelInput = "both"
    # network that makes the features of rgb: a name of `la2ds models`, or a file
    rgb_weights: str = "resnet50-imagenet"
    # joints that are not seen; mixed: filled in time, with score 0, and absent from heatmaps;
    # zero: all features 0, and absent; imputed: filled in time, with their scores, then drawn
    missing: MissingJoints = "mixed"
    # as they lie, as deviations from the middle of their range over the clip, or both
    joints: JointKind = "position"
    width: Size = 192  # features of a token and of the embedding
    heads: OneOrFew = 3  # attention heads; the width is an even multiple of them
    spatial_layers: Few = 2  # within a frame; 0: one linear layer on the flattened map
    temporal_layers: Few = 4  # over the frames of a clip
    cross_layers: Few = 0  # between the two clips of a pair, in training
    mlp_ratio: OneOrFew = 4  # width of the hidden layers, in widths
    patch: OneOrFew = 10  # cells per patch side
    pooling: Literal["mean", "cls"] = "mean"  # patches to frame: average (paper), or a class token
    spatial_position: Literal["learned", "none"] = "learned"  # position code of patches
    # position code of frames; an absolute one (learned, sinusoid) is a clock
    temporal_position: Literal["rotary", "learned", "offset", "sinusoid", "none"] = "rotary"
    max_frames: Frames = 1024  # frames; length of the learned temporal position table
    projection_head: bool = True  # two layers between the embedding and the loss
    embed_at: Literal["temporal", "cross"] = "temporal"  # where the embedding is taken
    # each frame is encoded with the one so many frames before; 0 = by itself
    context: Annotated[int, Range(most=1e6)] = 0
    motion: float = 0.0  # weight of the features' change per frame, beside them in the embedding


@dataclass(frozen=True)
class TrainConfig:
    """Self-supervised training (paper sec. 3.3, eq. 3-5)."""

    method: str = "la2ds"  # a name of la2ds_cli.training.losses, or the dotted path of a module
    # frames per second; clips are resampled by time to this rate
    fps: Annotated[float, Range(ABOVE_0, 1e5)] = 20.0
    # clips that from one frame to the next move less than this share of their movement are sampled
    # at fewer frames per second, so that slow motion looks like real speed; 0 = all at fps
    tempo: Rate = 0.0
    frames: Frames = 64  # frames; longest sequence of a training step; longer clips are sub-sampled
    steps: Steps = 1200  # steps of the optimiser
    batch_size: Size = 8  # pairs of a step
    learning_rate: Positive = 1e-3  # its largest value
    warmup: int = 20  # steps until the learning rate has its largest value
    # cosine: to 0; milestones: halved at 15, 20, 25, ... 50 % of the run; halving: 24 times
    schedule: Literal["cosine", "milestones", "halving", "constant"] = "cosine"
    weight_decay: float = 0.0  # of Adam
    clip_norm: Positive = 0.5  # largest norm of the gradient
    temperature: Positive = 0.1  # of the softmax in eq. 3; lav: softness of soft-DTW
    scaling: Literal["casa", "plain"] = "casa"  # casa: distance / (temperature * D**1.5)
    index: Literal["raw", "normalised"] = "raw"  # unit of the regressed frame index
    seed: Seed = 0  # of the weights, the batches and the augmentations
    validate_every: Steps = 200  # steps between validations
    validation_share: Share = 0.15  # share of the clips held out for the synthetic warp error
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 where the hardware has it
    threads: OneOrFew = 1  # torch threads on CPU; another number rounds otherwise
    bucket: bool = False  # batches of similar length: the same pairs, less padding
    patience: int = 0  # validations without improvement that end a run; 0 = run on


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of two clips."""

    method: str = "dtw"  # dtw, linear, or the dotted path of a module
    open_ends: bool = False  # dtw: the clips may start and end at different moments
    skip_cost: float = 1.5  # cost of an unmatched end frame, in mean nearest-frame costs
    reference_clips: Few = 0  # dtw: number of clips of a consensus; 0 = the direct path alone
    # weight of the joints' movement in one distance with a run's embedding, in alignments and in
    # retrieval; 0 = without it
    movement: float = 0.0
    # weight of the base model's embedding in one distance with a run's; 0 = without it
    base: float = 0.0
    # joints compared beside a run's embeddings, or without a run; 3d: in metres, where all clips
    # have them; auto: 3d beside a run that reads joints3d, else 2d
    joints: Literal["auto", "2d", "3d"] = "auto"

    @property
    def uses_references(self) -> bool:
        """Whether clips are aligned by consensus through reference clips, if there are any."""
        return self.method == "dtw" and self.reference_clips > 0


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluation protocol."""

    pairs: Frames = 300  # seeded sample of ordered pairs; fewer clips use all pairs
    # event transfer: largest share cut off each end, independently
    max_trim: Annotated[float, Range(most=0.49)] = 0.3
    trim_draws: Size = 3  # event transfer: how often each pair is trimmed anew
    # phase that stands for no phase: not in the phase metrics; its start, the end of the phase
    # before it, is an event
    background: str = "background"
    seed: Seed = 0  # of all samples and resamples
