"""Many clips on one timeline: known warps come back, and the cost grows with N alone."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features, consensus
from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.alignment.confidence import NORMAL
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, clips_of, most_central, placed_frames
from la2ds_cli.alignment.timeline_result import COLUMNS, GRID, TimelineResult
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import mirror
from tests.alignments import matched, timed
from tests.movement import (
    add_sequence,
    cycle,
    in_space,
    pose_of,
    sequence,
    shaken,
    warped_phase,
)
from tests.processes import invoke
from tests.told import refused

LENGTHS = (40, 52, 64, 47, 80, 58)
RATES = (20.0, 26.0, 32.0, 20.0, 40.0, 29.0)  # unequal, as the lengths are


def phases(number: int) -> np.ndarray:
    return warped_phase(LENGTHS[number % 6], seed=number)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Six clips of one movement, each with a known warp, length and rate of its own."""
    project = StoredProject.create(tmp_path / "p")
    for number in range(6):
        add_sequence(project, f"clip{number}", sequence(phases(number), fps=RATES[number]))
    return project


def put(project: StoredProject, **options: object) -> TimelineResult:
    request = AlignRequest(project.config(), features="pose", same_only=True)
    return align_all(project, clips_of(project), request, **options)  # type: ignore[arg-type]


def test_known_warps_come_back_to_within_two_frames(project: StoredProject):
    result = put(project)
    clock = int(result.clock.video.id[-1])
    for number, clip in enumerate(result.clips):
        expected = np.interp(phases(number), phases(clock), np.arange(LENGTHS[clock]))
        found = clip.position * (LENGTHS[clock] - 1)
        assert np.nanmax(np.abs(found - expected)) < 2, number
        assert np.isnan(found).sum() <= 2
        assert (np.diff(found[~np.isnan(found)]) >= 0).all()


def test_the_named_reference_is_the_clock(project: StoredProject):
    result = put(project, reference="clip3")
    assert (result.named, result.clock.video.id) == (True, "clip3")
    np.testing.assert_allclose(result.clock.position, np.linspace(0, 1, LENGTHS[3]), atol=1e-9)


def test_a_clip_is_doubtful_where_its_probability_is_below_0_6(project: StoredProject):
    result = put(project)
    clips = [replace(result.clips[0], probability=one) for one in (0.61, 0.59, 0.2, np.nan)]
    result = replace(result, clips=clips)
    assert [clip.probability for clip in result.doubtful] == [0.59, 0.2]
    told = [clip["doubtful"] for clip in result.to_json()["clips"]]
    assert told == [False, True, True, False]


def test_of_several_repetitions_the_nearest_is_placed(tmp_path: Path):
    project = StoredProject.create(tmp_path / "p")
    for number in range(5):
        pose = sequence(cycle(LENGTHS[number]), fps=RATES[number])
        add_sequence(project, f"clip{number}", pose)
    lengths = (40, 30, 55)
    three = sequence(np.concatenate([cycle(n) for n in lengths]), fps=25.0)
    add_sequence(project, "three", three)
    two = sequence(np.concatenate([cycle(n) for n in (45, 50)]), fps=30.0)
    add_sequence(project, "two", two)
    result = put(project, reference="clip2")
    placed = {clip.video.id: clip for clip in result.clips}
    assert {name: clip.repetitions for name, clip in placed.items()} == {
        **{f"clip{number}": 1 for number in range(5)},
        "three": 3,
        "two": 2,
    }
    known = np.flatnonzero(~np.isnan(placed["three"].position))
    starts = np.cumsum([0, *lengths])
    number = int(np.abs(starts[:-1] - known[0]).argmin())
    start, length = starts[number], lengths[number]
    assert abs(known[0] - start) <= 3
    assert abs(known[-1] - (start + length - 1)) <= 4
    expected = (known - start) / (length - 1)
    assert np.abs(placed["three"].position[known] - expected).max() < 0.06
    assert (placed["three"].confidence[: known[0]] == 0).all()
    assert placed["three"].times_as_long == pytest.approx(
        length / 25 / (LENGTHS[2] / RATES[2]), rel=0.15
    )
    whole = put(project, reference="three").clips
    assert {clip.repetitions for clip in whole} == {1}


