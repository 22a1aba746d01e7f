"""Skeletons: joints, limbs, mirror pairs and kinematic chains, all declared by joint NAME.

A skeleton is never guessed from a joint count. `limbs` are the segments of the limb heatmaps (paper
eq. 2). `chains` run from a pivot outwards; the orientation augmentation rotates them (paper sec.
3.2) and the robustness test drops them (paper Table 7). The mean of the `root` joints is the body
centre; the mean length of the `torso` pairs is the body scale.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from la2ds_cli.core.errors import ExitCode, UserError, did_you_mean


@dataclass(frozen=True)
class Skeleton:
    """K named joints with L limbs; every integer field indexes `joints`.

    flip: length K permutation, joint k of a mirrored person is joint flip[k] of the original.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip: tuple[int, ...]
    chains: dict[str, tuple[int, ...]]
    root: tuple[int, ...]
    torso: tuple[tuple[int, int], ...]

    def index(self, joint: str) -> int:
        """Index of a joint by name; raises a UserError (exit 5) that suggests an existing joint."""
        if joint not in self.joints:
            raise UserError(
                f"skeleton {self.name} has no joint '{joint}'",
                hint=f"{did_you_mean(joint, self.joints)}joints: {', '.join(self.joints)}",
                exit_code=ExitCode.MISMATCH,
            )
        return self.joints.index(joint)


def _mirror(name: str) -> str:
    side, _, part = name.partition("_")
    return "_".join(({"left": "right", "right": "left"}.get(side, side), part))


def _build(
    name: str,
    joints: str,
    limbs: str,
    chains: dict[str, str],
    root: str,
    torso: str,
) -> Skeleton:
    """Build from space-separated names; a limb or torso pair is written `a-b`."""
    names = tuple(joints.split())
    at = {joint: k for k, joint in enumerate(names)}

    def pairs(text: str) -> tuple[tuple[int, int], ...]:
        split = [pair.split("-") for pair in text.split()]
        return tuple((at[a], at[b]) for a, b in split)

    flip = tuple(at.get(_mirror(joint), k) for k, joint in enumerate(names))
    return Skeleton(
        name=name,
        joints=names,
        limbs=pairs(limbs),
        flip=flip,
        chains={chain: tuple(at[j] for j in text.split()) for chain, text in chains.items()},
        root=tuple(at[j] for j in root.split()),
        torso=pairs(torso),
    )


def _both_sides(text: str) -> str:
    """Repeat a left-side declaration for the right side."""
    return f"{text} {text.replace('left_', 'right_')}"


_BODY_CHAINS = {
    f"{side}_{part}": " ".join(f"{side}_{joint}" for joint in joints.split())
    for side in ("left", "right")
    for part, joints in (("arm", "shoulder elbow wrist"), ("leg", "hip knee ankle"))
}
_BODY_LIMBS = (
    _both_sides("left_shoulder-left_elbow left_elbow-left_wrist")
    + " left_shoulder-right_shoulder "
    + _both_sides("left_shoulder-left_hip left_hip-left_knee left_knee-left_ankle")
    + " left_hip-right_hip"
)
_NECK_LIMBS = _both_sides(
    "neck-left_shoulder left_shoulder-left_elbow left_elbow-left_wrist mid_hip-left_hip "
    "left_hip-left_knee left_knee-left_ankle left_ankle-left_big_toe left_big_toe-left_small_toe "
    "left_ankle-left_heel nose-left_eye left_eye-left_ear"
)
_BODY_TORSO = _both_sides("left_shoulder-left_hip")
_FINGERS = ("thumb", "index", "middle", "ring", "little")


def _hand(side: str) -> tuple[str, str, dict[str, str]]:
    """Joints, limbs and chains of one 21-joint hand, wrist first (H2O, MANO-like order)."""
    prefix = f"{side}_" if side else ""
    wrist = f"{prefix}wrist"
    chains = {
        f"{prefix}{finger}": [wrist, *(f"{prefix}{finger}{n}" for n in range(1, 5))]
        for finger in _FINGERS
    }
    joints = " ".join([wrist, *(j for chain in chains.values() for j in chain[1:])])
    limbs = " ".join(f"{a}-{b}" for c in chains.values() for a, b in itertools.pairwise(c))
    return joints, limbs, {name: " ".join(chain) for name, chain in chains.items()}


