"""Labels to files of other tools and back: every label comes back to the clip and the person that
it was exported from, with the origin of each end; all files are judged before anything is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.labels.exchange import export_labels
from la2ds_cli.labels.files import FORMATS
from la2ds_cli.labels.import_plan import import_labels
from tests.faults import Faults
from tests.movement import add_sequence, sequence, warped_phase

ANNA, BEN, TWO = "films-anna-0123abcd", "films-ben-1123abcd", "films-two-2123abcd"
PART, SECOND = f"{ANNA}-t0.5-1", f"{TWO}-p2"
FILMS = {ANNA: "anna.mp4", PART: "anna.mp4", BEN: "ben.mp4", TWO: "two.mp4", SECOND: "two.mp4"}


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Films of unequal length and rate: a part of the first, and two people in the third."""
    project = StoredProject.create(tmp_path / "project")
    clips = [
        (ANNA, 40, 20.0),
        (PART, 10, 20.0),
        (BEN, 50, 25.0),
        (TWO, 36, 30.0),
        (SECOND, 36, 30.0),
    ]
    for number, (name, length, fps) in enumerate(clips):
        add_sequence(project, name, sequence(warped_phase(length, number), fps=fps))
    pose, recipe = project.read_pose(PART)
    project.write_pose(PART, replace(pose, frame=pose.frame + 10, time=pose.time + 0.5), recipe)
    project.add_videos(
        [
            replace(
                row,
                path=f"/films/{FILMS[row.id]}",
                sha256=FILMS[row.id].encode().hex().ljust(64, "0"),
                person=2 if row.id == SECOND else 1,
                options="start=0.5 end=1" if row.id == PART else "",
            )
            for row in project.videos()
        ]
    )
    return project


def write_table(project: StoredProject, *rows: str, columns: str = "") -> None:
    project.phases_path.write_text("\n".join([f"video,start,end,phase{columns}", *rows, ""]))


def outcome(items: list[ItemResult]) -> list[tuple[str, str, str]]:
    return [(item.video, item.status, item.code) for item in items]


def spans(project: StoredProject, clip: str) -> list[tuple[int, int, str]]:
    return [(p.start, p.end, p.name) for p in project.phases(propagated=True).get(clip, [])]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_propagated_label_does_not_become_a_persons(
    project: StoredProject, tmp_path: Path, name: str
):
    write_table(
        project,
        f"{ANNA},0,9,up,carried,",
        f"{ANNA},9,20,down,carried,start",
        columns=",origin,checked",
    )
    before = project.phases(propagated=True)
    export_labels(project, name, [ANNA], tmp_path / "out", carried=True)
    project.phases_path.unlink()
    assert outcome(import_labels(project, name, [tmp_path / "out"]))[0] == (ANNA, "ok", "")
    assert project.phases() == {}
    assert project.phases(propagated=True)[ANNA] == before[ANNA]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_labels_of_a_second_person_come_back_to_it(
    project: StoredProject, tmp_path: Path, name: str
):
    write_table(project, f"{SECOND},0,9,up", f"{SECOND},9,30,down")
    export_labels(project, name, [SECOND], tmp_path / "out")
    project.phases_path.unlink()
    import_labels(project, name, [tmp_path / "out"])
    assert spans(project, SECOND) == [(0, 9, "up"), (9, 30, "down")]
    assert spans(project, TWO) == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_name_of_a_phase_is_lost_or_invented(project: StoredProject, tmp_path: Path, name: str):
    names = ["1", "swing", "end of swing", "0:12", " a, 'b'\n\"c\" ", "👩\u200d🦽", "x" * 81]
    table = [
        f'{ANNA},{2 * n},{2 * n + 2},"{text.replace(chr(34), 2 * chr(34))}"'
        for n, text in enumerate(names)
    ]
    write_table(project, *table)
    before = project.phases()
    assert [phase.name for phase in before[ANNA]] == names
    (item,) = export_labels(project, name, [ANNA], tmp_path / "out")
    assert item.status == "ok", item.message
    project.phases_path.unlink()
    import_labels(project, name, [tmp_path / "out"])
    assert project.phases()[ANNA] == before[ANNA]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_all_clips_of_a_project_come_back_at_once(
    project: StoredProject, tmp_path: Path, name: str
):
    rows = [f"{ANNA},0,15,up,,", f"{ANNA},15,40,down,carried,start", f"{SECOND},0,9,up,,"]
    write_table(project, *rows, f"{TWO},3,30,down,carried,", columns=",origin,checked")
    before = project.phases(propagated=True)
    assert sorted(before) == sorted([ANNA, PART, TWO, SECOND])
    export_labels(project, name, [], tmp_path / "out", carried=True)
    project.phases_path.unlink()
    items = import_labels(project, name, [tmp_path / "out"])
    assert {item.status for item in items} == {"ok"}
    assert project.phases(propagated=True) == before
    moved = StoredProject.create(tmp_path / "moved")  # another project, with copies of the films
    for video in project.videos():
        moved.write_pose(video.id, *project.read_pose(video.id))
        moved.add_videos([replace(video, path=f"elsewhere/renamed-{FILMS[video.id]}")])
    import_labels(moved, name, [tmp_path / "out"])
    assert moved.phases(propagated=True) == before