def test_confidence_is_that_of_a_twentieth_of_the_clock() -> None:
    """B needs four fifths of its time for the first fifth of A. Its intervals are 4 frames wide on
    either side, and 5 of its 100 frames count as right: on the clock, that is 0.01 at first, and
    then 0.16. Every tenth frame, the pair was doubted by half."""
    position = np.interp(np.arange(101), [0, 20, 100], [0, 80, 100])
    doubted = np.arange(101) % 10 == 0
    of_b = math.erf(5.05 / 4 * NORMAL / math.sqrt(2))  # of 101 frames
    result = matched(
        position,
        timed(np.arange(101) / 10),
        timed(np.arange(101) / 25),
        confidence=np.where(doubted, of_b / 2, of_b),
        low=np.maximum(position - 4, 0),
        high=np.minimum(position + 4, 100),
    )
    place, confidence = placed_frames(result, 101)
    np.testing.assert_allclose(place, np.interp(np.arange(101), [0, 80, 100], [0, 0.2, 1]))
    assert confidence[8:72:4] == pytest.approx(np.where(np.arange(8, 72, 4) % 40, 1.0, 0.5))
    on_clock = math.erf(0.05 / 0.16 * NORMAL / math.sqrt(2))
    assert confidence[86:95:2] == pytest.approx([on_clock, on_clock, on_clock / 2, *[on_clock] * 2])


def test_what_is_sure_is_right_to_within_a_twentieth_of_the_clock() -> None:
    """Performers who do one part slowly and another fast, at unequal lengths and rates."""
    right = []
    for seed in range(12):
        slow = (seed % 3 + 1) / 4
        share = np.linspace(0, 1, 150)
        speed = np.where(np.abs(share - slow) < 0.15, 0.15, 1.0)
        phase = np.cumsum(speed) / speed.sum()
        a = shaken(sequence(warped_phase(90, seed), fps=30.0), 1.0, seed)
        b = shaken(sequence(phase, fps=25.0), 1.0, 100 + seed)
        result = align(a, b, [], movement_features(), AlignConfig())
        place, confidence = placed_frames(result, 150)
        true = np.interp(phase, warped_phase(90, seed), np.linspace(0, 1, 90))
        right += list((np.abs(place - true) <= 0.05)[confidence >= 0.9])
    assert len(right) > 300
    assert np.mean(right) >= 0.95


def test_a_mirrored_clip_is_placed_as_its_mirror_image(project: StoredProject):
    warp = warped_phase(70, seed=9)
    add_sequence(project, "mirrored", mirror(sequence(warp, fps=35.0)))
    result = put(project, reference="clip0")
    assert [clip.video.id for clip in result.clips if clip.mirrored] == ["mirrored"]
    clip = result.clips[-1]
    expected = np.interp(warp, phases(0), np.linspace(0, 1, LENGTHS[0]))
    assert np.nanmax(np.abs(clip.position - expected)) < 2 / LENGTHS[0]
    # Its right arm is what the others do with the left.
    for side in ("left", "right"):
        number = result.joints.index(f"{side}_shoulder")
        assert np.nanmax(np.abs(clip.angles[:, number] - result.clock.angles[:, number])) < 12
    assert result.to_json()["clips"][-1]["mirrored"] is True


def another_movement() -> PoseSequence:
    rng = np.random.default_rng(0)
    other = sequence(np.zeros(60))
    swing = 50 * np.sin(np.linspace(0, 9, 60))[:, None] * rng.normal(size=(1, 13))
    other.xy[..., 0] += swing
    return other


def test_another_movement_is_left_out_and_said(project: StoredProject):
    add_sequence(project, "other", another_movement())
    result = put(project)
    assert list(result.left_out) == ["other"]
    assert "same movement" in result.left_out["other"]
    assert "other" not in [clip.video.id for clip in result.clips]


def test_angles_in_space_are_not_mixed_with_those_in_the_image(tmp_path: Path):
    project = StoredProject.create(tmp_path / "p", {"align": {"joints": "3d"}})
    for number in range(3):
        add_sequence(project, f"clip{number}", in_space(phases(number)))
    add_sequence(project, "flat", sequence(phases(3)))
    result = put(project, reference="clip0")
    assert result.left_out == {"flat": "it has no joints in 3D, unlike the reference"}


def test_a_damaged_clip_does_not_stop_the_others(project: StoredProject):
    project.pose_path("clip2").write_bytes(b"nothing")
    result = put(project)
    assert list(result.left_out) == ["clip2"]
    assert len(result.clips) == 5


