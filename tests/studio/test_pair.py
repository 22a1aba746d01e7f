"""What the page of a pair asks: the alignment, the anchors that a person sets, and files."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.testclient import TestClient

from la2ds_cli.alignment import consensus
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core import artifact
from la2ds_cli.core.annotations import ANCHOR, NOTE, Annotation, Moment
from la2ds_cli.core.project import Project
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.held_pairs import HeldPair, HeldPairs
from la2ds_cli.studio.pair import VIEWS, _checked_pair, export_arguments, pair_data
from la2ds_cli.views.report.pair import write_pair
from la2ds_cli.views.report.pair_data import sureness
from tests.alignment.test_same_movement import kicking
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import asked, check_refused, finished
from tests.studio.marks import drawing, drawn, put, shown
from tests.views.report.conftest import two_filmed

PAIR = {"a": "a", "b": "b"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return two_filmed(tmp_path)  # 36 frames at 20 per second, 30 at 25


def set_anchor(client: TestClient, frame_a: int, frame_b: int) -> Any:
    return client.post("/pair/anchor", json=PAIR | {"frames": [frame_a, frame_b]})


def test_the_page_shows_what_a_command_finds(project: Project) -> None:
    with asked(project) as client:
        data = client.get("/pair/data", params=PAIR).json()
        assert client.get("/pair", params=PAIR).status_code == 200
    result = find_alignment(project, "a", "b", AlignRequest(project.config()))
    assert data["position"] == pytest.approx(result.alignment.position.tolist(), abs=2e-3)
    assert [len(data[side]["time"]) for side in "ab"] == [36, 30]
    assert [len(data[side]["window"]) for side in "ab"] == [36, 30]
    assert [data[side]["pictures"]["count"] for side in "ab"] == [36, 30]
    assert data["anchors"] == []
    assert data["undo"] == 0


def test_notes_name_the_clips_as_the_page_does_and_say_nothing_twice(project: Project) -> None:
    project.add_videos([replace(project.videos()[0], path="videos/Anna: try 1.mp4")])
    held = HeldPair.prepared(project, "a", "b")
    held.notes[:] = ["a: the joints tremble", held.plain.reason, "a: b", "no clip: b"]
    told = pair_data(held, Films(project))
    assert told["notes"] == [
        "Anna: try 1.mp4: the joints tremble",
        "Anna: try 1.mp4: b",
        "no clip: b",
    ]
    assert told["reason"] == held.plain.reason


def test_an_anchor_moves_the_match_as_the_option_of_the_command_does(project: Project) -> None:
    with asked(project) as client:
        plain = client.get("/pair/data", params=PAIR).json()
        wrong = int(plain["position"][18]) + 4
        found = set_anchor(client, 18, wrong).json()
    assert found["position"][18] == wrong
    assert found["position"] != plain["position"]
    assert found["anchors"][0]["frames"] == [18, wrong]
    assert found["anchors"][0]["seconds"] == pytest.approx([18 / 20, wrong / 25])
    by_option = AlignRequest(project.config(), features="base", anchors=((18 / 20, wrong / 25),))
    result = find_alignment(project, "a", "b", by_option)
    assert found["position"] == pytest.approx(result.alignment.position.tolist(), abs=2e-3)


def test_anchors_stay_in_the_project_and_hold_for_either_order(project: Project) -> None:
    with asked(project) as client:
        set_anchor(client, 18, 15)
    with asked(project) as client:  # another day
        found = client.get("/pair/data", params=PAIR).json()
        assert [one["frames"] for one in found["anchors"]] == [[18, 15]]
        assert found["position"][18] == 15
        other = client.get("/pair/data", params={"a": "b", "b": "a"}).json()
    assert [one["frames"] for one in other["anchors"]] == [[15, 18]]
    assert other["position"][15] == 18


def test_anchors_are_moved_removed_and_taken_back(project: Project) -> None:
    with asked(project) as client:
        set_anchor(client, 10, 8)
        set_anchor(client, 20, 16)
        moved = set_anchor(client, 20, 18).json()
        assert [one["frames"] for one in moved["anchors"]] == [[10, 8], [20, 18]]
        gone = client.post("/pair/anchor/remove", json=PAIR | {"frames": [10, 8]}).json()
        assert [one["frames"] for one in gone["anchors"]] == [[20, 18]]
        steps = []
        for left in (3, 2, 1, 0):
            back = client.post("/pair/undo", json=PAIR).json()
            assert back["undo"] == left
            steps.append([one["frames"] for one in back["anchors"]])
        assert steps == [[[10, 8], [20, 18]], [[10, 8], [20, 16]], [[10, 8]], []]
        plain = client.get("/pair/data", params=PAIR).json()
        assert back["position"] == plain["position"]
        assert client.post("/pair/undo", json=PAIR).status_code == 400


def test_what_runs_backwards_or_lies_outside_is_refused_and_nothing_is_kept(
    project: Project,
) -> None:
    with asked(project) as client:
        set_anchor(client, 10, 8)
        before = project.annotations_path.read_bytes()
        answer = set_anchor(client, 20, 4)
        assert answer.status_code == 400
        assert "contradict" in answer.json()["error"]
        for frames in ([20, 400], [-1, 3], [1], ["x", 2], [True, 2]):
            answer = client.post("/pair/anchor", json=PAIR | {"frames": frames})
            assert answer.status_code == 400, frames
        assert project.annotations_path.read_bytes() == before


def test_frames_that_are_no_two_numbers_are_refused(project: Project) -> None:
    wrong = (None, 5, True, 1.5, "01", [0], [0, 1.5], [0, -1], {"0": 1})
    cases = [(PAIR | {"frames": frames}, "needs a frame of A and a frame of B") for frames in wrong]
    with asked(project) as client:
        for path in ("/pair/anchor", "/pair/anchor/remove"):
            check_refused(client, path, cases)


def test_anchors_of_other_pairs_and_of_frames_that_are_not_shown_stay(project: Project) -> None:
    others = [
        Annotation(ANCHOR, Moment("x", 1, 1.0), Moment("y", 1, 2.0)),
        Annotation(ANCHOR, Moment("a", 1, 25.0), Moment("b", 1, 24.0)),  # of a longer cut
    ]
    project.change_annotations([], others)
    with asked(project) as client:
        assert client.get("/pair/data", params=PAIR).json()["anchors"] == []
        set_anchor(client, 10, 8)
    assert shown(project, ANCHOR, "a", "b") == [((10, 8), "")]
    assert project.annotations()[:2] == others


def test_a_pair_is_two_clips_with_joints(project: Project) -> None:
    with asked(project) as client:

        def said(**pair: str) -> str:
            answer = client.get("/pair/data", params=pair)
            assert answer.status_code in (400, 409)
            return answer.json()["error"]

        assert "two different clips" in said(a="a", b="a")
        assert "choose a clip of the project" in said(a="a", b="nobody")
        assert "choose two clips" in said(a="a", b="")
        project.pose_path("b").unlink()
        assert "b.mp4 has no joints yet" in said(**PAIR)
        assert "needs two clips" in client.get("/pair").text


def test_a_clip_that_changed_is_prepared_again(project: Project) -> None:
    with asked(project) as client:
        client.get("/pair/data", params=PAIR)
        pose, recipe = project.read_pose("b")
        time.sleep(0.02)
        project.write_pose("b", pose, recipe)
        held = client.app.state.studio.pairs  # type: ignore[attr-defined]
        before = held.get("a", "b")
        assert held.get("a", "b") is before
        time.sleep(0.02)
        project.write_pose("b", pose, recipe)
        assert held.get("a", "b") is not before


def test_exports_are_commands_with_the_anchors(project: Project) -> None:
    held = HeldPair.prepared(project, "a", "b")
    pair = _checked_pair(project, "a", "b")
    assert not any("--anchor" in one for one in export_arguments(held, pair, "video"))
    put(project, ANCHOR, ("a", "b"), (18, 15))
    command = export_arguments(held, pair, "video")
    assert command[:3] == ["sync", "a", "b"]
    assert "--anchor=0.9=0.6" in command
    assert "--features=base" in command
    assert command[-1] == f"--out={project.root}/results/studio/a--b.mp4"
    command = export_arguments(held, pair, "sheet")  # `compare` takes no anchors
    assert command[:3] == ["compare", "a", "b"]
    assert not any("--anchor" in one or "--features" in one for one in command)
    assert command[-1].endswith("a--b.sheet.png")


def test_an_export_is_a_job_and_then_a_file(project: Project) -> None:
    with asked(project) as client:
        assert client.get("/pair/exported/table", params=PAIR).status_code == 400
        set_anchor(client, 18, 15)
        job = finished(client, client.post("/pair/export", json=PAIR | {"kind": "table"}))
        assert job["state"] == "done", job
        listed = client.get("/pair/exports", params=PAIR).json()
        assert [one["kind"] for one in listed] == ["table"]
        table = client.get("/pair/exported/table", params=PAIR)
        assert "attachment" in table.headers["content-disposition"]
        rows = [line.split(",") for line in table.text.splitlines()]
        assert ["18", "15"] in [row[:2] for row in rows]
        assert client.post("/pair/export", json=PAIR | {"kind": "../x"}).status_code == 400


def test_an_anchor_reads_no_clip_again_and_aligns_each_other_clip_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the alignment follows at once: 0.1 s of one processor with twelve other clips."""
    project = Project.create(tmp_path / "project")
    for number in range(14):
        length = 70 + 3 * number
        pose = sequence(warped_phase(length, number), fps=20.0 + number % 3)
        add_sequence(project, f"clip{number:02}", pose)
    pair = {"a": "clip00", "b": "clip05"}
    with asked(project) as client:
        data = client.get("/pair/data", params=pair).json()
        assert data["references"] == 12
        read, aligned = [], []
        align_each = consensus.align_each

        def counted(a: Any, clips: Any, config: Any) -> Any:
            aligned.extend(clips)
            return align_each(a, clips, config)

        monkeypatch.setattr(artifact, "read_arrays", read.append)
        monkeypatch.setattr(consensus, "align_each", counted)
        for row in (20, 35, 50):
            frames = [row, int(data["position"][row]) + 1]
            assert client.post("/pair/anchor", json=pair | {"frames": frames}).status_code == 200
    assert read == []
    assert 3 * 12 <= len(aligned) <= 3 * 12 * 8


