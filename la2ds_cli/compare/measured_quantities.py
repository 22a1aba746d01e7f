"""Quantities of joints for a comparison: their values, how uncertain they are, and what a turn of
the camera changes about them. A quantity is one function of joints, so all of it is found by moving
the joints a little."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import load_plugin, trust
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.features.body_quantities import Quantity, body_quantities, joints_in_torsos
from la2ds_cli.poses.trust import trust_of

_STEP = 0.01  # torso lengths by which a joint is moved


def load_quantities(settings: Sequence[str]) -> tuple[Quantity, ...]:
    """Return the quantities of the plugins named, in order.

    Raises
    ------
    UserError: exit 2 for a module without a tuple QUANTITIES, for unknown joints, and as
        load_plugin.
    """
    found: list[Quantity] = []
    for name in settings:
        trust(name)
        hint = "a dotted module with QUANTITIES (docs/how-to/extend.md)"
        module = load_plugin(setting=name, what="quantity", hint=hint)
        own = getattr(module, "QUANTITIES", None)
        if not isinstance(own, tuple | list) or not all(isinstance(q, Quantity) for q in own):
            raise UserError(f"{name} has no tuple QUANTITIES of Quantity", hint=f"write {hint}")
        known = get_skeleton("penn13").joints
        if unknown := {joint for one in own for joint in one.joints} - set(known):
            raise UserError(
                f"{name} reads unknown joints: {', '.join(sorted(unknown))}",
                hint=f"known: {', '.join(known)}",
            )
        found += own
    return tuple(found)


def quantity_values(pose: PoseSequence, quantities: Sequence[Quantity]) -> FloatArray:
    """Return (T, Q) values, NaN where one is not known; (T, 0) for a skeleton that is no body."""
    columns = list(body_quantities(pose, quantities).values())
    return np.stack(columns, axis=1) if columns else np.empty((len(pose), 0))


def quantity_noise(
    pose: PoseSequence, error: FloatArray, quantities: Sequence[Quantity]
) -> tuple[FloatArray, FloatArray]:
    """Return (T, Q) standard deviations by errors of joints, and (T, Q) changes by a turn of the
    camera by one degree; 0 for the latter in 3D.

    How far a joint lies before or behind the body is not known: it is taken as the quantity's
    `depth`, by which a turn moves it sideways.

    Parameters
    ----------
    pose: a clip of a body.
    error: (T, 13) standard deviation per coordinate of the joints of penn13, torso lengths.
    quantities: those that are measured.
    """
    joints, names = joints_in_torsos(pose), get_skeleton("penn13").joints
    noise = np.zeros((2, len(pose), len(quantities)))
    for q, quantity in enumerate(quantities):
        sideways = 0.0 if pose.spatial else quantity.depth * np.pi / 180
        here = np.asarray(quantity.measure(joints))
        for name in quantity.joints:
            for axis in range(joints[name].shape[1]):
                step = _STEP * np.eye(joints[name].shape[1])[axis]
                moved = np.asarray(quantity.measure({**joints, name: joints[name] + step}))
                slope = (moved - here) / _STEP
                noise[0, :, q] += (slope * error[:, names.index(name)]) ** 2
                noise[1, :, q] += (slope * sideways) ** 2 if axis == 0 else 0.0
    deviation, turned = np.sqrt(noise)
    return deviation, turned


def quantity_trust(pose: PoseSequence, quantities: Sequence[Quantity]) -> FloatArray:
    """Return (T, Q) in [0, 1], the trust of the least trusted joint of each quantity."""
    names = get_skeleton("penn13").joints
    trust = np.asarray(trust_of(body_joints(pose)), np.float64)
    columns = [trust[:, [names.index(n) for n in q.joints]].min(axis=1) for q in quantities]
    return np.stack(columns, axis=1) if columns else np.empty((len(pose), 0))
