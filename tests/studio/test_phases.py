"""What the page of the phases asks: labels are saved with who set them, and reviewed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.phase_table import PhaseRow
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BY_PROPAGATION, Phase
from la2ds_cli.labels.import_plan import import_labels
from la2ds_cli.labels.propagated import merge_into_project
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import asked, check_refused
from tests.studio.marks import spans

CARRIED = {"origin_clips": "a", "origin_time": "2026-01-01T00:00:00+00:00"}
PEOPLE = ("person", "person")


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path / "project", {"align": {"open_ends": False}})
    for name, length, fps in (("a", 40, 20.0), ("b", 30, 25.0), ("c", 36, 20.0)):
        add_sequence(project, name, sequence(warped_phase(length, length), fps=fps))
    return project


def rows_of(client: TestClient, clip: str) -> dict[str, Any]:
    return client.get("/phases/data", params={"clip": clip}).json()


def label(start: int, end: int, phase: str, *origins: str) -> dict[str, Any]:
    return {"start": start, "end": end, "phase": phase, "origins": list(origins or PEOPLE)}


def save(client: TestClient, clip: str, *rows: dict[str, Any]) -> Any:
    """As the page does: what is known of a phase goes with it."""
    now = rows_of(client, clip)
    known = {row["phase"]: row for row in now["rows"]}
    told = [known.get(row["phase"], {}) | row for row in rows]
    return client.post("/phases/save", json={"clip": clip, "rows": told})


def carried_to(project: StoredProject, clip: str, *spans: tuple[int, int, str]) -> None:
    rows = [
        PhaseRow(clip, Phase(start, end, name, BY_PROPAGATION), CARRIED)
        for start, end, name in spans
    ]
    merge_into_project(project, {clip: rows}, {}, overwrite=True)


def test_other_clips_other_columns_and_their_order_stay(project: StoredProject) -> None:
    text = (
        "video,start,end,phase,mine\nb,0,5,x,one\na,0,9,down,two\nc,1,2,y,three\na,9,20,up,four\n"
    )
    write_text(project.phases_path, text)
    with asked(project) as client:
        save(client, "a", label(0, 10, "down"), label(10, 20, "up"))
    assert project.phases_path.read_text().splitlines() == [
        "video,start,end,phase,mine",
        "b,0,5,x,one",
        "a,0,10,down,two",
        "a,10,20,up,four",
        "c,1,2,y,three",
    ]
    assert (project.results_dir("phases") / "before-1.csv").read_text() == text


def test_what_are_no_labels_is_refused(project: StoredProject) -> None:
    wrong = [
        ([label(0, 10, "down"), label(9, 20, "up")], "overlap"),
        *(([label(start, 10, "down")], "must start before it ends") for start in (10, -1)),
        ([label(0, 10, "")], "needs a name"),
        ([label(0, 10, "x" * 81)], "at most 80 characters"),
        ([label(0, 10, "x") | {"other": {"mine": 3}}], "must be text"),
    ]
    with asked(project) as client:
        known = rows_of(client, "a")["version"]
        clip = {"clip": "a"}
        check_refused(client, "/phases/save", [(clip | {"rows": r}, said) for r, said in wrong])
        assert not project.phases_path.exists()
        write_text(project.phases_path, "video,start,end,phase\na,0,9,down\n")
        client.headers["if-match"] = known
        meanwhile = [(clip | {"rows": [label(0, 3, "x")]}, "changed meanwhile")]
        check_refused(client, "/phases/save", meanwhile, 409)
    assert project.phases()["a"] == [Phase(0, 9, "down")]


def test_a_name_can_be_of_any_language_and_a_page_adds_no_column(project: StoredProject) -> None:
    with asked(project) as client:
        for name in ("می\u200cپرد", "saut\u00a0!", "👩\u200d🦽 turn", "down"):
            more = {"other": {"phase": "x", "mine": "y"}}
            assert save(client, "a", label(0, 9, name) | more).status_code == 200
            assert rows_of(client, "a")["rows"][0]["phase"] == name
        assert save(client, "a", label(0, 9, "a\u2028b")).status_code == 400
    assert project.phases_path.read_text() == "video,start,end,phase\na,0,9,down\n"


def test_a_name_that_the_file_has_can_stay_beside_what_is_changed(project: StoredProject) -> None:
    """Written by hand, or by another tool."""
    name = "sehr " * 20 + "lang\u200c"
    write_text(project.phases_path, f"video,start,end,phase\na,0,9,{name}\na,9,20,up\n")
    with asked(project) as client:
        first, second = rows_of(client, "a")["rows"]
        answer = save(client, "a", first, second | {"end": 25})
        assert answer.status_code == 200, answer.json()
        assert save(client, "a", first | {"phase": name + "x"}).status_code == 400
    assert project.phases()["a"] == [Phase(0, 9, name), Phase(9, 25, "up")]


@pytest.mark.parametrize("column", ["origin", "mine"])
def test_a_new_label_can_be_changed_at_once_in_a_file_with_further_columns(
    project: StoredProject, column: str
) -> None:
    """The page sends the version that its last change was answered with."""
    write_text(project.phases_path, f"video,start,end,phase,{column}\nb,0,9,down,carried\n")
    with asked(project) as client:
        version = rows_of(client, "a")["version"]
        for end in (8, 9, 10):
            content = {"clip": "a", "rows": [label(0, end, "x")]}
            answer = client.post("/phases/save", json=content, headers={"if-match": version})
            assert answer.status_code == 200, answer.json()
            version = answer.json()["version"]
    assert project.phases()["a"] == [Phase(0, 10, "x")]


def test_a_propagated_label_is_a_persons_once_both_its_ends_are(project: StoredProject) -> None:
    carried_to(project, "b", (0, 8, "down"), (8, 20, "up"), (20, 30, "rest"))
    with asked(project) as client:
        queue = client.get("/phases/overview").json()["queue"]
        borders = [(one["frame"], one["before"], one["after"]) for one in queue]
        assert borders == [(8, "down", "up"), (20, "up", "rest")]
        one = save(
            client, "b",
            label(0, 9, "down", "carried", "person"), label(9, 20, "up", "person", "carried"),
            label(20, 30, "rest", "carried", "carried"),
        ).json()  # fmt: skip
        assert [row["truth"] for row in one["rows"]] == [True, False, False]
        assert one["rows"][0]["origins"] == ["clip", "person"]  # where the clip begins
        assert one["rows"][0]["other"]["origin_clips"] == "a"  # where it came from stays
        queue = client.get("/phases/overview").json()["queue"]
        assert [one["frame"] for one in queue] == [20]
        assert spans(project, "b") == [(0, 9, "down")]
        # What was checked stays, whatever is carried anew.
        carried_to(project, "b", (0, 15, "down"), (15, 30, "up"))
        assert spans(project, "b") == [(0, 9, "down")]
        both = save(
            client, "b",
            label(0, 9, "down", "clip", "person"), label(9, 20, "up"),
            label(20, 30, "rest", "person", "clip"),
        ).json()  # fmt: skip
        assert all(row["truth"] for row in both["rows"])
        assert client.get("/phases/overview").json()["queue"] == []
    assert [phase.name for phase in project.phases()["b"]] == ["down", "up", "rest"]


def test_a_propagated_phase_over_the_whole_clip_is_nobodys(project: StoredProject) -> None:
    """Saving anything else does not make it a person's."""
    carried_to(project, "b", (0, 30, "down"))
    with asked(project) as client:
        (row,) = rows_of(client, "b")["rows"]
        assert save(client, "b", row).json()["rows"][0]["truth"] is False
    assert "b" not in project.phases()


