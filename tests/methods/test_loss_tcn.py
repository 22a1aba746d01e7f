"""The triplets and pairs of TCN against their definitions, both losses against loops, n-pairs by
hand, and what they learn."""

from __future__ import annotations

import math

import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import tcn
from tests.method_batches import assert_alike, batch_of, random_clips, value_of

CONFIG = load_config(preset="tcn")
NPAIRS = load_config(preset="tcn-npairs")


def test_triplets_fulfil_their_definition_and_every_allowed_frame_is_drawn() -> None:
    """Uneven times, as in copies; each frame that can be an anchor is one, with even choices."""
    time = torch.tensor([[0.0, 1, 2, 5, 9, 10, 14, 30], [0, 3, 4, 20, 0, 0, 0, 0]])
    mask = torch.arange(8)[None] < torch.tensor([[8], [4]])
    allowed: dict[tuple[int, int], tuple[set[int], set[int]]] = {}
    for row, count in enumerate((8, 4)):
        for a in range(count):
            apart = [abs(float(time[row, a] - time[row, k])) for k in range(count)]
            near = {k for k in range(count) if k != a and apart[k] <= 4}
            far = {k for k in range(count) if apart[k] > 8}
            if near and far:
                allowed[row, a] = near, far
    seen = {anchor: (set(), set()) for anchor in allowed}
    random = torch.Generator().manual_seed(0)
    for _ in range(200):
        drawn = tcn.draw_triplets(time, mask, positive=4, negative=8, generator=random)
        rows = torch.stack(drawn, dim=1).tolist()
        assert [(row, a) for row, a, _, _ in rows] == sorted(allowed)
        for row, a, p, n in rows:
            seen[row, a][0].add(p)
            seen[row, a][1].add(n)
    assert seen == allowed


def test_loss_is_the_mean_of_the_triplets_of_both_sequences() -> None:
    first, second = random_clips([30, 22], 3, 1), random_clips([15, 11], 3, 2)
    batch, random = batch_of(first, second), torch.Generator().manual_seed(0)
    values = []
    for side, time in ((first, torch.arange(30.0).expand(2, 30)), (second, batch.truth)):
        mask = (batch.original if side is first else batch.augmented).mask
        drawn = tcn.draw_triplets(time, mask, positive=4, negative=8, generator=random)
        for row, a, p, n in torch.stack(drawn, dim=1).tolist():
            unit = [side[row][k] / side[row][k].norm() for k in (a, p, n)]
            near, far = (
                torch.stack([(x - y) ** 2 for x, y in zip(unit[0], other, strict=True)]).sum()
                for other in unit[1:]
            )
            values.append(torch.relu(near + 0.2 - far))
    value, expected = value_of(CONFIG, first, second), torch.stack(values).mean()
    assert_alike(value, expected, [*first, *second], rtol=1e-4, atol=1e-6)


def test_npairs_of_two_pairs_at_right_angles_by_hand() -> None:
    """Products are s^2 for the own frame and 0 for the other; four embeddings of length s."""
    value = 2.0 * torch.eye(2, dtype=torch.float64)
    expected = math.log(1 + math.exp(-4)) + 0.25 * 0.002 * (4 + 4)
    assert float(tcn.npairs_loss(value, value)) == pytest.approx(expected)
    crossed = math.log(1 + math.exp(4)) + 0.25 * 0.002 * (4 + 4)
    assert float(tcn.npairs_loss(value, value.flip(0))) == pytest.approx(crossed)
    assert float(tcn.npairs_loss(value, value * 0)) == pytest.approx(math.log(2) + 0.002)
    longer = tcn.npairs_loss(value, value * torch.tensor([1.0, 3.0]))  # the earlier chooses
    rows = math.log(1 + math.exp(-4)), math.log(1 + math.exp(-12))
    assert float(longer) == pytest.approx(sum(rows) / 2 + 0.25 * 0.002 * (4 + 20))


def test_pairs_fulfil_their_definition_and_every_allowed_frame_is_drawn() -> None:
    """Uneven times; the fourth frame has none within five before it, nor has the first."""
    time = torch.tensor([0.0, 1, 5, 11, 12, 16, 16.5])
    allowed = {1: {0}, 2: {0, 1}, 4: {3}, 5: {3, 4}, 6: {4, 5}}
    seen: dict[int, set[int]] = {}
    random = torch.Generator().manual_seed(0)
    for _ in range(100):
        earlier, later = tcn.draw_pairs(time, random)
        assert later.tolist() == sorted(allowed)
        for e, a in zip(earlier.tolist(), later.tolist(), strict=True):
            seen.setdefault(a, set()).add(e)
    assert seen == allowed


def test_of_a_long_clip_twenty_frames_are_drawn_and_in_time_each_of_them() -> None:
    random = torch.Generator().manual_seed(0)
    drawn = [tcn.draw_pairs(torch.arange(64.0), random) for _ in range(200)]
    assert all(len(set(later.tolist())) == 20 for _, later in drawn)
    assert {frame for _, later in drawn for frame in later.tolist()} == set(range(1, 64))
    gaps = {int(gap) for earlier, later in drawn for gap in later - earlier}
    assert gaps == {1, 2, 3, 4, 5}


def test_npairs_loss_is_the_mean_over_the_clips_of_both_sequences() -> None:
    first, second = random_clips([30, 22], 3, 1), random_clips([15, 11], 3, 2)
    batch, random = batch_of(first, second), torch.Generator().manual_seed(0)
    values = []
    for side, times in ((first, [torch.arange(30.0)] * 2), (second, batch.truth)):
        for clip, time in zip(side, times, strict=True):
            earlier, later = tcn.draw_pairs(time[: len(clip)], random)
            entropies, squares = [], []
            for k, e in enumerate(earlier.tolist()):
                products = torch.stack([clip[e] @ clip[a] for a in later.tolist()])
                entropies.append(products.exp().sum().log() - products[k])
                squares.append((clip[e] ** 2).sum() + (clip[later[k]] ** 2).sum())
            values.append(sum(entropies) / len(later) + 0.0005 * sum(squares) / len(later))
    value, expected = value_of(NPAIRS, first, second), torch.stack(values).mean()
    assert_alike(value, expected, [*first, *second], rtol=1e-4, atol=1e-6)