def observation(media: str, *events: tuple[float, str]) -> dict[str, object]:
    return {"file": {"1": [media]}, "events": [[at, "", name, "", ""] for at, name in events]}


def write_boris(path: Path, observations: Mapping[str, object]) -> None:
    states = {
        "0": {"type": "State event", "code": "up"},
        "1": {"type": "State event", "code": "down"},
    }
    path.write_text(json.dumps({"behaviors_conf": states, "observations": observations}))


UP = (0.2, "up"), (0.6, "up")


def test_every_observation_is_reported_and_an_unknown_one_fails_alone(
    project: StoredProject, tmp_path: Path
):
    broken = observation("ben.mp4", (0.2, "up"))
    media = {"one": "anna.mp4", "two": "ben.mp4", "three": "lost.mp4", "four": "two.mp4"}
    write_boris(
        tmp_path / "x.boris",
        {name: observation(film, *UP) for name, film in media.items()} | {"five": broken},
    )
    items = import_labels(project, "boris", [tmp_path / "x.boris"])
    assert sorted(outcome(items)) == sorted(
        [
            (ANNA, "ok", ""),
            (PART, "ok", ""),
            (BEN, "ok", ""),
            ("", "failed", "I005"),
            (TWO, "ok", ""),
            ("", "failed", "I001"),
        ]
    )
    assert {item.path for item in items} == {str(tmp_path / "x.boris")}
    (unknown, unfinished) = (item for item in items if item.status == "failed")
    assert "lost.mp4" in unknown.message
    assert "five" in unfinished.message
    assert spans(project, BEN) == [(5, 15, "up")]


def test_labels_that_contradict_each_other_are_not_taken(project: StoredProject, tmp_path: Path):
    """Three observations for one clip: none is better than the others."""
    later = (0.8, "down"), (1.2, "down")
    media = {"one": ("x.mp4", UP), "two": ("y.mp4", later), "three": ("z.mp4", UP)}
    observed = {name: observation(film, *events) for name, (film, events) in media.items()}
    write_boris(tmp_path / "x.boris", observed)
    items = import_labels(project, "boris", [tmp_path / "x.boris"], clip=BEN)
    assert outcome(items) == 3 * [(BEN, "failed", "I008")]
    assert not project.phases_path.exists()


def test_a_whole_film_and_a_part_of_it_are_labelled_at_once(project: StoredProject, tmp_path: Path):
    write_boris(tmp_path / "x.boris", {"one": observation("anna.mp4", (0.2, "up"), (0.8, "up"))})
    items = import_labels(project, "boris", [tmp_path / "x.boris"])
    assert outcome(items) == [(ANNA, "ok", ""), (PART, "ok", "")]
    assert spans(project, ANNA) == [(4, 16, "up")]
    assert spans(project, PART) == [(10, 16, "up")]


