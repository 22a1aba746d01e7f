"""Ultralytics results: txt label files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import joints, write_labels

Read = Callable[..., PoseSequence]
SIZE = (640, 480)
TOLD = ImportOptions(fps=25, size=SIZE)


@pytest.mark.parametrize("ending", ["", " 0.9", " 3", " 0.9 3", " inf"])
def test_label_files(project: Project, tmp_path: Path, ending: str):
    folder = write_labels(tmp_path / "labels", ending=ending)
    (folder / "walk_3.txt").unlink()  # no file where there is nobody
    (result,) = load_importer("ultralytics")(project, folder, TOLD)
    assert (result.status, result.frames) == ("ok", 6)
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[3], joints(3), atol=0.01)
    np.testing.assert_allclose(pose.score[3], 0.75)
    assert np.isnan(pose.xy[2]).all()
    np.testing.assert_allclose(pose.box[0], [128, 72, 256, 312], atol=0.01)
    assert project.videos()[0].id.startswith("walk-")


def test_shares_of_the_frame_need_the_size(project: Project, tmp_path: Path):
    folder = write_labels(tmp_path / "labels")
    with pytest.raises(UserError, match="shares of the frame") as caught:
        load_importer("ultralytics")(project, folder, ImportOptions(fps=25))
    assert "--size" in caught.value.hint


def test_zero_is_missing_and_other_classes_are_left_out(read: Read, tmp_path: Path):
    path = write_labels(tmp_path / "labels") / "walk_3.txt"
    cells = path.read_text().split()
    cells[5 + 3 * 7 : 5 + 3 * 7 + 2] = ["0", "0"]
    path.write_text(f"32 0.5 0.5 0.1 0.1\n{' '.join(cells)}\n")
    pose = read("ultralytics", path.parent, size=SIZE)
    assert np.isnan(pose.xy[2, 7]).all()
    np.testing.assert_allclose(pose.xy[2, 8], joints(2)[8], atol=0.01)


def test_a_folder_without_results(project: Project, tmp_path: Path):
    with pytest.raises(UserError, match="no results of Ultralytics"):
        load_importer("ultralytics")(project, tmp_path, TOLD)


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
        ("0 0.5 a", "I001", "walk_2.txt: line 1 contains something other than numbers"),
        ("1 0.5 0.5\n0 x", "I001", "walk_2.txt: line 2"),
    ],
)
def test_label_files_that_are_wrong(
    project: Project, tmp_path: Path, text: str, code: str, said: str
):
    folder = write_labels(tmp_path / "labels")
    (folder / "walk_2.txt").write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("ultralytics")(project, folder, TOLD)
    assert caught.value.code == code