def test_undo_after_a_swap_leaves_what_was_set_before_and_after_it(project: Project) -> None:
    """The changes of a pair are undone in their order, whichever clip is A."""
    swapped = {"a": "b", "b": "a"}
    with asked(project) as client:
        set_anchor(client, 10, 8)
        client.post("/pair/anchor", json=swapped | {"frames": [24, 30]})
        note(client, [20, 15], "one")
        client.post(
            "/pair/note", json=swapped | {"frames": [15, 20], "text": "one", "remove": True}
        )
        draw(client, "a", new=LINE)
        assert client.get("/pair/data", params=swapped).json()["undo"] == 5
        steps = []
        for pair in (PAIR, PAIR, swapped, PAIR, swapped):
            assert client.post("/pair/undo", json=pair).status_code == 200
            frames = [one for one, _ in shown(project, ANCHOR, "a", "b")]
            steps.append((frames, [text for _, text in shown(project, NOTE, "a", "b")]))
        assert client.post("/pair/undo", json=PAIR).status_code == 400
    both = [(10, 8), (30, 24)]
    assert steps == [(both, []), (both, ["one"]), (both, []), ([(10, 8)], []), ([], [])]


def test_undo_leaves_anchors_that_were_set_otherwise(project: Project) -> None:
    with asked(project) as client:
        set_anchor(client, 10, 8)
        put(project, ANCHOR, ("a", "b"), (30, 24))
        client.post("/pair/undo", json=PAIR)
    assert shown(project, ANCHOR, "a", "b") == [((30, 24), "")]


