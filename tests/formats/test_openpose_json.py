"""OpenPose folders: BODY_25, COCO, people without identities, names of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import (
    joints,
    openpose_frame,
    triples,
    write_json,
    write_openpose,
)

Read = Callable[..., PoseSequence]
FPS = ImportOptions(fps=30)


def test_a_folder_is_a_clip(project: Project, tmp_path: Path):
    folder = write_openpose(tmp_path / "anna")
    (result,) = load_importer("openpose-json")(project, folder, FPS)
    assert (result.status, result.frames) == ("ok", 6)
    pose, recipe = project.read_pose(result.video)
    assert (pose.skeleton, pose.size, pose.fps) == ("body25", (0, 0), 30)
    np.testing.assert_allclose(pose.xy[4], joints(4, count=25))
    np.testing.assert_allclose(pose.score, 0.75)
    assert load_importer("openpose-json")(project, folder, FPS)[0].status == "cached"
    write_json(folder / "clip_000000000005_keypoints.json", openpose_frame([joints(9, count=25)]))
    assert (
        load_importer("openpose-json")(project, folder, FPS)[0].status == "ok"
    )  # its digest covers all
    assert project.videos()[-1].id != result.video
    assert len(recipe.inputs["poses"]) == 64


def test_a_folder_of_folders_is_a_batch(project: Project, tmp_path: Path):
    for name, frames in (("clip10", 4), ("clip2", 3)):
        write_openpose(tmp_path / "out" / name, frames=frames)
    results = load_importer("openpose-json")(project, tmp_path / "out", FPS)
    assert [(Path(r.path).name, r.frames) for r in results] == [("clip2", 3), ("clip10", 4)]


def test_two_clips_in_one_folder_are_told_apart_by_their_names(project: Project, tmp_path: Path):
    folder = write_openpose(tmp_path / "out", frames=3, clip="anna")
    write_openpose(folder, frames=5, clip="ben_2")
    assert [r.frames for r in load_importer("openpose-json")(project, folder, FPS)] == [3, 5]
    assert [v.id.rpartition("-")[0] for v in project.videos()] == ["anna", "ben-2"]


def test_zero_is_missing(read: Read, tmp_path: Path):
    folder = write_openpose(tmp_path / "anna")
    flat = triples(joints(1, count=25))
    flat[6:9] = [0, 0, 0]
    frame = openpose_frame([])
    frame["people"] = [{"pose_keypoints_2d": flat}]
    write_json(folder / "clip_000000000001_keypoints.json", frame)
    write_json(folder / "clip_000000000003_keypoints.json", openpose_frame([]))
    pose = read("openpose-json", folder)
    assert np.isnan(pose.xy[1, 2]).all()
    assert pose.score[1, 2] == 0
    assert np.isfinite(pose.xy[1, 3]).all()
    assert np.isnan(pose.xy[3]).all()


def test_coco18_becomes_coco17_by_name(read: Read, tmp_path: Path):
    pose = read("openpose-json", write_openpose(tmp_path / "anna", count=18))
    assert pose.skeleton == "coco17"
    theirs = joints(2, count=18)
    ours = get_skeleton("coco17")
    for name, place in (("nose", 0), ("right_shoulder", 2), ("left_wrist", 7), ("right_ear", 16)):
        np.testing.assert_allclose(pose.xy[2, ours.index(name)], theirs[place])


def test_body25_can_fill_coco17(read: Read, tmp_path: Path):
    pose = read("openpose-json", write_openpose(tmp_path / "anna"), skeleton="coco17")
    body, coco = get_skeleton("body25"), get_skeleton("coco17")
    for name in ("nose", "left_ankle", "right_eye"):
        np.testing.assert_allclose(
            pose.xy[1, coco.index(name)], joints(1, count=25)[body.index(name)]
        )


def test_people_without_identities_are_followed(project: Project, tmp_path: Path):
    """The larger person in the middle is the subject, whichever comes first in the file."""
    for t in range(20):
        big, small = joints(t, at=300, scale=1.5, count=25), joints(0, at=20, scale=0.7, count=25)
        people = [big, small] if t % 2 else [small, big]
        write_json(tmp_path / "anna" / f"a_{t:012d}_keypoints.json", openpose_frame(people))
    options = ImportOptions(fps=30, size=(640, 480))
    (result,) = load_importer("openpose-json")(project, tmp_path / "anna", options)
    assert result.status == "ok"
    pose, _ = project.read_pose(result.video)
    for t in range(20):
        np.testing.assert_allclose(pose.xy[t], joints(t, at=300, scale=1.5, count=25))
    assert (pose.info["people"], pose.info["ambiguous"]) == (2, False)


def test_missing_files_are_reported(project: Project, tmp_path: Path):
    folder = write_openpose(tmp_path / "anna", frames=10)
    (folder / "clip_000000000004_keypoints.json").unlink()
    (result,) = load_importer("openpose-json")(project, folder, FPS)
    assert (result.status, result.code, result.frames) == ("degraded", "I003", 10)
    assert "1 of 10" in result.message


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("{", "I001", "not JSON"),
        ("[]", "I001", "document should be an object, not a list"),
        ("{}", "I001", "no 'people'"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "I002", "2 numbers, not three each"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "I002", "1 joints, neither the 25"),
        ('{"people": [{"pose_keypoints_2d": {"a": 1}}]}', "I001", "should be a list"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(
    project: Project, tmp_path: Path, content: str, code: str, said: str
):
    folder = write_openpose(tmp_path / "out" / "bad")
    write_openpose(tmp_path / "out" / "good")
    (folder / "clip_000000000003_keypoints.json").write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("openpose-json")(project, folder, FPS)
    assert caught.value.code == code
    assert "clip_000000000003_keypoints.json" in caught.value.message
    results = load_importer("openpose-json")(project, tmp_path / "out", FPS)
    assert {Path(r.path).name: r.status for r in results} == {"bad": "failed", "good": "ok"}


def test_frame_number_twice(project: Project, tmp_path: Path):
    folder = write_openpose(tmp_path / "anna")
    write_json(folder / "clip_3_keypoints.json", openpose_frame([]))
    with pytest.raises(UserError, match="frame 3 appears twice") as caught:
        load_importer("openpose-json")(project, folder, FPS)
    assert caught.value.code == "I003"


def test_folder_without_files_of_openpose(project: Project, tmp_path: Path):
    write_json(tmp_path / "out" / "a.json", {})
    with pytest.raises(UserError, match="no OpenPose files") as caught:
        load_importer("openpose-json")(project, tmp_path / "out", FPS)
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_frame_rate_is_asked_for(project: Project, tmp_path: Path):
    with pytest.raises(UserError, match="frame rate") as caught:
        load_importer("openpose-json")(project, write_openpose(tmp_path / "anna"))
    assert caught.value.exit_code == ExitCode.USAGE
    assert "--fps N" in caught.value.hint
