"""What the page of a pair asks: the alignment, the anchors that a person sets, and files."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.annotations import ANCHOR, NOTE
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.offset.find_offsets import align_recordings
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.held_pairs import HeldPair, HeldPairs
from la2ds_cli.studio.pair_page import RequestedPair, export_arguments, pair_data
from la2ds_cli.views.report.pair import write_pair
from la2ds_cli.views.report.pair_data import certainty_sentences
from tests.alignment.test_same_movement import kicking
from tests.alignments import matched, timed
from tests.movement import add_sequence, sequence, warped_phase
from tests.offset.recordings import film, performed
from tests.studio.browsing import asked, check_refused, finished
from tests.studio.four_clips import four_clips
from tests.studio.marks import drawing, drawn, put
from tests.views.report.conftest import two_filmed

PAIR, SWAPPED = {"a": "a", "b": "b"}, {"a": "b", "b": "a"}


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25


LINE = {"kind": "line", "side": "a", "points": [[10.5, 20], [30, 200.25]]}
OTHER = LINE | {"points": [[10.5, 20], [31, 200.25]]}
ANGLE = {"kind": "angle", "side": "b", "points": [[10, 20], [30, 40], [60, 5]]}


def anchor(a: Any, b: Any) -> dict[str, Any]:
    return {"kind": "anchor", "frames": [a, b]}


def note(frames: Any, text: Any) -> dict[str, Any]:
    return {"kind": "note", "frames": frames, "text": text}


def change(
    client: TestClient, old: list[Any], new: list[Any], pair: dict[str, str] = PAIR
) -> dict[str, Any]:
    answer = client.post("/pair/change", json=pair | {"old": old, "new": new})
    assert answer.status_code == 200, answer.text
    return answer.json()


def frames_of(found: dict[str, Any]) -> list[list[int]]:
    return [one["frames"] for one in found["anchors"]]


def lines_of(found: dict[str, Any], side: str = "a") -> list[Any]:
    return [{**one, "side": side} for one in found["drawings"][side]]


def test_slow_motion_is_told_with_what_to_do_in_the_studio(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    for name, count in (("a", 40), ("b", 160)):
        add_sequence(project, name, sequence(warped_phase(count, 1), fps=20.0))
    (note,) = [each for each in HeldPair.prepared(project, "a", "b").notes if "slow" in each]
    assert re.match(r"b\.mat moves [34]\.\d times slower than a\.mat: if it was filmed", note)
    assert "Clips page" in note


def test_the_page_shows_what_a_command_finds(project: StoredProject) -> None:
    with asked(project) as client:
        data = client.get("/pair/data", params=PAIR).json()
        assert client.get("/pair", params=PAIR).status_code == 200
    result = align_clips(project, "a", "b", AlignRequest(project.config()))
    assert data["position"] == pytest.approx(result.position.tolist(), abs=2e-3)
    assert [len(data[side]["time"]) for side in "ab"] == [36, 30]
    assert [len(data[side]["window"]) for side in "ab"] == [36, 30]
    assert [data[side]["pictures"]["count"] for side in "ab"] == [36, 30]
    assert data["anchors"] == []


def test_notes_name_the_clips_as_the_page_does_and_say_nothing_twice(
    project: StoredProject,
) -> None:
    project.add_videos([replace(project.videos()[0], path="videos/Anna: try 1.mp4")])
    held = HeldPair.prepared(project, "a", "b")
    held.notes[:] = ["a: the joints tremble", held.plain.reason, "a: b", "no clip: b"]
    told = pair_data(held, Films(project))
    name = "Anna: try 1.mp4"
    assert told["notes"] == [f"{name}: the joints tremble", f"{name}: b", "no clip: b"]
    assert told["reason"] == held.plain.reason


def test_an_anchor_moves_the_match_as_the_option_of_the_command_does(
    project: StoredProject,
) -> None:
    with asked(project) as client:
        plain = client.get("/pair/data", params=PAIR).json()
        wrong = int(plain["position"][18]) + 4
        found = change(client, [], [anchor(18, wrong)])
    with asked(project) as client:  # another day
        assert client.get("/pair/data", params=PAIR).json()["position"] == found["position"]
        other = client.get("/pair/data", params=SWAPPED).json()
    assert (frames_of(other), other["position"][wrong]) == ([[wrong, 18]], 18)
    assert found["position"][18] == wrong
    assert found["position"] != plain["position"]
    seconds = 18 / 20, wrong / 25
    assert found["anchors"] == [{"frames": [18, wrong], "seconds": pytest.approx(seconds)}]
    by_option = AlignRequest(project.config(), features="base", anchors=(seconds,))
    result = align_clips(project, "a", "b", by_option)
    assert found["position"] == pytest.approx(result.position.tolist(), abs=2e-3)


STEPS: list[tuple[list[Any], list[Any], dict[str, str]]] = [  # what goes, what comes
    ([], [anchor(10, 8)], PAIR),
    ([], [anchor(24, 30)], SWAPPED),
    ([anchor(30, 24)], [anchor(30, 26)], PAIR),
    ([], [note([20, 15], "hips <b>first</b>")], PAIR),
    ([], [note([4, None], "only A")], PAIR),
    ([note([15, 20], "hips <b>first</b>")], [], SWAPPED),
    ([], [LINE], PAIR),
    ([], [ANGLE], PAIR),
    ([LINE], [OTHER], PAIR),
]


def test_each_change_is_taken_back_by_its_inverse(project: StoredProject) -> None:
    """And what has been set otherwise meanwhile stays."""
    with asked(project) as client:

        def now() -> list[Any]:
            data = client.get("/pair/data", params=PAIR).json()
            lines = lines_of(data), lines_of(data, "b")
            return [
                [one["text"] for one in data["written"]],
                frames_of(data),
                *lines,
                data["position"],
            ]

        before = []
        for old, new, pair in STEPS:
            before.append(now())
            found = change(client, old, new, pair)
            assert ("position" in found) == any(one["kind"] == "anchor" for one in old + new)
        assert now()[:4] == [["only A"], [[10, 8], [30, 26]], [OTHER], [ANGLE]]
        put(project, NOTE, ("b", "a"), (1, 1), "by hand")
        for (old, new, pair), (texts, *rest) in zip(STEPS[::-1], before[::-1], strict=True):
            change(client, new, old, pair)
            assert now() == [["by hand", *texts], *rest]


def test_an_anchor_reads_no_clip_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the pair nor those through which they are aligned."""
    project = four_clips(tmp_path)
    with asked(project) as client:
        plain = client.get("/pair/data", params=PAIR).json()
        monkeypatch.delattr(StoredProject, "read_pose")
        found = change(client, [], [anchor(18, int(plain["position"][18]) + 4)])
    assert found["position"] != plain["position"]