# --- notes ----------------------------------------------------------------------------------------


def note(client: TestClient, frames: Any, text: Any, **more: Any) -> Any:
    return client.post("/pair/note", json=PAIR | {"frames": frames, "text": text} | more)


def test_notes_are_kept_and_hold_for_either_order(project: Project) -> None:
    with asked(project) as client:
        found = note(client, [20, 15], "hips <b>first</b>").json()
        assert found["written"] == [{"frames": [20, 15], "text": "hips <b>first</b>"}]
        note(client, [4, None], "only here")
    with asked(project) as client:  # another day
        data = client.get("/pair/data", params=PAIR).json()
        assert [one["text"] for one in data["written"]] == ["only here", "hips <b>first</b>"]
        other = client.get("/pair/data", params={"a": "b", "b": "a"}).json()["written"]
    assert [one["frames"] for one in other] == [[15, 20], [None, 4]]
    rows = project.annotations()
    assert [(one.at.file, one.value) for one in rows] == [
        ("a", "hips <b>first</b>"),
        ("a", "only here"),
    ]
    assert all(one.set.startswith("20") for one in rows)


def test_a_note_is_removed_where_the_clips_are_exchanged_and_others_stay(project: Project) -> None:
    put(project, NOTE, ("b", "a"), (15, 20), "hips")
    kept = Annotation(NOTE, Moment("a", 1, 1.0), Moment("c", 1, 0.6), "hips")
    project.change_annotations([], [kept])
    with asked(project) as client:
        assert note(client, [20, 15], "hips", remove=True).json()["written"] == []
        assert project.annotations() == [kept]
        client.post("/pair/undo", json=PAIR)
    assert len(project.annotations()) == 2
    assert shown(project, NOTE, "a", "b") == [((20, 15), "hips")]


