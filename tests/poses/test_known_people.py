"""The people of a film keep their numbers, and with them all that was set for them, however the
film is read again; a choice is stored with the first result that used it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.annotations import JOINT, Annotation, ClipMoments, joint_value, turning_of
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.phase_table import PhaseRow
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.missing_poses import ensure_poses
from tests.poses import dim_people
from tests.poses.grey_people import CONFIG, DUET, NAMES, film, walk
from tests.processes import invoke
from tests.told import refused

LARGE, SMALL = 200, 100  # greys of the two people


def read(project: StoredProject, path: Path, *options: str, code: int = 0) -> str:
    """What extract-poses prints with options, ending with this code."""
    networks = () if "--detector" in options else ("--detector", *NAMES)
    where = ("--project", str(project.root), "--pose", *NAMES)
    return invoke("extract-poses", str(path), *where, *networks, *options, code=code).output


@pytest.fixture
def duet(tmp_path: Path) -> Path:
    film(tmp_path / "duet.mp4", DUET[:12])
    return tmp_path / "duet.mp4"


def grey_of(project: StoredProject, video: str) -> int:
    """Who a clip shows: the small person never comes near the left of the picture."""
    pose, _ = project.read_pose(video, with_corrections=False)
    return LARGE if pose.box[5, 0] < 150 else SMALL


def shown(project: StoredProject) -> dict[str, int]:
    """Group -> who is shown by the clip that has it."""
    return {row.group: grey_of(project, row.id) for row in project.videos() if row.group}


def labelled(project: StoredProject) -> dict[str, int]:
    """Phase -> who is shown by the clip that has it."""
    rows = project.phases().items()
    return {phase.name: grey_of(project, video) for video, phases in rows for phase in phases}


def state(project: StoredProject) -> dict[str, bytes]:
    """All files of a project but the report of the last run, locks and tracebacks."""
    files = [path for path in project.root.rglob("*") if path.is_file()]
    names = {path.relative_to(project.root).as_posix(): path.read_bytes() for path in files}
    return {n: b for n, b in names.items() if not n.startswith(("logs/", "results/extract/"))}


def test_groups_and_phases_stay_with_two_people_when_the_second_is_chosen(
    project: StoredProject, duet: Path
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


def test_a_refused_choice_leaves_every_file_as_it_was(project: StoredProject, duet: Path) -> None:
    read(project, duet)
    before = state(project)
    read(project, duet, "--subject", "9", code=ExitCode.UNUSABLE)
    assert state(project) == before
    read(project, duet, "--subject", "9", "--subjects", "2", "--mirror", code=ExitCode.UNUSABLE)
    assert state(project) == before


def test_a_film_of_which_another_person_is_kept_alone_has_its_name(
    project: StoredProject, duet: Path, tmp_path: Path
) -> None:
    read(project, duet, "--subjects", "2")
    one, two = project.videos()
    project.mark_video(one.id, split="", group="large")
    read(project, duet, "--subjects", "1", "--subject", "2")
    assert [video.id for video in project.videos()] == [two.id]
    assert project.find("duet.mp4") == project.find("duet") == project.videos()[0]
    assert ensure_poses(project, [str(duet), "duet.mp4#2"], CONFIG) == [two.id, two.id]
    with refused(ExitCode.UNUSABLE, "no person 1 of"):
        ensure_poses(project, [f"{duet}#1"], CONFIG)
    film(tmp_path / "solo.mp4", walk(12))
    assert f"la2ds align {two.id} " in read(project, tmp_path / "solo.mp4")
    film(duet, walk(14))
    assert f"replaced by another file: {two.id} (" in " ".join(read(project, duet).split())


def test_an_option_that_is_not_given_stays_as_it_is(project: StoredProject, duet: Path) -> None:
    def options() -> list[str]:
        return [video.options for video in project.videos()]

    for options_given, stored in (
        (["--mirror"], "mirror=true"),
        (["--slowmo", "4"], "mirror=true slowmo=4"),
        (["--rotate", "90"], "rotate=90 mirror=true slowmo=4"),
        (["--no-mirror"], "rotate=90 slowmo=4"),
        (["--slowmo", "1"], "rotate=90"),
        (["--rotate", "0"], ""),
    ):
        read(project, duet, *options_given)
        assert options() == [stored]


def test_another_person_is_a_clip_of_their_own_and_the_first_comes_back(
    project: StoredProject, duet: Path
) -> None:
    """Named by the file as people write it; and without labels nothing keeps the clip from them."""
    read(project, duet)
    (one,) = project.videos()
    read(project, duet, "--subject", "2")
    assert [(video.id, grey_of(project, video.id)) for video in project.videos()] == [
        (one.id, SMALL)
    ]
    read(project, duet, "--subject", "1")
    project.mark_video(one.id, split="test", group="large")
    project.phases_path.write_text("video,start,end,phase\nduet.mp4,0,8,of the large\n")
    told = read(project, duet, "--subject", "2")
    assert "the person kept now is duet.mp4#2; duet.mp4 is no longer kept" in " ".join(told.split())
    (two,) = project.videos()
    assert (two.id, grey_of(project, two.id)) == (f"{one.id}-p2", SMALL)
    assert labelled(project) == {}
    config = StoredProject.open(project.root).config().poses
    assert ensure_poses(project, [str(duet)], config) == [two.id]
    read(project, duet, "--subject", "auto")
    (back,) = project.videos()
    assert (back.id, back.split, back.group) == (one.id, "test", "large")
    assert labelled(project) == {"of the large": LARGE}


def test_a_name_in_phases_means_no_other_clip_once_its_person_is_no_longer_kept(
    project: StoredProject, duet: Path, tmp_path: Path
) -> None:
    """`duet` is the stem of the one and the beginning of the other's id."""
    (tmp_path / "duet").mkdir()
    film(tmp_path / "duet" / "solo.mp4", walk(12))
    read(project, duet)
    read(project, tmp_path / "duet" / "solo.mp4")
    project.phases_path.write_text("video,start,end,phase\nduet,0,8,of the large\n")
    (one,) = project.phases()
    read(project, duet, "--subject", "2")
    assert project.phases() == {}
    read(project, duet, "--subject", "auto")
    assert list(project.phases()) == [one]


