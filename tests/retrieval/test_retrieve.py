"""The retrieval step on synthetic clips: queries, exclusions, labels, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.view import View
from la2ds_cli.features.camera_views import seen
from la2ds_cli.network.load_network import light_base
from la2ds_cli.retrieval import retrieve as tested
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.views import retrieval_sheet as contact_sheet
from la2ds_cli.views.figure import GREEN
from la2ds_cli.views.retrieval_sheet import RED
from tests.movement import add_sequence, sequence, shaken, warped_phase
from tests.told import Notes, refused

PHASE = {"anna": warped_phase(41, 0), "ben": warped_phase(61, 1), "cleo": warped_phase(51, 2)}


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    for name, phase in PHASE.items():
        add_sequence(project, name, sequence(phase))
    return project


def run(
    project: StoredProject, progress: Progress = SILENT, **options: Any
) -> tested.RetrievalResult:
    limits = {name: options.pop(name) for name in ("k", "per_video", "min_gap") if name in options}
    options = {"query": "anna"} | options
    return tested.retrieve(
        project, tested.RetrievalRequest(limits=Limits(**limits), **options), progress
    )


def written(project: StoredProject, **options: Any) -> tested.RetrievalResult:
    return contact_sheet.write(project, run(project, **options), (), Progress())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clip", ("clip", None)),
        ("clip@1.5", ("clip", 1.5)),
        ("a@b.mp4", ("a@b.mp4", None)),
        ("a@b.mp4@2", ("a@b.mp4", 2.0)),
        ("@2", ("@2", None)),
    ],
)
def test_query_text(text: str, expected: tuple) -> None:
    assert tested.parse_query(text) == expected


def test_a_clip_whose_name_ends_like_a_time_is_found(project: StoredProject) -> None:
    video = replace(project.videos()[0], path="jump@60.mp4")
    project.add_videos([video])
    assert len(run(project, query="jump@60").queries) == 5
    assert [query.time for query in run(project, query="jump@60@1").queries] == [1.0]
    project.add_videos([replace(project.videos()[1], path="jump.mp4")])
    with pytest.raises(UserError, match="60 s lies outside"):
        run(project, query="jump@60")


def test_query_rows() -> None:
    pose = sequence(np.linspace(0, 1, 41))  # 2 s at 20 frames per second
    assert tested.query_rows(pose, 1.01) == [20]
    assert tested.query_rows(pose, 0.0) == [0]
    assert tested.query_rows(pose, None) == [4, 12, 20, 28, 36]
    assert tested.query_rows(pose.cut(0, 2), None) == [0, 1]
    for seconds in (-0.2, 2.2):
        with refused(ExitCode.USAGE, "outside"):
            tested.query_rows(pose, seconds)


def test_neighbours_show_the_querys_phase(project: StoredProject) -> None:
    result = run(project, query="anna@1.0", k=4, per_video=1)
    (query,) = result.queries
    assert (query.video, query.index, query.time) == ("anna", 20, 1.0)
    assert [hit.video for hit in query.hits] in (["ben", "cleo"], ["cleo", "ben"])
    for hit in query.hits:
        found = hit
        assert PHASE[found.video][found.index] == pytest.approx(PHASE["anna"][20], abs=0.05)
        assert found.time == found.index / 20
    distances = [hit.distance for hit in query.hits]
    assert distances == sorted(distances)


@pytest.mark.parametrize("features", ["pose", "base"])
def test_the_same_moment_is_found_from_any_side(project: StoredProject, features: str) -> None:
    """One clip filmed from the other side, one of the mirrored person: as filmed, another moment
    is nearer."""
    views: dict[str, View] = {"ben": "other", "cleo": "mirrored"}
    for name, other in views.items():
        add_sequence(project, name, seen(sequence(PHASE[name]), other))

    def off(view: Any) -> float:
        result = run(project, query="anna@1", per_video=1, features=features, view=view)
        if view == "auto":
            told = result.to_json()["queries"][0]["hits"]
            assert {hit["video"]: hit["view"] for hit in told} == views
            assert not any(hit["unsure"] for hit in told)
        found = [hit for hit in result.queries[0].hits]
        return max(abs(PHASE[f.video][f.index] - PHASE["anna"][20]) for f in found)

    assert off("auto") < 0.05
    assert off("filmed") > 0.07


def swing(rest: int, out: int, back: int) -> tuple[np.ndarray, int]:
    """Phase of a swing, and the frame of its impact: a pose is held, left, and passed again, faster
    and the other way."""
    parts = [
        np.full(rest, 0.4),
        0.7 - 0.3 * np.cos(np.linspace(0, np.pi, out, endpoint=False)),
        np.linspace(1.0, 0.05, back),
        np.full(rest // 2, 0.05),
    ]
    impact = rest + out + round(0.6 / 0.95 * (back - 1))
    return np.concatenate(parts), impact


@pytest.mark.parametrize("features", ["pose", "base"])
@pytest.mark.parametrize("name", ["usual", "fast", "coarse", "slow"])
def test_an_impact_is_told_from_the_address_that_shows_the_same_pose(
    tmp_path: Path, features: str, name: str
) -> None:
    """Clips of several rates and lengths, one of them in slow motion, with jitter of the joints."""
    project = StoredProject.create(tmp_path)
    swings = {
        "usual": (swing(60, 30, 15), 30.0),
        "fast": (swing(80, 60, 28), 60.0),
        "coarse": (swing(32, 18, 10), 20.0),
        "slow": (swing(70, 120, 60), 30.0),
    }
    for seed, (clip, ((phase, _), fps)) in enumerate(swings.items()):
        add_sequence(project, clip, shaken(sequence(phase, fps=fps), 1.5, seed))
    (_, impact), fps = swings[name]
    query = f"{name}@{impact / fps!r}"
    (answer,) = run(project, query=query, features=features, per_video=1).queries
    assert len(answer.hits) == 3
    for hit in answer.hits:
        (phase, true), _ = swings[hit.video]
        assert abs(hit.index - true) <= 0.05 * len(phase), hit.video


def test_the_weight_of_the_movement_is_that_of_alignments(project: StoredProject) -> None:
    """Of one number, `align.movement`: 0 compares embeddings alone."""

    def distances(weight: float) -> dict[tuple[str, int], float]:
        (project.root / "project.toml").write_text(f"[align]\nmovement = {weight}\n")
        opened = StoredProject.open(project.root)
        (query,) = run(opened, query="anna@1", features="base", k=40, min_gap=0.0).queries
        return {(hit.video, hit.index): hit.distance for hit in query.hits}

    none, single, double = (distances(weight) for weight in (0.0, 1.0, 2.0))
    both = none.keys() & single.keys() & double.keys()
    assert len(both) > 5
    for frame in both:
        embedding = none[frame] ** 2
        moved = single[frame] ** 2 - embedding / light_base().spread ** 2
        expected = embedding / light_base().spread ** 2 + 2 * moved
        assert double[frame] ** 2 == pytest.approx(expected, rel=1e-3)


def test_rules_hold_for_every_query(project: StoredProject) -> None:
    result = run(project, query="ben", k=6, per_video=4, min_gap=0.3)
    assert len(result.queries) == 5
    for query in result.queries:
        assert len(query.hits) == 6
        assert all(hit.video != "ben" for hit in query.hits)
        for name in ("anna", "cleo"):
            times = sorted(h.time for h in query.hits if h.video == name)
            assert len(times) <= 4
            assert all(np.diff(times) >= 0.3 - 1e-6)


def test_a_query_that_is_like_nothing_is_said_to_be(project: StoredProject) -> None:
    """Upside down and shaking; the others show one movement."""
    add_sequence(project, "odd", shaken(sequence(warped_phase(30, 4), tilt=np.pi), 40))
    few = Notes()
    assert run(project, query="anna@1", progress=few).queries[0].alike is not False
    notes = Notes()
    result = run(project, query="odd", progress=notes)
    assert [query.alike for query in result.queries] == [False] * 5
    assert [query["alike"] for query in result.to_json()["queries"]] == [False] * 5
    (said,) = [
        line for line in notes.lines if line.startswith("nothing similar to odd at 0.15 s, ")
    ]
    assert "farther away than for 99% of the frames" in said
    assert not [line for line in few.lines if "nothing similar" in line]


def test_clips_of_another_skeleton_are_left_out(project: StoredProject) -> None:
    pose = sequence(PHASE["anna"])
    xy, score = np.zeros((41, 17, 2)), np.ones((41, 17))
    add_sequence(project, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    result = run(project)
    assert set(result.left_out) == {"coco"}
    assert "coco17" in result.left_out["coco"]


def test_one_clip_alone_cannot_be_searched(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "anna", sequence(PHASE["anna"]))
    with refused(ExitCode.UNUSABLE, "no other clip"):
        run(project)


def label(project: StoredProject) -> None:
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,0,61,down"]  # wrong in its second half, and cleo has no labels
    project.phases_path.write_text("\n".join(rows) + "\n")


def test_phases_are_compared(project: StoredProject) -> None:
    assert run(project).agreement is None
    label(project)
    early, late = (run(project, query=f"anna@{t}", k=6).queries[0] for t in ("0.5", "1.5"))
    assert (early.phase, late.phase) == ("down", "up")
    for query, same in ((early, True), (late, False)):
        verdicts = {hit.video: hit.same_phase for hit in query.hits}
        assert verdicts == {"ben": same, "cleo": None}
    assert run(project, query="anna@0.5").agreement == 1.0
    assert run(project, query="anna@1.5").agreement == 0.0


def test_a_red_frame_stands_exactly_where_the_phase_differs(project: StoredProject) -> None:
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,0,30,down", "ben,30,61,up"]  # cleo has no labels
    project.phases_path.write_text("\n".join(rows) + "\n")
    seen = set()
    for query in ("anna@0.9", "anna@1.05", "anna"):
        result = run(project, query=query, k=9)
        expected = []
        for found in result.queries:
            expected.append([])  # the query itself
            for hit in found.hits:
                truth = None
                if hit.video == "ben":
                    truth = GREEN if ("down" if hit.index < 30 else "up") == found.phase else RED
                expected.append([truth.lower()] if truth else [])
                seen.add(truth)
        sheet = contact_sheet.draw(project, result)
        boxes = [[to_hex(box.get_edgecolor()) for box in axes.patches] for axes in sheet.axes]
        assert boxes == expected
    assert seen == {None, GREEN, RED}


def test_default_files(project: StoredProject) -> None:
    result = written(project, query="anna")
    folder = project.root / "results" / "retrieve"
    assert result.files == (folder / "anna.png", folder / "anna.json")
    assert result.files[0].read_bytes().startswith(b"\x89PNG")
    data = json.loads(result.files[1].read_text())
    assert data == json.loads(json.dumps(result.to_json()))
    assert data["schema_version"] == 1
    assert len(data["queries"]) == 5
    assert set(data["queries"][0]["hits"][0]) >= {"video", "index", "time", "distance", "phase"}


def test_a_clip_and_its_seconds_are_no_text(project: StoredProject) -> None:
    """An @ in the name of a clip means nothing there."""
    pair = run(project, query=("ben", 1.0), features="pose")
    assert pair.queries == run(project, query="ben@1.0", features="pose").queries
    assert len(run(project, query=("ben", None), features="pose").queries) == tested.QUERY_FRAMES
    with refused(ExitCode.UNREADABLE):
        run(project, query=("ben@1.0", None), features="pose")


def test_the_frame_has_the_numbers_of_the_json(project: StoredProject) -> None:
    rows = "video,start,end,phase\nanna,0,20,down\nben,0,30,down\n"
    project.phases_path.write_text(rows, "utf-8")
    result = run(project, features="pose", k=3)
    frame = result.to_frame()
    assert frame.attrs["units"] == {"query_time": "s", "time": "s"}
    document = result.to_json()["queries"]
    expected = [(query, hit) for query in document for hit in query["hits"]]
    assert len(frame) == len(expected) > tested.QUERY_FRAMES
    ranks = [n + 1 for query in document for n in range(len(query["hits"]))]
    assert frame["rank"].tolist() == ranks
    for row, (query, hit) in zip(frame.to_dict("records"), expected, strict=True):
        assert (row["query"], row["query_time"]) == (query["video"], query["time"])
        known = {name: value for name, value in hit.items() if value is not None}
        assert {name: row[name] for name in known} == known
        assert all(row[name] is None or row[name] != row[name] for name in hit.keys() - known)
