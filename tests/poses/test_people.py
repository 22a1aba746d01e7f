"""The people of a film keep their numbers, and with them all that was set for them, however the film
is read again; a choice is stored with the first result that used it."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from tests.poses.grey_people import DUET, NAMES, film
from tests.processes import invoke

LARGE, SMALL = 200, 100  # greys of the two people


def read(project: Project, path: Path, *options: str, code: int = 0) -> str:
    """What extract-poses prints with options, ending with this code."""
    networks = () if "--detector" in options else ("--detector", *NAMES)
    where = ("--project", str(project.root), "--pose", *NAMES)
    return invoke("extract-poses", str(path), *where, *networks, *options, code=code).output


@pytest.fixture
def duet(tmp_path: Path) -> Path:
    film(tmp_path / "duet.mp4", DUET[:12])
    return tmp_path / "duet.mp4"


def grey_of(project: Project, video: str) -> int:
    """Who a clip shows: the small person never comes near the left of the picture."""
    pose, _ = project.read_pose(video, with_corrections=False)
    return LARGE if pose.box[5, 0] < 150 else SMALL


def shown(project: Project) -> dict[str, int]:
    """Group -> who is shown by the clip that has it."""
    return {row.group: grey_of(project, row.id) for row in project.videos() if row.group}


def labelled(project: Project) -> dict[str, int]:
    """Phase -> who is shown by the clip that has it."""
    rows = project.phases().items()
    return {phase.name: grey_of(project, video) for video, phases in rows for phase in phases}


def state(project: Project) -> dict[str, bytes]:
    """All files of a project but the report of the last run, locks and tracebacks."""
    files = [path for path in project.root.rglob("*") if path.is_file()]
    names = {path.relative_to(project.root).as_posix(): path.read_bytes() for path in files}
    return {n: b for n, b in names.items() if not n.startswith(("logs/", "results/extract/"))}


def test_groups_and_phases_stay_with_two_people_when_the_second_is_chosen(
    project: Project, duet: Path
) -> None:
    read(project, duet, "--subjects", "2")
    one, two = project.videos()
    project.mark_video(one.id, split="", group="large")
    project.mark_video(two.id, split="", group="small")
    rows = f"video,start,end,phase\nduet.mp4,0,8,of the large\n{two.id},0,8,of the small\n"
    project.phases_path.write_text(rows)
    read(project, duet, "--subject", "2")
    assert shown(project) == {"large": LARGE, "small": SMALL}
    assert labelled(project) == {"of the large": LARGE, "of the small": SMALL}


def test_a_refused_choice_leaves_every_file_as_it_was(project: Project, duet: Path) -> None:
    read(project, duet)
    before = state(project)
    read(project, duet, "--subject", "9", code=ExitCode.UNUSABLE)
    assert state(project) == before
    read(project, duet, "--subject", "9", "--subjects", "2", "--mirror", code=ExitCode.UNUSABLE)
    assert state(project) == before


def test_an_option_that_is_not_given_stays_as_it_is(project: Project, duet: Path) -> None:
    def options() -> list[str]:
        return [video.options for video in project.videos()]

    for given, stored in (
        (["--mirror"], "mirror=true"),
        (["--slowmo", "4"], "mirror=true slowmo=4"),
        (["--rotate", "90"], "rotate=90 mirror=true slowmo=4"),
        (["--no-mirror"], "rotate=90 slowmo=4"),
        (["--slowmo", "1"], "rotate=90"),
        (["--rotate", "0"], ""),
    ):
        read(project, duet, *given)
        assert options() == [stored]
