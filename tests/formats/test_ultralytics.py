"""Ultralytics results: JSON lists per frame, and txt label files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.file_clip import ImportOptions
from la2ds_cli.formats.ultralytics import import_ultralytics
from tests.formats.file_samples import (
    joints,
    ultralytics_person,
    write_json,
    write_labels,
)

Read = Callable[..., PoseSequence]
SIZE = (640, 480)
TOLD = ImportOptions(fps=25, size=SIZE)


@pytest.mark.parametrize("as_text", [False, True])
def test_json_per_frame(read: Read, tmp_path: Path, as_text: bool):
    frames = [[ultralytics_person(joints(t), track_id=1)] for t in range(6)]
    frames[4] = []
    document = [json.dumps(frame) for frame in frames] if as_text else frames
    pose = read("ultralytics", write_json(tmp_path / "anna.json", document))
    np.testing.assert_allclose(pose.xy[3], joints(3))
    np.testing.assert_allclose(pose.score[3], 0.75)
    np.testing.assert_allclose(pose.box[3], [101, 55, 141, 145])
    assert np.isnan(pose.xy[4]).all()


def test_normalised_json_needs_the_size(project: Project, tmp_path: Path):
    scale = np.array(SIZE)
    frames = [[ultralytics_person(joints(t) / scale, box=None)] for t in range(6)]
    path = write_json(tmp_path / "anna.json", frames)
    with pytest.raises(UserError, match="shares of the frame") as caught:
        import_ultralytics(project, path, ImportOptions(fps=25))
    assert "--size" in caught.value.hint
    (result,) = import_ultralytics(project, path, TOLD)
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[3], joints(3), rtol=1e-6)


def test_zero_is_missing_and_other_classes_are_left_out(read: Read, tmp_path: Path):
    frames = [[ultralytics_person(joints(t))] for t in range(6)]
    frames[2][0]["keypoints"]["x"][7] = frames[2][0]["keypoints"]["y"][7] = 0.0
    frames[2].insert(0, {"name": "ball", "class": 32, "confidence": 1, "box": {}})
    pose = read("ultralytics", write_json(tmp_path / "anna.json", frames))
    assert np.isnan(pose.xy[2, 7]).all()
    np.testing.assert_allclose(pose.xy[2, 8], joints(2)[8])


@pytest.mark.parametrize("ending", ["", " 0.9", " 3", " 0.9 3", " inf"])
def test_label_files(project: Project, tmp_path: Path, ending: str):
    folder = write_labels(tmp_path / "labels", ending=ending)
    (folder / "walk_3.txt").unlink()  # no file where there is nobody
    (result,) = import_ultralytics(project, folder, TOLD)
    assert (result.status, result.frames) == ("ok", 6)
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[3], joints(3), atol=0.01)
    np.testing.assert_allclose(pose.score[3], 0.75)
    assert np.isnan(pose.xy[2]).all()
    np.testing.assert_allclose(pose.box[0], [128, 72, 256, 312], atol=0.01)
    assert project.videos()[0].id.startswith("walk-")


def test_label_files_without_scores(read: Read, tmp_path: Path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for t in range(6):
        xy = " ".join(f"{v:.6f}" for v in (joints(t) / np.array(SIZE)).ravel())
        (folder / f"walk_{t + 1}.txt").write_text(f"0 0.5 0.5 0.2 0.4 {xy}\n")
    pose = read("ultralytics", folder, size=SIZE)
    np.testing.assert_allclose(pose.xy[5], joints(5), atol=0.01)
    assert (pose.score == 1).all()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("0 0.5 0.5 0.1 0.1", "I002", "does not fit class x y w h and 17 joints"),
        ("0 0.5 a", "I001", "walk_2.txt line 1 contains something other than numbers"),
        ("1 0.5 0.5\n0 x", "I001", "walk_2.txt line 2"),
    ],
)
def test_label_files_that_are_wrong(
    project: Project, tmp_path: Path, text: str, code: str, said: str
):
    folder = write_labels(tmp_path / "labels")
    (folder / "walk_2.txt").write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        import_ultralytics(project, folder, TOLD)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda d: d[1][0].pop("keypoints"), "I001", "frame 1, person 0 has no 'keypoints'"),
        (lambda d: d[1][0]["keypoints"]["y"].pop(), "I001", "17 numbers, not 16"),
        (lambda d: d[1][0]["keypoints"].update(x=[1], y=[1], visible=[1]), "I002", "different num"),
        (lambda d: d[1][0]["box"].update(x1="left"), "I001", "not 'left'"),
        (lambda d: d.__setitem__(1, "{"), "I001", "not JSON"),
        (lambda d: d.__setitem__(1, 3), "I001", "frame 1 should be a list"),
    ],
)
def test_json_that_is_wrong(
    project: Project, tmp_path: Path, change: Callable, code: str, said: str
):
    document = [[ultralytics_person(joints(t))] for t in range(6)]
    change(document)
    with pytest.raises(UserError, match=said) as caught:
        import_ultralytics(project, write_json(tmp_path / "a.json", document), TOLD)
    assert caught.value.code == code


def test_results_of_one_image_and_an_empty_folder(project: Project, tmp_path: Path):
    path = write_json(tmp_path / "a.json", [ultralytics_person(joints(0))])
    with pytest.raises(UserError, match="people of one image"):
        import_ultralytics(project, path, TOLD)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no results of Ultralytics"):
        import_ultralytics(project, tmp_path / "empty", TOLD)