def test_labels_of_a_longer_film_are_not_cut_to_a_short_one(project: StoredProject, tmp_path: Path):
    long = (0.2, "up"), (1.6, "up"), (10.0, "down"), (40.0, "down")
    write_boris(tmp_path / "x.boris", {"one": observation("ben.mp4", *long)})
    (item,) = import_labels(project, "boris", [tmp_path / "x.boris"])
    assert (item.video, item.status, item.code) == (BEN, "failed", "I003")
    assert "40" in item.message
    assert not project.phases_path.exists()
    write_boris(tmp_path / "x.boris", {"one": observation("ben.mp4", (0.2, "up"), (2.5, "up"))})
    (item,) = import_labels(project, "boris", [tmp_path / "x.boris"])
    assert (item.status, item.code, item.frames) == ("degraded", "I003", 1)


@pytest.mark.parametrize("path", ["anna.mp4", "/elsewhere/anna.mp4", "file:///elsewhere/anna.mp4"])
def test_elan_has_times_from_another_origin(project: StoredProject, tmp_path: Path, path: str):
    text = (
        f'<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="{path}" TIME_ORIGIN="500"/>'
        '</HEADER><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="200"/>'
        '<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="600"/></TIME_ORDER><TIER TIER_ID="t"><ANNOTATION>'
        '<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">'
        "<ANNOTATION_VALUE>up</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
        "</ANNOTATION_DOCUMENT>"
    )
    (tmp_path / "x.eaf").write_text(text)
    import_labels(project, "elan", [tmp_path / "x.eaf"])
    assert spans(project, ANNA) == [(14, 22, "up")]


class Kills(Faults):
    """A process that dies at an operation."""

    def fail(self, number: int, *path: str) -> None:
        os._exit(9)


def test_an_import_that_was_killed_is_run_again_to_the_same_end(
    project: StoredProject, tmp_path: Path
):
    write_table(project, f"{ANNA},0,9,up", f"{BEN},0,9,up", f"{SECOND},3,9,up")
    export_labels(project, "elan", [], tmp_path / "out")
    write_table(project, f"{ANNA},0,20,down,carried", "lost,0,3,x,", columns=",origin")
    copy = {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file()}

    def files() -> dict[str, bytes]:
        return {
            str(p.relative_to(project.root)): p.read_bytes()
            for p in project.root.rglob("*")
            if p.is_file() and p.suffix != ".lock" and not p.name.startswith(artifact.TEMPORARY)
        }

    def restore() -> None:
        artifact._swept.clear()
        for path in list(project.root.rglob("*")):
            if path.is_file() and path not in copy:
                path.unlink()
        for path, content in copy.items():
            path.write_bytes(content)

    def run() -> list[ItemResult]:
        return import_labels(project, "elan", [tmp_path / "out"])

    with Faults(project.root) as faults:
        assert {item.status for item in run()} == {"ok"}
    undisturbed = files()
    assert len([name for name in undisturbed if "before-" in name]) == 1
    for at in range(1, len(faults.operations) + 1):
        restore()
        if (child := os.fork()) == 0:
            with Kills(project.root, at):
                run()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 9)
        artifact._swept.clear()
        assert {item.status for item in run()} <= {"ok", "cached"}, faults.operations[at - 1]
        assert files() == undisturbed, faults.operations[at - 1]


def test_nothing_is_written_if_the_command_ends_with_an_error(
    project: StoredProject, tmp_path: Path
):
    write_table(project, f"{BEN},0,9,up", f"{SECOND},3,9,up")
    export_labels(project, "elan", [], tmp_path / "out")
    write_table(project)
    before = project.phases_path.read_bytes()
    with Faults(project.root) as faults:
        import_labels(project, "elan", [tmp_path / "out"])
    changes = [n for n, name in enumerate(faults.operations, 1) if not name.startswith("read")]
    assert len(changes) > 4
    for at in changes:
        project.phases_path.write_bytes(before)
        with Faults(project.root, at), suppress(UserError):
            import_labels(project, "elan", [tmp_path / "out"])
        written = project.phases_path.read_bytes()
        assert written == before or len(project.phases()) == 2, faults.operations[at - 1]
