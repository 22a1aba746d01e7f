"""Time-contrastive networks from a single view: frames near in time are near in the embedding.

Sermanet et al., "Time-Contrastive Networks: Self-Supervised Learning from Video", ICRA 2018, the
single-view variant. `tcn`: triplets of one clip, with the positive at most 0.2 s from the anchor
and the negative more than twice that. The loss is the triplet loss,
max(0, |a - p|^2 + margin - |a - n|^2), on embeddings of unit length with a margin of 0.2.

`tcn-npairs` is the variant that papers on alignment compare with: the n-pairs loss (Sohn, "Improved
Deep Metric Learning with Multi-class N-pair Loss Objective", NeurIPS 2016) on the pairs of TCC's
released code. 20 frames a of a clip are drawn, and for each of them one of the 5 frames before it,
e. The similarity of two frames is the dot product of their embeddings, which have any length. The
loss is the cross-entropy of softmax_k(e_j . a_k), whose target is the frame that e_j was drawn for,
plus 0.0005 times the sum of the means of |e|^2 and |a|^2.

The presets embed single frames, as the paper does; an encoder that sees the whole clip learns only
the time.

Deviations: the encoder reads joints. S and S' are treated as two clips, each with its own triplets
or pairs, as in a single view; their known correspondence is not used. Time is counted in frames of
S. If a clip is longer than `train.frames`, it is thinned, and the time limits stretch with it.
Triplets: every frame is an anchor once per step, with one positive and one negative drawn
uniformly; hard negatives are not mined. Pairs: a frame without an earlier frame in the window is
not drawn (TCC's code pairs it with the first frame); a clip shorter than 20 frames gives fewer
pairs.
"""

from __future__ import annotations

from typing import get_args

import torch

from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.training.batches import PairBatch
from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("tcn", "tcn-npairs")
PAIRS = "copies"
INPUTS = get_args(ModelInput)  # frames are compared within one clip, never with its copy
POSITIVE_SECONDS = 0.2
NEGATIVE_SECONDS = 0.4
MARGIN = 0.2
WINDOW, PAIR_COUNT = 5, 20  # how many frames before a frame are its positives; pairs per clip
LENGTH_WEIGHT = 0.25 * 0.002  # of the squared lengths of embeddings in the n-pairs loss


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean triplet loss over all triplets of both sequences, or the mean n-pairs loss
    over all clips; 0 if there are no triplets or pairs."""
    index = torch.arange(batch.original.mask.shape[1], device=batch.truth.device).float()
    of_side = _npairs if config.train.method == "tcn-npairs" else _triplets
    losses = []
    for clips, time in (
        (batch.original, index.expand(batch.original.mask.shape)),
        (batch.augmented, batch.truth),
    ):
        value = network.encode(clips.maps, clips.joints, clips.mask, generator)
        value = network.project(value).float()
        losses.append(of_side(value, time, clips.mask, config, generator))
    every = torch.cat(losses)
    return every.mean() if len(every) else every.sum()


def _triplets(
    value: torch.Tensor,
    time: torch.Tensor,
    mask: torch.Tensor,
    config: Config,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the loss of each triplet (Q,) of clips with embeddings (B, T, D)."""
    chosen = draw_triplets(
        time,
        mask,
        positive=POSITIVE_SECONDS * config.train.fps,
        negative=NEGATIVE_SECONDS * config.train.fps,
        generator=generator,
    )
    return triplet_loss(torch.nn.functional.normalize(value, dim=-1), *chosen)


def _npairs(
    value: torch.Tensor,
    time: torch.Tensor,
    mask: torch.Tensor,
    config: Config,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the loss of each clip that has a pair (at most B), for embeddings (B, T, D)."""
    losses = [value[:0].sum(dim=(1, 2))]  # keeps a graph if no clip has a pair
    for row, real in enumerate(mask):
        earlier, later = draw_pairs(time[row, real], generator)
        if len(later):
            losses.append(npairs_loss(value[row, real][earlier], value[row, real][later])[None])
    return torch.cat(losses)


def draw_triplets(
    time: torch.Tensor,
    mask: torch.Tensor,
    *,
    positive: float,
    negative: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw one triplet for every real frame with another frame at most `positive` away in time and
    one more than `negative` away.

    Returns clip, anchor, positive and negative, four index tensors (Q,).

    Parameters
    ----------
    time: (B, T) float.
    mask: (B, T), True = a real frame.
    """
    apart = (time[:, :, None] - time[:, None, :]).abs()
    both = mask[:, :, None] & mask[:, None, :]
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    near = both & (apart <= positive + 1e-4) & ~itself  # times are rounded to float32
    far = both & (apart > negative + 1e-4)
    # One draw per real frame, so that padding changes no draw.
    share = torch.rand(2, int(mask.sum()), generator=generator).to(mask.device)
    has = (near.any(dim=2) & far.any(dim=2))[mask]
    clip, anchor = mask.nonzero().unbind(dim=1)
    return (
        clip[has],
        anchor[has],
        _one_of(near[mask][has], share[0, has]),
        _one_of(far[mask][has], share[1, has]),
    )


def draw_pairs(time: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices (earlier, later) of at most PAIR_COUNT pairs of frames, both (Q,).

    `later` is drawn without replacement from the frames that have another frame at most WINDOW
    before them, `earlier` uniformly from those earlier frames.

    Parameters
    ----------
    time: (T,) float, of the real frames of one clip.
    """
    before = time[:, None] - time[None, :]
    near = (before > 1e-4) & (before <= WINDOW + 1e-4)  # times are rounded to float32
    order, share = torch.rand(2, len(time), generator=generator).to(time.device)
    order = order.masked_fill(~near.any(dim=1), float("inf"))
    count = min(PAIR_COUNT, int(near.any(dim=1).sum()))
    later = order.argsort()[:count].sort().values
    return _one_of(near[later], share[later]), later


def npairs_loss(earlier: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
    """Return the n-pairs loss of one clip's pairs (Q, D) and (Q, D), a scalar."""
    with torch.autocast(earlier.device.type, enabled=False):
        similarity = earlier @ later.T
    own = torch.arange(len(earlier), device=earlier.device)
    length = (earlier**2).sum(dim=1).mean() + (later**2).sum(dim=1).mean()
    return torch.nn.functional.cross_entropy(similarity, own) + LENGTH_WEIGHT * length


def _one_of(allowed: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the column of one True in each row of `allowed` (Q, T), chosen by `share` (Q,) in [0,
    1)."""
    rank = allowed.cumsum(dim=1)
    wanted = (share * rank[:, -1]).floor().clamp(max=rank[:, -1] - 1) + 1
    return ((rank == wanted[:, None]) & allowed).int().argmax(dim=1)


def triplet_loss(
    value: torch.Tensor,
    clip: torch.Tensor,
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
) -> torch.Tensor:
    """Return max(0, |a - p|^2 + margin - |a - n|^2) of each triplet (Q,); value: embeddings (B, T,
    D)."""
    a, p, n = (value[clip, index] for index in (anchor, positive, negative))
    near, far = ((a - p) ** 2).sum(dim=-1), ((a - n) ** 2).sum(dim=-1)
    return (near + MARGIN - far).clamp(min=0)