def line(*points: Any) -> dict[str, Any]:
    return LINE | {"points": list(points)}


NO_REQUEST = "this request is not from a page of the studio"
TEXTS = ("", " ", " x", "a\nb", "a\x00", "x" * 501, None)
PLACES = ("12", None, [1.5, 2], [True, 2], {"a": 1})
WRONG = ([True, 2], ["1", 2], {"x": 1}, [[1], 2])
POINTS = ("12", None, *([[1, 2], point] for point in WRONG))
REFUSED = [
    (anchor(20, 4), "contradict"),
    *((anchor(*frames), "no such frame") for frames in ((20, 400), (-1, 3))),
    ({"kind": "anchor", "frames": [1, None]}, "a frame of A and one of B"),
    *((note([20, 15], text), "a note") for text in TEXTS),
    *((note(frames, "x"), "of A, of B, or of both") for frames in ([None, None], [1], [1, 2, 3])),
    *((note(frames, "x"), "no such frame") for frames in ([400, 2], [2, 400], [None, -1])),
    ({"kind": "circle", "frames": [1, 2]}, "neither an anchor nor a note"),
    (line([1, 2]) | {"kind": "square"}, "none of line, angle, circle"),
    (line([1, 2]), "points must be 2, not 1"),
    (line([1, 2], [1, 2.001]), "are the same"),
    *((line([1, 2], [319.6, 4]), "within the picture"), (line([1, -0.6], [3, 4]), "within")),
    *((line([1, 2], point), "of two numbers each") for point in ([1], [1, 2, 3])),
    *((LINE | {"side": side}, "clip A or B") for side in ("c", "")),
    *((note([20, 15], text), NO_REQUEST) for text in (3, ["x"])),
    *(({"kind": "anchor", "frames": frames}, NO_REQUEST) for frames in PLACES),
    *((LINE | {"points": points}, NO_REQUEST) for points in POINTS),
    *((one, NO_REQUEST) for one in ("line", [], {}, LINE | {"kind": ["line"]}, LINE | {"side": 1})),
]


