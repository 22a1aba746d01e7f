"""H2O: recordings and lists in the layout of the data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.datasets.h2o import ACTIONS, import_h2o
from tests.formats.data_set_samples import (
    SIZE,
    hand_line,
    hands,
    projected,
    write_h2o,
    write_h2o_list,
)
from tests.told import Notes, refused

GRAB, POUR = 5, 23  # grab milk, pour milk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """subject1/h1/1 train with milk, subject1/h1/2 train without, one of val, one of test."""
    root = tmp_path / "h2o"
    for name in ("subject1/h1/1", "subject1/h1/2", "subject3/k2/1", "subject4/h1/1"):
        write_h2o(root, name)
    rows = [f"subject1/h1/1 {GRAB} 0 2 0 7", f"subject1/h1/1 {POUR} 3 6 0 7"]
    write_h2o_list(root, "train", [*rows, "subject1/h1/2 1 2 5 0 7"])
    write_h2o_list(root, "val", [f"subject3/k2/1 {POUR} 1 7 0 7"])
    write_h2o_list(root, "test", ["subject4/h1/1 0 3 0 7"])
    return root


def test_hands_are_projected_with_the_intrinsics(root: Path, project: StoredProject):
    results = import_h2o(project, root)
    assert [(r.status, r.frames) for r in results] == [("ok", 8)] * 4
    video = project.videos()[0]
    pose, recipe = project.read_pose(video.id)
    assert (pose.skeleton, pose.fps, pose.size) == ("hands42", 30.0, SIZE)
    assert (video.width, video.height, video.fps) == (*SIZE, 30.0)
    for t in (0, 7):
        np.testing.assert_allclose(pose.xy[t], projected(hands(t).reshape(-1, 3)), atol=1e-3)
    skeleton = get_skeleton("hands42")
    wrists = [skeleton.index("left_wrist"), skeleton.index("right_wrist")]
    np.testing.assert_allclose(pose.xy[0, wrists], projected(hands(0)[:, 0]), atol=1e-3)
    assert pose.world is not None
    np.testing.assert_allclose(pose.world[5], hands(5).reshape(-1, 3), atol=1e-6)
    assert (pose.score == 1).all()
    assert pose.time[3] == pytest.approx(0.1)
    assert recipe.config["format"] == "h2o"
    assert video.id.startswith("subject1-h1-1-cam4-")
    assert video.name == "subject1-h1-1-cam4"


def test_unannotated_hands_and_joints_behind_the_camera_are_missing(
    root: Path, project: StoredProject
):
    folder = root / "subject1/h1/1/cam4/hand_pose"
    (folder / "000002.txt").write_text(hand_line(hands(2), (0, 1)))
    (folder / "000003.txt").write_text(hand_line(hands(3), (1, 0)))
    (folder / "000004.txt").write_text(hand_line(hands(4), (0, 0)))
    points = hands(1)
    points[0, 4, 2], points[1, 7, 2] = -0.5, 0.0  # behind the camera, and in it
    (folder / "000001.txt").write_text(hand_line(points))
    import_h2o(project, root)
    pose, _ = project.read_pose(project.videos()[0].id)
    seen = np.asarray(np.isfinite(pose.xy).all(axis=2))
    assert not seen[2, :21].any()
    assert seen[2, 21:].all()
    assert seen[3, :21].all()
    assert not seen[3, 21:].any()
    assert not seen[4].any()
    assert np.flatnonzero(~seen[1]).tolist() == [4, 28]
    assert (pose.score[~seen] == 0).all()
    assert pose.info["coverage"] == pytest.approx(7 / 8)


def test_lists_give_splits_groups_and_phases_with_the_last_frame(
    root: Path, project: StoredProject
):
    notes = Notes()
    import_h2o(project, root, progress=notes)
    videos = project.videos()
    assert [v.split for v in videos] == ["train", "train", "", "test"]
    assert [v.group for v in videos] == ["subject1", "subject1", "subject3", "subject4"]
    phases = project.phases()
    assert phases[videos[0].id] == [Phase(0, 3, "grab milk"), Phase(3, 7, "pour milk")]
    assert phases[videos[2].id] == [Phase(1, 8, "pour milk")]
    assert videos[3].id not in phases
    assert notes.lines == []


def test_only_recordings_with_an_action(root: Path, project: StoredProject):
    notes = Notes()
    import_h2o(project, root, action="pour milk", progress=notes)
    assert [v.group for v in project.videos()] == ["subject1", "subject3"]
    # The recording is whole: its other actions are there, too.
    assert len(project.phases()[project.videos()[0].id]) == 2
    assert any("because they have no labels: 1" in line for line in notes.lines)


def test_actions_nobody_knows(root: Path, project: StoredProject):
    with refused(ExitCode.USAGE, "unknown action 'pour mlik'") as caught:
        import_h2o(project, root, action="pour mlik")
    assert "did you mean 'pour milk'" in caught.value.hint
    with pytest.raises(UserError, match="labelled 'spray spray'") as caught:
        import_h2o(project, root, action="spray spray")
    assert "grab book, grab milk, pour milk" in caught.value.hint
    assert not project.videos()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hand_pose/000003.txt", "1 2 3\n", "hand_pose/000003.txt should have 128 numbers, not 3"),
        ("hand_pose/000003.txt", "0 " * 124, "not 124, as in hand_pose_MANO"),
        ("hand_pose/000003.txt", "x " * 128, "contains something other than numbers"),
        ("hand_pose/000003.txt", "2 " + "0 " * 127, "flags of the hands should be 0 or 1"),
        ("hand_pose/abc.txt", "", "no frame number in the name 'abc.txt'"),
        ("cam_intrinsics.txt", "600 600 640\n", "should have fx fy cx cy width height"),
        ("cam_intrinsics.txt", "0 600 640 360 1280 720", "should be above 0"),
        ("cam_intrinsics.txt", "", "cannot be opened"),
    ],
)
def test_a_file_that_is_wrong_fails_alone(
    root: Path, project: StoredProject, name: str, content: str, said: str
):
    path = root / "subject1/h1/2/cam4" / name
    path.write_text(content)
    if said == "cannot be opened":
        path.unlink()
    results = import_h2o(project, root)
    assert [r.status for r in results] == ["ok", "failed", "ok", "ok"]
    assert said in results[1].message
    assert "\n" not in results[1].message
    assert len(project.videos()) == 3


@pytest.mark.parametrize(
    ("row", "said", "code"),
    [
        ("subject1/h1/1 99 0 2 0 7", "there is no action 99", ExitCode.MISMATCH),
        ("subject1/h1/1 5 4 2 0 7", "begins at frame 4 and ends at 2", ExitCode.MISMATCH),
        ("subject1/h1/1 5 x 2 0 7", "line 3: 'x' is not a frame number", ExitCode.MISMATCH),
        ("subject4/h1/1 5 0 2 0 7", "is also in action_train.txt", ExitCode.MISMATCH),
        ("", r"action_train.txt line 1: expected the columns", ExitCode.UNREADABLE),
    ],
)
def test_a_line_that_does_not_fit_is_named_and_nothing_is_written(
    root: Path, project: StoredProject, row: str, said: str, code: ExitCode
):
    path = write_h2o_list(root, "train", [f"subject1/h1/1 {GRAB} 0 2 0 7", row])
    if not row:
        path.write_text("hello\n")
    with refused(code, said):
        import_h2o(project, root)
    assert not project.videos()


def test_lists_may_be_missing_or_lie_elsewhere(tmp_path: Path, project: StoredProject):
    root = tmp_path / "bare"
    write_h2o(root)
    notes = Notes()
    import_h2o(project, root, progress=notes)
    assert project.videos()[0].split == ""
    assert any("no clip gets a split" in line for line in notes.lines)
    write_h2o_list(root, "train", [f"subject1/h1/1 {POUR} 1 4 0 7"], folder="label_split")
    import_h2o(project, root)
    assert project.videos()[0].split == "train"
    assert len(project.phases()) == 1


def test_phases_beyond_the_poses_are_cut_and_said(root: Path, project: StoredProject):
    write_h2o_list(root, "train", [f"subject1/h1/1 {POUR} 1 8 0 7", "subject1/h1/2 1 2 20 0 7"])
    results = import_h2o(project, root)
    # One frame more is within what data sets differ by; twelve more are not.
    assert [(r.status, r.code) for r in results[:2]] == [("ok", ""), ("degraded", "I003")]
    assert "end at frame 20, and its poses end at frame 7" in results[1].message
    phases = project.phases()
    assert phases[results[0].video] == [Phase(1, 8, "pour milk")]
    assert phases[results[1].video] == [Phase(2, 8, "grab book")]


def test_the_names_of_the_actions():
    """The numbers that are used in the field for pouring milk, and the ends of the list."""
    found = [ACTIONS[n] for n in (0, 5, 13, 18, 21, 23, 36)]
    milk = [f"{verb} milk" for verb in ("grab", "place", "open", "close", "pour")]
    assert found == ["background", *milk, "squeeze lotion"]
    assert len(ACTIONS) == len(set(ACTIONS)) == 37
