"""Parts of the transformer: masks, rotary code, patches, position table."""

from __future__ import annotations

import pytest
import torch

from la2ds_models.vivit import (
    Attention,
    PatchEmbedding,
    SpatialTransformer,
    TemporalPosition,
    rotary_angles,
    rotate,
)


def test_patches_are_cut_row_by_row() -> None:
    embed = PatchEmbedding(channels=1, patch=2, width=4)
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
    angle = rotary_angles(20, 8, torch.device("cpu"))

    def score(i: int, j: int) -> float:
        return float(
            rotate(query[None], angle[i : i + 1])[0] @ rotate(key[None], angle[j : j + 1])[0]
        )

    assert score(3, 5) == pytest.approx(score(12, 14), abs=1e-5)
    assert score(3, 5) != pytest.approx(score(3, 9), abs=1e-3)


def test_attention_ignores_masked_frames() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3)
    x, mask = torch.randn(1, 5, 12), torch.tensor([[True, True, True, False, False]])
    before = attention(x, x, mask)[:, :3]
    x[:, 3:] = 1e3
    torch.testing.assert_close(attention(x[:, :3], x, mask), before)
    torch.testing.assert_close(attention(x[:, :3], x[:, :3]), before)


def test_plain_and_fused_attention_agree() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3)
    x = torch.randn(2, 9, 12)
    torch.testing.assert_close(attention(x, x), attention(x, x, torch.ones(2, 9, dtype=torch.bool)))


def test_indivisible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of heads"):
        Attention(10, 3)
    with pytest.raises(ValueError, match="patch side"):
        SpatialTransformer(3, 30, 7, 12, 1, 3, 2, True)


def test_learned_position_stretches_beyond_its_table() -> None:
    position = TemporalPosition("learned", 10, 4)
    zero = torch.zeros(1, 25, 4)
    table = position(zero)[0]
    assert position.table is not None
    torch.testing.assert_close(table[0], position.table[0])
    torch.testing.assert_close(table[-1], position.table[-1])
    assert len(table) == 25


def test_offset_position_moves_in_training_and_rests_in_evaluation() -> None:
    position = TemporalPosition("offset", 100, 4)
    zero = torch.zeros(1, 10, 4)
    generator = torch.Generator().manual_seed(0)
    drawn = [position(zero, generator) for _ in range(5)]
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:])
    position.eval()
    torch.testing.assert_close(position(zero), position(zero))
    assert position.table is not None
    torch.testing.assert_close(position(zero)[0], position.table[45:55])
