"""Known faults in known performances: the joint, the moment and the size must come out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare_clips import (
    CompareResult,
    compare,
    document_sentences,
    unjudged_line,
)
from la2ds_cli.compare.difference_table import sentence
from la2ds_cli.compare.differences import differences
from la2ds_cli.compare.findings import Finding, find_differences
from la2ds_cli.compare.judged_moments import held_ends
from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.compare.words import amount, joint_name
from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror
from tests.compare.performers import (
    AZIMUTH,
    FPS,
    STARTS,
    body,
    label,
    performance,
    project_of,
    slowed,
    steady,
)

PHASE = steady()
FPS_B = 25.0
PHASE_B = steady(76)  # as long as PHASE


def trainee(phase: FloatArray = PHASE_B, **how: Any) -> PoseSequence:
    """The other clip, whose camera takes fewer frames a second."""
    return performance(phase, fps=FPS_B, **how)


def compared(
    root: Path,
    reference: PoseSequence,
    other: PoseSequence,
    labels: FloatArray | None = PHASE,
    other_labels: FloatArray | None = None,
) -> CompareResult:
    project = project_of(root / "project", coach=reference, trainee=other)
    known = {"coach": labels, "trainee": other_labels}
    phases = {name: value for name, value in known.items() if value is not None}
    if phases:
        label(project, **phases)
    return compare(project, "coach", "trainee", AlignRequest(project.config()))


def angles_of(result: CompareResult) -> list[Finding]:
    """The findings of angles, without those of quantities."""
    return [f for f in result.findings if result.angles.quantity(f.joint) is None]


@pytest.mark.parametrize(
    ("change", "joint", "degrees", "words"),
    [
        ("right_knee", "right_knee", -35, "straighter"),
        ("left_knee", "left_knee", -40, "straighter"),
        ("right_hip_flex", "right_hip", -35, "straighter"),
        ("left_arm_flex", "left_shoulder", -45, "closer to the trunk"),
        ("right_elbow", "right_elbow", 50, "more bent"),
    ],
)
def test_a_changed_joint_comes_first_at_its_moment_with_its_size(
    tmp_path: Path, change: str, joint: str, degrees: float, words: str
) -> None:
    other = trainee(change=change, degrees=degrees, middle=0.36, noise=0.5, seed=5)
    found = compared(tmp_path, performance(PHASE, noise=0.5), other)
    angles = angles_of(found)
    first = angles[0]
    assert first.joint == joint
    assert first.time == pytest.approx(0.36 * (len(PHASE) - 1) / FPS, abs=0.25)
    assert first.span in ("squat", "rise")
    # The camera sees the body a little from the front, where angles look larger or smaller.
    assert abs(first.difference) == pytest.approx(abs(degrees), rel=0.35)
    assert words in sentence(first)
    assert {finding.joint for finding in angles} == {joint}
    # A foot or a hand is where the limb puts it.
    arm = "arm" in change or "elbow" in change
    others = {finding.joint for finding in found.findings if finding not in angles}
    assert others <= ({"left_hand_height", "right_hand_height"} if arm else {"stance_width"})


def test_a_knee_seen_from_the_side_differs_by_what_was_built(tmp_path: Path) -> None:
    """The straight knee of upright standing, from exactly the side: 30 degrees are 30 degrees."""

    def filmed(degrees: float, phase: FloatArray, fps: float) -> PoseSequence:
        return performance(
            phase,
            fps=fps,
            change="left_knee",
            degrees=degrees,
            middle=STARTS["wind-up"],
            style=None,
            azimuth=-np.pi / 2,
            distance=30.0,
        )

    first, *_ = compared(tmp_path, filmed(0, PHASE, FPS), filmed(30, PHASE_B, FPS_B)).findings
    assert (first.joint, first.reference) == ("left_knee", pytest.approx(180, abs=5))
    assert first.difference == pytest.approx(-30, abs=2)
    assert first.time == pytest.approx(0.58 * (len(PHASE) - 1) / FPS, abs=0.08)
    assert re.match(r"Left knee: (29|30|31)° more bent at 1\.", sentence(first))


def hidden(pose: PoseSequence, joint: str, trust: float, rows: slice) -> PoseSequence:
    """A joint that can be trusted no more than so much for some frames."""
    known = np.ones(pose.score.shape)
    known[rows, get_skeleton(pose.skeleton).index(joint)] = trust
    return replace(pose, trust=known)


def guessed(pose: PoseSequence) -> PoseSequence:
    """A limb behind the body, as networks score it, without stored trust."""
    score = np.asarray(pose.score).copy()
    score[:, get_skeleton("coco17").index("right_ankle")] = 0.2
    return replace(pose, score=score)


def without_shoulders(pose: PoseSequence) -> PoseSequence:
    xy = np.asarray(pose.xy).copy()
    xy[:, [5, 6]] = np.nan
    return replace(pose, xy=xy)


ANOTHER: dict[str, Any] = {"build": body(7), "distance": 8.0, "noise": 0.5, "seed": 5}
FAULT: dict[str, Any] = {"change": "right_knee", "degrees": -40, "noise": 0.5, "seed": 5}


@pytest.mark.parametrize(
    ("azimuth", "other", "said"),
    [
        (AZIMUTH, trainee(noise=1, seed=9), ""),
        *((azimuth, trainee(azimuth=azimuth, **ANOTHER), "") for azimuth in (AZIMUTH, 0.0, 0.6)),
        (AZIMUTH, trainee(azimuth=AZIMUTH + 0.4), "The cameras stand about 2"),
        (AZIMUTH, trainee(azimuth=AZIMUTH + 0.8), "filmed from sides that lie about 4"),
        (AZIMUTH, trainee(azimuth=AZIMUTH + np.pi, noise=0.5, seed=5), "opposite sides"),
        (AZIMUTH, without_shoulders(trainee(**FAULT)), "It is unknown from which sides"),
        (AZIMUTH, guessed(trainee(**FAULT)), "Right knee: 3.03 s not judged, not seen well"),
    ],
)
def test_no_fault_is_stated(tmp_path: Path, azimuth: float, other: PoseSequence, said: str) -> None:
    """Of another body, camera distance or side, or where joints are hidden."""
    found = compared(tmp_path, performance(PHASE, azimuth=azimuth, noise=0.5), other)
    assert found.findings == ()
    unjudged = [row for row in found.unjudged if "points at the camera" not in row.reason]
    told_of = [*found.notes, found.no_findings, *map(unjudged_line, unjudged)]
    assert said in " ".join(told_of)
    if not said:
        assert told_of == [""]
        assert all(row.verdict in ("same", "unclear", "cut") for row in found.tempo)


@pytest.mark.parametrize("phase", ["squat", "rise", "throw"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_slow_phase_is_slow_and_no_other(tmp_path: Path, phase: str, labelled: bool) -> None:
    slow = slowed(phase, 1.6, len(PHASE_B))
    found = compared(tmp_path, performance(PHASE), trainee(slow), PHASE, slow if labelled else None)
    parts = {row.span for row in found.tempo if row.verdict == "slower"}
    assert parts == {phase}
    assert {row.span for row in found.tempo if row.verdict == "cut"} == {"stand", "recover"}
    assert not [row for row in found.tempo if row.verdict == "faster"]
    (row,) = (row for row in found.tempo if row.span == phase)
    starts = [*STARTS.values(), 1.0]
    share = starts[list(STARTS).index(phase) + 1] - STARTS[phase]
    seconds = share * (len(PHASE) - 1) / FPS
    least = seconds if labelled else 0.8 * seconds  # without labels, rests are left out
    assert least - 1.01 / FPS <= row.reference <= seconds + 1.01 / FPS
    assert row.ratio == pytest.approx(1.6, abs=0.12 if labelled else 0.3)
    assert labelled or row.low < 1.6 < row.high


def in_space(root: Path, reference: PoseSequence, other: PoseSequence) -> CompareResult:
    project = project_of(root / "project", coach=reference, trainee=other)
    config = load_config({"preset": "demo"}, overrides=['align.joints="3d"'])
    request = AlignRequest(config, features="pose")
    return compare(project, "coach", "trainee", request)


def test_angles_in_space_are_compared_from_any_side(tmp_path: Path) -> None:
    """Front against side: the same movement shows no fault, and a changed knee comes first."""
    reference = performance(PHASE, noise=1, azimuth=0.0, deep=True)
    same = in_space(
        tmp_path / "same", reference, trainee(noise=1, seed=9, build=body(7), deep=True)
    )
    assert same.findings == ()
    assert same.no_findings == ""
    assert any("in 3D" in note for note in same.notes)
    changed = trainee(change="right_knee", degrees=-35, noise=1, seed=5, deep=True)
    first, *_ = in_space(tmp_path / "changed", reference, changed).findings
    assert first.joint == "right_knee"
    assert abs(first.difference) == pytest.approx(35, rel=0.2)


def test_nothing_is_a_fault_if_the_view_is_not_clear(tmp_path: Path) -> None:
    class Unclear(ProjectAligner):
        def align_names(self, a: str, b: str) -> Alignment:
            return replace(super().align_names(a, b), unclear_views=("mirrored",))

    changed = trainee(change="right_knee", degrees=-35, noise=1, seed=5)
    project = project_of(tmp_path, coach=performance(PHASE, noise=1), trainee=changed)
    request = AlignRequest(project.config())
    for aligner, clear in ((ProjectAligner, True), (Unclear, False)):
        found = compare(project, "coach", "trainee", request, aligner=aligner(project, request))
        assert (bool(found.findings), not found.no_findings) == (clear, clear)


def test_a_mirrored_clip_is_compared_side_for_side(tmp_path: Path) -> None:
    other = mirror(trainee(change="right_knee", degrees=-40))
    found = compared(tmp_path, performance(PHASE), other)
    assert found.aligned.mirrored
    assert found.findings[0].joint == "right_knee"
    assert "mirrored" in found.notes[0]


def test_nothing_is_said_where_the_alignment_is_not_sure(tmp_path: Path) -> None:
    other = trainee(change="right_knee", degrees=-40)
    result = compared(tmp_path, performance(PHASE), other).aligned
    found = result
    view = view_difference(result.pose_a, result.pose_b, found.position)
    doubted = replace(found, confidence=np.full(len(PHASE), 0.29))
    for alignment, expected in ((found, 1), (doubted, 0)):
        angles = differences(result.pose_a, result.pose_b, alignment, view, ())
        assert len(find_differences(angles, alignment, [])) == expected


@pytest.mark.parametrize("which", ["reference", "other"])
@pytest.mark.parametrize("frames", [1, 2])
def test_bad_frames_of_a_clip_of_few_a_second_are_no_fault(
    tmp_path: Path, which: str, frames: int
) -> None:
    """At ten frames a second each lasts as long as a fault must. Their trust is not at issue."""
    slow = performance(steady(31), seed=4 if which == "other" else 0, fps=10.0, noise=0.5)
    reference = slow if which == "reference" else performance(PHASE)
    other = slow if which == "other" else trainee()
    bad = reference if which == "reference" else other
    bad.xy[12 : 12 + frames, get_skeleton("coco17").index("right_ankle"), 0] += 90
    certain = [replace(pose, trust=np.ones(pose.score.shape)) for pose in (reference, other)]
    found = compared(tmp_path, *certain, labels=None)
    assert "right_knee" not in {finding.joint for finding in found.findings}


@pytest.mark.parametrize("where", ["reference", "other clip"])
@pytest.mark.parametrize("joint", ["right_hip", "right_knee", "right_ankle"])
def test_a_difference_that_rests_on_a_guessed_joint_is_not_stated(
    tmp_path: Path, where: str, joint: str
) -> None:
    clips = {"reference": performance(PHASE, noise=0.5), "other clip": trainee(**FAULT)}
    clips[where] = hidden(clips[where], joint, 0.5, slice(0, 60))
    found = compared(tmp_path, clips["reference"], clips["other clip"])
    assert angles_of(found) == []
    assert not any(
        joint in quantity.joints
        for quantity in found.angles.quantities
        if quantity.name in {finding.joint for finding in found.findings}
    )
    rows = {row.joint: row for row in found.unjudged}
    assert rows["right_knee"].reason == f"not seen well enough in the {where}"
    assert rows["right_knee"].seconds > 1.8
    assert "left_knee" not in rows


@pytest.mark.parametrize(("fps", "held"), [(20, [0, 1, 2, 3, 7, 8, 9, 10]), (40, [])])
def test_what_lies_at_an_end_of_the_other_clip_for_a_tenth_of_a_second_is_not_shown(
    fps: float, held: list[int]
) -> None:
    """Four frames of the reference nearest to the first of eight, and four nearest to the last: at
    20 a second for 0.15 s, at 40 for 0.075 s."""
    position = np.array([0, 0.1, 0.2, 0.3, 2, 4, 6, 6.6, 7, 7, 7])
    assert np.flatnonzero(held_ends(position, 8, np.arange(11) / fps)).tolist() == held


def test_hands_are_compared_and_the_unmeasured_side_is_said(tmp_path: Path) -> None:
    """The last two joints of a finger turn by 60 degrees about its middle one half way through."""
    skeleton = get_skeleton("hand21")

    def hand(bend: float, fps: float) -> PoseSequence:
        time = np.arange(round(2 * fps) + 1) / fps
        rng = np.random.default_rng(0)
        place, start = rng.uniform(100, 300, (21, 2)), rng.uniform(0, 6, (21, 2))
        xy = place + 40 * np.sin(2 * time[:, None, None] + start)
        turn = np.radians(bend) * np.exp(-(((time - 1) / 0.4) ** 2))
        middle = xy[:, skeleton.index("index2")]
        line = np.exp(1j * turn) * ((middle - xy[:, skeleton.index("index1")]) @ [1, 1j])
        line *= 80 / np.abs(line)
        for joint, times in (("index3", 1), ("index4", 2)):
            xy[:, skeleton.index(joint)] = middle + times * np.stack([line.real, line.imag], axis=1)
        return replace(
            performance(steady(len(time)), fps=fps),
            xy=xy,
            score=np.ones(xy.shape[:2]),
            size=(400, 400),
            skeleton="hand21",
        )

    found = compared(tmp_path, hand(0, FPS), hand(60, FPS_B), labels=None)
    assert "hand21" in found.notes[0]
    first = found.findings[0]
    # Where it bends furthest the moment is not sure: the finger is much of what moves in a hand.
    assert (first.joint, first.difference) == ("index2", pytest.approx(-52, abs=10))
    assert first.time == pytest.approx(1, abs=0.3)


def finding(joint: str, difference: float, time: float) -> dict[str, Any]:
    words = {"label": joint_name(joint), "amount": amount(joint, difference), "unit": "degrees"}
    text = f"{words['label']}: {words['amount']} at {time:.2f} s"
    return {"joint": joint, "sentence": text, "time": time, "difference": difference, **words}


def document(findings: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "findings": findings,
        "no_findings": "",
        "notes": [],
        "unjudged": [],
        "tempo": [],
        "key_positions": [],
    }


KNEE, ELBOW = finding("left_knee", 24.0, 1.32), finding("right_elbow", 9.0, 2.0)


@pytest.mark.parametrize(
    ("findings", "verdicts", "differs", "tempo"),
    [
        ([], [], "No joint differs", "was not judged"),
        ([], ["unclear", "cut"], "No joint differs", "was not judged"),
        ([KNEE], ["unclear", "same"], "at 1.32 s", "clearly slower or faster"),
        ([KNEE, KNEE], ["slower", "same"], "at 1.32 s, also 24° at 1.32 s", "is slower"),
        ([KNEE, ELBOW], ["same"], "Left knee: 24°", "clearly slower or faster"),
    ],
)
def test_what_is_told(findings: list[Any], verdicts: list[str], differs: str, tempo: str) -> None:
    """A tempo that nobody knows is not called the same."""
    paces = [{"verdict": verdict, "sentence": f"'rise' is {verdict}"} for verdict in verdicts]
    said = document_sentences(document(findings) | {"tempo": paces}, 1)
    assert differs in said["differs"][0]["text"]
    assert tempo in said["tempo"][0]
    rest = [one["text"] for one in said["differs"][1:]]
    assert rest == ["Less clear: Right elbow 9° straighter"] * (ELBOW in findings)


MOMENTS = st.builds(
    finding,
    st.sampled_from(["left_knee", "right_elbow", "left_shoulder"]),
    st.integers(-170, 170).filter(lambda d: abs(d) >= 8).map(float),
    st.integers(0, 900).map(lambda n: n / 100),
)


@given(st.lists(MOMENTS, max_size=14), st.integers(0, 4))
def test_no_larger_difference_and_none_of_the_other_direction_is_hidden(
    findings: list[dict[str, Any]], most: int
) -> None:
    """What is left out beside a line is smaller than all of it, of its joint and direction."""
    lines = [one["text"] for one in document_sentences(document(findings), most)["differs"]]
    assert "more times" not in " ".join(lines)
    for one in findings:
        size, what = abs(one["difference"]), amount(one["joint"], one["difference"])
        way = what.partition(" ")[2]
        name = joint_name(one["joint"])
        clear = [line for line in lines if line.startswith(f"{name}: ") and way in line]
        less = re.findall(rf"{name} (\d+)° {way}", lines[-1])
        assert len(clear) + len(less) == 1, "one line for each joint and direction"
        if less:
            assert size <= float(less[0])
            continue
        sizes = [float(number) for number in re.findall(r"(\d+)°", clear[0])]
        assert sizes == sorted(sizes, reverse=True)
        listed = f"{size:.0f}° at {one['time']:.2f} s" in clear[0].replace(f" {way} at", " at")
        assert listed or (size <= sizes[-1] and "smaller" in clear[0])
