"""Phases by clip: each shows what its file has for its frames, and changes nothing else of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.phase_table import PhaseRow, read_phase_table
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BY_PROPAGATION, Phase
from tests.movement import add_sequence, sequence, warped_phase

WHOLE, PART, LATE = "x-0123abcd", "x-0123abcd-t0.5-1", "x-0123abcd-t1-1.5"
HEADER = "video,start,end,phase,by,note\n"


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """A clip of a file, two parts of it, and another; 20 frames per second."""
    project = StoredProject.create(tmp_path / "project")
    pose = sequence(warped_phase(40, 1), fps=20.0)
    for name, low, high in ((WHOLE, 0, 40), (PART, 10, 20), (LATE, 20, 30), ("y", 0, 40)):
        add_sequence(project, name, pose.cut(low, high))
    options = {PART: "start=0.5 end=1", LATE: "start=1 end=1.5"}
    project.add_videos(
        [
            replace(video, path="y.mp4" if video.id == "y" else "x.mp4",
                    options=options.get(video.id, ""))
            for video in project.videos()
        ]
    )  # fmt: skip
    return project


def spans(project: StoredProject, clip: str) -> list[tuple[int, int, str]]:
    return [(p.start, p.end, p.name) for p in project.phases(propagated=True).get(clip, [])]


@pytest.mark.parametrize("name", [WHOLE, PART, LATE, "x.mp4", "x", f"{WHOLE}-t0-0.2"])
def test_a_row_names_the_file_by_its_name_or_by_any_clip_of_it(
    project: StoredProject, name: str
) -> None:
    project.phases_path.write_text(f"{HEADER}{name},0,15,down,,\n{name},15,25,up,,\ny,1,2,up,,\n")
    assert spans(project, WHOLE) == [(0, 15, "down"), (15, 25, "up")]
    assert spans(project, PART) == [(10, 15, "down"), (15, 20, "up")]
    assert spans(project, LATE) == [(20, 25, "up")]
    assert spans(project, "y") == [(1, 2, "up")]


def test_another_person_of_the_file_has_phases_of_its_own(project: StoredProject) -> None:
    project.phases_path.write_text(f"{HEADER}{WHOLE}-p2,0,15,down,,\n")
    assert project.phases() == {}
    add_sequence(project, f"{WHOLE}-p2", sequence(warped_phase(40, 1), fps=20.0))
    assert list(project.phases()) == [f"{WHOLE}-p2"]


def test_a_name_of_several_files_is_refused(project: StoredProject) -> None:
    project.add_videos(
        [replace(video, path=f"{n}/x.mp4") for n, video in enumerate(project.videos())]
    )
    project.phases_path.write_text(f"{HEADER}x,0,15,down,,\n")
    with pytest.raises(UserError, match="'x' fits 4 videos"):
        project.phases()


def test_a_part_without_readable_joints_shows_none_and_hides_no_other(
    project: StoredProject,
) -> None:
    project.phases_path.write_text(f"{HEADER}x.mp4,0,40,down,,\n")
    project.pose_path(PART).write_bytes(b"damaged")
    project.pose_path(LATE).unlink()
    assert list(project.phases()) == [WHOLE]


@pytest.mark.parametrize(
    ("clip", "new", "expected"),
    [
        (PART, [(10, 14, "down"), (14, 20, "up")], ["0,14,down", "14,25,up", "25,40,rest"]),
        (PART, [(10, 20, "hold")], ["0,10,down", "10,20,hold", "20,25,up", "25,40,rest"]),
        (PART, [], ["0,10,down", "20,25,up", "25,40,rest"]),
        (LATE, [(20, 25, "up"), (25, 30, "rest")], ["0,15,down", "15,25,up", "25,40,rest"]),
        (WHOLE, [(3, 9, "down")], ["3,9,down"]),
    ],
)
def test_what_a_clip_does_not_show_stays_and_no_phase_is_cut_in_two(
    project: StoredProject, clip: str, new: list[tuple[int, int, str]], expected: list[str]
) -> None:
    own = ["x.mp4,0,15,down,,a", "x.mp4,15,25,up,,b", "x.mp4,25,40,rest,,c"]
    project.phases_path.write_text(HEADER + "\n".join(["y,0,1,up,,", *own, "lost,1,2,up,,"]) + "\n")
    rows = [PhaseRow(clip, Phase(*phase)) for phase in new]
    project.write_phase_table(project.clip_phases().replaced({clip: rows}))
    lines = project.phases_path.read_text().splitlines()
    assert [lines[1], lines[-1]] == ["y,0,1,up,,", "lost,1,2,up,,"]
    assert [line.partition(",")[2].rsplit(",", 2)[0] for line in lines[2:-1]] == expected


def test_several_clips_of_a_file_are_changed_at_once(project: StoredProject) -> None:
    project.phases_path.write_text(f"{HEADER}x.mp4,0,40,down,,\n")
    new = {
        clip: [PhaseRow(clip, Phase(*phase, BY_PROPAGATION))]
        for clip, phase in ((PART, (10, 20, "up")), (LATE, (20, 30, "up")), ("y", (0, 5, "up")))
    }
    project.write_phase_table(project.clip_phases().replaced(new))
    assert spans(project, WHOLE) == [(0, 10, "down"), (10, 30, "up"), (30, 40, "down")]
    assert spans(project, PART) == [(10, 20, "up")]
    assert spans(project, "y") == [(0, 5, "up")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,five,9,down", "start is 'five', not a frame number"),
        ("a,5,5,up", "start 5 must be before end 5"),
        ("a,-1,5,up", "start -1"),
        ("a,0", "it has 2 fields, but the header has 4"),
        *((f"a,0,{end},b", "end is '.*', not a frame number") for end in ("1e3", "", "1000000001")),
        *((f"a,0,{end},b", "end is '9*', not a frame number") for end in ("9" * 30, "9" * 5000)),
    ],
)
def test_a_bad_row_of_phases_is_named(tmp_path: Path, row: str, problem: str):
    path = tmp_path / "phases.csv"
    path.write_text(f"video,start,end,phase\na,0,1000000000,b\n{row}\n")
    with pytest.raises(UserError, match=f"line 3 cannot be read: {problem}") as caught:
        read_phase_table(path)
    assert len(caught.value.message) < 300
    assert (caught.value.exit_code, "video,start,end,phase" in caught.value.hint) == (5, True)
    path.write_text("video,start,phase\na,0,up\n")
    with pytest.raises(UserError, match="line 2 cannot be read: column 'end' is missing"):
        read_phase_table(path)
