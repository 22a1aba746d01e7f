"""Linear attention against the sum over all pairs it stands for, and the layer by its parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from la2ds_models.casa import LinearAttentionLayer, linear_attention
from tests.method_batches import assert_alike

HEADS, HEAD_WIDTH = 2, 3


def _parts(queries: int = 4, keys: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, HEADS, n, HEAD_WIDTH) for n in (queries, keys, keys)]
    query, key, value = (torch.randn(*s, generator=generator).requires_grad_() for s in shapes)
    return query, key, value


def _quadratic(query: Tensor, key: Tensor, value: Tensor, length: list[int]) -> Tensor:
    """Every weight by itself, pair by pair, over the first `length[b]` keys of clip b."""

    def phi(x: Tensor) -> Tensor:
        return torch.where(x > 0, x + 1, x.exp())

    batch, heads, queries, _ = query.shape
    rows = []
    for b in range(batch):
        for h in range(heads):
            for n in range(queries):
                weight = [(phi(query[b, h, n]) * phi(key[b, h, m])).sum() for m in range(length[b])]
                mixed = sum(w * value[b, h, m] for m, w in enumerate(weight))
                rows.append(mixed / sum(weight))
    return torch.stack(rows).view(query.shape)


@pytest.mark.parametrize("length", [[6, 6], [6, 2]])
def test_equals_the_quadratic_sum_and_its_gradients(length: list[int]) -> None:
    parts = _parts()
    mask = torch.arange(6)[None] < torch.tensor(length)[:, None]
    fast, slow = linear_attention(*parts, mask), _quadratic(*parts, length)
    assert_alike(fast, slow, parts, atol=1e-5, rtol=1e-5)


def test_masked_keys_are_as_if_cut_off_whatever_they_hold() -> None:
    query, key, value = _parts()
    mask = torch.arange(6)[None].expand(2, 6) < 4
    wild = torch.where(mask[:, None, :, None], value, torch.full_like(value, 1e6))
    cut = linear_attention(query, key[:, :, :4], value[:, :, :4])
    torch.testing.assert_close(linear_attention(query, key, wild, mask), cut)


def test_sums_stay_exact_where_the_network_computes_in_bfloat16() -> None:
    query, key, value = _parts()
    with torch.autocast("cpu", torch.bfloat16):
        inside = linear_attention(query, key, value)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, linear_attention(query, key, value), atol=0, rtol=0)


def test_layer_by_its_parts() -> None:
    torch.manual_seed(0)
    layer = LinearAttentionLayer(HEADS * HEAD_WIDTH, HEADS, 2)
    x, source = torch.randn(1, 4, 6), torch.randn(1, 5, 6)
    weight = dict(layer.named_parameters())

    def norm(value: Tensor) -> Tensor:
        centred = value - value.mean(dim=-1, keepdim=True)
        return centred / (centred.var(dim=-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    mixed = []
    for head in range(HEADS):
        rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        query, key, value = (
            (part @ weight[f"to_{name}.weight"][rows].T)[:, None]
            for name, part in (("query", x), ("key", source), ("value", source))
        )
        mixed.append(_quadratic(query, key, value, [5])[:, 0])
    message = norm(torch.cat(mixed, dim=-1) @ weight["out.weight"].T)
    hidden = (torch.cat([x, message], dim=-1) @ weight["mlp.0.weight"].T).clamp(min=0)
    expected = x + norm(hidden @ weight["mlp.2.weight"].T)
    torch.testing.assert_close(layer(x, source), expected, atol=1e-5, rtol=1e-4)
    assert {n for n in weight if n.endswith("bias")} == {"norm_message.bias", "norm_change.bias"}


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 6 must be a multiple of heads 4"):
        LinearAttentionLayer(6, 4, 2)
