"""A clip as it would look from another camera, or done by the mirrored person.

Four views of a clip are compared with another clip. *filmed*: as it is. *mirrored*: the mirror
image of the person, who may be left-handed; x is mirrored, and left and right joints are exchanged.
*other*: the same person seen from the other side; x is mirrored, and left and right joints keep
their names. *turned*: the joints in metres turned about the vertical until the body faces as in the
other clip; only for clips with joints in metres.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, VIEWS, View
from la2ds_cli.features.pose_features import (
    centre_and_scale,
    fill_gaps,
    flipped,
    heading,
    known_in_3d,
    known_world,
    mirror,
    turned,
)
from la2ds_cli.features.tempo import paced_movement


def seen(pose: PoseSequence, view: View, towards: PoseSequence | None = None) -> PoseSequence:
    """Return a clip in a view; the same object for `filmed`.

    Parameters
    ----------
    pose: joints of the clip.
    view: the view.
    towards: the clip that it is turned to, for the view `turned`.

    Raises
    ------
    ValueError: for `turned` without a clip to turn to, or without joints in metres.
    """
    if view == "filmed":
        return pose
    if view == "mirrored":
        return mirror(pose)
    if view == "other":
        return flipped(pose, np.arange(pose.xy.shape[1]))
    if towards is None:
        raise ValueError("the view `turned` needs the clip that it is turned to")
    return _turned_to(pose, towards)


def shown(pose: PoseSequence, view: View) -> PoseSequence:
    """Return the joints of a clip as its picture is displayed in a view: flipped or as filmed,
    since a picture cannot be turned."""
    return seen(pose, view) if view in FLIPPED else pose


def possible_views(pose: PoseSequence, towards: PoseSequence) -> tuple[View, ...]:
    """Return the views of a clip that can be compared with `towards`, `filmed` first."""
    if pose.spatial:  # joints in 3D face the camera, whichever side was filmed
        return ("filmed", "mirrored")
    both = known_in_3d(pose) and known_in_3d(towards)
    return VIEWS if both and _heads(pose) and _heads(towards) else VIEWS[:3]


def movement_in_view(
    filmed: FloatArray, pose: PoseSequence, view: View, towards: PoseSequence | None = None
) -> FloatArray:
    """Return the `paced_movement` (T, 8K) of a clip in a view.

    Parameters
    ----------
    filmed: (T, 8K) movement of the clip as filmed.
    pose, view, towards: see `seen`.
    """
    if view == "filmed":
        return filmed
    if view in FLIPPED and not pose.spatial:
        return _flipped_movement(filmed, get_skeleton(pose.skeleton), exchanged=view == "mirrored")
    return paced_movement(seen(pose, view, towards))


def movements(
    pose: PoseSequence, views: tuple[View, ...], towards: PoseSequence | None = None
) -> dict[View, FloatArray]:
    """Return the `paced_movement` (T, 8K) of a clip in each of the views."""
    filmed = paced_movement(pose)
    return {view: movement_in_view(filmed, pose, view, towards) for view in views}


def _flipped_movement(value: FloatArray, skeleton: Skeleton, *, exchanged: bool) -> FloatArray:
    """Return the movement (T, 8K) of a flipped clip, from the movement of the clip; with
    `exchanged`, left and right joints are exchanged."""
    blocks = value.reshape(len(value), 4, len(skeleton.joints), 2)
    if exchanged:
        blocks = blocks[:, :, list(skeleton.flip)]
    return (blocks * np.array([-1.0, 1.0])).reshape(value.shape)


def _heads(pose: PoseSequence) -> bool:
    """Return whether the joints in metres determine a heading, which turns with the body."""
    skeleton, world = get_skeleton(pose.skeleton), known_world(pose)
    return heading(turned(world, 1.0), skeleton) != heading(world, skeleton)


def _turned_to(pose: PoseSequence, towards: PoseSequence) -> PoseSequence:
    """Return the joints in metres, turned and projected along parallel lines onto the picture, at
    the position and in the size that the body has there."""
    skeleton, world = get_skeleton(pose.skeleton), known_world(pose)
    angle = heading(known_world(towards), get_skeleton(towards.skeleton)) - heading(world, skeleton)
    joints = fill_gaps(pose.xy, pose.time)
    about_root, _ = centre_and_scale(turned(fill_gaps(world, pose.time), angle), skeleton)
    _, torso = centre_and_scale(joints, skeleton)
    root = joints[:, list(skeleton.root)].mean(axis=1, keepdims=True)
    if np.cos(angle) < 0:  # the body crosses the picture the other way
        root = root * [-1.0, 1.0] + [float(max(pose.size[0] - 1, 0)), 0.0]
    xy = np.where(np.isnan(pose.xy), np.nan, root + torso * about_root[..., :2])
    return replace(pose, xy=xy, box=np.full_like(pose.box, np.nan), clip="")
