"""Who is the subject of a clip, and subjects.csv."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses import subjects as tested
from la2ds_cli.poses.tracking import Track, make_track
from tests.poses.simulated_people import SIZE, moving, with_joints
from tests.told import refused


def test_somebody_who_walks_by_right_before_the_camera_is_not_the_subject() -> None:
    """Fills the picture for a fifth of the clip: five times as large as the athlete."""
    athlete = moving(320, 150, 100, 0.1)
    at = np.arange(40, 60)
    box = np.stack([at * 40 - 1700, at * 0, at * 40 - 1300, at * 0 + 479], axis=1)
    box = np.clip(box, 0, [639, 479, 639, 479]).astype(float)
    passer = make_track(at, box, np.full(20, 0.9))
    places = np.concatenate([box, box[:, :2]], axis=1).reshape(20, 3, 2)
    passer = with_joints(passer, places, np.full((20, 3), 0.8))
    assert tested.choose_subject([passer, athlete], SIZE, 100)[0] == 1


def test_the_score_is_the_product_of_its_factors() -> None:
    """In the middle, half of the frames: every factor is known. Joints go to and fro over 40
    pixels of 200, evenly: the middle 80 % are 32, which makes a spread of 32 / 2.56 / sqrt 2."""
    track = moving(320, 200, 50, 0.0)
    xy = track.xy.copy()
    xy[:, :, 0] += np.linspace(-20, 20, 50)[:, None]
    track = with_joints(track, xy, track.joint_score)
    side = np.sqrt(200 / 3 * 200 / (640 * 480))
    liveliness = 0.3 + 0.7 * (1 - np.exp(-32 / 2.56 / np.sqrt(2) / 200 / 0.05))
    expected = side * 0.5 * 1.0 * liveliness * 0.8
    assert tested.subject_scores([track], SIZE, 100) == pytest.approx([expected])
    assert tested.choose_subject([track], SIZE, 100) == (0, 1)


def still(box: list[float]) -> Track:
    """A box without joints, scored 0.9, in all of 50 frames: it does not move, which makes 0.3."""
    return make_track(np.arange(50), np.array([box] * 50, float), np.full(50, 0.9))


def test_a_close_up_does_not_win_by_size() -> None:
    """Both in the middle, with sides of 0.75 and 0.9 of the picture's: both count as a half."""
    smaller, larger = still([80, 60, 560, 420]), still([32, 24, 608, 456])
    assert tested.subject_scores([smaller], SIZE, 50) == pytest.approx(
        tested.subject_scores([larger], SIZE, 50)
    )


@pytest.mark.parametrize(
    ("box", "factor"),
    [
        ([280, 160, 360, 320], 1.0),  # about the middle
        ([440, 280, 520, 440], 0.75),  # half-way to the corner
        ([600, 400, 680, 560], 0.5),  # about the corner
    ],
)
def test_a_person_in_a_corner_counts_half(box: list[float], factor: float) -> None:
    side = np.sqrt(80 * 160 / (640 * 480))
    scores = tested.subject_scores([still(box)], SIZE, 50)
    assert scores == pytest.approx([side * factor * 0.3 * 0.9])


@pytest.mark.parametrize(("seen", "factor"), [(4, 1), (2, 1), (1, 0.5)])
def test_half_of_the_joints_are_enough(seen: int, factor: float) -> None:
    """Of four joints some are seen at 0.8, the others are not there."""
    track = still([280, 160, 360, 320])
    score = np.where(np.arange(4) < seen, 0.8, 0.0)
    joints = with_joints(track, np.full((50, 4, 2), 300.0), np.tile(score, (50, 1)))
    side = np.sqrt(80 * 160 / (640 * 480))
    expected = side * 0.3 * score.mean() * factor
    assert tested.subject_scores([joints], SIZE, 50) == pytest.approx([expected])


def test_a_part_of_the_subject_is_no_rival_and_no_person() -> None:
    whole = moving(320, 300, 50, 0.1)
    upper = make_track(whole.frame, whole.box * [1, 1, 1, 0] + [5, 0, -5, 250], whole.score)
    larger = make_track(whole.frame, whole.box + np.array([-50, -20, 20, 20]), whole.score / 2)
    assert tested.choose_subject([whole, upper, larger], SIZE, 50) == (0, 1)
    assert tested.rank_people([whole, upper, larger], SIZE, 50) == [0]


@pytest.fixture
def crowd() -> list[Track]:
    """Large at the left; in the middle; lively at the right; small and early."""
    return [
        moving(120, 300, 60, 0.02, start=40),
        moving(320, 180, 60, 0.05, start=40),
        moving(520, 200, 60, 0.3, start=40),
        moving(440, 120, 80, 0.1),
    ]


