"""What pages ask of comparisons: what a clip does differently, and what attempts have in common."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.attempts import AttemptsResult, compare_attempts
from la2ds_cli.compare.compare_clips import compare, document_sentences
from la2ds_cli.core.annotations import ANCHOR
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.views import compare_files
from tests.movement import add_sequence, sequence
from tests.studio.browsing import asked, check_refused, finished
from tests.studio.marks import put

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
def project(tmp_path: Path) -> StoredProject:
    """Clips of several lengths and rates; b to d bend the right elbow less and less."""
    project = StoredProject.create(tmp_path / "project", {"align": {"open_ends": False}})
    clips = (("a", 60, 20.0, 0), ("b", 48, 16.0, 1), ("c", 72, 24.0, 0.8), ("d", 55, 18.0, 0.6))
    for name, length, fps, share in clips:
        add_sequence(project, name, moved(length, fps, share))
    return project


def compared(project: StoredProject, reference: str, names: Iterable[str]) -> AttemptsResult:
    request = AlignRequest(project.config(), same_only=False)
    return compare_attempts(project, reference, list(names), request)


def changed(client: TestClient, path: str, query: dict[str, str]) -> list[str]:
    return client.get(path, params=query).json()["changed"]


def correct_joint(client: TestClient) -> None:
    change = {"frame": 4, "joint": "right_wrist", "at": [20.0, 20.0]}
    answer = client.post("/joints/save", json={"clip": "b", "changes": [change]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("made_by", ["the studio", "the command"])
@pytest.mark.parametrize("what", ["joints", "phases", "corrected matches"])
def test_what_has_changed_since_a_comparison_is_named(
    project: StoredProject, what: str, made_by: str
) -> None:
    ago = time.time() - 60
    with asked(project) as client:
        assert finished(client, client.post("/compare", json=PAIR))["state"] == "done"
        if made_by == "the command":
            (project.results_dir("studio") / "a--b.inputs.json").unlink()
            os.utime(project.results_dir("compare") / "a--b.json", (ago, ago))
            os.utime(project.pose_path("a"), (ago - 60, ago - 60))
            os.utime(project.pose_path("b"), (ago - 60, ago - 60))
        assert changed(client, "/compare/found", PAIR) == []
        if what == "joints" and made_by == "the studio":
            correct_joint(client)
        elif what == "joints":
            add_sequence(project, "b", moved(48, 16.0, 0.5))
        elif what == "phases":
            project.phases_path.write_text("video,start,end,phase\nb,0,9,up\n")
        else:
            put(project, ANCHOR, ("a", "b"), (30, 20))
        assert what in changed(client, "/compare/found", PAIR)


def test_phases_and_matches_of_other_clips_change_no_comparison(project: StoredProject) -> None:
    with asked(project) as client:
        assert finished(client, client.post("/compare", json=PAIR))["state"] == "done"
        project.phases_path.write_text("video,start,end,phase\nc,0,9,up\n")
        put(project, ANCHOR, ("a", "c"), (30, 20))
        assert changed(client, "/compare/found", PAIR) == []


def test_a_pair_is_compared_along_its_corrected_matches(project: StoredProject) -> None:
    put(project, ANCHOR, ("a", "b"), (40, 20))
    with asked(project) as client:
        job = finished(client, client.post("/compare", json=PAIR))
        assert job["state"] == "done", job
    seconds = ((40 / 20.0, 20 / 16.0),)
    request = AlignRequest(project.config(), same_only=False, anchors=seconds)
    here = replace(request, features=compare(project, "a", "b", request).aligned.features)
    expected = document_sentences(compare(project, "a", "b", here).to_json())
    document = json.loads((project.results_dir("compare") / "a--b.json").read_text())
    assert document_sentences(document) == expected


def test_what_is_said_is_what_the_command_says(project: StoredProject) -> None:
    with asked(project) as client:
        assert client.get("/compare/found", params=PAIR).json() is None
        job = finished(client, client.post("/compare", json=PAIR))
        assert job["state"] == "done", job
        found = client.get("/compare/found", params=PAIR).json()
    result = compare(project, "a", "b", AlignRequest(project.config(), same_only=False))
    lines = [one["text"] for one in found["differs"]]
    assert {**found, "time": 0} == {
        **document_sentences(result.to_json()),
        "time": 0,
        "changed": [],
    }
    assert any("Right elbow" in line and "more bent" in line for line in lines)
    first = result.findings[0]
    assert found["differs"][0]["time"] == pytest.approx(first.time, abs=1e-4)


def test_the_newest_comparison_is_shown_whoever_made_it(project: StoredProject) -> None:
    """The command calls its files after those of the clips; a name may be that of other clips."""
    request = AlignRequest(project.config(), same_only=False)
    result = compare(project, "a", "b", request)
    written = compare_files.write(project, result, [], SILENT)
    document = next(path for path in written.files if path.suffix == ".json")
    assert document.name == "a-b.json"
    with asked(project) as client:
        said = document_sentences(result.to_json())["differs"]
        assert client.get("/compare/found", params=PAIR).json()["differs"] == said
        content = json.loads(document.read_text())
        by_studio = document.with_name("a--b.json")
        by_studio.write_text(json.dumps(content | {"notes": ["newer"]}))
        os.utime(document, (0, 0))
        assert client.get("/compare/found", params=PAIR).json()["notes"] == ["newer"]
        by_studio.unlink()
        document.write_text(json.dumps(content | {"other": {"video": "c", "path": "c.mp4"}}))
        assert client.get("/compare/found", params=PAIR).json() is None


def test_attempts_are_said_in_their_order(project: StoredProject) -> None:
    of_a = {"reference": "a"}
    with asked(project) as client:
        assert client.get("/attempts/found", params=of_a).json() is None
        asked_for = of_a | {"attempts": ["c", "b", "c", "d"]}
        assert finished(client, client.post("/attempts/compare", json=asked_for))["state"] == "done"
        found = client.get("/attempts/found", params=of_a).json()
        for kind, status in (("table", 200), ("figure", 200), ("json", 400)):
            assert client.get(f"/attempts/{kind}", params=of_a).status_code == status
        assert found["changed"] == []
        series = compared(project, "a", "cbd").to_json()["series"]
        correct_joint(client)
        assert changed(client, "/attempts/found", of_a) == ["joints"]
    titles = [line.split(":")[0] for line in found["attempts"]]
    assert titles == ["1. c.mat", "2. b.mat", "3. d.mat"]
    assert found["sentences"] == [one["sentence"] for one in series]
    assert any("ight elbow" in sentence for sentence in found["sentences"])


def test_what_is_no_pair_and_what_are_no_attempts_is_refused(project: StoredProject) -> None:
    wrong = [
        *(({"reference": clip}, "choose a clip") for clip in ("x", "")),
        *(({"attempts": clips}, "at least two attempts") for clips in (["b"], ["b", "b"])),
        ({"attempts": ["b", "x"]}, "choose a clip"),
        ({"attempts": ["a", "b"]}, "besides the reference"),
    ]
    with asked(project) as client:
        cases = [({"reference": "a", "attempts": ["b", "c"]} | body, said) for body, said in wrong]
        check_refused(client, "/attempts/compare", cases)
        for pair in ({"a": "a"}, {"a": "a", "b": "x"}, {"a": "a", "b": "a"}, {}):
            assert client.post("/compare", json=pair).status_code == 400
            assert client.get("/compare/found", params=pair).status_code == 400
        assert client.get("/jobs").json() == []


def test_a_broken_document_is_said(project: StoredProject) -> None:
    folder = project.results_dir("compare")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a--b.json").write_text('{"findings": 3}')
    (folder / "a--attempts.json").write_text('{"attempts": []}')
    with asked(project) as client:
        for path, query in (("/compare", PAIR), ("/attempts", {"reference": "a"})):
            answer = client.get(f"{path}/found", params=query)
            assert answer.status_code == 409
            assert "is not a comparison" in answer.json()["error"]
