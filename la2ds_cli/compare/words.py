"""The words of a difference: of which joint or quantity, how large, and in which direction."""

from __future__ import annotations

import numpy as np

from la2ds_cli.features.body_quantities import DEGREES, Quantity

_WORDS = {"shoulder": ("{} further from the trunk", "{} closer to the trunk")}


def joint_name(joint: str) -> str:
    """`left_knee` as `Left knee`; a shoulder angle is named after the upper arm."""
    name = joint.replace("_", " ")
    if joint.endswith("_shoulder"):
        name = name.replace("shoulder", "upper arm")
    return name[:1].upper() + name[1:]


def size_text(difference: float, unit: str) -> str:
    """`24°`, or `0.4`."""
    return f"{abs(difference):.0f}°" if unit == DEGREES else f"{abs(difference):.1f}"


def value_text(reference: float | None, other: float | None, unit: str) -> str:
    """`148° → 171°`, or `0.4 → 0.7`; a dash for what is not known, which is None or NaN."""
    numbers = []
    for value in (reference, other):
        if value is None or np.isnan(value):
            numbers.append("–")
        else:
            sign = "−" if round(value, 1) < 0 else ""
            numbers.append(sign + size_text(value, unit))
    return " → ".join(numbers)


def amount(joint: str, difference: float, quantity: Quantity | None = None) -> str:
    """Return how the other clip differs: `24° straighter`, or `0.4 torso lengths higher`.

    Parameters
    ----------
    joint: of the angle.
    difference: of the other clip from the reference.
    quantity: what is measured, if it is no angle.
    """
    unit = DEGREES if quantity is None else quantity.unit
    size = size_text(difference, unit) + ("" if unit == DEGREES else f" {unit}")
    return _words(joint, quantity)[difference <= 0].format(size)


def directions(joint: str, quantity: Quantity | None = None) -> tuple[str, str]:
    """Return what a larger and what a smaller value mean: `straighter` and `more bent`."""
    more, less = (" ".join(text.replace("{}", "").split()) for text in _words(joint, quantity))
    return more, less


def _words(joint: str, quantity: Quantity | None) -> tuple[str, str]:
    if quantity is not None:
        return quantity.more, quantity.less
    return _WORDS.get(joint.rsplit("_", 1)[-1], ("{} straighter", "{} more bent"))
