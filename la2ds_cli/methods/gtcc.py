"""GTCC: cycles through several neighbours, for frames that have a counterpart.

Donahue, Elhamifar, "Learning to Predict Activity Progress by Self-Supervised Video Alignment",
CVPR 2024, sec. 3: generalised temporal cycle-consistency, for actions that are repeated, come in
another order, or are missing in one of the clips. For a frame i of one clip:

* alpha_ij is the weight of frame j of the other clip among the soft neighbours of i, as in TCC. A
  mixture of K Gaussians over the frames j is fitted to it, with weights pi_k and components g_k;
* multi-neighbour: component k has the soft nearest neighbour sum_j g_k(j) y_j, so that frames
  between two repetitions are not neighbours;
* multi-cycle-back regression: each neighbour maps back to a mean index mu_k among the frames of the
  first clip in a window at i, whose length is the share delta of the clip, so that another
  repetition is no error: e_i = sum_k pi_k (i - mu_k)^2;
* a context-dependent drop function: a network reads the other clip; the mean of its output over the
  frames gives the weights of a linear function of the frames of this clip, and b_i is the sigmoid
  of its values, normalised over the frames. The loss is B_i e_i + (1 - B_i) / e_i,
  B_i = c + (1 - c) b_i: kept frames must cycle back, dropped frames must not. c = gamma^epoch falls
  during training; at first all frames count.

This follows the abstract and the authors' released code; the paper's text was not available, so
equations are not numbered. K = 5 and delta = 1/2 are the code's values for data like ours (Penn
Action); the temperature of 0.1 and the 50 epochs are its defaults. gamma = 0.95 is its value for
missing actions; for Penn Action it uses 1, which drops nothing. Deviations from the code:

* squared distances are divided by D * temperature, as in `tcc` here; the code divides distances by
  the temperature;
* `STEPS` steps of expectation-maximisation fit the mixture and lower its divergence from alpha; the
  code minimises the symmetric divergence by L-BFGS. In both, no gradient flows through the fit: it
  says which frames are neighbours, and their embeddings are learned;
* 1 / (e_i + 1/12) replaces 1 / e_i, which is unbounded; 1/12 is the variance within a frame;
* indices count frames, and the loss is the mean over all frames of both clips instead of the sum
  over 20 sampled ones;
* c falls over the run as it does over those 50 epochs; the drop function has no bias, which the
  normalisation would remove;
* the window begins or ends at i, at random for each clip and step, and lies within the clip;
* pairs are augmented copies of two clips, read by a network that sees joints of two frames, half a
  second apart, instead of features of whole videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from la2ds_cli.core.config import Config
from la2ds_cli.methods.tcc import WITHIN_A_FRAME
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.distance import squared_distance
from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("gtcc",)
PAIRS = "clips"
COMPONENTS = 5  # K
STEPS = 10  # of expectation-maximisation
LEAST_VARIANCE = 0.5  # of a component, in squared frames
WINDOW = 0.5  # delta, share of the clip to which a cycle may return
DECAY, EPOCHS = 0.95, 50  # gamma; number of epochs to which a run corresponds


def head(config: Config) -> nn.Module:
    """Return the network that maps frame embeddings (T, D) to weights of the drop function."""
    width = config.model.width
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean GTCC loss over all real frames of both clips; the batch's truth is unused."""
    masks = batch.original.mask, batch.augmented.mask
    sides = [
        # Padding may hold any value, even NaN, and 0 times it must be 0.
        (side if side.dtype == torch.float64 else side.float()).masked_fill(~mask[:, :, None], 0)
        for side, mask in zip(projected_pair(network, batch, generator), masks, strict=True)
    ]
    divisor = config.train.temperature
    if config.train.scaling == "casa":
        divisor *= sides[0].shape[-1]
    floor = least_keep(batch.done)
    values = []
    for here, there in ((0, 1), (1, 0)):
        pair = Pair(sides[here], sides[there], masks[here], masks[there])
        before = torch.rand(len(masks[here]), generator=generator) < 0.5
        error = cycle_error(pair, divisor, before.to(sides[0].device))
        keep = floor + (1 - floor) * keep_share(pair, network.get_submodule("method_head"))
        value = keep * error + (1 - keep) / (error + WITHIN_A_FRAME)
        values.append(value[masks[here]])
    return torch.cat(values).mean()


def least_keep(done: float) -> float:
    """Return c when a share of the run is done: gamma at its start, gamma^`EPOCHS` at its end."""
    return DECAY ** (1 + (EPOCHS - 1) * min(done, 1))


