"""ST-GCN: its subsets by hand, its convolution neighbour by neighbour, its reach, its padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config_sections import JointKind
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.features.network_input import joint_blocks, joint_features
from la2ds_models.stgcn import GraphBlock, GraphConvolution, StGcn, from_the_middle, subset_means
from tests.method_batches import assert_alike
from tests.models.small_networks import small_network
from tests.movement import figure

PENN = get_skeleton("penn13")
JOINTS = len(PENN.joints)


def test_subsets_of_a_chain_by_hand() -> None:
    """0 - 1 - 2 - 3 - 4 and a joint of its own: the middle is 2, and 5."""
    limbs = [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert from_the_middle(6, limbs).tolist() == [2, 1, 0, 1, 2, 0]
    same, nearer, farther = subset_means(6, limbs)
    assert torch.equal(same, torch.eye(6))
    assert {(i, j): float(nearer[i, j]) for i, j in nearer.nonzero().tolist()} == {
        (0, 1): 1, (1, 2): 1, (3, 2): 1, (4, 3): 1,
    }  # fmt: skip
    assert {(i, j): float(farther[i, j]) for i, j in farther.nonzero().tolist()} == {
        (1, 0): 1, (2, 1): 0.5, (2, 3): 0.5, (3, 4): 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_every_neighbour_is_in_one_subset_and_mirroring_changes_none(name: str) -> None:
    skeleton = SKELETONS[name]
    count = len(skeleton.joints)
    means = subset_means(count, skeleton.limbs)
    near = torch.eye(count)
    for a, b in skeleton.limbs:
        near[a, b] = near[b, a] = 1
    torch.testing.assert_close((means > 0).sum(dim=0).float(), near)
    flip = torch.tensor(skeleton.flip)
    torch.testing.assert_close(means[:, flip][:, :, flip], means)
    rows = means.sum(dim=2)
    assert bool(((rows - 1).abs().lt(1e-6) | rows.eq(0)).all())


def _neighbour_by_neighbour(
    layer: GraphConvolution, x: Tensor, limbs: Sequence[tuple[int, int]]
) -> Tensor:
    """Eq. 5 as printed: for each joint, for each neighbour, its subset, weights and cardinality."""
    count, width = x.shape[-2], layer.project.out_features // 3
    depth = from_the_middle(count, limbs)
    weight = layer.project.weight.view(3, width, -1)
    bias = layer.project.bias.view(3, width)
    rows = []
    for i in range(count):
        around = [i] + [j for limb in limbs for j, k in (limb, limb[::-1]) if k == i]
        label = {j: 0 if depth[j] == depth[i] else 1 if depth[j] < depth[i] else 2 for j in around}
        total = torch.zeros(*x.shape[:-2], width)
        for j in around:
            p = label[j]
            cardinality = sum(other == p for other in label.values())
            value = x[..., j, :] @ weight[p].T + bias[p]
            total = total + layer.importance[p, i, j] * value / cardinality
        rows.append(total)
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("name", ["penn13", "hand21"])
def test_graph_convolution_equals_the_sum_over_neighbours(name: str) -> None:
    skeleton = get_skeleton(name)
    torch.manual_seed(0)
    count = len(skeleton.joints)
    layer = GraphConvolution(subset_means(count, skeleton.limbs), 4, 6)
    torch.nn.init.uniform_(layer.importance, 0.5, 1.5)
    x = torch.randn(2, 3, count, 4, requires_grad=True)
    fast, slow = layer(x), _neighbour_by_neighbour(layer, x, skeleton.limbs)
    assert_alike(fast, slow, [x, *layer.parameters()], atol=2e-5, rtol=1e-4)


def test_a_block_reaches_one_limb_and_four_frames() -> None:
    torch.manual_seed(0)
    block = GraphBlock(subset_means(JOINTS, PENN.limbs), 3, 4)
    x = torch.randn(1, 15, JOINTS, 3, requires_grad=True)
    elbow = PENN.index("left_elbow")
    value = block(x, torch.ones(1, 15, dtype=torch.bool))[0, 7, elbow].sum()
    reached = torch.autograd.grad(value, x)[0][0].abs().sum(dim=-1) > 0
    joints = {PENN.joints[k] for k in reached.any(dim=0).nonzero()[:, 0]}
    assert joints == {"left_shoulder", "left_elbow", "left_wrist"}
    assert reached.any(dim=1).nonzero()[:, 0].tolist() == list(range(3, 12))


@pytest.mark.parametrize("kind", get_args(JointKind))
def test_a_joint_is_given_its_own_features(kind: JointKind) -> None:
    """Another place of one joint changes no others' features, where features are not shared."""
    xy = figure(np.linspace(0, 1, 12)) / 10
    score = np.linspace(0.2, 0.8, 12 * JOINTS).reshape(12, JOINTS)
    graph = StGcn(JOINTS, PENN.limbs, joint_blocks(kind), 4, 1)

    def by_joint(joints: np.ndarray) -> Tensor:
        return graph.by_joint(torch.from_numpy(joint_features(joints, score, PENN, 30, kind)))

    wrist = PENN.index("left_wrist")
    other = xy.copy()
    other[5, wrist] += 1e-3
    changed = (by_joint(other) - by_joint(xy)).abs() > 1e-6
    assert bool(changed[5, wrist].any())
    place = {"position": 4, "movement": 0, "both": 4}[kind]
    torch.testing.assert_close(by_joint(xy)[:, :, place], torch.from_numpy(score).float())
    if kind == "position":  # movement is in units of the whole body
        assert changed.any(dim=2).nonzero().tolist() == [[5, wrist]]
        crop = (xy + 0.5) * (2 / 30) - 1
        torch.testing.assert_close(by_joint(xy)[..., :2], torch.from_numpy(crop).float())


def test_widths_grow_in_thirds() -> None:
    def widths(layers: int) -> list[int]:
        blocks = StGcn(JOINTS, PENN.limbs, (2, 2, 1), 16, layers).blocks
        return [block.time.out_channels for block in blocks if isinstance(block, GraphBlock)]

    assert widths(1) == [16]
    assert widths(3) == [4, 8, 16]
    assert widths(9) == [4, 4, 4, 8, 8, 8, 16, 16, 16]


@pytest.mark.parametrize(("changes"), [{"width": 18, "heads": 2}, {"spatial_layers": 0}], ids=str)
def test_what_makes_no_graph_network_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="multiple of 4 and at least one spatial layer"):
        small_network("stgcn", **changes)
