"""Parts of the transformer: masks, rotary code, patches, position table."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from la2ds_models import vivit
from la2ds_models import vivit as tested
from la2ds_models.sequence_network import NetworkSettings
from tests.method_batches import assert_alike


def test_patches_are_cut_row_by_row() -> None:
    embed = tested.PatchEmbedding(channels=1, patch=2, width=4)
    with torch.no_grad():
        embed.project.weight.copy_(torch.eye(4))
        embed.project.bias.zero_()
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    expected = torch.tensor(
        [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]], dtype=torch.float32
    )
    torch.testing.assert_close(embed(maps)[0], expected)


def test_rotary_scores_depend_on_the_distance_of_frames_only() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)
    code = tested.rotary_code(20, 8, torch.device("cpu"))

    def score(i: int, j: int) -> float:
        return float(
            tested.rotate(query[None], code[:, i : i + 1])[0]
            @ tested.rotate(key[None], code[:, j : j + 1])[0]
        )

    assert score(3, 5) == pytest.approx(score(12, 14), abs=1e-5)
    assert score(3, 5) != pytest.approx(score(3, 9), abs=1e-3)


@pytest.mark.parametrize("masked", [False, True])
def test_plain_and_fused_attention_agree(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 3, 5, 8)
    key, value = torch.randn(2, 2, 3, 9, 8).unbind()
    mask = (torch.arange(9) < torch.tensor([[9], [4]]))[:, None, None] if masked else None
    called = []
    fused = F.scaled_dot_product_attention

    def spied(*parts: torch.Tensor, attn_mask: torch.Tensor | None) -> torch.Tensor:
        called.append(True)
        return fused(*parts, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spied)
    plain = tested.mix(query, key, value, mask)
    assert not called
    monkeypatch.setattr(vivit, "PLAIN_ON_CPU", 0)
    torch.testing.assert_close(plain, tested.mix(query, key, value, mask))
    assert called


def test_one_product_for_query_key_and_value_equals_three() -> None:
    torch.manual_seed(0)
    attention = tested.Attention(12, 3)
    x = torch.randn(2, 9, 12)
    together = attention(x, x)
    apart = attention(x, x.clone())  # the same values, not the same tensor
    assert_alike(together, apart, list(attention.parameters()), atol=1e-5, rtol=1e-5)


def test_indivisible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of heads"):
        tested.Attention(10, 3)
    with pytest.raises(ValueError, match="patch side"):
        _spatial(position=True, size=30, patch=7)


def _zeros(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (1, T, 4) of a clip of its own, and its mask (1, T)."""
    return torch.zeros(1, frames, 4), torch.ones(1, frames, dtype=torch.bool)


def test_learned_position_stretches_beyond_its_table() -> None:
    position = tested.TemporalPosition("learned", 10, 4)
    assert position.table is not None
    stretched = F.interpolate(position.table.t()[None], 25, mode="linear", align_corners=True)
    torch.testing.assert_close(position(*_zeros(25))[0], stretched[0].t())


@pytest.mark.parametrize("kind", ["learned", "offset"])
@pytest.mark.parametrize("training", [False, True])
def test_a_clip_beside_a_longer_one_has_the_positions_it_has_alone(
    kind: str, training: bool
) -> None:
    if training and kind == "offset":
        pytest.skip("the start of the table is drawn")
    position = tested.TemporalPosition(kind, 10, 4).train(training)
    for length in (6, 10, 13):  # shorter than the table, as long, longer
        tokens, mask = torch.zeros(2, 25, 4), torch.ones(2, 25, dtype=torch.bool)
        mask[0, length:] = False
        together = position(tokens, mask)
        torch.testing.assert_close(together[0, :length], position(*_zeros(length))[0])
        torch.testing.assert_close(together[1], position(*_zeros(25))[0])


def test_offset_position_moves_in_training_and_rests_in_evaluation() -> None:
    position = tested.TemporalPosition("offset", 100, 4)
    zero = _zeros(10)
    generator = torch.Generator().manual_seed(0)
    drawn = [position(*zero, generator) for _ in range(5)]
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:])
    position.eval()
    torch.testing.assert_close(position(*zero), position(*zero))
    assert position.table is not None
    torch.testing.assert_close(position(*zero)[0], position.table[45:55])


def _spatial(
    *, position: bool, pooling: str = "mean", layers: int = 2, size: int = 6, patch: int = 3
) -> tested.SpatialTransformer:
    torch.manual_seed(0)
    return tested.SpatialTransformer(
        NetworkSettings(
            channels=1,
            size=size,
            patch=patch,
            width=12,
            spatial_layers=layers,
            heads=3,
            mlp_ratio=2,
            spatial_position=position,
            pooling=pooling,
        )
    )


def _with_patches_swapped(maps: torch.Tensor) -> torch.Tensor:
    """The upper left and the lower right patch of maps (F, C, 6, 6) change places."""
    swapped = maps.clone()
    swapped[..., :3, :3], swapped[..., 3:, 3:] = maps[..., 3:, 3:], maps[..., :3, :3]
    return swapped


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_only_a_position_code_tells_where_a_patch_lies(pooling: str) -> None:
    maps = torch.rand(2, 1, 6, 6)
    blind, aware = (_spatial(position=known, pooling=pooling) for known in (False, True))
    torch.testing.assert_close(blind(_with_patches_swapped(maps)), blind(maps))
    assert not torch.allclose(aware(_with_patches_swapped(maps)), aware(maps), atol=1e-4)


def test_mean_pooling_averages_the_patch_tokens_and_cls_reads_its_own_token() -> None:
    maps = torch.rand(2, 1, 6, 6)
    mean, cls = _spatial(position=True, layers=0), _spatial(position=True, pooling="cls", layers=0)
    assert mean.position is not None
    tokens = mean.norm(mean.embed(maps) + mean.position)
    torch.testing.assert_close(mean(maps), tokens.mean(dim=1))
    assert cls.token is not None
    torch.testing.assert_close(cls(maps), cls.norm(cls.token[0]).expand(2, 12))
    with pytest.raises(ValueError, match="mean or cls, got max"):
        _spatial(position=True, pooling="max")


def test_the_flat_map_is_one_linear_layer() -> None:
    flat = tested.FlatMap(2, 3, 5)
    assert [p.shape for p in flat.parameters()] == [(5, 18), (5,)]
    one, two = torch.rand(4, 2, 3, 3), torch.rand(4, 2, 3, 3)
    torch.testing.assert_close(flat(one + two), flat(one) + flat(two) - flat.project.bias)


def test_sinusoid_by_hand() -> None:
    code = tested.sinusoid(3, 4, torch.device("cpu"))
    expected = [
        [0.0, 1.0, 0.0, 1.0],
        [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)],
        [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)],
    ]
    torch.testing.assert_close(code, torch.tensor(expected))
    position = tested.TemporalPosition(
        "sinusoid", 2, 4
    )  # longer clips than the table's length are fine
    assert not list(position.parameters())
    tokens = torch.rand(1, 3, 4)
    mask = torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(position(tokens, mask), 2 * tokens + code)