def test_what_is_no_note_is_refused(project: Project) -> None:
    texts = ("", " ", " x", "a\nb", "a\x00", "x" * 501, None, 3, ["x"])
    places = ([None, None], [1], [1, 2, 3], "12", None, [1.5, 2], [-1, 2], [True, 2], {"a": 1})
    wrong = [
        *(([20, 15], text, "a note") for text in texts),
        *((frames, "x", "a note must be at") for frames in places),
        *((frames, "x", "no such frame") for frames in ([400, 2], [2, 400])),
    ]
    cases = [(PAIR | {"frames": frames, "text": text}, said) for frames, text, said in wrong]
    with asked(project) as client:
        check_refused(client, "/pair/note", cases)
    assert not project.annotations_path.exists()


def test_one_note_is_not_written_twice_nor_removed_twice(project: Project) -> None:
    with asked(project) as client:
        note(client, [20, 15], "x")
        assert note(client, [20, 15], "x").status_code == 400
        assert note(client, [20, 14], "x" * 500).status_code == 200
        assert note(client, [20, 15], "x", remove=True).status_code == 200
        assert note(client, [20, 15], "x", remove=True).status_code == 400


def test_a_page_of_a_report_has_the_notes_but_not_with_privacy(project: Project) -> None:
    put(project, NOTE, ("b", "a"), (15, 20), "</script><b>hips")
    result = find_alignment(project, "a", "b", AlignRequest(project.config()))
    written = write_pair(project, result).file.read_text()
    assert (
        r'"written":[{"frames":[20,15],"text":"\u003c/script\u003e\u003cb\u003ehips"}]' in written
    )
    private = write_pair(project, result, privacy=True).file.read_text()
    assert '"written":[]' in private
    assert "hips" not in private


# --- drawings -------------------------------------------------------------------------------------

LINE = {"kind": "line", "points": [[10.5, 20], [30, 200.25]]}
OTHER = {"kind": "line", "points": [[10.5, 20], [31, 200.25]]}
ANGLE = {"kind": "angle", "points": [[10, 20], [30, 40], [60, 5]]}


def draw(client: TestClient, side: Any = "a", old: Any = None, new: Any = None, **more: Any) -> Any:
    return client.post("/pair/drawing", json=PAIR | {"side": side, "old": old, "new": new} | more)


def test_drawings_belong_to_a_clip_in_each_of_its_pairs(project: Project) -> None:
    add_sequence(project, "c", sequence(warped_phase(24, 4), fps=20.0))
    with asked(project) as client:
        assert client.get("/pair/data", params=PAIR).json()["drawings"] == {"a": [], "b": []}
        draw(client, "a", new=LINE)
        found = draw(client, "b", new=ANGLE).json()
        assert found == {"drawings": {"a": [LINE], "b": [ANGLE]}, "undo": 2}
    with asked(project) as client:  # another day
        other = client.get("/pair/data", params={"a": "b", "b": "c"}).json()
        assert other["drawings"] == {"a": [ANGLE], "b": []}
    rows = project.annotations()
    assert [(one.at.file, one.kind) for one in rows] == [("a", "line"), ("b", "angle")]
    assert all(one.set.startswith("20") for one in rows)


