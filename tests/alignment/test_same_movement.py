"""Pairs of one movement are told from pairs of two, whoever performs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.same_movement import (
    DOUBTED,
    REFUSED,
    STRANGERS,
    Evidence,
    Sameness,
    check_same_movement,
    doubt,
    evidence,
    same_movement,
)
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.clips import performed
from la2ds_cli.features.pose_features import mirror
from tests.movement import add_sequence, in_skeleton, sequence, warped_phase

NAMES = ("a", "b")


def kicking(length: int, fps: float = 25.0) -> PoseSequence:
    """The figure that kicks twice with its right leg while its arms hang: another movement."""
    pose = sequence(np.zeros(length), fps=fps)
    lift = np.sin(np.linspace(0, 2 * np.pi, length)) ** 2
    xy = pose.xy.copy()
    for joint, reach in ((10, 40.0), (12, 90.0)):  # right knee and ankle
        xy[:, joint] += np.stack([-reach * lift, -0.8 * reach * lift], axis=-1)
    return replace(pose, xy=xy)


def test_one_movement_by_two_performers_at_two_rates() -> None:
    a, b = (performed(n, 4, seed=0)[0] for n in (0, 1))
    found = same_movement(a, replace(b, time=3 * b.time), mirrored=False)
    assert found is not None
    assert found.probability > 0.9


def test_two_movements() -> None:
    squat = sequence(warped_phase(60, 1))
    found = same_movement(squat, kicking(85), mirrored=False)
    assert found is not None
    assert found.probability < REFUSED
    assert found.evidence.joints < 0.7
    again = same_movement(squat, sequence(warped_phase(40, 2), fps=12.0), mirrored=False)
    assert again is not None
    assert again.probability > 0.9


def test_a_mirror_image_is_compared_as_one() -> None:
    a = sequence(warped_phase(60, 1))
    b = mirror(sequence(warped_phase(45, 2)))
    as_mirrored, as_filmed = (evidence(a, b, mirrored=m) for m in (True, False))
    assert as_mirrored is not None
    assert as_filmed is not None
    assert as_mirrored.movement < as_filmed.movement


def test_skeletons_of_a_body_are_told_by_the_joints_that_they_share() -> None:
    a, b = sequence(warped_phase(60, 1)), sequence(warped_phase(45, 2))
    alone = same_movement(a, b, mirrored=False)
    other = same_movement(in_skeleton(a, "coco17", far=False), b, mirrored=False)
    assert alone is not None
    assert other is not None
    assert other.probability == pytest.approx(alone.probability, abs=0.05)


def test_what_cannot_be_told_is_not() -> None:
    pose = sequence(warped_phase(60, 1))
    unseen = replace(pose, xy=np.full_like(pose.xy, np.nan))
    assert same_movement(pose, pose.cut(0, 7), mirrored=False) is None
    assert same_movement(unseen, pose, mirrored=False) is None
    assert same_movement(pose, sequence(np.zeros(40)), mirrored=False) is None
    check_same_movement(None, NAMES)
    assert doubt(None, NAMES) == ""


@pytest.mark.parametrize(
    ("probability", "verb"), [(REFUSED - 0.01, "do not"), (DOUBTED - 0.01, "may not")]
)
def test_a_doubt_is_said_with_its_evidence(probability: float, verb: str) -> None:
    found = Sameness(probability, Evidence(np.log(1.5), 0.2, 0.61, 0.4))
    assert doubt(found, ("anna.mp4", "ben.mp4")) == (
        f"anna.mp4 and ben.mp4 {verb} show the same movement (probability {probability:.2f}): "
        "their distance is 1.5 times that of clips of other movements, 61 % of their joints' "
        "movement is alike, and one stands still for the other along 40 % of the path"
    )
    assert doubt(replace(found, probability=DOUBTED), NAMES) == ""


def test_other_movements_are_refused_unless_forced(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    add_sequence(project, "squat", sequence(warped_phase(60, 1)))
    add_sequence(project, "again", sequence(warped_phase(41, 2), fps=12.0))
    add_sequence(project, "kick", kicking(85))
    strict = AlignRequest(project.config(), features="pose", same_only=True)
    with pytest.raises(UserError, match="squat and kick do not show the same movement") as caught:
        find_alignment(project, "squat", "kick", strict)
    assert caught.value.exit_code == ExitCode.OTHER_MOVEMENT == 10
    assert "--force" in caught.value.hint
    forced = find_alignment(project, "squat", "kick", replace(strict, same_only=False))
    assert forced.to_json()["same_movement"]["probability"] < REFUSED
    found = find_alignment(project, "squat", "again", strict).same_movement
    assert found is not None
    assert found.probability > 0.9


def test_the_strangers_are_small_and_in_the_package() -> None:
    assert STRANGERS.stat().st_size < 400_000
