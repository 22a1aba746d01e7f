"""Joints of one skeleton out of another by name."""

from __future__ import annotations

import pytest

from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.features.body_joints import as_skeleton, holds, shared_skeleton
from tests.movement import in_skeleton, sequence, warped_phase


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


def test_joints_go_by_name() -> None:
    pose = in_skeleton(sequence(warped_phase(20, 0)), "mediapipe33")
    taken = as_skeleton(pose, "coco17")
    for k, joint in enumerate(get_skeleton("coco17").joints):
        theirs = get_skeleton("mediapipe33").index(joint)
        assert (taken.xy[:, k] == pose.xy[:, theirs]).all()
        assert (taken.score[:, k] == pose.score[:, theirs]).all()
    with pytest.raises(ValueError, match="does not hold"):
        as_skeleton(taken, "mediapipe33")
