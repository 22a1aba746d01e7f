"""Joints of one skeleton out of another by name."""

from __future__ import annotations

import pytest

from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.features.body_joints import holds, shared_skeleton


def test_which_skeletons_hold_which() -> None:
    held = {
        name: {other for other in SKELETONS if other != name and holds(name, other)}
        for name in SKELETONS
    }
    assert held == {
        "penn13": set(),
        "coco17": {"penn13"},
        "body25": {"penn13", "coco17"},
        "halpe26": {"penn13", "coco17", "body25"},
        "mediapipe33": {"penn13", "coco17"},
        "hand21": set(),
        "hands42": set(),
    }


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        (("coco17", "coco17"), "coco17"),
        (("halpe26", "mediapipe33"), "coco17"),
        (("halpe26", "body25"), "body25"),
        (("mediapipe33", "coco17", "penn13"), "penn13"),
        (("hand21", "coco17"), None),
        (("hand21", "hands42"), None),
    ],
)
def test_the_largest_skeleton_that_all_hold(names: tuple[str, ...], shared: str | None) -> None:
    assert shared_skeleton(names) == shared
