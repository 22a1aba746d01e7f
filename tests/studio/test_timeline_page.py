"""What the page of a timeline asks: many clips put on one by the command, and read again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.timeline_page import make_arguments
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import asked, check_refused
from tests.studio.four_clips import four_clips, placed


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return four_clips(tmp_path)


def assert_near(rows: np.ndarray, wanted: np.ndarray, within: float) -> None:
    """The table has six decimals: of the first and the last frame it may say that they are shown
    where they are by less, and the other way round."""
    known = ~np.isnan(rows) & ~np.isnan(wanted)
    assert known[1:-1].tolist() == (~np.isnan(wanted[1:-1])).tolist()
    assert rows[known] == pytest.approx(wanted[known], abs=within)


def test_the_players_show_the_same_moment(project: StoredProject) -> None:
    result = placed(project, reference="b")
    with asked(project) as client:
        found = client.get("/timeline/data", params={"name": "timeline"}).json()
    assert [clip["id"] for clip in found["clips"]] == ["b", "a", "c", "d"]
    assert (found["order"], found["more"], found["changed"]) == (list("abcd"), 0, [])
    assert found["clips"][0]["rows"] == list(range(30))
    assert [len(clip["clip"]["time"]) for clip in found["clips"]] == [30, 36, 24, 50]
    assert [bool(clip["clip"]["pictures"]) for clip in found["clips"]] == [True, True, False, False]
    others = [clip for k, clip in enumerate(result.clips) if k != result.reference]
    for clip, one in zip(found["clips"], [result.clock, *others], strict=True):
        wanted = one.row_at(result.clock.position)
        rows = np.array([np.nan if row is None else row for row in clip["rows"]])
        assert_near(rows, wanted, 0.51)
    # The movement is the same: so is the phase of the rows that stand together.
    phases = {"b": warped_phase(30, 2), "d": warped_phase(50, 7)}
    for row, at in enumerate(found["clips"][3]["rows"]):
        if at is not None:
            assert phases["d"][at] == pytest.approx(phases["b"][row], abs=0.1)


def test_sixteen_clips_are_played_at_most(project: StoredProject) -> None:
    more = [f"e{number:02d}" for number in range(13)]
    for number, name in enumerate(more):
        add_sequence(project, name, sequence(warped_phase(20, number), fps=20.0))
    placed(project, clips=[*"abcd", *more], reference="b")
    with asked(project) as client:
        found = client.get("/timeline/data", params={"name": "timeline"}).json()
    assert (len(found["clips"]), found["more"], found["clips"][0]["id"]) == (16, 1, "b")


def test_the_commands_are_those_of_the_form(project: StoredProject) -> None:
    names = set()
    for clips, first in (("ab", None), ("abc", None), ("ba", None), ("ab", "b"), ("ab", "c")):
        name, command = make_arguments(project, {"clips": [*clips, "a"], "reference": first})
        chosen = [f"--reference={first}"] if first else []
        assert command[: 1 + len(chosen)] == ["timeline", *chosen]
        assert command[-1 - len(clips) :] == ["--", *clips]
        names.add(name)
    assert len(names) == 5


def test_what_is_no_choice_is_refused(project: StoredProject) -> None:
    wrong = [
        *(({"clips": clips}, "at least two clips") for clips in (["a"], [], ["a", "a"])),
        ({"clips": ["a", "x"]}, "choose a clip"),
        *(({"clips": ["a", "b"], "reference": one}, "choose a clip") for one in ("x", "")),
    ]
    with asked(project) as client:
        check_refused(client, "/timeline/make", wrong)
        assert client.get("/jobs").json() == []


def test_only_timelines_are_shown_and_given(project: StoredProject) -> None:
    placed(project)
    with asked(project) as client:
        for name in ("other", "", "../timeline/timeline", "..%2Fproject", "timeline.json"):
            assert client.get("/timeline/data", params={"name": name}).status_code == 400
            assert client.get(f"/timeline/file/{name}/table").status_code in (400, 404)
        assert client.get("/timeline/file/timeline/json").status_code == 400


def test_a_clip_that_has_changed_is_left_out_and_a_reference_that_has_is_said(
    project: StoredProject,
) -> None:
    placed(project, reference="b")
    add_sequence(project, "c", sequence(warped_phase(20, 5), fps=15.0))  # shorter than it was
    project.pose_path("d").unlink()
    with asked(project) as client:
        found = client.get("/timeline/data", params={"name": "timeline"}).json()
        assert [clip["id"] for clip in found["clips"]] == ["b", "a"]
        assert found["changed"] == ["c", "d"]
        project.pose_path("b").unlink()
        answer = client.get("/timeline/data", params={"name": "timeline"})
        assert answer.status_code == 409
        assert "the reference of this timeline has changed" in answer.json()["error"]


def test_what_is_no_timeline_is_said(project: StoredProject) -> None:
    placed(project)
    folder = project.results_dir("timeline")
    document, table = (folder / f"timeline.{suffix}" for suffix in ("json", "csv"))
    whole = document.read_text(), table.read_text()
    with asked(project) as client:

        def said() -> tuple[int, str]:
            answer = client.get("/timeline/data", params={"name": "timeline"})
            assert client.get("/timeline").status_code == 200
            return answer.status_code, answer.json()["error"]

        for content in ("", "[]", "{}", json.dumps(json.loads(whole[0]) | {"clips": 3})):
            document.write_text(content)
            status, error = said()
            assert (status, "is not a timeline" in error) == (409, True)
        document.write_text(whole[0])
        table.write_text(whole[1].replace("a,0,", "a,x,", 1))
        assert "line 2 cannot be read" in said()[1]
        table.unlink()
        assert "is missing" in said()[1]
