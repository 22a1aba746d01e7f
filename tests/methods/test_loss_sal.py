"""The tuples of Shuffle and Learn against their definition, its loss, and what it learns."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import sal
from la2ds_cli.training.losses import add_head
from tests.method_batches import Given, assert_alike, batch_of, random_clips

CONFIG = load_config(preset="sal", overrides=["model.width=6"])


@pytest.mark.parametrize(("length", "fps"), [(64, 20.0), (30, 20.0), (9, 20.0), (4, 20.0)])
def test_tuples_fulfil_their_definition(length: int, fps: float) -> None:
    longest, away = sal.limits(length, fps)
    drawn = [
        sal.draw_tuples(torch.ones(length), fps, torch.Generator().manual_seed(seed))
        for seed in range(40)
    ]
    index = torch.cat([one for one, _ in drawn])
    ordered = torch.cat([two for _, two in drawn])
    assert len(index) == 40 * sal.TUPLES
    turned = 0
    for (one, middle, two), inside in zip(index.tolist(), ordered.tolist(), strict=True):
        first, last = min(one, two), max(one, two)
        turned += one > two
        assert 0 <= first < last < length
        assert 0 <= middle < length
        assert max(longest // 2, 2) <= last - first <= longest
        if inside:
            assert first < middle < last
        else:
            assert middle <= first - away or middle >= last + away
    assert 0.2 < ordered.double().mean() < 0.3
    assert 0.4 < turned / len(index) < 0.6


def test_limits_are_those_of_the_paper_where_a_clip_is_long_enough() -> None:
    assert sal.limits(300, 25.0) == (60, 15)
    assert sal.limits(40, 25.0) == (20, 5)


def test_first_and_last_frame_are_drawn_in_proportion_to_the_motion_between() -> None:
    """Brute force over all pairs of frames, one of which holds four times the motion."""
    moved = torch.tensor([1.0, 1, 1, 1, 4, 1, 1, 1, 1, 1])
    longest, away = sal.limits(10, 20.0)
    weight = {
        (b, d): float(moved[b + 1 : d + 1].mean())
        for b in range(10)
        for d in range(b + 2, 10)
        if d - b <= longest and d - b >= longest // 2 and (b >= away or d + away < 10)
    }
    counted: Counter[tuple[int, int]] = Counter()
    random = torch.Generator().manual_seed(0)
    for _ in range(1000):
        for one, _, two in sal.draw_tuples(moved, 20.0, random)[0].tolist():
            counted[min(one, two), max(one, two)] += 1
    total, drawn = sum(weight.values()), sum(counted.values())
    assert counted.keys() == weight.keys()
    for pair, value in weight.items():
        assert counted[pair] / drawn == pytest.approx(value / total, abs=0.006)


def test_motion_is_the_mean_change_of_the_input() -> None:
    clips = random_clips([5, 3], 2, 0)
    side = batch_of(clips, clips, padding=2).original
    found = sal.motion(torch.cat(clips), side.mask)
    for moved, clip in zip(found, clips, strict=True):
        expected = [(clip[t] - clip[t - 1]).abs().mean().item() for t in range(1, len(clip))]
        assert moved.tolist() == pytest.approx([expected[0], *expected])


def test_loss_is_the_cross_entropy_of_the_classifier_on_all_tuples() -> None:
    first, second = random_clips([20, 14], 6, 1), random_clips([9, 8], 6, 2)
    network, random = Given(), torch.Generator().manual_seed(0)
    add_head(network, CONFIG)
    hidden, _, out = network.get_submodule("method_head").children()
    values = []
    for side in (first, second):
        mask = batch_of(side, side).original.mask
        for clip, moved in zip(side, sal.motion(torch.cat(side), mask), strict=True):
            index, ordered = sal.draw_tuples(moved, CONFIG.train.fps, random)
            for frames, label in zip(index.tolist(), ordered.tolist(), strict=True):
                logit = out(torch.relu(hidden(torch.cat([clip[k] for k in frames]))))
                values.append(logit.logsumexp(dim=0) - logit[int(label)])
    value = sal.loss(network, batch_of(first, second), CONFIG, torch.Generator().manual_seed(0))
    leaves = [*first, *second, *network.parameters()]
    assert_alike(value, torch.stack(values).mean(), leaves, rtol=1e-4, atol=1e-6)
