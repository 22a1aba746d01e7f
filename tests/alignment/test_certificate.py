"""Why parts of an alignment are not sure: every unsure frame has one reason, joints first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.alignment import different_ends
from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.certificate import KINDS, hidden_sentence
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.alignment.confidence import DOUBTFUL
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.views.report.pair_data import match_json
from tests.alignment.test_same_movement import kicking
from tests.alignments import matched, moving
from tests.movement import add_sequence, sequence, without

A, B = moving(np.arange(100) / 25), moving(np.arange(60) / 15)
POSITION = np.linspace(2, 57, 100)


def found(
    a: PoseSequence = A, b: PoseSequence = B, unsure: Any = slice(None), **fields: Any
) -> Alignment:
    confidence = np.ones(len(a))
    confidence[unsure] = 0.5
    position = fields.pop("position", POSITION)
    plain = {"low": position - 1, "high": position + 1, "confidence": confidence}
    return matched(position, a, b, **(plain | fields))


def kinds(result: Alignment) -> dict[str, int]:
    return {each.kind: each.frames for each in result.certificate.reasons}


def doubtful(pose: PoseSequence, rows: slice, limbs: tuple[str, ...]) -> PoseSequence:
    """The clip with limbs whose joints are not trusted in these rows."""
    trust = np.ones(pose.xy.shape[:2], np.float32)
    joints = get_skeleton(pose.skeleton).joints
    for k, joint in enumerate(joints):
        if joint in limbs:
            trust[rows, k] = 0.1
    return replace(pose, trust=trust)


LEGS = ("left_knee", "left_ankle", "right_knee", "right_ankle")


def test_the_ends_of_a_pair_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason `end` of the certificate is what the certainty was lowered by."""
    judged, once = list[object](), different_ends.describe_ends
    monkeypatch.setattr(
        different_ends, "describe_ends", lambda *clips: (judged.append(clips), once(*clips))[1]
    )
    rise = np.concatenate([np.linspace(0, 1, 40), np.linspace(1, 0, 20)])
    fall = np.concatenate([np.linspace(0, 1, 60), np.linspace(1, 3, 30)])
    features = movement_features()
    pair = sequence(rise, fps=20.0), sequence(fall, fps=30.0)
    result = align(*pair, (), features, AlignConfig(method="linear"))
    assert result.certificate.frames == 60
    assert len(judged) == 1
    assert result.another_end.any()
    assert (result.confidence[result.another_end] <= DOUBTFUL).all()


def test_an_alignment_that_is_sure_needs_no_reason() -> None:
    certificate = found(unsure=slice(0, 0)).certificate
    assert (certificate.sure, certificate.frames, certificate.reasons) == (100, 100, ())
    assert certificate.lines == []


@given(
    st.lists(st.booleans(), min_size=100, max_size=100),
    st.integers(0, 60),
    st.booleans(),
    st.sampled_from([None, 1.2]),
)
def test_the_reasons_cover_each_frame_that_is_not_sure_once(
    unsure: list[bool], gone: int, turned: bool, repeats: float | None
) -> None:
    position = POSITION.copy()
    position[:gone] = np.nan
    result = found(
        without(A, slice(70, 90)),
        unsure=np.array(unsure),
        position=position,
        unclear_views=("mirrored",) if turned else (),
        repeats=repeats,
    )
    certificate = result.certificate
    left = np.array(result.certainty) != "sure"
    assert sum(each.frames for each in certificate.reasons) == left.sum()
    assert certificate.sure + left.sum() == certificate.frames == 100
    assert {each.kind for each in certificate.reasons} <= set(KINDS)
    shown = np.zeros(100, int)
    for each in certificate.reasons:
        assert each.share == pytest.approx(each.frames / 100)
        for start, end in each.spans:
            shown += (result.time_a >= start) & (result.time_a <= end)
    np.testing.assert_array_equal(shown, left)
    frames = [each.frames for each in certificate.reasons]
    assert frames == sorted(frames, reverse=True)
    assert len(certificate.lines) <= 3
    assert json.loads(json.dumps(certificate.to_json()))["frames"] == 100


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"position": np.where(np.arange(100) < 101, np.nan, 0.0)}, "missing"),
        ({"a": without(A)}, "unseen"),
        ({"b": doubtful(B, slice(None), LEGS)}, "joints"),
        ({"unclear_views": ("mirrored",)}, "view"),
        ({"repeats": 1.0}, "repetition"),
        ({"low": np.zeros(100)}, "edge"),
        ({}, "loose"),
        # joints come before what is judged by them
        ({"a": doubtful(A, slice(None), LEGS), "unclear_views": ("mirrored",)}, "joints"),
    ],
)
def test_each_reason_is_named(fields: dict[str, Any], kind: str) -> None:
    assert kinds(found(**fields)) == {kind: 100}


@pytest.mark.parametrize(
    ("fields", "options"),
    [({}, "--anchor"), ({"unclear_views": ("mirrored",)}, "--view"), ({"repeats": 1.0}, "--rep")],
)
def test_a_page_names_no_options_of_the_command_line(fields: dict[str, Any], options: str) -> None:
    result = found(**fields)
    (line,), (shown,) = result.certificate.lines, match_json(result)["reasons"]
    assert f" ({options}" in line
    assert line == shown + line.removeprefix(shown)
    assert "--" not in shown
    assert shown.endswith(result.certificate.reasons[0].help)


def test_a_rest_at_the_beginning_is_to_be_cut() -> None:
    """A stands for two seconds, at 25 frames a second, before it moves for four."""
    a = sequence(np.r_[np.zeros(50), np.linspace(0, 1, 100)], fps=25.0)
    b = sequence(np.linspace(0, 1, 60), fps=15.0)
    position = np.r_[np.full(50, 2.0), np.linspace(2, 57, 100)]
    (reason,) = found(a, b, slice(0, 40), position=position).certificate.reasons
    assert (reason.kind, reason.frames) == ("rest", 40)
    assert reason.sentence == "27 % of A not sure, since somebody rests: cut the first 1.6 s of A"
    (reason,) = found(a, b, slice(20, 40), position=position).certificate.reasons
    assert "cut" not in reason.help


def test_hidden_limbs_are_named_with_their_time() -> None:
    legs = doubtful(A, slice(30, 51), LEGS)
    said = hidden_sentence((B, legs), ("anna", "ben"))
    assert said == "both legs of ben are hidden from 1.2 to 2.0 s"
    assert kinds(found(legs)) == {"joints": 21, "loose": 79}
    one = doubtful(A, slice(30, 51), LEGS[:2])
    assert hidden_sentence((B, one), ("anna", "ben")) == ""
    assert kinds(found(one)) == {"loose": 100}


def test_a_refusal_names_hidden_limbs_first(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "squat", sequence(np.tile(np.linspace(0, 1, 40), 1), fps=20.0))
    add_sequence(project, "kick", doubtful(kicking(60), slice(10, 40), LEGS))
    with pytest.raises(UserError) as refusal:
        align_clips(project, "squat", "kick", AlignRequest(project.config(), same_only=True))
    assert refusal.value.exit_code == ExitCode.OTHER_MOVEMENT
    assert refusal.value.hint.startswith("both legs of kick are hidden from")
    assert refusal.value.hint.endswith("--force aligns them anyway")