def test_a_rank_is_that_of_the_people_and_leaves_nothing_open(crowd: list[Track]) -> None:
    order = tested.rank_people(crowd, SIZE, 100)
    for rank, index in enumerate(order, start=1):
        assert tested.choose_subject(crowd, SIZE, 100, str(rank)) == (index, 1)


@pytest.mark.parametrize(
    ("count", "subject", "numbers"),
    [(3, "auto", [1, 2, 3]), (3, "3", [3, 1, 2]), (0, "auto", []), (2, "2", [2, 1])],
)
def test_the_numbers_of_people_whom_a_subject_ordered(count, subject, numbers) -> None:
    assert tested.ranks(count, subject) == numbers


def test_a_rank_beyond_the_people_is_named() -> None:
    pair = [moving(220, 200, 50, 0.1), moving(420, 200, 50, 0.1)]
    with refused(ExitCode.UNUSABLE, "shows 2 people; there is no person 3", "V026"):
        tested.choose_subject(pair, SIZE, 50, "3")
    with pytest.raises(UserError, match="shows 1 person; there is no person 2"):
        tested.choose_subject(pair[:1], SIZE, 50, "2")


@pytest.mark.parametrize("subject", ["biggest", "0", "-1", "1.5", "", "²", "9" * 5000])
def test_an_unknown_subject_is_refused(subject: str) -> None:
    with refused(ExitCode.USAGE, "unknown subject"):
        tested.check_subject(subject)


def test_what_is_hardly_there_is_no_person() -> None:
    """A hundredth of the clip, small and in a corner."""
    noise = moving(30, 60, 2, 0.1)
    assert tested.rank_people([noise, moving(320, 200, 200, 0.1)], SIZE, 200) == [1]


FRONT = (320, 200, 40, 0.1)
TAKING_OVER = {
    "the same person from another view": ([FRONT, (200, 320, 30, 0.1, 40)], None, 1, 70),
    "a dissolve that shows both views for six frames": (
        [(320, 200, 46, 0.1), (200, 320, 40, 0.1, 40)], None, 1, 80,
    ),
    "a cut that is known": ([FRONT, (200, 320, 30, 0.1, 42)], [41], 1, 70),
    "no cut between the two": ([FRONT, (200, 320, 30, 0.1, 42)], [10, 60], 0, 40),
    "two people after the cut": (
        [FRONT, (150, 200, 30, 0.1, 40), (500, 200, 30, 0.1, 40)], None, 0, 40,
    ),
    "a bystander beside the subject": ([FRONT, (500, 200, 38, 0.1, 4)], None, 0, 40),
    "a coach who stays when the subject has left": ([FRONT, (500, 200, 90, 0.0)], None, 0, 40),
}  # fmt: skip


@pytest.mark.parametrize(("people", "cuts", "pieces", "length"), TAKING_OVER.values(),
                         ids=TAKING_OVER)  # fmt: skip
def test_who_takes_over_where_the_subject_is_not_seen(people, cuts, pieces, length) -> None:
    tracks = [moving(*each[:4], start=each[4] if len(each) > 4 else 0) for each in people]
    joined, added = tested.follow_cuts(0, tracks, least=9, cuts=cuts)
    assert (added, len(joined)) == (pieces, length)
    assert (np.diff(joined.frame) > 0).all()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a,auto\nb,biggest\n", "line 3 .*unknown subject 'biggest'"),
        ("a,auto\na,2\n", "line 3 .*'a' is listed twice"),
        (",2\n", "line 2 .*the video is empty"),
        ("a,0\n", "line 2 .*unknown subject '0'"),
        ("a\n", "line 2 .*: it has 1 field, but the header has 2"),
    ],
)
def test_a_bad_row_is_named(project: StoredProject, rows: str, problem: str) -> None:
    project.subjects_path.write_text("video,subject\n" + rows, "utf-8")
    with refused(ExitCode.MISMATCH, problem) as caught:
        tested.read_subjects(project)
    assert "video,subject" in caught.value.hint


def test_choices_are_stored_by_the_first_person_of_a_clip(project: StoredProject) -> None:
    assert tested.read_subjects(project) == {}
    project.subjects_path.write_text("video,subject\n swing-1 , 3\nother,2\n", "utf-8")
    tested.set_subjects(project, {"swing-1": "4", "other": "", "more": "auto"})
    subjects = tested.read_subjects(project)
    assert subjects == {"swing-1": "4", "more": "auto"}
    for video, person in (("swing-1", 1), ("swing-1-p2", 2)):
        clip = Video(video, "clips/swing.mp4", "0" * 64, 10, 30.0, 640, 480, person=person)
        assert tested.subject_of(subjects, clip) == "4"
