"""Shuffle and Learn: is the middle one of three frames really between the other two?

Misra, Zitnick, Hebert, "Shuffle and Learn: Unsupervised Learning using Temporal Order
Verification", ECCV 2016, sec. 3. Frames a < b < c < d < e of one clip are drawn at moments of high
motion; (b, c, d) is in order, (b, a, d) and (b, e, d) are not. A classifier on the concatenated
embeddings distinguishes them (cross-entropy). As in the paper: both classes have the same first and
last frame, 1 in 4 tuples is in order, time runs in either direction ((d, c, b) is also in order), b
and d are at most tau_max apart and a, e at least tau_min away from them, tau_max = 4 tau_min.

Deviations. The encoder reads joints. Like the paper's it must see single frames (preset
`single-frame`), because neighbouring frames reveal the position in the clip, which answers the
question without the pose. Motion is the mean change of the network's input per frame instead of
optical flow. tau_max is 2.4 s (the paper's 60 frames) but at most half the clip, since clips here
are short. b and d are at least half of tau_max apart, and c is any frame between them; the paper
drops c that look like b or d. The classifier has a hidden layer; a linear one, as printed, adds one
score per frame and cannot express `between`. Each step shows `TUPLES` tuples of S and of S'.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import nn

from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.training.batches import PairBatch
from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("sal",)
PAIRS = "copies"
INPUTS = get_args(ModelInput)  # frames are compared within one clip, never with its copy
TUPLES = 32  # per sequence and step
IN_ORDER = 0.25  # share of the tuples
MAX_SECONDS = 2.4  # from the first to the last frame of a tuple: 60 frames at 25 per second


def head(config: Config) -> nn.Module:
    """Return the network that maps the embeddings of three frames (Q, 3 D) to logits (Q, 2), out of
    order and in order."""
    width = config.model.width
    return nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 2))


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean cross-entropy of the classifier over all tuples; 0 if there are none."""
    classifier = network.get_submodule("method_head")
    frames, labels, empty = [], [], []
    sides = batch.original, batch.augmented
    inputs = [clips.joints for clips in sides]
    if batch.rows is not None and batch.original.joints is None:
        inputs = torch.cat([*batch.maps])[batch.rows].split(batch.frames)
    for clips, shown in zip(sides, inputs, strict=True):
        assert shown is not None, "a network reads joints, heatmaps or both"
        value = network.encode(clips.maps, clips.joints, clips.mask, generator)
        value = network.project(value).float()
        empty.append(0 * value.sum())
        for row, moved in enumerate(motion(shown, clips.mask)):
            index, ordered = draw_tuples(moved, config.train.fps, generator)
            frames.append(value[row, index.to(value.device)].flatten(1))
            labels.append(ordered)
    target = torch.cat(labels).long().to(frames[0].device)
    if not len(target):
        return torch.stack(empty).sum()
    with torch.autocast(target.device.type, enabled=False):
        return torch.nn.functional.cross_entropy(classifier(torch.cat(frames)), target)


def motion(shown: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    """Return the mean absolute change of the network's input (F, ...) from the previous frame: (T,)
    float32 on the CPU for each clip of mask (B, T). The first frame has the change to the
    second."""
    changes = []
    for clip in shown.flatten(1).split(mask.sum(dim=1).tolist()):
        change = (clip[1:] - clip[:-1]).abs().mean(dim=1).float().cpu()
        changes.append(change[[0, *range(len(change))]] if len(change) else change.new_zeros(1))
    return changes


def limits(length: int, fps: float) -> tuple[int, int]:
    """Return (tau_max, tau_min) in frames for a clip of `length` frames at `fps`."""
    longest = max(min(round(MAX_SECONDS * fps), length // 2), 2)
    return longest, max(longest // 4, 1)


def draw_tuples(
    moved: torch.Tensor, fps: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw `TUPLES` triples of frame indices (Q, 3) of a clip; return them, and whether each is in
    order (Q,).

    (b, d) are drawn in proportion to the mean motion between them, everything else uniformly. Q = 0
    if the clip is too short (fewer than 4 frames).

    Parameters
    ----------
    moved: (T,) motion per frame.
    """
    length = len(moved)
    longest, away = limits(length, fps)
    first, last = torch.triu_indices(length, length, 2)
    span = last - first
    fits = (span >= max(longest // 2, 2)) & (span <= longest)
    fits &= (first >= away) | (last + away < length)  # there is a frame outside
    first, last = first[fits], last[fits]
    if not len(first):
        return torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, dtype=torch.bool)
    passed = torch.cat([moved.new_zeros(1), moved.double().cumsum(0)])
    weight = (passed[last + 1] - passed[first + 1]) / (last - first)
    weight = weight + 1e-3 * weight.mean() + 1e-12  # so that a motionless clip has tuples
    drawn = torch.multinomial(weight, TUPLES, replacement=True, generator=generator)
    first, last = first[drawn], last[drawn]
    ordered = torch.rand(TUPLES, generator=generator) < IN_ORDER
    inside = first + 1 + _below(last - first - 1, generator)
    before = (first - away + 1).clamp(min=0)  # number of frames that can be a
    after = (length - last - away).clamp(min=0)
    offset = _below(before + after, generator)
    outside = torch.where(offset < before, offset, offset - before + last + away)
    middle = torch.where(ordered, inside, outside)
    turned = torch.rand(TUPLES, generator=generator) < 0.5
    index = torch.stack(
        [torch.where(turned, last, first), middle, torch.where(turned, first, last)], dim=1
    )
    return index, ordered


def _below(count: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return a random integer in [0, count) for each count (Q,) > 0."""
    share = torch.rand(len(count), generator=generator, dtype=torch.float64)
    return (share * count).long()
