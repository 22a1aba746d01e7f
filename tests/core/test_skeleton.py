"""Every skeleton: mirror symmetry, limbs, chains and names."""

from __future__ import annotations

import itertools

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton

NAMES = sorted(SKELETONS)


@pytest.mark.parametrize(
    ("name", "joints", "limbs"),
    [("coco17", 17, 18), ("penn13", 13, 14), ("body25", 25, 24), ("hand21", 21, 20),
     ("hands42", 42, 40), ("halpe26", 26, 25), ("mediapipe33", 33, 37)],
)  # fmt: skip
def test_sizes(name, joints, limbs):
    skeleton = get_skeleton(name)
    assert (len(skeleton.joints), len(skeleton.limbs)) == (joints, limbs)
    assert len(set(skeleton.joints)) == joints


def test_orders_of_the_data_sets():
    coco, penn, body = (get_skeleton(name).joints for name in ("coco17", "penn13", "body25"))
    assert (coco[0], coco[5], coco[10], coco[16]) == (
        "nose", "left_shoulder", "right_wrist", "right_ankle",
    )  # fmt: skip
    assert (penn[0], penn[1], penn[6], penn[12]) == (
        "head", "left_shoulder", "right_wrist", "right_ankle",
    )  # fmt: skip
    assert (body[1], body[4], body[8], body[14], body[24]) == (
        "neck", "right_wrist", "mid_hip", "left_ankle", "right_heel",
    )  # fmt: skip


def test_orders_of_halpe_and_mediapipe():
    halpe, media = (get_skeleton(name).joints for name in ("halpe26", "mediapipe33"))
    assert halpe[:17] == get_skeleton("coco17").joints
    assert halpe[17:] == (
        "head", "neck", "mid_hip", "left_big_toe", "right_big_toe", "left_small_toe",
        "right_small_toe", "left_heel", "right_heel",
    )  # fmt: skip
    assert (media[0], media[6], media[8], media[9], media[12], media[16]) == (
        "nose", "right_eye_outer", "right_ear", "left_mouth", "right_shoulder", "right_wrist",
    )  # fmt: skip
    assert (media[17], media[22], media[23], media[28], media[31], media[32]) == (
        "left_pinky", "right_thumb", "left_hip", "right_ankle", "left_foot_index",
        "right_foot_index",
    )  # fmt: skip
    assert get_skeleton("mediapipe33").chains["left_arm"][-1] == media.index("left_index")
    assert get_skeleton("halpe26").chains["right_leg"][-1] == halpe.index("right_big_toe")


@pytest.mark.parametrize("name", NAMES)
def test_flipping_twice_is_the_identity(name):
    skeleton = get_skeleton(name)
    flip = skeleton.flip
    assert [flip[k] for k in flip] == list(range(len(skeleton.joints)))


@pytest.mark.parametrize("name", NAMES)
def test_flip_swaps_sides_and_nothing_else(name):
    skeleton = get_skeleton(name)
    for joint, mirrored in zip(skeleton.joints, skeleton.flip, strict=True):
        other = skeleton.joints[mirrored]
        if joint.startswith("left_"):
            assert other == joint.replace("left_", "right_")
        elif not joint.startswith("right_"):
            assert other == joint


@pytest.mark.parametrize("name", NAMES)
def test_the_mirror_image_of_a_limb_is_a_limb(name):
    skeleton = get_skeleton(name)
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset((skeleton.flip[a], skeleton.flip[b])) for a, b in limbs} == limbs


@pytest.mark.parametrize("name", NAMES)
def test_limbs_are_distinct_and_connect_every_joint(name):
    skeleton = get_skeleton(name)
    assert len({frozenset(limb) for limb in skeleton.limbs}) == len(skeleton.limbs)
    assert all(a != b for a, b in skeleton.limbs)
    assert {joint for limb in skeleton.limbs for joint in limb} == set(range(len(skeleton.joints)))


@pytest.mark.parametrize("name", NAMES)
def test_chains_are_mirror_images_and_follow_limbs(name):
    skeleton = get_skeleton(name)
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert skeleton.chains
    for chain, joints in skeleton.chains.items():
        for step in itertools.pairwise(joints):
            assert frozenset(step) in limbs, f"{chain} leaves the limbs at {step}"
        if chain.startswith("left_"):
            mirrored = skeleton.chains[chain.replace("left_", "right_")]
            assert tuple(skeleton.flip[k] for k in joints) == mirrored


@pytest.mark.parametrize("name", NAMES)
def test_root_and_torso_are_symmetric(name):
    skeleton = get_skeleton(name)
    assert {skeleton.flip[k] for k in skeleton.root} == set(skeleton.root)
    pairs = {frozenset(pair) for pair in skeleton.torso}
    assert {frozenset(skeleton.flip[k] for k in pair) for pair in skeleton.torso} == pairs


def test_joint_by_name():
    penn = get_skeleton("penn13")
    assert penn.index("left_wrist") == 5
    with pytest.raises(UserError, match="no joint 'left_wrst'") as caught:
        penn.index("left_wrst")
    assert "left_wrist" in caught.value.hint


def test_unknown_skeleton_suggests_the_nearest():
    with pytest.raises(UserError, match="unknown skeleton 'coco'") as caught:
        get_skeleton("coco")
    assert "coco17" in caught.value.hint
    assert caught.value.exit_code == ExitCode.MISMATCH