def test_a_label_of_a_part_is_not_accepted_by_saving_another(project: StoredProject) -> None:
    """The part shows neither end of a propagated label of the film."""
    film, part = "x-0123abcd", "x-0123abcd-t0.5-1"
    pose = sequence(warped_phase(40, 1), fps=20.0)
    for name, low, high, options in ((film, 0, 40, ""), (part, 10, 20, "start=0.5 end=1")):
        add_sequence(project, name, pose.cut(low, high))
        project.add_videos([replace(project.clip(name), path="x.mp4", sha256="0", options=options)])
    write_text(project.phases_path, f"video,start,end,phase,origin\n{film},0,40,down,carried\n")
    with asked(project) as client:
        (row,) = rows_of(client, part)["rows"]
        assert (row["start"], row["end"], row["truth"]) == (10, 20, False)
        assert client.post("/phases/save", json={"clip": part, "rows": [row]}).status_code == 200
    assert project.phases() == {}
    (whole,) = project.phase_table().rows
    assert (whole.phase.start, whole.phase.end) == (0, 40)


@pytest.mark.parametrize(
    "origins", [[], ["person"], ["person", ""], ["person", " x"], 3 * ["person"]]
)
def test_labels_without_origins_are_refused(project: StoredProject, origins: list[str]) -> None:
    with asked(project) as client:
        rows = [label(0, 10, "down") | {"origins": origins}]
        answer = client.post("/phases/save", json={"clip": "a", "rows": rows})
        assert (answer.status_code, "name the origin" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("cells", "queue"),
    [
        (("0.9 0.9", "0.9 0.2", "0.2 0.1"), [(20, 0.2), (8, 0.9)]),
        (("0.9 0.9", "0.9 0.5 0.5", ""), [(8, None), (20, None)]),
        (("0.9 0.9", "2 nan", "0.2 0.1"), [(8, None), (20, 0.2)]),
    ],
)
def test_the_least_sure_border_comes_first(
    project: StoredProject, cells: tuple[str, ...], queue: list[tuple[int, float | None]]
) -> None:
    spans = ((0, 8, "down"), (8, 20, "up"), (20, 30, "rest"))
    rows = [
        PhaseRow("b", Phase(*span, BY_PROPAGATION), CARRIED | {"origin_confidence": cell})
        for span, cell in zip(spans, cells, strict=True)
    ]
    merge_into_project(project, {"b": rows}, {}, overwrite=True)
    with asked(project) as client:
        found = client.get("/phases/overview").json()["queue"]
    assert [(one["frame"], one["confidence"]) for one in found] == queue


def test_labels_go_to_a_file_of_another_tool(project: StoredProject, tmp_path: Path) -> None:
    formats = {"elan": ".eaf", "boris": ".boris", "via3": ".json", "kinovea": ".kva"}
    with asked(project) as client:
        save(client, "a", label(0, 20, "down"), label(20, 40, "up"))
        for name, suffix in formats.items():
            answer = client.get(f"/phases/files/{name}?clip=a")
            assert answer.headers["content-disposition"].endswith(f'filename="a{suffix}"')
            (tmp_path / f"a{suffix}").write_bytes(answer.content)
        assert "has no phases" in client.get("/phases/files/elan?clip=b").json()["error"]
        said = client.get("/phases/files/unknown?clip=a").json()["error"]
        assert "unknown label format 'unknown'" in said
    project.phases_path.unlink()
    import_labels(project, "elan", [tmp_path / "a.eaf"], clip="a")
    assert project.phases()["a"] == [Phase(0, 20, "down"), Phase(20, 40, "up")]
