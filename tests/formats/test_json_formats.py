"""JSON of COCO, MMPose and OpenPose: clips, frames, joints, scores and people."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from tests.formats.conftest import Read
from tests.formats.file_samples import (
    coco_document,
    joints,
    mmpose_frames,
    mmpose_instance,
    openpose_frame,
    triples,
    write_json,
    write_openpose,
)

FPS = ImportOptions(fps=25)
COCO, BODY = get_skeleton("coco17"), get_skeleton("body25")


# --- COCO -----------------------------------------------------------------------------------------


def test_data_set(project: StoredProject, tmp_path: Path):
    path = write_json(tmp_path / "walk.json", coco_document())
    (result,) = import_poses(project, "coco-json", path, FPS)
    assert (result.status, result.frames) == ("ok", 6)
    digest = file_digest(path)
    (video,) = project.videos()
    assert video.id == result.video
    assert video.id.endswith(f"walk-{digest[:8]}")
    assert (video.sha256, Path(video.path)) == (digest, path)
    assert (video.frames, video.fps, video.width, video.height) == (6, 25.0, 640, 480)
    pose, recipe = project.read_pose(video.id)
    assert (pose.skeleton, pose.size) == ("coco17", (640, 480))
    np.testing.assert_allclose(pose.xy[3], joints(3))
    np.testing.assert_allclose(pose.score, 0.75)
    np.testing.assert_allclose(pose.box[3], [101, 55, 141, 145])  # xywh in the file
    np.testing.assert_allclose(pose.time, np.arange(6) / 25)
    assert (recipe.step, recipe.inputs) == ("import", {"poses": digest})
    assert recipe.config["format"] == "coco-json"
    assert import_poses(project, "coco-json", path, FPS)[0].status == "cached"
    assert import_poses(project, "coco-json", path, ImportOptions(fps=30))[0].status == "ok"


def test_flags_become_scores(read: Read, tmp_path: Path):
    document = coco_document()
    flags = [2.0] * 17
    flags[1], flags[2] = 1, 0
    for item in document["annotations"]:
        keypoints = np.reshape(item["keypoints"], (17, 3))
        keypoints[:, 2] = flags
        keypoints[2] = 0
        item["keypoints"] = keypoints.ravel().tolist()
        del item["score"]
    pose = read("coco-json", write_json(tmp_path / "a.json", document))
    assert pose.score[0, :4].tolist() == [1, 0.5, 0, 1]
    assert np.isnan(pose.xy[:, 2]).all()
    np.testing.assert_allclose(pose.xy[4, 1], joints(4)[1])


def test_joint_names_of_the_category_decide(read: Read, tmp_path: Path):
    document = coco_document()
    order = [*range(5, 17), *range(5)]
    document["categories"] = [
        {"id": 3, "name": "dog"},
        {"id": 1, "name": "person", "keypoints": [COCO.joints[k].upper() for k in order]},
    ]
    document["annotations"].append({**document["annotations"][0], "category_id": 3, "id": 99})
    pose = read("coco-json", write_json(tmp_path / "a.json", document))
    np.testing.assert_allclose(pose.xy[1, order], joints(1))


def test_images_without_a_person_and_missing_images(project: StoredProject, tmp_path: Path):
    document = coco_document(10)
    del document["annotations"][0]
    del document["images"][4:6]
    gone = {14, 15}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] not in gone]
    (result,) = import_poses(project, "coco-json", write_json(tmp_path / "a.json", document), FPS)
    assert (result.status, result.code, result.frames) == ("degraded", "I003", 10)
    assert "2 of 10 frame numbers" in result.message
    pose, _ = project.read_pose(result.video)
    assert np.flatnonzero(np.isnan(pose.xy).all(axis=(1, 2))).tolist() == [0, 4, 5]


def test_several_videos_in_one_file(project: StoredProject, tmp_path: Path):
    document = coco_document(8)
    document["videos"] = [{"id": 1, "name": "a.1.mp4", "fps": 50}, {"id": 2, "name": "a.2"}]
    for n, image in enumerate(document["images"]):
        image["video_id"], image["frame_id"] = (1, n) if n < 5 else (2, n - 5)
    path = write_json(tmp_path / "a.json", document)
    assert [r.code for r in import_poses(project, "coco-json", path)] == ["", "I007"]
    assert [r.frames for r in import_poses(project, "coco-json", path, FPS)] == [5, 3]
    assert [video.id.rpartition("-")[0] for video in project.videos()] == ["a-1", "a-2"]


# --- MMPose ---------------------------------------------------------------------------------------


def test_inferencer_file(read: Read, tmp_path: Path):
    frames = mmpose_frames()
    frames[2]["instances"][0]["keypoint_scores"][0] = 1.08  # SimCC heads give such scores
    pose = read("mmpose-json", write_json(tmp_path / "anna.json", frames))
    assert (pose.skeleton, len(pose)) == ("coco17", 6)
    np.testing.assert_allclose(pose.xy[3], joints(3))
    assert pose.score[2, :2].tolist() == [1, 0.75]
    np.testing.assert_allclose(pose.box[3], [101, 55, 141, 145])


def test_demo_document_counts_from_one_and_names_its_joints(read: Read, tmp_path: Path):
    names = list(get_skeleton("halpe26").joints)
    names[names.index("mid_hip")] = "hip"  # as MMPose calls it
    people = [[mmpose_instance(joints(t, count=26))] for t in range(5)]
    document = {
        "meta_info": {"dataset_name": "halpe26", "keypoint_id2name": dict(enumerate(names))},
        "instance_info": [{"frame_id": t + 1, "instances": one} for t, one in enumerate(people)],
    }
    pose = read("mmpose-json", write_json(tmp_path / "anna.json", document))
    assert (pose.skeleton, len(pose)) == ("halpe26", 5)
    np.testing.assert_allclose(pose.xy[4], joints(4, count=26))


@pytest.mark.parametrize(
    ("box", "code"), [({}, "V021"), ({"bbox": [[0] * 4]}, "V021"),
                      ({"bbox": [[0, 0, 640, 480]]}, "")])  # fmt: skip
def test_identities_are_believed_where_boxes_cross_or_are_useless(
    project: StoredProject, tmp_path: Path, box: dict[str, Any], code: str
):
    """Two people of one size pass each other; the identities say who is who."""
    frames = []
    for t in range(40):
        anna = mmpose_instance(joints(0, at=100 + 10 * t), track_id=4, **box)
        ben = mmpose_instance(joints(0, at=500 - 10 * t, scale=1.2), track_id=7, **box)
        frames.append({"frame_id": t, "instances": [anna, ben] if t % 3 else [ben, anna]})
    path = write_json(tmp_path / "a.json", frames)
    (result,) = import_poses(project, "mmpose-json", path, ImportOptions(fps=25, size=(640, 480)))
    steps = np.diff(project.read_pose(result.video)[0].xy[:, 0, 0])
    assert (steps == steps[0]).all()
    assert abs(steps[0]) == 10
    assert result.code == code


# --- OpenPose -------------------------------------------------------------------------------------


def test_a_folder_is_a_clip(project: StoredProject, tmp_path: Path):
    run = partial(import_poses, format_name="openpose-json")
    folder = write_openpose(tmp_path / "anna")
    (result,) = run(project, root=folder, options=FPS)
    assert (result.status, result.frames) == ("ok", 6)
    pose, recipe = project.read_pose(result.video)
    assert (pose.skeleton, pose.size, pose.fps) == ("body25", (0, 0), 25)
    np.testing.assert_allclose(pose.xy[4], joints(4, count=25))
    np.testing.assert_allclose(pose.score, 0.75)
    assert len(recipe.inputs["poses"]) == 64
    (folder / ".DS_Store").touch()
    assert run(project, root=folder, options=FPS)[0].status == "cached"
    project.phases_path.write_text("video,start,end,phase\nanna,0,3,up\n")
    write_json(folder / "clip_000000000005_keypoints.json", openpose_frame([joints(9, count=25)]))
    assert run(project, root=folder, options=FPS)[0].status == "ok"  # its digest covers all
    assert project.videos()[-1].id != result.video
    assert list(project.phases()) == [result.video]


def test_a_batch_of_folders_and_two_clips_in_one(project: StoredProject, tmp_path: Path):
    for name, frames in (("clip10", 4), ("clip2", 3)):
        write_openpose(tmp_path / "out" / name, frames=frames)
    results = import_poses(project, "openpose-json", tmp_path / "out", FPS)
    assert [(Path(r.path).name, r.frames) for r in results] == [("clip2", 3), ("clip10", 4)]
    folder = write_openpose(tmp_path / "both", frames=3, clip="anna")
    write_openpose(folder, frames=5, clip="ben_2")
    assert [r.frames for r in import_poses(project, "openpose-json", folder, FPS)] == [3, 5]
    assert [v.id.rpartition("-")[0] for v in project.videos()][-2:] == ["anna", "ben-2"]


def test_zero_is_missing_and_a_missing_file_is_reported(project: StoredProject, tmp_path: Path):
    folder = write_openpose(tmp_path / "anna", frames=10)
    flat = triples(joints(1, count=25))
    flat[6:9] = [0, 0, 0]
    frame = {"people": [{"pose_keypoints_2d": flat}]}
    write_json(folder / "clip_000000000001_keypoints.json", frame)
    write_json(folder / "clip_000000000003_keypoints.json", openpose_frame([]))
    (folder / "clip_000000000004_keypoints.json").unlink()
    (result,) = import_poses(project, "openpose-json", folder, FPS)
    assert (result.status, result.code, result.frames) == ("degraded", "I003", 10)
    assert "1 of 10" in result.message
    pose, _ = project.read_pose(result.video)
    assert np.flatnonzero(np.isnan(pose.xy[1, :, 0])).tolist() == [2]
    assert pose.score[1, 2] == 0
    assert np.flatnonzero(np.isnan(pose.xy).all(axis=(1, 2))).tolist() == [3, 4]


@pytest.mark.parametrize(("count", "told"), [(26, "halpe26"), (25, "coco17")])
def test_joints_in_another_order(read: Read, tmp_path: Path, count: int, told: str):
    """Tools that write files like those of OpenPose have other joints; BODY_25 has names."""
    pose = read("openpose-json", write_openpose(tmp_path / "anna", count=count), skeleton=told)
    assert pose.skeleton == told
    theirs = get_skeleton("halpe26") if count == 26 else BODY
    for name in ("nose", "right_shoulder", "left_wrist", "right_ear"):
        expected = joints(2, count=count)[theirs.index(name)]
        np.testing.assert_allclose(pose.xy[2, get_skeleton(told).index(name)], expected)


def test_people_without_identities_are_followed(project: StoredProject, tmp_path: Path):
    """The larger person in the middle is the subject, whichever comes first in the file."""
    for t in range(20):
        big, small = joints(t, at=300, scale=1.5, count=25), joints(0, at=20, scale=0.7, count=25)
        people = [big, small] if t % 2 else [small, big]
        write_json(tmp_path / "anna" / f"a_{t:012d}_keypoints.json", openpose_frame(people))
    options = ImportOptions(fps=30, size=(640, 480))
    (result,) = import_poses(project, "openpose-json", tmp_path / "anna", options)
    pose, _ = project.read_pose(result.video)
    for t in range(20):
        np.testing.assert_allclose(pose.xy[t], joints(t, at=300, scale=1.5, count=25))
    assert (pose.info["people"], pose.info["ambiguous"]) == (2, False)


def test_videos_whose_names_have_no_ascii_letters_are_clips_of_their_own(
    project: StoredProject, tmp_path: Path
):
    document = coco_document(9)
    names = ("прыжок.mp4", "прыжки.mp4", "跳.mp4")
    document["videos"] = [{"id": n, "name": name, "fps": 25} for n, name in enumerate(names)]
    for t, image in enumerate(document["images"]):
        image["video_id"], image["frame_id"] = (t > 1) + (t > 4), t
    path = write_json(tmp_path / "a.json", document)
    results = import_poses(project, "coco-json", path)
    assert [(r.code, r.frames) for r in results] == [("", 2), ("", 3), ("", 4)]
    ids = [video.id for video in project.videos()]
    assert len(set(ids)) == 3
    assert [r.status for r in import_poses(project, "coco-json", path)] == ["cached"] * 3
    assert [video.id for video in project.videos()] == ids
