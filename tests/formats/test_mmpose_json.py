"""MMPose predictions: inferencer lists, demo documents, identities, names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import joints, mmpose_frames, mmpose_instance, write_json

Read = Callable[..., PoseSequence]
FPS = ImportOptions(fps=25)


def test_inferencer_file(read: Read, tmp_path: Path):
    pose = read("mmpose-json", write_json(tmp_path / "anna.json", mmpose_frames()))
    assert (pose.skeleton, len(pose)) == ("coco17", 6)
    np.testing.assert_allclose(pose.xy[3], joints(3))
    np.testing.assert_allclose(pose.score, 0.75)
    np.testing.assert_allclose(pose.box[3], [101, 55, 141, 145])


def test_demo_document_counts_from_one_and_names_its_joints(read: Read, tmp_path: Path):
    names = list(get_skeleton("halpe26").joints)
    names[names.index("mid_hip")] = "hip"  # as MMPose calls it
    frames = [
        {"frame_id": t + 1, "instances": [mmpose_instance(joints(t, count=26))]} for t in range(5)
    ]
    document = {
        "meta_info": {"dataset_name": "halpe26", "keypoint_id2name": dict(enumerate(names))},
        "instance_info": frames,
    }
    pose = read("mmpose-json", write_json(tmp_path / "anna.json", document))
    assert (pose.skeleton, len(pose)) == ("halpe26", 5)
    np.testing.assert_allclose(pose.xy[4], joints(4, count=26))


def test_scores_above_one_are_cut(read: Read, tmp_path: Path):
    frames = mmpose_frames()
    frames[2]["instances"][0]["keypoint_scores"][0] = 1.08  # SimCC heads give such scores
    pose = read("mmpose-json", write_json(tmp_path / "anna.json", frames))
    assert pose.score[2, 0] == 1


def test_identities_are_believed_where_boxes_cross(project: Project, tmp_path: Path):
    """Two people of one size pass each other; the identities say who is who."""
    frames = []
    for t in range(40):
        anna = mmpose_instance(joints(0, at=100 + 10 * t), track_id=4)
        ben = mmpose_instance(joints(0, at=500 - 10 * t, scale=1.2), track_id=7)
        frames.append({"frame_id": t, "instances": [anna, ben] if t % 3 else [ben, anna]})
    options = ImportOptions(fps=25, size=(640, 480))
    (result,) = load_importer("mmpose-json")(
        project, write_json(tmp_path / "a.json", frames), options
    )
    pose, _ = project.read_pose(result.video)
    steps = np.diff(pose.xy[:, 0, 0])
    assert (steps == steps[0]).all()
    assert abs(steps[0]) == 10
    assert (result.status, result.code) == ("degraded", "V021")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (
            lambda d: d.__setitem__(2, {"frame_id": 1, "instances": []}),
            "I003",
            "frame 1 appears twice",
        ),
        (lambda d: d[2].pop("frame_id"), "I001", "entry 2 has no 'frame_id'"),
        (lambda d: d[2].update(frame_id="two"), "I003", "'two' is not a frame number"),
        (lambda d: d[2]["instances"][0].pop("keypoint_scores"), "I001", "no 'keypoint_scores'"),
        (lambda d: d[2]["instances"][0]["keypoint_scores"].pop(), "I001", "17 numbers, not 16"),
        (
            lambda d: d[2]["instances"][0].update(keypoints=[[1, 2, 3]] * 17),
            "I002",
            "frame 2, person 0 are not pairs",
        ),
        (
            lambda d: d[2]["instances"].append(mmpose_instance(joints(2, count=5))),
            "I002",
            r"different numbers of joints: \[5, 17\]",
        ),
        (lambda d: [f["instances"].clear() for f in d], "I001", "none of its frames has a person"),
    ],
)
def test_what_is_wrong_is_said(
    project: Project, tmp_path: Path, change: Callable, code: str, said: str
):
    document = mmpose_frames()
    change(document)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("mmpose-json")(project, write_json(tmp_path / "a.json", document), FPS)
    assert caught.value.code == code


def test_people_of_one_image_are_no_video(project: Project, tmp_path: Path):
    path = write_json(tmp_path / "a.json", [mmpose_instance(joints(0))])
    with pytest.raises(UserError, match="people of one image") as caught:
        load_importer("mmpose-json")(project, path, FPS)
    assert "on the video itself" in caught.value.hint
