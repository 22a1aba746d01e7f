"""What `import la2ds` reads from aligned clips: the same numbers as the commands print and write,
of clips of unequal length and frame rate."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import la2ds
from la2ds_cli.alignment.curve_groups import Cluster, CurveGroups, CurveTest
from la2ds_cli.core.phase_table import read_phase_table
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views.results import Timeline
from tests.compare.performers import label, performance, project_of, steady
from tests.labels.swings import swings
from tests.movement import add_sequence, sequence
from tests.poses.grey_people import film, squats
from tests.processes import invoke
from tests.told import refused


def document_of(*words: str | Path) -> dict[str, Any]:
    """The JSON document that a command prints."""
    return json.loads(invoke(*words, "--json").stdout)


def files_of(root: Path) -> dict[str, bytes]:
    """The content of every file that a person or a result has in a project, without caches."""
    kept = (*root.glob("*.csv"), *root.glob("*.toml"), *root.glob("results/**/*"))
    return {str(path): path.read_bytes() for path in kept if path.is_file()}


@pytest.fixture
def three(tmp_path: Path) -> la2ds.Project:
    """Three clips of one movement: 40 frames at 20 a second, 75 at 30 and 58 at 24."""
    stored = StoredProject.create(tmp_path / "three")
    for name, length, fps, pace in (("anna", 40, 20, 1), ("ben", 75, 30, 1.2), ("carl", 58, 24, 1)):
        pose = sequence(np.linspace(0, 1, length) ** pace, fps=fps)
        add_sequence(stored, name, pose, group="club" if name == "carl" else "")
    return la2ds.open(stored.root)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> la2ds.Project:
    """A coach, and a trainee at another rate who bends the right knee less; labelled."""
    phase, other = steady(), steady(76)
    bent = {"change": "right_knee", "degrees": -35.0, "noise": 0.5, "seed": 5}
    stored = project_of(
        tmp_path_factory.mktemp("taught") / "project",
        coach=performance(phase, noise=0.5),
        trainee=performance(other, fps=25.0, **bent),
    )
    label(stored, coach=phase)
    return la2ds.open(stored.root)


def test_angles_over_the_clip_are_those_of_the_curves(three: la2ds.Project, tmp_path: Path):
    measured = la2ds.angles(three, "ben")
    frame = measured.to_frame()
    assert len(frame) == 75
    assert frame.time.iloc[-1] == pytest.approx(74 / 30)
    assert frame.attrs["units"]["left_knee"] == "degrees"
    assert frame.attrs["units"]["stance_width"] == "torso lengths"
    table = tmp_path / "t.curves.csv"
    words = ("--features", "pose", "--project", three.path, "--out", table)
    invoke("timeline", "anna", "ben", "--reference", "anna", *words)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    rows = [row for row in rows if row["clip"] == "ben" and row["value"]]
    assert {row["quantity"] for row in rows} == set(measured.values)
    for row in rows:
        expected = np.interp(float(row["seconds"]), frame.time, frame[row["quantity"]])
        assert float(row["value"]) == pytest.approx(expected, abs=2e-3)


def test_angles_are_those_of_space_if_the_setting_says_so(three: la2ds.Project):
    pose = sequence(np.linspace(0, 1, 30), fps=25)
    depth = np.random.default_rng(1).normal(0, 0.3, (*pose.xy.shape[:2], 1))
    pose = replace(pose, world=np.concatenate([pose.xy / 60, depth], axis=2))
    add_sequence(three._stored, "deep", pose)
    spatial = {"align.joints": "3d"}
    flat, deep = la2ds.angles(three, "deep"), la2ds.angles(three, "deep", settings=spatial)
    assert (flat.spatial, deep.spatial) == (False, True)
    assert not np.allclose(flat.values["left_knee"], deep.values["left_knee"], atol=5)
    assert not la2ds.angles(three, "anna", settings=spatial).spatial
    with refused(la2ds.ExitCode.UNREADABLE, "no such file: dora"):
        la2ds.angles(three, "dora")


def test_angles_of_a_film_that_was_not_extracted_yet(tmp_path: Path):
    project = la2ds.open(tmp_path / "project", create=True, device="cpu")
    for name, count, fps in (("a", 20, 25), ("b", 32, 30)):
        film(tmp_path / f"{name}.mp4", squats(count), fps=fps)
    grey = "tests.poses.grey_people"
    la2ds.extract(project, tmp_path / "a.mp4", detector=grey, pose=grey)
    measured = la2ds.angles(project, tmp_path / "b.mp4")
    assert len(measured.time) == 32
    assert measured.time[-1] == pytest.approx(31 / 30)
    assert np.isfinite(measured.values["left_knee"]).any()


def test_differences_are_those_of_the_command(taught: la2ds.Project):
    before = files_of(taught.path)
    compared = la2ds.compare(taught, "coach", "trainee")
    assert files_of(taught.path) == before
    frame = compared.to_frame()
    printed = document_of("compare", "coach", "trainee", "--project", taught.path)
    assert len(frame) == len(printed["findings"]) >= 1
    assert frame.joint[0] == "right_knee"
    assert list(frame.columns) == list(printed["findings"][0])
    assert frame.to_dict("records") == printed["findings"]
    assert frame.attrs["units"] == dict.fromkeys(("time", "other_time", "start", "end"), "s")
    assert compared.to_json() | {"files": []} == {
        name: value for name, value in printed.items() if name != "command"
    } | {"files": []}


def test_two_takes_of_one_movement_have_no_row(three: la2ds.Project):
    compared = la2ds.compare(three, "anna", "ben", features="pose")
    frame = compared.to_frame()
    assert len(frame) == len(compared.findings) == 0
    assert {"joint", "difference", "unit", "sentence"} <= set(frame.columns)
    assert frame.difference.dtype == float


def test_another_movement_is_compared_only_when_asked(three: la2ds.Project):
    pose = sequence(np.linspace(0, 1, 50), fps=25)
    still = pose.xy[:1] + np.random.default_rng(2).normal(0, 9, pose.xy.shape).cumsum(axis=0)
    add_sequence(three._stored, "walk", replace(pose, xy=still))
    with refused(la2ds.ExitCode.OTHER_MOVEMENT, "movement"):
        la2ds.compare(three, "anna", "walk")
    assert la2ds.compare(three, "anna", "walk", force=True).aligned.b.id == "walk"


def test_retrieved_frames_are_those_of_the_command(three: la2ds.Project):
    before = files_of(three.path)
    found = la2ds.retrieve(three, ("anna", 1.0), 3, features="pose", per_video=2)
    assert files_of(three.path) == before
    options = ("--k", "3", "--per-video", "2", "--features", "pose", "--project", three.path)
    printed = document_of("retrieve", "--query", "anna@1.0", *options)
    (query,) = printed["queries"]
    frame = found.to_frame()
    assert list(frame.video) == [hit["video"] for hit in query["hits"]]
    assert list(frame.time) == [hit["time"] for hit in query["hits"]]
    assert list(frame.distance) == [hit["distance"] for hit in query["hits"]]
    assert set(frame.query_time) == {query["time"]}
    assert frame.attrs["units"] == {"query_time": "s", "time": "s"}
    whole = la2ds.retrieve(three, "anna", 1, features="pose")
    assert len(whole.queries) == 5
    words = ("retrieve", "--query", "anna", "--k", "1", "--features", "pose")
    printed = document_of(*words, "--project", three.path)
    assert json.loads(json.dumps(whole.to_json()["queries"])) == printed["queries"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k is 0"),
        ({"per_video": 0}, "per_video is 0"),
        ({"min_gap": -1.0}, "min_gap is -1.0"),
        ({"min_gap": np.nan}, "min_gap is nan"),
        ({"view": "turned"}, "unknown view 'turned'"),
        ({"features": "posed"}, "unknown features 'posed'"),
        ({"query": ("anna", 7.0)}, "7 s lies outside the clip"),
        ({"query": ("anna", np.nan)}, "nan s lies outside the clip"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused(
    three: la2ds.Project, options: dict[str, Any], said: str
):
    call = cast("Callable[..., Any]", la2ds.retrieve)
    with refused(la2ds.ExitCode.USAGE, said):
        call(three, **{"query": "anna", **options})


def test_transferred_phases_are_those_of_the_command(tmp_path: Path):
    stored = swings(tmp_path / "swings", count=4, labelled=2)
    shutil.copytree(stored.root, tmp_path / "copy")
    project = la2ds.open(stored.root)
    before = files_of(project.path)
    found = la2ds.transfer_labels(project, "labelled", features="pose")
    assert found.merged is None
    assert files_of(project.path) == before
    command = ("transfer-labels", "--from", "labelled", "--features", "pose")
    printed = document_of(*command, "--write", "--project", tmp_path / "copy")
    boundaries = [row for clip in printed["clips"] for row in clip["boundaries"]]
    assert found.boundaries().to_dict("records") == boundaries
    assert set(found.to_frame().video) == {"clip2", "clip3"}

    written = la2ds.transfer_labels(project, ["clip0", "clip1"], features="pose", write=True)
    assert written.merged is not None
    assert written.merged.written == printed["merged"]["written"] == ["clip2", "clip3"]
    phases = [
        [(row.video, row.phase) for row in read_phase_table(root / "phases.csv").rows]
        for root in (project.path, tmp_path / "copy")
    ]
    assert phases[0] == phases[1]


def test_no_phase_that_a_person_set_is_replaced(tmp_path: Path):
    project = la2ds.open(swings(tmp_path, count=3, labelled=2).root)
    own = [row for row in read_phase_table(project.path / "phases.csv").rows]
    found = la2ds.transfer_labels(
        project, "clip0", ["clip1", "clip2"], features="pose", write=True, overwrite=True
    )
    assert found.merged is not None
    assert (found.merged.written, found.merged.kept) == (["clip2"], ["clip1"])
    assert found.merged.backup is not None
    after = read_phase_table(project.path / "phases.csv").rows
    assert [row.phase for row in after if row.video in ("clip0", "clip1")] == [
        row.phase for row in own
    ]
    with refused(la2ds.ExitCode.MISMATCH, "has no phases set by a person"):
        la2ds.transfer_labels(project, "clip2")


def test_groups_of_a_timeline_are_those_of_the_command(three: la2ds.Project):
    timeline = la2ds.align_all(three, features="pose", reference="anna", by="group")
    options = ("--features", "pose", "--reference", "anna", "--by", "group")
    printed = document_of("timeline", *options, "--project", three.path)
    assert timeline.to_json()["groups"] == printed["groups"]
    with refused(la2ds.ExitCode.UNUSABLE, "nothing was tested: a test needs two groups"):
        timeline.clusters()
    with refused(la2ds.ExitCode.USAGE, "not divided into groups"):
        la2ds.align_all(three, features="pose").clusters()
    with refused(la2ds.ExitCode.USAGE, "no column 'sox'"):
        la2ds.align_all(three, features="pose", by="sox")
    with refused(la2ds.ExitCode.USAGE, "pairs need the column"):
        la2ds.align_all(three, features="pose", paired=True)


def test_clusters_have_the_values_of_the_table(three: la2ds.Project):
    timeline = la2ds.align_all(three, features="pose")
    knee = (Cluster(12.345, 40.0, 0.0123456, 8.76543, False), Cluster(60.0, 61.5, 0.5, -1.0, True))
    tests = (
        CurveTest("left_knee", (4, 5), (0.0, 97.0), 0.025, 3.1415926, knee),
        CurveTest("hip_height", (4, 5), (2.0, 100.0), 0.025, 2.5),
        CurveTest("left_elbow", (1, 5), note="fewer than 3 samples"),
    )
    names = (("a",) * 4, ("b",) * 5)
    groups = CurveGroups("sex", False, ("f", "m"), names, {}, tests=tests)
    frame = Timeline.of(replace(timeline._result, groups=groups), three._stored).clusters()
    assert list(frame.difference[:2]) == [8.76543, -1.0]
    assert list(frame.timing) == [False, True, None, None]
    assert frame.start.isna().tolist() == [False, False, True, True]
    assert frame.attrs["units"] == dict.fromkeys(("tested_from", "tested_to", "start", "end"), "%")
    assert groups.clusters_text().splitlines()[1:] == [
        "left_knee,degrees,f,m,4,5,0,97,0.025,3.14159,12.35,40.00,0.0123,8.765,no,",
        "left_knee,degrees,f,m,4,5,0,97,0.025,3.14159,60.00,61.50,0.5,-1.000,yes,",
        "hip_height,torso lengths,f,m,4,5,2,100,0.025,2.5,,,,,,",
        "left_elbow,degrees,f,m,1,5,,,,,,,,,,fewer than 3 samples",
    ]
