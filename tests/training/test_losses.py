"""What holds for the loss of every method: padding, pairs beside each other, bfloat16, and that it
learns what corresponds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.stored_project import StoredProject
from tests.method_batches import assert_padding_changes_nothing, learn, random_clips, value_of

METHODS = ["gtcc", "lav", "sal", "tcc", "tcn", "tcn-npairs", "vaot", "vava"]


def settings(method: str, width: int = 5) -> Config:
    preset = "tcc" if method == "tcc-classification" else method
    name = [f'train.method="{method}"'] * (method != preset)
    return load_config(preset=preset, overrides=[f"model.width={width}", "model.heads=1", *name])


@pytest.mark.parametrize("method", [*METHODS, "tcc-classification"])
def test_padding_changes_neither_the_loss_nor_its_gradient(method: str) -> None:
    config = settings(method)
    assert_padding_changes_nothing(
        lambda first, second, padding=0: value_of(config, first, second, padding)
    )


@pytest.mark.parametrize(
    ("method", "terms"),
    [
        ("lav", (1, 1)),  # the loss is a mean over pairs, or over the frames of both clips
        ("tcc", (26, 27)),
        ("tcc-classification", (26, 27)),
        ("vaot", (1, 1)),
        ("vava", (1, 1)),
    ],
)
def test_a_pair_is_as_it_is_alone_beside_one_of_other_lengths(
    method: str, terms: tuple[int, int]
) -> None:
    config = settings(method)
    first, second = random_clips([14, 20], 5, 3), random_clips([12, 7], 5, 4)
    alone = [value_of(config, [one], [other]) for one, other in zip(first, second, strict=True)]
    expected = (terms[0] * alone[0] + terms[1] * alone[1]) / sum(terms)
    torch.testing.assert_close(value_of(config, first, second), expected)


@pytest.mark.parametrize(
    ("method", "frames"), [("tcn", (5, 3)), ("tcn-npairs", (1, 1)), ("sal", (3, 2))]
)
def test_clips_too_short_for_a_triplet_a_pair_or_a_tuple_cost_nothing_and_have_gradients(
    method: str, frames: tuple[int, int]
) -> None:
    first, second = random_clips([frames[0]], 6, 1), random_clips([frames[1]], 6, 2)
    value = value_of(settings(method, width=6), first, second)
    value.backward()
    assert value == 0
    assert first[0].grad is not None
    assert (first[0].grad == 0).all()


CORNERS, SAME = 1e3 * torch.eye(30), torch.ones(30, 30)


@pytest.mark.parametrize("method", [*METHODS, "tcc-classification"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (CORNERS, CORNERS),  # every frame is its own nearest by far
        (CORNERS, CORNERS.flip(0)),
        (CORNERS, -CORNERS),
        (SAME, SAME),
        (0 * SAME, 0 * SAME),
        (CORNERS[:1], CORNERS),
    ],
    ids=["certain", "reversed", "opposite", "alike", "nothing", "one frame"],
)
def test_extreme_embeddings_have_finite_losses_and_gradients(
    method: str, first: Tensor, second: Tensor
) -> None:
    clips = [first.clone().requires_grad_(), second.clone().requires_grad_()]
    found = value_of(settings(method, width=30), clips[:1], clips[1:])
    found.backward()
    assert torch.isfinite(found)
    assert all(clip.grad is None or torch.isfinite(clip.grad).all() for clip in clips)


@pytest.mark.parametrize("method", [*METHODS, "tcc-classification"])
def test_bfloat16_around_the_loss_changes_it_by_its_rounding_alone(method: str) -> None:
    config = settings(method)
    first, second = random_clips([20], 5, 3), random_clips([14], 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = value_of(config, first, second)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, value_of(config, first, second), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "steps", "overrides", "most"),
    [
        ("lav", 60, (), 0.7),
        ("tcn", 100, (), 0.6),
        ("tcn-npairs", 100, (), 0.6),
        ("vaot", 100, ("model.temporal_layers=0",), 0.8),
        # With context these learn the order from it, or the share of the clip that has passed.
        ("sal", 350, ("model.temporal_layers=0",), 0.75),
        ("vava", 200, ("model.temporal_layers=0", "augment.trim=0.0"), 0.8),
    ],
)
def test_it_learns_to_align_other_bodies_and_cameras(
    project: StoredProject, method: str, steps: int, overrides: tuple[str, ...], most: float
) -> None:
    found = learn(project, method, [f"train.steps={steps}", *overrides])
    assert found.trained < most * found.untrained