def test_drawings_are_moved_removed_and_taken_back_in_the_order_of_all_changes(
    project: Project,
) -> None:
    far = drawing("c", (1.0, 2.0), (3.0, 4.0))
    project.change_annotations([], [far])
    with asked(project) as client:
        draw(client, new=LINE)
        set_anchor(client, 10, 8)
        draw(client, new=ANGLE)
        moved = draw(client, old=LINE, new=OTHER).json()["drawings"]["a"]
        assert moved == [OTHER, ANGLE]
        assert draw(client, old=ANGLE).json() == {"drawings": {"a": [OTHER], "b": []}, "undo": 5}
        steps = []
        for _ in range(5):
            back = client.post("/pair/undo", json=PAIR).json()
            steps.append((back["drawings"]["a"], len(back["anchors"])))
        assert steps == [([OTHER, ANGLE], 1), ([LINE, ANGLE], 1), ([LINE], 1), ([LINE], 0), ([], 0)]
        assert client.post("/pair/undo", json=PAIR).status_code == 400
    assert project.annotations() == [far]


def test_undo_draws_nothing_twice_that_another_pair_has_drawn_again(project: Project) -> None:
    add_sequence(project, "c", sequence(warped_phase(24, 4), fps=20.0))
    other = {"a": "a", "b": "c"}
    with asked(project) as client:
        draw(client, new=LINE)
        draw(client, old=LINE, new=OTHER)
        draw(client, old=OTHER, new=LINE, **other)
        assert client.post("/pair/undo", json=PAIR).json()["drawings"]["a"] == [LINE]


def line(*points: Any) -> dict[str, Any]:
    return {"kind": "line", "points": list(points)}


UNDRAWABLE = [
    ({"kind": "circle", "points": [[1, 2], [3, 4]]}, "neither a line nor an angle"),
    (line([1, 2]), "points must be 2, not 1"),
    (line([1, 2], [1, 2.001]), "are the same"),
    (line([1, 2], [319.6, 4]), "within the picture"),
    (line([1, -0.6], [3, 4]), "within the picture"),
    *(
        (line([1, 2], point), "two numbers")
        for point in ([1], [1, 2, 3], "12", None, [True, 2], ["1", 2], {"x": 1}, [[1], 2])
    ),
    *((one, "a kind and points") for one in ("line", [], {}, {"kind": ["line"], "points": []})),
    (None, "on clip A or on clip B"),
]


def test_what_cannot_be_drawn_is_refused(project: Project) -> None:
    drawn_on = PAIR | {"side": "a"}
    with asked(project) as client:
        cases = [(drawn_on | {"new": new}, said) for new, said in UNDRAWABLE]
        cases += [
            (PAIR | {"side": side, "new": LINE}, "on clip A or on clip B")
            for side in ("c", "", None, 1, ["a"])
        ]
        cases.append((drawn_on | {"new": LINE, "a": "nobody"}, "a clip of the project"))
        check_refused(client, "/pair/drawing", cases)
        for number in (float("nan"), 10**400):  # which a client of ours does not send
            text = json.dumps(drawn_on | {"new": line([1, 2], [3, number])})
            assert client.post("/pair/drawing", content=text).status_code == 400
    assert not project.annotations_path.exists()


def test_a_drawing_is_there_once_and_not_removed_twice(project: Project) -> None:
    with asked(project) as client:
        draw(client, new=LINE)
        assert "already has" in draw(client, new=LINE).json()["error"]
        assert draw(client, old=LINE).status_code == 200
        for new in (None, OTHER):
            assert "changed or removed" in draw(client, old=LINE, new=new).json()["error"]


def test_a_clip_has_at_most_a_hundred_drawings(project: Project) -> None:
    lines = [drawing("a", (0.0, 0.0), (float(k), 9.0)) for k in range(99)]
    project.change_annotations([], lines)
    with asked(project) as client:
        assert draw(client, new=LINE).status_code == 200
        answer = draw(client, new=ANGLE)
        assert answer.json()["error"] == "a clip can have at most 100 drawings"
        assert draw(client, "b", new=ANGLE).status_code == 200
        assert draw(client, old=LINE, new=OTHER).status_code == 200  # none more
    assert len(drawn(project, "a")) == 100


