"""Joints of other tools: the skeleton they fill, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from la2ds_cli.core.errors import did_you_mean
from la2ds_cli.core.skeleton import SKELETONS, Skeleton, get_skeleton
from la2ds_cli.formats.checks import JointsError
from la2ds_cli.formats.file_clip import ImportOptions, JointOrder

_ALSO = {"mid_hip": ("hip", "pelvis")}
_WHOLEBODY = 133  # COCO-WholeBody: the 17 of COCO first, then feet, face and hands


def joint_order(names: Sequence[str] | None, count: int, options: ImportOptions) -> JointOrder:
    """order_by_name if the file names its joints, else order_by_count."""
    if names is not None:
        if len(names) != count:
            raise JointsError(f"it names {len(names)} joints but has {count}")
        return order_by_name(names, options.skeleton, options.renamed)
    if options.renamed:
        raise JointsError("its joints have no names, so --map cannot be used")
    return order_by_count(count, options.skeleton)


def order_by_count(count: int, skeleton: str | None) -> JointOrder:
    """The order of joints without names: that of `skeleton`, or else of COCO.

    Of the 133 joints of COCO-WholeBody the body is used. Raises JointsError if the counts differ.
    """
    wanted = get_skeleton(skeleton or "coco17")
    joints = len(wanted.joints)
    if wanted.name == "coco17" and count == _WHOLEBODY:
        return JointOrder("coco17", tuple(range(joints)), unused=("feet, face and hands",))
    if count != joints:
        same = [name for name, known in SKELETONS.items() if len(known.joints) == count]
        raise JointsError(
            f"it has {count} joints without names, but {wanted.name} has {joints}",
            f"name their order with --skeleton {' or '.join(same)}"
            if same
            else f"skeletons known: {', '.join(sorted(SKELETONS))}",
        )
    return JointOrder(wanted.name, tuple(range(joints)))


def order_by_name(
    names: Sequence[str], skeleton: str | None, renamed: Mapping[str, str]
) -> JointOrder:
    """The order of named joints; case, spaces and underscores are ignored; `l` means left.

    skeleton: the one to fill, or else the one that takes most of the joints and misses fewest.
    renamed: their name -> a joint of the skeleton, before any other rule. Raises JointsError if the
    root, the torso or half of the joints are missing.
    """
    _check_renamed(names, renamed, skeleton)
    choices = [get_skeleton(skeleton)] if skeleton else list(SKELETONS.values())
    orders = [_fill(choice, names, renamed) for choice in choices]
    usable = [order for order in orders if _usable(order)]
    # Four joints that are always missing weigh as much as one joint that is not used.
    best = max(usable or orders, key=lambda o: 4 * _joints_present(o) - len(o.missing))
    if not usable:
        raise JointsError(
            f"its joints do not fill the skeleton {best.skeleton}; missing: "
            f"{_listed(best.missing)}; joints in the file: {_listed(names)}",
            "map the joints by hand with --map THEIRS=OURS, once for each",
        )
    return best


def _check_renamed(names: Sequence[str], renamed: Mapping[str, str], skeleton: str | None) -> None:
    known = {plain(name) for name in names}
    choices = [get_skeleton(skeleton)] if skeleton else SKELETONS.values()
    all_joints = sorted({joint for choice in choices for joint in choice.joints})
    for theirs, ours in renamed.items():
        if plain(theirs) not in known:
            hint = did_you_mean(theirs, names) or f"joints in it: {_listed(names)}"
            raise JointsError(f"--map {theirs}={ours}: the file has no joint '{theirs}'", hint)
        if ours not in all_joints:
            where = f" in {skeleton}" if skeleton else ""
            hint = did_you_mean(ours, all_joints) or f"joints: {_listed(all_joints)}"
            raise JointsError(f"--map {theirs}={ours}: there is no joint '{ours}'{where}", hint)


def _fill(skeleton: Skeleton, names: Sequence[str], renamed: Mapping[str, str]) -> JointOrder:
    at = {plain(name): column for column, name in reversed(list(enumerate(names)))}
    by_hand = {ours: at[plain(theirs)] for theirs, ours in renamed.items()}
    assigned = set(by_hand.values())
    column = []
    for joint in skeleton.joints:
        source = by_hand.get(joint, -1)
        for spelling in _spellings(joint) if source < 0 else ():
            if source < 0 and at.get(spelling, -1) not in assigned:
                source = at.get(spelling, -1)
        column.append(source)
    used = set(column)
    return JointOrder(
        skeleton.name,
        tuple(column),
        unused=tuple(name for k, name in enumerate(names) if k not in used),
        missing=tuple(joint for joint, k in zip(skeleton.joints, column, strict=True) if k < 0),
    )


def plain(name: str) -> str:
    """A joint name in lower case, without spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _spellings(joint: str) -> list[str]:
    """Plain spellings of one of our joints: leftknee, lknee, kneeleft, kneel."""
    side, _, part = joint.partition("_")
    if side not in ("left", "right"):
        return [plain(joint), *_ALSO.get(joint, ())]
    part = plain(part)
    return [side + part, side[0] + part, part + side, part + side[0]]


def _joints_present(order: JointOrder) -> int:
    return len(order.column) - len(order.missing)


def _usable(order: JointOrder) -> bool:
    """Whether the root, the torso and at least half of the joints are present."""
    skeleton = get_skeleton(order.skeleton)
    needed = {*skeleton.root, *(k for pair in skeleton.torso for k in pair)}
    complete = all(order.column[k] >= 0 for k in needed)
    return complete and 2 * _joints_present(order) >= len(skeleton.joints)


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(name[:40] for name in names[:12])
    return first if len(names) <= 12 else f"{first} and {len(names) - 12} more"