def test_what_cannot_be_set_is_refused_and_nothing_is_kept(project: StoredProject) -> None:
    with asked(project) as client:
        longest = note([19, 14], "x" * 500)  # which is kept
        change(client, [], [anchor(10, 8), note([20, 15], "x"), longest, LINE])
        before = project.annotations_path.read_bytes()
        cases = [(PAIR | {"old": [], "new": [new]}, said) for new, said in REFUSED]
        there = anchor(10, 8), note([20, 15], "x"), LINE
        cases += [(PAIR | {"old": [], "new": [one]}, "already exists") for one in there]
        gone = anchor(10, 9), note([20, 15], "y"), note([20, 14], "x"), OTHER, ANGLE
        cases += [(PAIR | {"old": [one], "new": []}, "changed or removed") for one in gone]
        nobody = {"a": "a", "b": "x", "old": [], "new": [LINE]}
        cases += [(PAIR, NO_REQUEST), (nobody, "a clip of the project")]
        check_refused(client, "/pair/change", cases)
        for number in (float("nan"), 10**400):  # which a client of ours does not send
            text = json.dumps(PAIR | {"old": [], "new": [line([1, 2], [3, number])]})
            assert client.post("/pair/change", content=text).status_code == 400
        assert project.annotations_path.read_bytes() == before


def test_a_pair_is_two_clips_with_joints(project: StoredProject) -> None:
    with asked(project) as client:

        def said(**pair: str) -> str:
            answer = client.get("/pair/data", params=pair)
            assert answer.status_code in (400, 409)
            return answer.json()["error"]

        assert "two different clips" in said(a="a", b="a")
        assert "choose a clip of the project" in said(a="a", b="nobody")
        assert "choose a clip of the project" in said(a="a", b="")
        project.pose_path("b").unlink()
        assert "b.mp4 has no joints yet" in said(**PAIR)
        assert "this page needs 2 clips with joints; the project has 1" in client.get("/pair").text


def test_a_clip_that_changed_is_prepared_again(project: StoredProject) -> None:
    pairs = HeldPairs(project)
    before = pairs.get("a", "b")
    assert pairs.get("a", "b") is before
    time.sleep(0.02)
    project.write_pose("b", *project.read_pose("b"))
    assert pairs.get("a", "b") is not before


def test_an_export_is_a_command_with_the_anchors_and_then_a_file(project: StoredProject) -> None:
    add_sequence(project, "-c", sequence(warped_phase(24, 5)))  # no option
    put(project, ANCHOR, ("a", "b"), (18, 15))
    held = HeldPair.prepared(project, "a", "b")
    pair = RequestedPair(project.clip("a"), project.clip("b"))
    for kind, name in (("video", "sync"), ("sheet", "compare")):
        command = export_arguments(held, pair, kind)
        assert (command[0], command[-3:]) == (name, ["--", "a", "b"])
        assert {"--anchor=0.9=0.6", "--features=base"} <= set(command)
    with asked(project) as client:
        assert client.get("/pair/exported/table", params=PAIR).status_code == 400
        for pair in ({"a": "a", "b": "-c"}, PAIR):
            job = finished(client, client.post("/pair/export", json=pair | {"kind": "table"}))
            assert job["state"] == "done", job
        table = client.get("/pair/exported/table", params=PAIR)
        assert "attachment" in table.headers["content-disposition"]
        rows = [line.split(",") for line in table.text.splitlines()]
        assert ["18", "15"] in [row[:2] for row in rows]
        check_refused(client, "/pair/export", [(PAIR | {"kind": "../x"}, "unknown kind of export")])


def test_a_page_of_a_report_has_the_notes_but_not_with_privacy(project: StoredProject) -> None:
    put(project, NOTE, ("b", "a"), (15, 20), "</script><b>hips")
    result = align_clips(project, "a", "b", AlignRequest(project.config()))
    written = write_pair(project, result).read_text()
    assert (
        r'"written":[{"frames":[20,15],"text":"\u003c/script\u003e\u003cb\u003ehips"}]' in written
    )
    private = write_pair(project, result, privacy=True).read_text()
    assert '"written":[]' in private
    assert "hips" not in private


def test_a_clip_has_at_most_a_hundred_drawings(project: StoredProject) -> None:
    lines = [drawing("a", (0.0, 0.0), (float(k), 9.0)) for k in range(99)]
    project.change_annotations([], lines)
    with asked(project) as client:
        change(client, [], [LINE])
        full = PAIR | {"old": [], "new": [ANGLE | {"side": "a"}]}
        check_refused(client, "/pair/change", [(full, "a clip can have at most 100 drawings")])
        change(client, [], [ANGLE])
        change(client, [LINE], [OTHER])  # none more
    assert len(drawn(project, "a")) == 100


def test_drawings_hold_for_the_way_the_clip_is_turned(project: StoredProject) -> None:
    with asked(project) as client:
        change(client, [], [LINE])
        known = client.get("/pair/data", params=PAIR).json()["version"]
        pose, recipe = project.read_pose("a")
        project.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
        assert client.get("/pair/data", params=PAIR).json()["drawings"]["a"] == []
        client.headers["if-match"] = known
        meanwhile = PAIR | {"old": [], "new": [OTHER]}
        check_refused(client, "/pair/change", [(meanwhile, "changed meanwhile")], 409)
        project.write_pose("a", pose, recipe)
        assert lines_of(client.get("/pair/data", params=PAIR).json()) == [LINE]
    assert len(project.annotations()) == 1