def test_a_table_that_cannot_be_read_is_named(project: Project) -> None:
    project.annotations_path.write_text("file,kind\na,line\n")
    with asked(project) as client:
        answer = client.get("/pair/data", params=PAIR)
    assert answer.status_code == 409
    assert "annotations.csv line 2 cannot be read" in answer.json()["error"]


def test_drawings_hold_for_the_way_the_clip_is_turned(project: Project) -> None:
    with asked(project) as client:
        draw(client, new=LINE)
        pose, recipe = project.read_pose("a")
        turned = replace(pose, info={**pose.info, "rotate": 180})
        for now, shown in ((turned, []), (pose, [LINE])):
            project.write_pose("a", now, recipe)
            assert client.get("/pair/data", params=PAIR).json()["drawings"]["a"] == shown


def test_a_drawing_on_a_picture_that_is_turned_meanwhile_is_refused(project: Project) -> None:
    with asked(project) as client:
        turned = client.get("/pair/data", params=PAIR).json()["a"]["turned"]
        assert draw(client, new=LINE, turned=turned).status_code == 200
        pose, recipe = project.read_pose("a")
        project.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
        answer = draw(client, new=OTHER, turned=turned)
        assert answer.status_code == 400
        assert "rotated or mirrored meanwhile" in answer.json()["error"]
    assert len(project.annotations()) == 1


def test_another_movement_is_refused_until_it_is_forced(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
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


def test_a_view_is_one_of_those_and_reaches_what_is_asked(project: Project) -> None:
    with asked(project) as client:
        wrong = client.get("/pair/data", params=PAIR | {"view": "behind"})
        assert wrong.status_code == 400
        assert "unknown view 'behind'" in wrong.json()["error"]
        assert client.get("/pair", params=PAIR | {"view": "behind"}).status_code == 400
        for view in VIEWS:
            answer = client.get("/pair/data", params=PAIR | {"view": view})
            assert answer.json()["b"]["flipped"] == (view in ("mirrored", "other")), view
        held = client.app.state.studio.pairs  # type: ignore[attr-defined]
        assert list(held._held) == [("a", "b", view) for view in VIEWS]
    pair = _checked_pair(project, "a", "b", "other")
    written = export_arguments(pair.held(HeldPairs(project)), pair, "table")
    assert "--view=other" in written


@pytest.mark.parametrize(
    ("confidence", "gone", "ratio", "said"),
    [
        ([0.95] * 4, 0, 1.02, "Sure for all of A, to within 0.1 s."),
        ([0.95] * 2 + [0.2] * 2, 0, 0.5, "Sure for 50 % of A, to within 0.1 s. Unsure elsewhere: "
         "look at these moments first. B is 2.0 times as fast as A."),
        ([0.2] * 4, 0, 1.5, "Nowhere sure. A is 1.5 times as fast as B."),
        ([0.95] * 4, 1, math.nan, "Sure for 75 % of A, to within 0.1 s. "
         "B does not show 25 % of A."),
    ],
)  # fmt: skip
def test_how_sure_it_is_in_plain_words(
    confidence: list[float], gone: int, ratio: float, said: str
) -> None:
    position = np.arange(4.0) * 10
    position[:gone] = np.nan
    alignment = SimpleNamespace(
        confidence=np.array(confidence),
        position=position,
        low=position - 1,
        high=position + 1,
        time_b=np.arange(31) / 10,
    )
    result = SimpleNamespace(alignment=alignment, overall_ratio=ratio)
    assert sureness(cast(AlignResult, result)) == said


def test_slow_motion_is_told_with_what_to_do_in_the_studio(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    for name, count in (("a", 40), ("b", 160)):
        add_sequence(project, name, sequence(warped_phase(count, 1), fps=20.0))
    (note,) = [each for each in HeldPair.prepared(project, "a", "b").notes if "slow" in each]
    assert re.match(r"b\.mat moves [34]\.\d times slower than a\.mat: if it was filmed", note)
    assert "Clips page" in note
