"""COCO keypoint JSON: data sets, results, AlphaPose, flags, clips and frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.coco_json import HIDDEN_SCORE
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import (
    coco_document,
    coco_results,
    joints,
    triples,
    write_json,
)

Read = Callable[..., PoseSequence]
FPS = ImportOptions(fps=25)


def test_data_set(project: Project, tmp_path: Path):
    path = write_json(tmp_path / "walk.json", coco_document())
    (result,) = load_importer("coco-json")(project, path, FPS)
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
    assert load_importer("coco-json")(project, path, FPS)[0].status == "cached"
    assert load_importer("coco-json")(project, path, ImportOptions(fps=30))[0].status == "ok"


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
    assert pose.score[0, :4].tolist() == [1, HIDDEN_SCORE, 0, 1]
    assert np.isnan(pose.xy[:, 2]).all()
    np.testing.assert_allclose(pose.xy[4, 1], joints(4)[1])


def test_joint_names_of_the_category_decide(read: Read, tmp_path: Path):
    document = coco_document()
    names = list(get_skeleton("coco17").joints)
    order = [*range(5, 17), *range(5)]
    document["categories"] = [
        {"id": 3, "name": "dog"},
        {"id": 1, "name": "person", "keypoints": [names[k].upper() for k in order]},
    ]
    document["annotations"].append({**document["annotations"][0], "category_id": 3, "id": 99})
    pose = read("coco-json", write_json(tmp_path / "a.json", document))
    np.testing.assert_allclose(pose.xy[1, order], joints(1))


def test_images_without_a_person_and_missing_images(project: Project, tmp_path: Path):
    document = coco_document(10)
    del document["annotations"][0]
    del document["images"][4:6]
    gone = {14, 15}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] not in gone]
    (result,) = load_importer("coco-json")(project, write_json(tmp_path / "a.json", document), FPS)
    assert (result.status, result.code, result.frames) == ("degraded", "I003", 10)
    assert "2 of 10 frame numbers" in result.message
    pose, _ = project.read_pose(result.video)
    empty = np.isnan(pose.xy).all(axis=(1, 2))
    assert np.flatnonzero(empty).tolist() == [0, 4, 5]


@pytest.mark.parametrize(("first", "begin"), [(40, 0), (5400, 5400)])
def test_results_late_in_a_film(project: Project, tmp_path: Path, first: int, begin: int):
    """Frames before the first person show nobody, unless that were nearly all of the clip."""
    results = [{**one, "image_id": first + one["image_id"]} for one in coco_results()]
    (result,) = load_importer("coco-json")(project, write_json(tmp_path / "a.json", results), FPS)
    pose, _ = project.read_pose(result.video)
    assert pose.frame.tolist() == list(range(begin, first + 6))
    np.testing.assert_allclose(pose.time, pose.frame / FPS.fps)
    np.testing.assert_allclose(pose.xy[-1], joints(5), atol=1e-3)


def test_several_videos_in_one_file(project: Project, tmp_path: Path):
    document = coco_document(8)
    document["videos"] = [{"id": 1, "name": "anna.mp4", "fps": 50}, {"id": 2, "name": "ben.mp4"}]
    for n, image in enumerate(document["images"]):
        image["video_id"], image["frame_id"] = (1, n) if n < 5 else (2, n - 5)
    path = write_json(tmp_path / "a.json", document)
    assert [r.code for r in load_importer("coco-json")(project, path)] == ["", "I007"]
    results = load_importer("coco-json")(project, path, FPS)
    assert [r.frames for r in results] == [5, 3]
    anna, ben = project.videos()
    assert anna.id.startswith("anna-")
    assert ben.id.startswith("ben-")
    assert project.find("anna") == anna


def test_folders_of_images_are_clips(project: Project, tmp_path: Path):
    document = coco_document(6)
    for n, image in enumerate(document["images"]):
        image["file_name"] = f"{'left' if n < 4 else 'right'}/frame_{n:04d}.png"
    results = load_importer("coco-json")(project, write_json(tmp_path / "cut.json", document), FPS)
    assert [r.frames for r in results] == [4, 2]


@pytest.mark.parametrize(
    ("first", "expected"), [(0, 6), (1, 6), (3, 9)], ids=["from 0", "from 1", "starts empty"]
)
def test_results_count_from_the_start_of_the_video(
    read: Read, tmp_path: Path, first: int, expected: int
):
    results = coco_results()
    for t, item in enumerate(results):
        item["image_id"] = t + first
    pose = read("coco-json", write_json(tmp_path / "a.json", results))
    assert len(pose) == expected
    np.testing.assert_allclose(pose.xy[-1], joints(5))


def test_alphapose(read: Read, tmp_path: Path):
    results = [
        {
            "image_id": f"{t}.jpg",
            "category_id": 1,
            "keypoints": triples(joints(t, count=26)),
            "score": 2.9,
            "box": [95, 55, 40, 130],
            "idx": 1,
        }
        for t in range(6)
    ]
    path = write_json(tmp_path / "alphapose-results.json", results)
    pose = read("coco-json", path, skeleton="halpe26")
    np.testing.assert_allclose(pose.xy[2], joints(2, count=26))
    np.testing.assert_allclose(pose.box[0], [95, 55, 135, 185])
    with pytest.raises(UserError, match="26 joints without names") as caught:
        read("coco-json", path)
    assert (caught.value.code, caught.value.exit_code) == ("I002", ExitCode.MISMATCH)
    assert "--skeleton halpe26" in caught.value.hint


def test_wholebody_gives_its_body(read: Read, tmp_path: Path):
    results = coco_results()
    for t, item in enumerate(results):
        item["keypoints"] = triples(joints(t, count=133))
    pose = read("coco-json", write_json(tmp_path / "a.json", results))
    assert pose.skeleton == "coco17"
    np.testing.assert_allclose(pose.xy[2], joints(2, count=17))


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda d: d.pop("images"), "I001", "neither 'images' and 'annotations'"),
        (lambda d: d["annotations"].clear(), "I001", "none of its annotations"),
        (lambda d: d["annotations"][1].update(keypoints=[1, 2, 3, 4]), "I002", "4 numbers"),
        (
            lambda d: d["annotations"][1].update(keypoints=[1, 2, 3]),
            "I002",
            r"different numbers of joints: \[1, 17\]",
        ),
        (lambda d: d["annotations"][1]["keypoints"].__setitem__(4, "x"), "I001", "not 'x'"),
        (lambda d: d["annotations"][1].update(bbox=[1, 2]), "I001", "box of person 1 .* 4 numbers"),
        (lambda d: d["annotations"][1].update(image_id=77), "I003", "image 77, which is not"),
        (lambda d: d["images"][1].update(file_name="img/0.jpg"), "I003", "frame 0 appears twice"),
        (lambda d: d["images"][1].update(file_name="one.jpg"), "I003", "no frame number in"),
        (lambda d: d["images"][1].update(frame_id=1.5), "I003", "1.5 is not a frame number"),
        (lambda d: d["images"][1].update(width=320), "I001", "2 different sizes"),
    ],
)
def test_what_is_wrong_is_said(
    project: Project, tmp_path: Path, change: Callable, code: str, said: str
):
    document = coco_document()
    change(document)
    good = write_json(tmp_path / "files" / "good.json", coco_document())
    bad = write_json(tmp_path / "files" / "bad.json", document)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("coco-json")(project, bad, FPS)
    assert caught.value.code == code
    assert caught.value.message.startswith(str(bad))
    assert caught.value.hint
    results = {r.path: r for r in load_importer("coco-json")(project, good.parent, FPS)}
    assert results[str(good)].status == "ok"
    assert (results[str(bad)].status, results[str(bad)].code) == ("failed", code)
    assert "bad.json" in results[str(bad)].message
    assert len(project.videos()) == 1
