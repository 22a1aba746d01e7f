"""A clip as it would look from another camera, or done by the mirrored person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.camera_views import movements, possible_views, seen, shown
from la2ds_cli.features.pose_features import centre_and_scale
from la2ds_cli.features.tempo import paced_movement
from tests.compare.performers import body, performance, steady
from tests.movement import in_space, sequence, warped_phase

PENN, COCO = get_skeleton("penn13"), get_skeleton("coco17")
FLAT = sequence(warped_phase(40, 1))
FRONT, ASIDE = (in_space(warped_phase(40, n), turn=0.9 * n) for n in (0, 1))


def wrist(side: str, x: float) -> PoseSequence:
    """One wrist at a place of a picture 320 pixels wide, on the way down; nothing else is seen."""
    xy = np.full((2, 13, 2), np.nan)
    xy[:, PENN.index(f"{side}_wrist")] = [[x, 20.0], [x, 60.0]]
    return replace(sequence(np.zeros(2)), xy=xy)


@pytest.mark.parametrize(
    ("view", "side", "x"),
    [("filmed", "left", 10.0), ("mirrored", "right", 309.0), ("other", "left", 309.0)],
)
def test_where_the_left_wrist_at_10_of_320_pixels_is_seen(view: View, side: str, x: float) -> None:
    clip = wrist("left", 10.0)
    np.testing.assert_array_equal(seen(clip, view).xy, wrist(side, x).xy)
    np.testing.assert_array_equal(shown(clip, view).xy, wrist(side, x).xy)
    np.testing.assert_array_equal(seen(seen(clip, view), view).xy, clip.xy)


AZIMUTHS = (-2.6, -1.2, 0.4, 2.0)


@pytest.mark.parametrize("azimuth", AZIMUTHS)
def test_a_performer_turned_to_another_camera_looks_as_filmed_from_there(azimuth: float) -> None:
    """Cameras of 5 m have a perspective, which parallel lines lack: joints are some centimetres
    off, a tenth of a torso, where the other views are off by several tenths."""
    how: dict[str, Any] = {"build": body(2), "style": 5, "deep": True}
    there = performance(steady(), azimuth=-0.4, **how)
    here = performance(steady(), azimuth=azimuth, **how)

    def off(view: View) -> float:
        about, _ = centre_and_scale(seen(here, view, there).xy, COCO)
        true, _ = centre_and_scale(there.xy, COCO)
        return float(np.linalg.norm(about - true, axis=-1).mean())

    assert off("turned") < 0.1
    assert off("turned") < 0.5 * min(off(view) for view in VIEWS[:3])


def test_a_body_that_is_turned_round_crosses_the_picture_the_other_way() -> None:
    """To the right for the camera in front is to the left for the one behind."""
    front, behind = in_space(warped_phase(30, 1)), in_space(warped_phase(30, 1), turn=np.pi)
    across = np.linspace(0, 100, 30)[:, None, None] * [1.0, 0.0]
    walks = replace(behind, xy=behind.xy - across)
    found = seen(walks, "turned", front).xy[:, PENN.index("head"), 0]
    assert found[-1] - found[0] == pytest.approx(100, abs=1)
    assert seen(behind, "turned", front).xy[0, 0, 0] == pytest.approx(319 - behind.xy[0, 0, 0])


@pytest.mark.parametrize("missing", ["a clip to turn to", "metres", "metres of the other"])
def test_what_cannot_be_turned(missing: str) -> None:
    towards = {"a clip to turn to": None, "metres": FRONT, "metres of the other": FLAT}[missing]
    with pytest.raises(ValueError, match=r"needs the clip|no joints in metres"):
        seen(FLAT if missing == "metres" else ASIDE, "turned", towards)


def nowhere(pose: PoseSequence) -> PoseSequence:
    """The same without shoulders and hips in metres, so that nobody knows where the body heads."""
    world = np.array(pose.world)
    across = [f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "hip")]
    world[:, [PENN.index(joint) for joint in across]] = np.nan
    return replace(pose, world=world)


@pytest.mark.parametrize(
    ("pose", "towards", "views"),
    [
        (FLAT, FLAT, VIEWS[:3]),
        (ASIDE, FLAT, VIEWS[:3]),
        (FLAT, ASIDE, VIEWS[:3]),
        (ASIDE, FRONT, VIEWS),
        (nowhere(ASIDE), FRONT, VIEWS[:3]),
        (ASIDE, nowhere(FRONT), VIEWS[:3]),
        (replace(ASIDE, spatial=True), replace(FRONT, spatial=True), ("filmed", "mirrored")),
    ],
)
def test_views_in_which_a_clip_can_be_compared(pose, towards, views) -> None:
    assert possible_views(pose, towards) == views


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("hands", [False, True])
def test_movements_are_those_of_the_clip_as_seen(spatial: bool, hands: bool) -> None:
    pose, towards = (replace(clip, spatial=spatial) for clip in (ASIDE, FRONT))
    if hands:
        pose = towards = replace(
            FLAT, xy=FLAT.xy[:, [0] * 21], score=np.ones((40, 21)), skeleton="hand21"
        )
    found = movements(pose, possible_views(pose, towards), towards)
    assert tuple(found) == possible_views(pose, towards)
    for view, value in found.items():
        expected = paced_movement(seen(pose, view, towards))
        np.testing.assert_allclose(value, expected, atol=1e-5, err_msg=view)
