"""The triplets of TCN against their definition, the loss against loops, and what it learns."""

from __future__ import annotations

import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.project import Project
from la2ds_cli.training.losses import tcn
from tests.method_batches import Given, batch_of, learn, random_clips

CONFIG = load_config(preset="tcn")


def _value(clips, others, padding=0, seed=0):
    batch = batch_of(clips, others, padding)
    return tcn.loss(Given(), batch, CONFIG, torch.Generator().manual_seed(seed))


def test_preset_embeds_single_frames_and_keeps_the_copies_of_the_default() -> None:
    default = load_config(preset="default")
    assert CONFIG.train.method == "tcn"
    assert not CONFIG.model.projection_head
    assert CONFIG.model.temporal_layers == CONFIG.model.context == 0
    assert CONFIG.augment == default.augment


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
    expected = torch.stack(values).mean()
    leaves = [*first, *second]
    wanted = torch.autograd.grad(expected, leaves)
    value = _value(first, second)
    torch.testing.assert_close(value, expected)
    for found, want in zip(torch.autograd.grad(value, leaves), wanted, strict=True):
        torch.testing.assert_close(found, want)


def test_padding_never_changes_the_loss() -> None:
    first, second = random_clips([30, 22], 3, 1), random_clips([15, 11], 3, 2)
    assert torch.equal(_value(first, second), _value(first, second, padding=7))


def test_clips_too_short_for_a_negative_cost_nothing_and_have_gradients() -> None:
    first, second = random_clips([5], 3, 1), random_clips([3], 3, 2)
    value = _value(first, second)
    value.backward()
    assert value == 0
    assert first[0].grad is not None
    assert (first[0].grad == 0).all()


def test_bfloat16_around_the_loss_changes_it_by_its_rounding_alone() -> None:
    first, second = random_clips([30], 8, 1), random_clips([30], 8, 2)
    with torch.autocast("cpu", torch.bfloat16):
        value = _value(first, second)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, _value(first, second), rtol=1e-5, atol=0)


def test_learns_to_align_other_bodies_and_cameras(project: Project) -> None:
    found = learn(project, "tcn", ["train.steps=100"])
    assert found.trained < 0.6 * found.untrained