def test_alignments_grow_with_the_clips_and_not_with_their_pairs(monkeypatch, tmp_path: Path):
    paths: list[int] = []
    real = consensus.pairwise_paths

    def pairwise_paths(own, clips, config):
        paths.append(len(clips))
        return real(own, clips, config)

    for module in (consensus, clip_features):
        monkeypatch.setattr(module, "pairwise_paths", pairwise_paths)
    counts = {}
    for clips in (24, 28, 32):
        project = StoredProject.create(tmp_path / str(clips))
        for number in range(clips):
            add_sequence(
                project, f"clip{number:02}", sequence(phases(number), fps=RATES[number % 6])
            )
        paths.clear()
        assert len(put(project).clips) == clips
        counts[clips] = sum(paths)
    # The pairs of a sample of 24; then each clip with the reference, directly and through 8 others.
    # The reference meets each of those others once: 8, and 8 more where a clip is one of them.
    assert counts == {clips: 24 * 23 // 2 + (clips - 1) * 9 + 16 for clips in (24, 28, 32)}


def test_rows_and_positions_are_inverse(project: StoredProject):
    clip = put(project).clips[1]
    known = ~np.isnan(clip.position)
    rows = clip.row_at(clip.position[known])
    assert np.abs(rows - np.flatnonzero(known)).max() <= 1.5
    assert np.isnan(clip.row_at(np.array([-0.1, 1.1]))).all()
    assert clip.angles.shape == (len(GRID), 8)


def test_bands_are_the_mean_and_deviation_of_the_clips(project: StoredProject):
    result = put(project)
    mean, spread, count = result.bands()
    values = np.array([clip.angles[50, 3] for clip in result.clips])
    assert count[50, 3] == 6
    assert mean[50, 3] == pytest.approx(values.mean(), rel=1e-4)
    assert spread[50, 3] == pytest.approx(values.std(ddof=1), rel=1e-3)


def test_angles_of_limbs_that_point_at_the_camera_are_left_out_and_noted(tmp_path: Path):
    made, hidden = StoredProject.create(tmp_path / "project"), (8, 30, 20)
    for n in range(3):
        pose = sequence(phases(n), fps=RATES[n])
        skeleton = get_skeleton(pose.skeleton)
        elbow, wrist = (skeleton.index(f"left_{joint}") for joint in ("elbow", "wrist"))
        rows = slice(hidden[n], hidden[n] + 8)
        pose.xy[rows, wrist] = pose.xy[rows, elbow] + 0.1 * (
            pose.xy[rows, wrist] - pose.xy[rows, elbow]
        )
        add_sequence(made, f"clip{n}", pose)
    result = put(made)
    number = result.joints.index("left_elbow")
    for clip in result.clips:
        row, first = clip.row_at(GRID), hidden[int(clip.video.id[-1])]
        folded = (row >= first) & (row <= first + 7)
        assert folded.sum() >= 5
        assert np.isnan(clip.angles[folded, number]).all()
        assert 0.08 < clip.foreshortened[number] < 0.3
    assert "left elbow" in result.angle_note()
    assert result.to_json()["angles"]["note"] == result.angle_note()


def test_the_medoid_is_no_clip_of_another_movement():
    cost = np.array([[0, 1, 2, 9], [1, 0, 1, 9], [2, 1, 0, 9], [9, 9, 9, 0]], float)
    assert most_central(cost) == 1


def test_the_grid_has_101_positions(project: StoredProject):
    angles = put(project).to_json()["angles"]
    assert angles["position"] == pytest.approx(np.arange(101) / 100)
    assert len(angles["joints"]["left_elbow"]["mean"]) == 101


def test_too_few_clips_and_other_methods_are_refused(project: StoredProject, tmp_path: Path):
    alone = StoredProject.create(tmp_path / "alone")
    add_sequence(alone, "one", sequence(phases(0)))
    with refused(ExitCode.UNUSABLE, "at least two clips"):
        put(alone)
    for name, pose, code in (
        ("hand", pose_of(np.random.rand(30, 21, 2), skeleton="hand21"), ExitCode.MISMATCH),
        ("other", another_movement(), ExitCode.OTHER_MOVEMENT),
    ):
        add_sequence(alone, name, pose)
        with refused(code) as caught:
            put(alone, reference="one")
        assert ("--force" in caught.value.hint) == (name == "other")
    add_sequence(alone, "frame", sequence(phases(0)[:1]))
    with refused(ExitCode.UNUSABLE, "frame has a single frame"):
        put(alone, reference="frame")
    request = AlignRequest(alone.config(), features="pose")
    assert align_all(alone, ["frame", "one"], request).clock.video.id == "one"
    with pytest.raises(UserError, match="needs the method dtw"):
        align_all(project, ["clip0", "clip1"], AlignRequest(project.config(), method="linear"))
    with pytest.raises(UserError, match="no clip belongs to the group 'x'"):
        clips_of(project, "x")


def test_the_command_writes_figure_table_and_json(project: StoredProject, tmp_path: Path):
    out = [tmp_path / f"t{kind}" for kind in (".png", ".csv", ".json")]
    arguments = ["timeline", "--project", project.root, "--features", "pose"]
    done = invoke(*arguments, *(f"--out={path}" for path in out))
    assert "6 clips on the timeline of" in done.output
    assert all(path.stat().st_size > 1000 for path in out)
    rows = list(csv.DictReader(out[1].read_text("utf-8").splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == sum(LENGTHS)
    assert {row["clip"] for row in rows} == {f"clip{n}" for n in range(6)}
    assert 0 <= float(rows[20]["position"]) <= 1
