"""Pairs of one movement are told from pairs of two, whoever performs them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from la2ds_cli.alignment import same_movement as tested
from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.wide_csv import read_clips
from la2ds_cli.network.base_weights import base_key
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.shared_data import PEOPLE, needs_people

NAMES = ("a", "b")


def kicking(length: int, fps: float = 25.0) -> PoseSequence:
    """The figure that kicks twice with its right leg while its arms hang: another movement."""
    pose = sequence(np.zeros(length), fps=fps)
    lift = np.sin(np.linspace(0, 2 * np.pi, length)) ** 2
    xy = pose.xy.copy()
    for joint, reach in ((10, 40.0), (12, 90.0)):  # right knee and ankle
        xy[:, joint] += np.stack([-reach * lift, -0.8 * reach * lift], axis=-1)
    return replace(pose, xy=xy)


def judged(a: PoseSequence, b: PoseSequence) -> tested.SameMovement | None:
    return tested.compare_descriptions(tested.describe(a), tested.describe(b))


def test_one_movement_by_two_performers_at_two_rates() -> None:
    a, b = (performed(n, 4, seed=0)[0] for n in (0, 1))
    found = judged(a, replace(b, time=3 * b.time))
    assert found is not None
    assert found.probability > 0.9


def test_what_cannot_be_told_is_not() -> None:
    pose = sequence(warped_phase(60, 1))
    assert judged(pose, pose.cut(0, 7)) is None
    assert judged(without(pose), pose) is None
    assert judged(pose, sequence(np.zeros(40))) is None
    tested.check_same_movement(None, NAMES)
    assert tested.doubt_sentence(None, NAMES) == ""


@pytest.mark.parametrize(
    ("probability", "verb"), [(tested.REFUSED - 0.01, "do not"), (tested.DOUBTED - 0.01, "may not")]
)
def test_a_doubt_is_said_with_its_evidence(probability: float, verb: str) -> None:
    found = tested.SameMovement(probability, tested.Evidence(np.log(1.5), 0.2, 0.1, 0.61, 0.4))
    assert tested.doubt_sentence(found, ("anna.mp4", "ben.mp4")) == (
        f"anna.mp4 and ben.mp4 {verb} show the same movement (probability {probability:.2f}): "
        "they differ from each other 1.5 times as much as from clips of other movements, other "
        "joints move (61 % alike), and one stands still for the other along 40 % of the path"
    )
    assert tested.doubt_sentence(replace(found, probability=tested.DOUBTED), NAMES) == ""


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (
            (np.log(1.4), 0.2, 0.1, 0.87, 0.38),
            "they differ from each other 1.4 times as much as from clips of other movements, and "
            "one stands still for the other along 38 % of the path, although much the same joints "
            "move (87 % alike)",
        ),
        (
            (np.log(0.8), 0.2, np.log(1.2), 0.9, 0.1),
            "the base model finds them 1.2 times as unlike as clips of other movements, although "
            "they differ from each other only 0.8 times as much as from clips of other movements "
            "and much the same joints move (90 % alike)",
        ),
        ((np.log(1.3), 0.2, 0.1, 0.92, 0.0), "they differ from each other 1.3 times as much"),
        ((np.log(0.8), 0.2, -0.1, 0.5, 0.0), "other joints move (50 % alike), although they"),
        ((np.log(0.8), 0.2, -0.1, 0.85, 0.0), "too little is alike, although they differ"),
    ],
)
def test_what_speaks_for_one_movement_is_no_reason_to_doubt(
    evidence: tuple[float, ...], said: str
) -> None:
    sentence = tested.doubt_sentence(tested.SameMovement(0.1, tested.Evidence(*evidence)), NAMES)
    start = "a and b do not show the same movement (probability 0.10): "
    assert sentence.startswith(start + said)
    before, _, after = sentence.partition(", although ")
    for_it = [word for word in ("only 0", "the same joints") if word in before]
    assert not for_it
    assert not after or "only 0" in after or "the same joints" in after


def test_other_movements_are_refused_unless_forced(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "squat", sequence(warped_phase(60, 1)))
    add_sequence(project, "again", sequence(warped_phase(41, 2), fps=12.0))
    add_sequence(project, "kick", kicking(85))
    strict = AlignRequest(project.config(), features="pose", same_only=True)
    with pytest.raises(UserError, match="squat and kick do not show the same movement") as caught:
        align_clips(project, "squat", "kick", strict)
    assert caught.value.exit_code == ExitCode.OTHER_MOVEMENT == 10
    assert "--force" in caught.value.hint
    forced = align_clips(project, "squat", "kick", replace(strict, same_only=False))
    assert forced.to_json()["same_movement"]["probability"] < tested.REFUSED
    found = align_clips(project, "squat", "again", strict).same_movement
    assert found is not None
    assert found.probability > 0.9


def test_a_doubtful_alignment_has_no_sure_frame(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "squat", sequence(warped_phase(60, 1)))
    add_sequence(project, "kick", kicking(85))
    result = align_clips(project, "squat", "kick", AlignRequest(project.config()))
    assert result.frame_counts["sure"] == 0
    assert result.confidence.max() < tested.DOUBTED


def test_strangers_are_no_reference_clips(tmp_path: Path) -> None:
    """Clips of another movement change nothing, and are counted; the same clips of the movement are
    found among them."""
    found = []
    for strangers in (0, 32):
        project = StoredProject.create(tmp_path / str(strangers))
        for n in range(10):
            add_sequence(project, f"squat{n}", sequence(warped_phase(30 + 4 * n, n)))
        for n in range(strangers):
            pose = kicking(40 + n, fps=12.0 + n)
            add_sequence(project, f"{'ksz'[n % 3]}{n}", mirror(pose) if n % 2 else pose)
        result = align_clips(project, "squat0", "squat1", AlignRequest(project.config()))
        assert (result.references, result.references_left_out) == (8, strangers)
        assert result.to_json()["others_left_out"] == strangers
        found.append(result.position)
    np.testing.assert_array_equal(found[0], found[1])


def test_strangers_are_those_of_the_pair_alone(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(8):
        add_sequence(project, f"{n}squat", sequence(warped_phase(30 + 4 * n, n)))
        add_sequence(project, f"{n}kick", kicking(40 + n, fps=12.0 + n))
    request = AlignRequest(project.config(overrides=["align.reference_clips=4"]))
    aligner = ProjectAligner(project, request)
    for b in ("1squat", "4squat", "7squat", "0kick", "0squat"):
        alone = align_clips(project, "0squat", b, request).references_left_out
        assert aligner.align_names("0squat", b).references_left_out == alone, b


def test_mirrored_clips_of_the_movement_are_reference_clips(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(8):
        pose = sequence(warped_phase(30 + 4 * n, n))
        add_sequence(project, f"squat{n}", mirror(pose) if n % 2 else pose)
    result = align_clips(project, "squat0", "squat2", AlignRequest(project.config()))
    assert (result.references, result.references_left_out) == (6, 0)


def test_the_strangers_are_small_in_the_package_and_embedded_by_its_base_model() -> None:
    assert tested.STRANGERS.stat().st_size < 400_000
    with safe_open(tested.STRANGERS, "np") as stored:
        assert stored.metadata()["base"] == base_key()


@needs_people
def test_movements_of_people_are_told_apart() -> None:
    """Of 8 clips each, every clip with the same of two other movements; limits as measured, less
    two pairs."""
    folders = {
        "golf": ("golf/clips", "mediapipe33", (160, 160)),
        "squat": ("repetitions/clips/squat", "mediapipe33", (160, 160)),
        "skijump": ("skijump/clips", "penn13", (1280, 720)),
    }
    clips: dict[str, list[tested.ClipDescription | None]] = {}
    for name, (folder, skeleton, size) in folders.items():
        options = ImportOptions(fps=30.0, size=size, skeleton=skeleton)
        paths = sorted((PEOPLE / folder).glob("*.csv"))
        chosen = paths[:: max(len(paths) // 8, 1)][:8]
        read = [read_clips(path, options)[0] for path in chosen]
        clips[name] = [tested.describe(to_sequence(clip, options, None)) for clip in read]
    silent = {}
    for a, b in itertools.combinations(clips, 2):
        judged = [tested.compare_descriptions(x, y) for x in clips[a] for y in clips[b]]
        silent[a, b] = sum(one is None or not one.doubted for one in judged)
    assert sum(silent.values()) <= 5  # of 192; 3 were measured