def _with_tips(**tips: str) -> dict[str, str]:
    """The body chains with one more joint at the end of the `arm` or the `leg`."""
    chains = {}
    for name, text in _BODY_CHAINS.items():
        side, part = name.split("_")
        chains[name] = f"{text} {side}_{tips[part]}" if part in tips else text
    return chains


def _registry() -> dict[str, Skeleton]:
    left, right, single = _hand("left"), _hand("right"), _hand("")
    built = [
        _build(
            "coco17",
            "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
            "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
            "left_ankle right_ankle",
            _BODY_LIMBS + " " + _both_sides("nose-left_eye left_eye-left_ear nose-left_shoulder"),
            _BODY_CHAINS,
            "left_hip right_hip",
            _BODY_TORSO,
        ),
        _build(
            "penn13",
            "head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
            "left_hip right_hip left_knee right_knee left_ankle right_ankle",
            _BODY_LIMBS + " " + _both_sides("head-left_shoulder"),
            _BODY_CHAINS,
            "left_hip right_hip",
            _BODY_TORSO,
        ),
        _build(
            "body25",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
            "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye "
            "left_eye right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe "
            "right_small_toe right_heel",
            f"nose-neck neck-mid_hip {_NECK_LIMBS}",
            _with_tips(leg="big_toe"),
            "mid_hip",
            "neck-mid_hip",
        ),
        _build(  # body part of Halpe Full-Body (its Hip is our mid_hip), RTMPose "body8-halpe26"
            "halpe26",
            "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
            "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
            "left_ankle right_ankle head neck mid_hip left_big_toe right_big_toe left_small_toe "
            "right_small_toe left_heel right_heel",
            f"head-neck nose-neck neck-mid_hip {_NECK_LIMBS}",
            _with_tips(leg="big_toe"),
            "mid_hip",
            "neck-mid_hip",
        ),
        _build(  # MediaPipe Pose (BlazePose)
            "mediapipe33",
            "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye "
            "right_eye_outer left_ear right_ear left_mouth right_mouth left_shoulder "
            "right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky right_pinky "
            "left_index right_index left_thumb right_thumb left_hip right_hip left_knee "
            "right_knee left_ankle right_ankle left_heel right_heel left_foot_index "
            "right_foot_index",
            _BODY_LIMBS
            + " left_mouth-right_mouth "
            + _both_sides(
                "nose-left_eye_inner left_eye_inner-left_eye left_eye-left_eye_outer "
                "left_eye_outer-left_ear nose-left_shoulder left_wrist-left_pinky "
                "left_wrist-left_index left_wrist-left_thumb left_pinky-left_index "
                "left_ankle-left_heel left_ankle-left_foot_index left_heel-left_foot_index"
            ),
            _with_tips(arm="index", leg="foot_index"),
            "left_hip right_hip",
            _BODY_TORSO,
        ),
        _build("hand21", single[0], single[1], single[2], "wrist", "wrist-middle1"),
        _build(
            "hands42",
            f"{left[0]} {right[0]}",
            f"{left[1]} {right[1]}",
            left[2] | right[2],
            "left_wrist right_wrist",
            _both_sides("left_wrist-left_middle1"),
        ),
    ]
    return {skeleton.name: skeleton for skeleton in built}


SKELETONS: dict[str, Skeleton] = _registry()


def get_skeleton(name: str) -> Skeleton:
    """The skeleton with this name; raises a UserError (exit 5) that lists the known ones."""
    if name not in SKELETONS:
        raise UserError(
            f"unknown skeleton '{name}'",
            hint=f"{did_you_mean(name, SKELETONS)}known skeletons: {', '.join(sorted(SKELETONS))}",
            exit_code=ExitCode.MISMATCH,
        )
    return SKELETONS[name]


def joint_side(joint: str) -> str:
    """`left` or `right` for a joint on that side of the body, by its name; empty for others."""
    return joint.split("_")[0] if joint.startswith(("left_", "right_")) else ""
