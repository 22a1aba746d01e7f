"""Time-contrastive networks from a single view: near in time is near in the embedding.

Sermanet et al., "Time-Contrastive Networks: Self-Supervised Learning from Video", ICRA 2018, the
single-view variant. Triplets of one clip: the positive lies at most 0.2 s from the anchor, the
negative more than twice that. The loss is the triplet loss, max(0, |a - p|^2 + margin - |a - n|^2)
on embeddings of unit length with a margin of 0.2, not the n-pairs loss of the later multi-frame
variant (Dwibedi et al., IROS 2018). The preset embeds single frames, as the paper does; an encoder
that sees the whole clip learns the time alone.

Deviations: the encoder reads joints. S and S' are two clips, each with
triplets of its own, as a single view has them: what is known about their correspondence is not
used. Time is counted in frames of S. Every frame is an anchor once a step, with one positive and
one negative drawn evenly; there is no mining of hard negatives. Clips longer than `train.frames`
are shown thinned, and the seconds with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.training.network import PairBatch

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("tcn",)
PAIRS = "copies"
INPUTS = get_args(ModelInput)  # what is compared lies in one clip, never in its copy
POSITIVE_SECONDS = 0.2
NEGATIVE_SECONDS = 0.4
MARGIN = 0.2


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Mean of the triplet loss over all triplets of both sequences; 0 where none has any."""
    import torch

    index = torch.arange(batch.original.mask.shape[1], device=batch.truth.device).float()
    losses = []
    for clips, time in (
        (batch.original, index.expand(batch.original.mask.shape)),
        (batch.augmented, batch.truth),
    ):
        value = network.encode(clips.maps, clips.joints, clips.mask, generator)
        value = torch.nn.functional.normalize(network.project(value).float(), dim=-1)
        chosen = draw_triplets(
            time,
            clips.mask,
            positive=POSITIVE_SECONDS * config.train.fps,
            negative=NEGATIVE_SECONDS * config.train.fps,
            generator=generator,
        )
        losses.append(triplet_loss(value, *chosen))
    every = torch.cat(losses)
    return every.mean() if len(every) else every.sum()


def draw_triplets(
    time: torch.Tensor,
    mask: torch.Tensor,
    *,
    positive: float,
    negative: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clip, anchor, positive and negative, four index tensors (Q,): one triplet for every real
    frame that has another one at most `positive` away in time and one more than `negative` away.

    time: (B, T) float; mask: (B, T), True = a real frame.
    """
    import torch

    apart = (time[:, :, None] - time[:, None, :]).abs()
    both = mask[:, :, None] & mask[:, None, :]
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    near = both & (apart <= positive + 1e-4) & ~itself  # times are rounded to float32
    far = both & (apart > negative + 1e-4)
    # One draw per real frame, so that padding changes none.
    share = torch.rand(2, int(mask.sum()), generator=generator).to(mask.device)
    has = (near.any(dim=2) & far.any(dim=2))[mask]
    clip, anchor = mask.nonzero().unbind(dim=1)
    return (
        clip[has],
        anchor[has],
        _one_of(near[mask][has], share[0, has]),
        _one_of(far[mask][has], share[1, has]),
    )


def _one_of(allowed: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The column of one True of each row of `allowed` (Q, T), drawn evenly by `share` in [0, 1)."""
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
    """max(0, |a - p|^2 + margin - |a - n|^2) of each triplet (Q,); value: embeddings (B, T, D)."""
    a, p, n = (value[clip, index] for index in (anchor, positive, negative))
    near, far = ((a - p) ** 2).sum(dim=-1), ((a - n) ** 2).sum(dim=-1)
    return (near + MARGIN - far).clamp(min=0)