def test_another_movement_is_refused_until_it_is_forced(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    add_sequence(project, "a", sequence(warped_phase(60, 1)))
    add_sequence(project, "b", kicking(85))
    with asked(project) as client:
        for force in ("", "1", ""):  # also when it is held
            answer = client.get("/pair/data", params=PAIR | {"force": force})
            said = answer.json()
            if force:
                assert "do not show the same movement" in said["warnings"][0]
            else:
                assert answer.status_code == 400
                assert said["kind"] == "OTHER_MOVEMENT"
                assert said["error"].startswith("a.mat and b.mat do not show the same movement")


def test_a_view_is_one_of_those_and_reaches_what_is_asked(project: StoredProject) -> None:
    with asked(project) as client:
        for path in ("/pair/data", "/pair"):
            wrong = client.get(path, params=PAIR | {"view": "behind"})
            assert (wrong.status_code, wrong.json()["error"]) == (400, "unknown view 'behind'")
        for view in ("auto", "filmed", "mirrored", "other"):
            answer = client.get("/pair/data", params=PAIR | {"view": view})
            assert answer.json()["b"]["flipped"] == (view in ("mirrored", "other")), view
    pair = RequestedPair(project.clip("a"), project.clip("b"), "other")
    assert "--view=other" in export_arguments(pair.held(HeldPairs(project)), pair, "table")


@pytest.mark.parametrize(
    ("confidence", "gone", "ratio", "said"),
    [
        ([0.95] * 4, 0, 1.02, "Reliable for all of A, usually to within 0.1 s."),
        ([0.95] * 2 + [0.2] * 2, 0, 0.5, "Reliable for 50 % of A, usually to within 0.1 s. "
         "Check the moments below. B is 2.0 times as fast as A."),
        ([0.2] * 4, 0, 1.5, "Nowhere reliable. A is 1.5 times as fast as B."),
        ([0.95] * 4, 1, math.nan, "Reliable for 75 % of A, usually to within 0.1 s. "
         "B does not show 25 % of A."),
    ],
)  # fmt: skip
def test_how_sure_it_is_in_plain_words(
    confidence: list[float], gone: int, ratio: float, said: str
) -> None:
    position = np.arange(4.0) * 10
    position[:gone] = np.nan
    clips = timed(np.arange(4) / 3), timed(np.arange(31) / 10)
    result = matched(
        position,
        *clips,
        confidence=np.array(confidence),
        low=position - 1,
        high=position + 1,
        overall_ratio=ratio,
    )
    assert certainty_sentences(result) == said


def test_recordings_of_one_performance_are_played_by_their_clocks(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    points = performed(1)
    recordings = {"front": film(points, 0, 25, lag=-0.4), "side": film(points, 50, 30, (0, 0.9))}
    recordings["take"] = film(performed(1, 1), 30)
    for name, pose in recordings.items():
        add_sequence(project, name, pose)
    both = {"a": "front", "b": "side", "view": "performance"}
    put(project, ANCHOR, ("front", "side"), (10, 60))  # of a wrong match, which no clock has
    request = AlignRequest(project.config(), same_only=True)
    result = align_recordings(project, "front", "side", request, Progress())
    with asked(project) as client:
        data = client.get("/pair/data", params=both).json()
        position = [math.nan if row is None else row for row in data["position"]]
        wanted = result.position.tolist()
        assert position == pytest.approx(wanted, abs=2e-3, nan_ok=True)
        assert (data["anchors"], data["method"], data["notes"]) == ([], "offset", [])
        lag = (
            r"side.mat: seconds of front.mat plus [-\d.]+, to within [\d.]+ s in nine cases of ten"
            r" at [\d.]+ s"
        )
        assert re.match(
            rf"{lag}; [\d.]+ s overlap\. Reliable for \d+ % of A", data["certainty_text"]
        )
        change(client, [], [note([20, 44], "x")], both)
        for force, status in (("", 400), ("1", 200), ("", 400)):  # also when it is held
            other = both | {"b": "take", "force": force}
            answer = client.get("/pair/data", params=other)
            assert answer.status_code == status
            said = answer.json().get("error", "take does not show the performance of front")
            assert "take does not show the performance of front" in said
        check_refused(
            client, "/pair/export", [(both | {"kind": "table"}, "cannot be exported as table")]
        )
    pair = RequestedPair(project.clip("front"), project.clip("side"), "performance")
    command = export_arguments(pair.held(HeldPairs(project)), pair, "video")
    assert (command[0], "--same-performance" in command) == ("sync", True)
    assert not any(one.startswith(("--anchor", "--view", "--features")) for one in command)
