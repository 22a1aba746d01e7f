"""Which skeleton the joints of a file are."""

from __future__ import annotations

import pytest

from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.formats.file_people import joint_order, order_by_name
from la2ds_cli.formats.files import ImportOptions, JointsError

COCO = get_skeleton("coco17").joints


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_a_complete_set_of_names_is_its_skeleton(name: str):
    joints = get_skeleton(name).joints
    order = order_by_name([joint.upper().replace("_", " ") for joint in joints], None, {})
    assert order.skeleton == name
    assert order.column == tuple(range(len(joints)))
    assert (order.unused, order.missing) == ((), ())


@pytest.mark.parametrize(
    ("spelling", "joint"),
    [("LKnee", "left_knee"), ("knee_L", "left_knee"), ("Right-Hip", "right_hip"),
     ("hipRight", "right_hip"), ("l.ankle", "left_ankle")],
)  # fmt: skip
def test_spellings_of_a_side(spelling: str, joint: str):
    names = [spelling if name == joint else name for name in COCO]
    assert order_by_name(names, None, {}).column == tuple(range(17))


def test_the_skeleton_that_takes_most_and_misses_least():
    body = [j for j in COCO if not j.endswith(("eye", "ear"))]
    assert order_by_name(body, None, {}).skeleton == "coco17"  # the nose has a place there
    assert order_by_name(body[1:], None, {}).skeleton == "penn13"
    assert order_by_name([*body[1:], "tail"], None, {}).unused == ("tail",)


def test_a_joint_told_by_hand_beats_one_of_that_name():
    names = [*COCO, "better nose"]
    order = order_by_name(names, "coco17", {"better nose": "nose"})
    assert order.column[0] == 17
    assert order.unused == ("nose",)


def test_a_body_without_hips_cannot_be_used():
    names = [j for j in COCO if "hip" not in j]
    with pytest.raises(JointsError, match="missing: left_hip, right_hip;"):
        order_by_name(names, "coco17", {})


def test_joints_without_names():
    assert joint_order(None, 17, ImportOptions()).skeleton == "coco17"
    assert joint_order(None, 25, ImportOptions(skeleton="body25")).skeleton == "body25"
    assert joint_order(None, 133, ImportOptions()).column == tuple(range(17))
    with pytest.raises(
        JointsError, match="it has 25 joints without names, but coco17 has 17"
    ) as caught:
        joint_order(None, 25, ImportOptions())
    assert caught.value.hint == "name their order with --skeleton body25"
    with pytest.raises(JointsError, match="no names, so --map cannot be used"):
        joint_order(None, 17, ImportOptions(renamed={"a": "nose"}))
    with pytest.raises(JointsError, match="it names 3 joints but has 17"):
        joint_order(["a", "b", "c"], 17, ImportOptions())
