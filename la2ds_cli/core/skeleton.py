"""Skeletons: joints, limbs, mirror pairs and kinematic chains, by joint name (skeletons.toml).

A skeleton is never guessed from a joint count. `limbs` are the segments of the limb heatmaps (paper
eq. 2). `chains` run from a pivot outwards; the orientation augmentation rotates them (paper sec.
3.2) and the robustness test drops them (paper Table 7). The mean of the `root` joints is the body
centre; the mean length of the `torso` pairs is the body scale.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from la2ds_cli.core.errors import Mismatch, did_you_mean


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
        """Return the index of a joint by name. Raises UserError (exit 5) with the nearest name."""
        if joint not in self.joints:
            raise Mismatch(
                f"skeleton {self.name} has no joint '{joint}'",
                hint=f"{did_you_mean(joint, self.joints)}joints: {', '.join(self.joints)}",
            )
        return self.joints.index(joint)


def _mirror(name: str) -> str:
    side, _, part = name.partition("_")
    return "_".join(({"left": "right", "right": "left"}.get(side, side), part))


def _built(name: str, table: Mapping[str, Any]) -> Skeleton:
    joints = tuple(table["joints"].split())
    at = {joint: k for k, joint in enumerate(joints)}

    def rows(text: str) -> tuple[int, ...]:
        return tuple(at[joint] for joint in text.split())

    def pairs(text: str) -> tuple[tuple[int, int], ...]:
        return tuple((at[a], at[b]) for a, b in (pair.split("-") for pair in text.split()))

    return Skeleton(
        name=name,
        joints=joints,
        limbs=pairs(table["limbs"]),
        flip=tuple(at.get(_mirror(joint), k) for k, joint in enumerate(joints)),
        chains={chain: rows(text) for chain, text in table["chains"].items()},
        root=rows(table["root"]),
        torso=pairs(table["torso"]),
    )


_DECLARED = tomllib.loads((resources.files("la2ds_cli.core") / "skeletons.toml").read_text("utf-8"))
SKELETONS = {name: _built(name, table) for name, table in _DECLARED.items()}


def get_skeleton(name: str) -> Skeleton:
    """Return the skeleton with this name. Raises UserError (exit 5) with a list of names."""
    if name not in SKELETONS:
        raise Mismatch(
            f"unknown skeleton '{name}'",
            hint=f"{did_you_mean(name, SKELETONS)}known skeletons: {', '.join(sorted(SKELETONS))}",
        )
    return SKELETONS[name]


def joint_side(joint: str) -> str:
    """Return `left` or `right` for a joint on that side, by its name; empty for others."""
    return joint.split("_")[0] if joint.startswith(("left_", "right_")) else ""