def test_the_same_person_is_followed_by_another_detector(
    project: StoredProject, tmp_path: Path
) -> None:
    """Whose order of two people of nearly one size is the other one, as a new project shows."""
    pair = [
        {150: (161 - t // 2, 41, 199 - t // 2, 129), 250: (40 + t // 2, 40, 80 + t // 2, 130)}
        for t in range(12)
    ]
    film(tmp_path / "pair.mp4", pair)
    new = StoredProject.create(tmp_path / "new")
    is_left = []
    for where, detector in (
        (project, NAMES[0]),
        (project, dim_people.NAME),
        (new, dim_people.NAME),
    ):
        read(where, tmp_path / "pair.mp4", "--detector", detector)
        (one,) = where.videos()
        is_left.append(where.read_pose(one.id)[0].xy[0, 0, 0] < 100)
    assert is_left == [True, True, False]


def test_a_step_does_not_go_on_with_somebody_else(project: StoredProject, duet: Path) -> None:
    """The other detector does not see the person of the clip, for whom labels were set."""
    read(project, duet)
    (one,) = project.videos()
    project.mark_video(one.id, split="", group="large")
    config = replace(CONFIG, detector=dim_people.NAME)
    with refused(ExitCode.UNUSABLE, "person of this clip was not found", "V026"):
        ensure_poses(project, ["duet.mp4"], config)
    left_out: dict[str, str] = {}
    assert ensure_poses(project, [one.id], CONFIG, left_out=left_out) == [one.id]
    assert (shown(project), left_out) == ({"large": LARGE}, {})


def test_people_are_found_again_without_their_poses(project: StoredProject, duet: Path) -> None:
    """By people.csv, also those of a clip that was removed."""
    read(project, duet, "--subjects", "2")
    _, two = project.videos()
    project.mark_video(two.id, split="", group="small")
    invoke("remove", two.id, "--project", project.root)
    for path in (project.root / "poses").glob("*.safetensors"):
        path.unlink()
    read(project, duet, "--subject", "2", "--subjects", "1")
    assert shown(project) == {"small": SMALL}


def test_the_people_of_parts_that_overlap_have_the_same_numbers(
    project: StoredProject, duet: Path, tmp_path: Path
) -> None:
    """In one list, where each part follows somebody else."""
    table = tmp_path / "list.csv"
    table.write_text("path,start,end,subject\nduet.mp4,0,0.32,1\nduet.mp4,0.16,,2\n")
    read(project, table)
    first, second = project.videos()
    assert (first.person, second.person) == (1, 2)
    assert (grey_of(project, first.id), grey_of(project, second.id)) == (LARGE, SMALL)


# --- any sequence of readings ---------------------------------------------------------------------


SUBJECTS = st.sampled_from(["", "auto", "1", "2", "9"])
TURNS = st.sampled_from([{}, {"mirror": True}, {"mirror": False}, {"rotate": 90}, {"slowmo": 4}])
NETWORKS = st.sampled_from([*NAMES, dim_people.NAME])
READINGS = st.tuples(SUBJECTS, st.integers(1, 2), TURNS, NETWORKS)
STEPS = st.lists(st.one_of(READINGS, st.just("label")), min_size=2, max_size=5)


class Film:
    """A film of two people that is read again and again, and what the model knows of it: to whom
    each label was given, and the options that were given so far."""

    def __init__(self, folder: Path) -> None:
        self.project = StoredProject.create(folder / "project")
        self.path = folder / "duet.mp4"
        film(self.path, DUET[:8])
        self.given: dict[str, int] = {}  # group and phase -> who
        self.options: dict[str, Any] = {}
        self.corrected: dict[int, tuple[int, str]] = {}  # who -> frame and reading of a wrong head

    def label(self) -> None:
        """Give each clip without a group one, a phase by its name, and a corrected joint."""
        for video in self.project.videos():
            if video.group:
                continue
            who = grey_of_film(self.project, video)
            name = f"label {len(self.given)}"
            self.given[name] = who
            self.project.mark_video(video.id, split="", group=name)
            table = self.project.phase_table()
            row = PhaseRow(video.name, Phase(2, 6, name))
            self.project.write_phase_table(replace(table, rows=(*table.rows, row)))
            pose, _ = self.project.read_pose(video.id)
            turned = turning_of(pose.info)
            at = ClipMoments.of(video.id, video.options, pose).at(3)
            value = joint_value("nose", (7.0, 7.0))
            self.project.change_annotations([], [Annotation(JOINT, at, None, value, turned)])
            self.corrected[who] = 3, turned

    def read(self, subject: str, subjects: int, options: dict, detector: str) -> None:
        before = state(self.project)
        config = replace(CONFIG, subjects=subjects, detector=detector)
        chosen = ExtractOptions(clip=options, subject=subject)
        results = extract_poses(self.project, [str(self.path)], config, chosen)
        if results[0].usable:
            self.options |= options
            assert {result.video for result in results} == {v.id for v in self.project.videos()}
            again = extract_poses(self.project, [str(self.path)], config)
            assert [one.status for one in again] == ["cached"] * len(results)
        else:
            assert results[0].code == "V026"
            assert state(self.project) == before

    def check(self) -> None:
        expected = ClipOptions(**self.options).to_text()
        whom: list[int] = []
        for video in self.project.videos():
            who = grey_of_film(self.project, video)
            whom.append(who)
            assert video.options == expected
            assert not video.group or self.given[video.group] == who
            for phase in self.project.phases().get(video.id, []):
                assert self.given[phase.name] == who
            pose, _ = self.project.read_pose(video.id)
            frame, turned = self.corrected.get(who, (0, ""))
            is_wrong = pose.xy[3, 0].tolist() == [7.0, 7.0]
            assert is_wrong == (frame == 3 and turned == turning_of(pose.info))
            if who in self.given.values():  # whoever has labels has them wherever they are shown
                assert video.group
                assert self.project.phases()[video.id]
        assert len(set(whom)) == len(whom)


def grey_of_film(project: StoredProject, video: Video) -> int:
    """Who a clip shows, in a picture that may be turned: the large person is taller than half of
    the picture."""
    pose, _ = project.read_pose(video.id, with_corrections=False)
    long = (pose.box[:, 2:] - pose.box[:, :2]).max(axis=1)
    return LARGE if np.nanmedian(long) > 90 else SMALL


@given(subjects=st.integers(1, 2), steps=STEPS)
def test_every_label_stays_with_the_person_it_was_given_to(subjects: int, steps: list) -> None:
    with TemporaryDirectory() as folder:
        shown = Film(Path(folder))
        for step in [("", subjects, {}, *NAMES), "label", *steps]:
            if step == "label":
                shown.label()
            else:
                shown.read(*step)
            shown.check()
