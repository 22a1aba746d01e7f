"""What the pages of comparisons ask: what a clip does differently, and attempts over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.attempts import AttemptsResult, compare_attempts
from la2ds_cli.compare.compare import compare, told
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from tests.movement import add_sequence, sequence
from tests.studio.browsing import asked, check_refused, finished

PAIR = {"a": "a", "b": "b"}


def moved(length: int, fps: float, bend: float) -> PoseSequence:
    """The movement, with the right elbow bent by a share of a right angle."""
    pose = sequence(np.linspace(0, 1, length), fps=fps)
    joints = get_skeleton(pose.skeleton).joints
    elbow, wrist = (joints.index(f"right_{name}") for name in ("elbow", "wrist"))
    cos, sin = np.cos(bend * np.pi / 2), np.sin(bend * np.pi / 2)
    xy = pose.xy.copy()
    xy[:, wrist] = xy[:, elbow] + (xy[:, wrist] - xy[:, elbow]) @ [[cos, sin], [-sin, cos]]
    return replace(pose, xy=xy)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Clips of several lengths and rates; b to f bend the right elbow less and less."""
    project = Project.create(tmp_path / "project", {"align": {"open_ends": False}})
    lengths, rates = (60, 48, 72, 55, 66, 50), (20.0, 16.0, 24.0, 18.0, 22.0, 20.0)
    bends = (0, 1, 0.8, 0.6, 0.4, 0.3)
    for name, length, fps, share in zip("abcdef", lengths, rates, bends, strict=True):
        add_sequence(project, name, moved(length, fps, share))
    return project


def compared(project: Project, reference: str, names: Iterable[str]) -> AttemptsResult:
    request = AlignRequest(project.config(), same_only=False)
    return compare_attempts(project, reference, list(names), request)


def test_what_is_said_is_what_the_command_says(project: Project) -> None:
    with asked(project) as client:
        assert client.get("/compare/found", params=PAIR).json() is None
        job = finished(client, client.post("/compare", json=PAIR))
        assert job["state"] == "done", job
        found = client.get("/compare/found", params=PAIR).json()
    result = compare(project, "a", "b", AlignRequest(project.config(), same_only=False))
    lines = [one["text"] for one in found["differs"]]
    assert {**found, "time": 0, "stale": False} == {
        **told(result.to_json()),
        "time": 0,
        "stale": False,
    }
    assert any("Right elbow" in line and "more bent" in line for line in lines)
    first = result.findings[0]
    assert found["differs"][0]["time"] == pytest.approx(first.time, abs=1e-4)
    assert not found["stale"]


def test_what_is_no_pair_and_what_are_no_attempts_is_refused(project: Project) -> None:
    wrong = [
        *(({"reference": clip}, "choose a clip") for clip in ("x", "")),
        *(({"attempts": clips}, "at least two attempts") for clips in (["b"], ["b", "b"])),
        ({"attempts": ["b", "x"]}, "choose a clip"),
        ({"attempts": ["a", "b"]}, "without the reference"),
    ]
    with asked(project) as client:
        cases = [({"reference": "a", "attempts": ["b", "c"]} | body, said) for body, said in wrong]
        check_refused(client, "/attempts/compare", cases)
        for pair in ({"a": "a"}, {"a": "a", "b": "x"}, {"a": "a", "b": "a"}, {}):
            assert client.post("/compare", json=pair).status_code == 400
            assert client.get("/compare/found", params=pair).status_code == 400
        assert client.get("/jobs").json() == []


def test_a_broken_document_is_said(project: Project) -> None:
    folder = project.results_dir("compare")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a--b.json").write_text('{"findings": 3}')
    (folder / "a--attempts.json").write_text('{"attempts": []}')
    with asked(project) as client:
        answer = client.get("/compare/found", params=PAIR)
        assert answer.status_code == 409
        assert "is not a comparison" in answer.json()["error"]
        page = client.get("/attempts", params={"reference": "a"})
        assert page.status_code == 200
        assert "is not a comparison" in page.text