@dataclass(frozen=True)
class Pair:
    """Embeddings (B, N, D) of the clips whose frames are cycled and (B, M, D) of the other clips, 0
    at padding, with their masks (B, N) and (B, M)."""

    first: torch.Tensor
    second: torch.Tensor
    first_mask: torch.Tensor
    second_mask: torch.Tensor


def cycle_error(pair: Pair, divisor: float, before: torch.Tensor) -> torch.Tensor:
    """Return e (B, N) in squared frames; before: (B,), whether the window ends at the frame."""
    with torch.autocast(pair.first.device.type, enabled=False):
        with torch.no_grad():
            logit = -squared_distance(pair.first, pair.second) / divisor
            logit = logit.masked_fill(~pair.second_mask[:, None], -torch.inf)
            weight, component = mixture(logit.softmax(dim=2), pair.second_mask)
        neighbour = (component @ pair.second[:, None]).flatten(1, 2)  # (B, N K, D)
        back = -squared_distance(neighbour, pair.first) / divisor
        back = back.unflatten(1, component.shape[1:3])  # (B, N, K, N)
        inside = window(pair.first_mask, before)
        beta = back.masked_fill(~inside[:, :, None], -torch.inf).softmax(dim=3)
        index = torch.arange(beta.shape[3], dtype=beta.dtype, device=beta.device)
        return (weight * (index[:, None] - beta @ index) ** 2).sum(dim=2)


def mixture(share: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit Gaussian mixtures to distributions (B, N, M) over the frames of clips with mask (B, M).

    Returns weights (B, N, K) and components (B, N, K, M), which sum to 1 over the real frames. The
    means start evenly spaced over the clip, with a standard deviation equal to their spacing.
    """
    place = torch.arange(share.shape[2], dtype=share.dtype, device=share.device)
    spacing = mask.sum(dim=1).to(share.dtype)[:, None, None] / COMPONENTS  # (B, 1, 1)
    steps = torch.arange(COMPONENTS, dtype=share.dtype, device=share.device) + 0.5
    mean = (steps * spacing - 0.5).expand(*share.shape[:2], COMPONENTS)
    variance = (spacing**2).clamp(min=LEAST_VARIANCE).expand_as(mean)
    weight = torch.full_like(mean, 1 / COMPONENTS)

    def log_components() -> torch.Tensor:
        value = -((place - mean[..., None]) ** 2) / (2 * variance[..., None])
        return value.masked_fill(~mask[:, None, None], -torch.inf).log_softmax(dim=3)

    for _ in range(STEPS):
        joint = log_components() + weight.log()[..., None]
        mine = joint.softmax(dim=2).masked_fill(~mask[:, None, None], 0) * share[:, :, None]
        weight = mine.sum(dim=3)
        held = weight > 1e-6  # a component without weight stays where it is
        mass = weight.clamp(min=1e-6)
        mean = torch.where(held, (mine @ place) / mass, mean)
        moment = (mine * (place - mean[..., None]) ** 2).sum(dim=3) / mass
        variance = torch.where(held, moment.clamp(min=LEAST_VARIANCE), variance)
    return weight, log_components().exp()


def window(mask: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Return (B, N, N): whether a cycle from frame i may end in frame k."""
    frames = mask.sum(dim=1)[:, None]
    size = (WINDOW * frames).round().long().clamp(min=2)
    index = torch.arange(mask.shape[1], device=mask.device)
    start = torch.where(before[:, None], index - size + 1, index.expand_as(mask))
    start = torch.minimum(start, frames - size).clamp(min=0)[:, :, None]
    return (index >= start) & (index < start + size[:, :, None]) & mask[:, None]


def keep_share(pair: Pair, drop: nn.Module) -> torch.Tensor:
    """Return b (B, N) in (0, 1): how much each frame must be aligned, given the other clip; about
    1/2 on average, 0 at padding."""
    with torch.autocast(pair.first.device.type, enabled=False):
        count = pair.second_mask.sum(dim=1, keepdim=True)
        weights = (drop(pair.second) * pair.second_mask[:, :, None]).sum(dim=1) / count
        value = (pair.first @ weights[:, :, None])[:, :, 0]
        frames = pair.first_mask.sum(dim=1, keepdim=True)
        mean = value.sum(dim=1, keepdim=True) / frames
        off = (value - mean).masked_fill(~pair.first_mask, 0)
        spread = ((off**2).sum(dim=1, keepdim=True) / frames + 1e-6).sqrt()
        return torch.sigmoid(off / spread).masked_fill(~pair.first_mask, 0)
