"""The frozen set: its events on movements whose moments are known, its films, and that it is the
same however it is made."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.datasets import exercises
from la2ds_cli.datasets.exercises import (
    EVENTS,
    Exercise,
    check_set,
    choose_exercises,
    film,
    find_moments,
    list_text,
    make_exercises,
    read_list,
    works_left,
)
from la2ds_cli.datasets.ui_prmd import read_recordings
from tests.datasets.squatters import (
    STANDING,
    arm_raise,
    course,
    files,
    many,
    mirrored,
    squat,
    write_arrays,
    write_folder,
    write_zip,
)
from tests.shared_data import MOCAP, needs_mocap

ROW = Exercise("m01_s01_e01", "s01", "train", 45, 30, False, 81, 400, 800, 1200)
MOVEMENTS = {"squat": squat, "arm": arm_raise}


@given(
    seconds=st.floats(1.0, 6.0),
    rest=st.floats(0, 1.0),
    turn=st.floats(-3.2, 3.2),
    size=st.floats(0.8, 1.2),
    movement=st.sampled_from(sorted(MOVEMENTS)),
)
def test_moments_are_those_of_the_movement(
    seconds: float, rest: float, turn: float, size: float, movement: str
):
    """However long it takes, wherever the person faces, and however tall."""
    cos, sin = np.cos(turn), np.sin(turn)
    joints = MOVEMENTS[movement](seconds, rest, size)
    joints = joints @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + [300, -80, 4]
    found = find_moments(joints)
    assert found is not None
    truth = [1000 * (rest + seconds * share) for share in (0.25, 0.5, 0.75)]
    assert np.abs(np.array(found) - truth).max() <= 10  # half of a frame


def test_the_turn_is_the_middle_of_a_hold():
    out = course(2.0)[:51]
    share = np.concatenate([out, np.ones(100), out[::-1]])
    lowest = squat(2.0)[50]
    joints = STANDING + share[:, None, None] * (lowest - STANDING)
    assert find_moments(joints) == (500, 2010, 3520)


@pytest.mark.parametrize(
    "share",
    [
        np.linspace(0, 1, 50),
        np.concatenate([course(1.0), course(1.0)]),
        np.zeros(50),
        1 - course(2.0)[:60],
    ],
    ids=["out only", "twice", "nothing", "back only"],
)
def test_what_does_not_go_out_and_come_back_once_has_no_moments(share: np.ndarray):
    lowest = squat(2.0)[50]
    assert find_moments(STANDING + share[:, None, None] * (lowest - STANDING)) is None


def test_the_side_that_works():
    assert not works_left(arm_raise(2.0))
    assert works_left(mirrored(arm_raise(2.0)))
    assert not works_left(squat(2.0))


# --- films ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
@pytest.mark.parametrize("seconds", [1.6, 2.5])
def test_a_film_lasts_as_long_as_its_recording(fps: int, seconds: float):
    joints = squat(seconds)
    row = replace(ROW, fps=fps, frames=len(joints))
    pose = film(row, joints)
    assert len(pose) == row.length == int(seconds * fps + 1e-9) + 1
    assert pose.time[-1] <= seconds < pose.time[-1] + 1 / fps


def test_phases_begin_at_the_nearest_frames():
    for fps, starts in ((30, [0, 12, 24, 36]), (50, [0, 20, 40, 60]), (60, [0, 24, 48, 72])):
        phases = replace(ROW, fps=fps).phases
        assert [p.start for p in phases] == starts
        assert [p.end for p in phases] == [*starts[1:], replace(ROW, fps=fps).length]
    assert [p.start for p in replace(ROW, half_out=449, turn=450).phases[1:3]] == [13, 14]


def test_a_mirrored_film_is_that_of_the_mirrored_person():
    joints = arm_raise(1.6)
    seen, other = film(ROW, joints), film(replace(ROW, mirrored=True), mirrored(joints))
    np.testing.assert_allclose(seen.xy, other.xy, atol=0.011)


def test_the_camera_stands_where_the_list_says():
    """From the front the person's left is on the right of the picture; from the side it is hidden
    behind the right."""
    across = {}
    for camera in (0, 45, 90):
        xy = film(replace(ROW, camera=camera), squat(1.6)).xy
        torso = np.linalg.norm(xy[:, 1:3].mean(1) - xy[:, 7:9].mean(1), axis=1)
        across[camera] = float(np.median((xy[:, 1, 0] - xy[:, 2, 0]) / torso))
    width = 360 / 500
    assert across[0] == pytest.approx(width, rel=0.15)
    assert across[45] == pytest.approx(width * np.sqrt(0.5), rel=0.25)
    assert abs(across[90]) < 0.15


def test_jitter_is_that_share_of_the_torso():
    still = np.repeat(STANDING[None], 400, axis=0)
    xy = film(replace(ROW, fps=50, frames=400), still).xy
    torso = np.linalg.norm(xy[:, 1:3].mean(1) - xy[:, 7:9].mean(1), axis=1).mean()
    assert xy.std(axis=0).mean() / torso == pytest.approx(exercises.JITTER, rel=0.03)
    steps = (xy - xy.mean(axis=0)) / xy.std(axis=0)
    assert np.abs(np.mean(steps[1:] * steps[:-1])) < 0.03  # each frame by itself
    assert np.mean(np.abs(steps) < 1) == pytest.approx(0.683, abs=0.02)  # nearly normal


# --- the set -------------------------------------------------------------------------------------


def test_cameras_and_rates_take_turns_and_people_are_split():
    rows = choose_exercises(many())
    assert len(rows) == 24
    assert {(row.person, row.split) for row in rows} == {
        *(("s01", "train"), ("s02", "train"), ("s05", "test"), ("s06", "test"))
    }
    for person in ("s01", "s06"):
        own = [row for row in rows if row.person == person and row.movement == "m07"]
        assert [row.camera for row in own] == [0, 45, 90]
        assert len({row.fps for row in own}) > 1
        assert {row.mirrored for row in own} == {person == "s06"}


def test_a_list_is_read_as_it_was_written(tmp_path: Path):
    rows = choose_exercises(many())
    (tmp_path / "list.csv").write_text(list_text(rows))
    assert read_list(tmp_path / "list.csv") == rows


def made(root: Path, recordings: Path, rows: list[Exercise]) -> str:
    return make_exercises(recordings, root, rows).digest


def test_a_set_is_the_same_however_it_is_made(tmp_path: Path):
    recordings = many(("s01", "s05"))
    rows = choose_exercises(recordings)
    arrays = write_arrays(tmp_path / "arrays", recordings)
    first = made(tmp_path / "first", arrays, rows)
    assert first == made(tmp_path / "first", arrays, rows)
    assert first == made(tmp_path / "second", arrays, rows[::-1])
    texts = write_folder(tmp_path / "texts", files(recordings, packed=True))
    assert first == made(tmp_path / "third", texts, rows)
    content = sorted(files(recordings).items(), reverse=True)
    assert first == made(tmp_path / "fourth", write_zip(tmp_path / "a.zip", content), rows)
    films = [sorted((tmp_path / name).rglob("films/*")) for name in ("first", "second")]
    assert len(films[0]) == 12
    for one, two in zip(*films, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_the_projects_hold_films_phases_splits_and_people(tmp_path: Path):
    recordings = many(("s01", "s05"))
    rows = choose_exercises(recordings)
    arrays = write_arrays(tmp_path / "arrays", recordings)
    result = make_exercises(arrays, tmp_path / "set", rows)
    assert [path.name for path in result.projects] == ["m01", "m07"]
    assert Counter(item.status for item in result.results) == {"ok": 12}
    project = StoredProject.open(tmp_path / "set" / "m07")
    assert {(v.group, v.split) for v in project.videos()} == {("s01", "train"), ("s05", "test")}
    for video in project.videos():
        phases = project.phases()[video.id]
        assert [phase.name for phase in phases] == ["start", *EVENTS]


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_arrays(tmp_path_factory.mktemp("arrays"), many(("s01", "s05")))


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "split": (lambda p: change(p / "videos.csv", ",test,", ",train,"), "the split of m01_s05"),
    "person": (lambda p: change(p / "videos.csv", ",s05,", ",s01,"), "the group of m01_s05"),
    "phases": (lambda p: change(p / "phases.csv", ",turn", ",half_way"), "the phases of m01_s01"),
    "film": (
        lambda p: change(p / "videos.csv", (p / "videos.csv").read_text().splitlines()[1], ""),
        "lacks m01_s01_e01",
    ),
    "poses": (lambda p: sorted((p / "poses").iterdir())[0].unlink(), "lacks m01_s01_e01"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_set_is_not_the_set(tmp_path: Path, arrays: Path, what: str):
    rows = choose_exercises(read_recordings(arrays))
    make_exercises(arrays, tmp_path / "set", rows)
    alter, words = CHANGES[what]
    alter(tmp_path / "set" / "m01")
    with pytest.raises(UserError, match="this is not exercises-1: ") as caught:
        check_set(tmp_path / "set", rows)
    assert words in caught.value.message
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_a_changed_film_is_not_replaced(tmp_path: Path, arrays: Path):
    rows = choose_exercises(read_recordings(arrays))
    make_exercises(arrays, tmp_path / "set", rows)
    path = tmp_path / "set" / "m01" / "films" / "m01_s05_e02.csv"
    change(path, "0,0.0,", "0,0.1,")
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"m01_s05_e02\.csv has been changed"):
        make_exercises(arrays, tmp_path / "set", rows)
    assert path.read_bytes() == before


def test_recordings_that_differ_are_refused(tmp_path: Path):
    recordings = many(("s01", "s05"))
    rows = choose_exercises(recordings)
    name = "m07_s05_e02"
    for other, words in (
        (arm_raise(4.0), "frames, 50 a second, not"),
        (recordings[name][::-1][: len(recordings[name]) // 2], "frames, 50 a second, not"),
        (np.roll(recordings[name], 4, axis=0), "half_out is at"),
        (np.repeat(STANDING[None], len(recordings[name]), axis=0), "does not go out"),
    ):
        root = write_arrays(tmp_path / "other", recordings | {name: other})
        with pytest.raises(UserError, match=f"the recording {name} is not that of ") as caught:
            make_exercises(root, tmp_path / "set", rows)
        assert words in caught.value.message
        assert caught.value.exit_code == ExitCode.MISMATCH
    assert not (tmp_path / "set").exists()


def test_the_list_of_the_frozen_set():
    rows = read_list()
    assert len(rows) == 414
    assert {row.movement for row in rows} == set(exercises.MOVEMENTS)
    assert len({row.clip for row in rows}) == len(rows)
    by_split = {split: {r.person for r in rows if r.split == split} for split in ("train", "test")}
    assert by_split == {"train": {"s01", "s02", "s03", "s04"}, "test": set(exercises.TEST)}
    for row in rows:
        assert 0 < row.half_out < row.turn < row.half_back < 20 * row.frames


@needs_mocap
def test_the_frozen_set_is_made_again(tmp_path: Path):
    assert choose_exercises(read_recordings(MOCAP)) == read_list()
    assert make_exercises(MOCAP, tmp_path).digest == exercises.DIGEST


@needs_mocap
def test_events_agree_with_those_that_were_found_by_another_rule():
    """clips.csv beside the recordings goes by the main direction of the movement. Sit to stand and
    the turn of the shoulder, which goes both ways, are left out: their directions differ."""
    rows = {row.clip: row for row in read_list() if row.movement not in ("m05", "m09")}
    with (MOCAP / "clips.csv").open(newline="") as table:
        other = {row["clip"]: row for row in csv.DictReader(table) if row["turn"]}
    off = np.array(
        [
            abs(getattr(row, event) / 20 - int(other[name][event]))
            for name, row in rows.items()
            if name in other
            for event in EVENTS
        ]
    )
    assert np.median(off) <= 1
    assert np.percentile(off, 99) <= 4
