"""Every skeleton: mirror symmetry, limbs, chains and names."""

from __future__ import annotations

import itertools

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton

# Name, joints, limbs, and joints at some places, as the data sets and networks order them.
ROWS = [
    ("coco17", 17, 18, {0: "nose", 5: "left_shoulder", 10: "right_wrist", 16: "right_ankle"}),
    ("penn13", 13, 14, {0: "head", 1: "left_shoulder", 6: "right_wrist", 12: "right_ankle"}),
    (
        *("body25", 25, 24),
        {1: "neck", 4: "right_wrist", 8: "mid_hip", 14: "left_ankle", 24: "right_heel"},
    ),
    ("hand21", 21, 20, {0: "wrist", 1: "thumb1", 20: "little4"}),
    ("hands42", 42, 40, {0: "left_wrist", 21: "right_wrist"}),
    (
        *("halpe26", 26, 25),
        {0: "nose", 16: "right_ankle", 17: "head", 19: "mid_hip", 21: "right_big_toe"},
    ),
    (
        *("mediapipe33", 33, 37),
        {6: "right_eye_outer", 9: "left_mouth", 17: "left_pinky", 23: "left_hip"},
    ),
]


def test_every_skeleton_has_a_row():
    assert {name for name, *_ in ROWS} == set(SKELETONS)
    assert get_skeleton("halpe26").joints[:17] == get_skeleton("coco17").joints


@pytest.mark.parametrize(("name", "count", "limb_count", "places"), ROWS)
def test_a_skeleton_is_whole_and_its_mirror_image_is_itself(name, count, limb_count, places):
    skeleton = get_skeleton(name)
    joints, flip = skeleton.joints, skeleton.flip
    assert (len(joints), len(set(joints)), len(skeleton.limbs)) == (count, count, limb_count)
    assert {place: joints[place] for place in places} == places
    assert [flip[k] for k in flip] == list(range(count))
    for joint, other in zip(joints, (joints[k] for k in flip), strict=True):
        sides = {"left_": "right_", "right_": "left_"}
        side = next((one for one in sides if joint.startswith(one)), "")
        assert other == joint.replace(side, sides[side]) if side else other == joint
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert len(limbs) == limb_count
    assert all(len(limb) == 2 for limb in limbs)
    assert set().union(*limbs) == set(range(count))
    assert {frozenset(flip[k] for k in limb) for limb in limbs} == limbs
    assert {flip[k] for k in skeleton.root} == set(skeleton.root)
    pairs = {frozenset(pair) for pair in skeleton.torso}
    assert {frozenset(flip[k] for k in pair) for pair in pairs} == pairs
    assert skeleton.chains
    for chain, along in skeleton.chains.items():
        for step in itertools.pairwise(along):
            assert frozenset(step) in limbs, f"{chain} leaves the limbs at {step}"
        if chain.startswith("left_"):
            mirrored = skeleton.chains[chain.replace("left_", "right_")]
            assert tuple(flip[k] for k in along) == mirrored


def test_an_unknown_name_gets_the_nearest():
    penn = get_skeleton("penn13")
    assert penn.index("left_wrist") == 5
    for call, said, near in (
        (lambda: penn.index("left_wrst"), "no joint 'left_wrst'", "left_wrist"),
        (lambda: get_skeleton("coco"), "unknown skeleton 'coco'", "coco17"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            call()
        assert near in caught.value.hint
        assert caught.value.exit_code == ExitCode.MISMATCH
