"""`la2ds import` for data sets, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.datasets.test_penn_action import write_mat
from tests.formats import data_set_samples
from tests.processes import invoke

SCAN = "Kallax_Shelf_Drawer/0001_black_table_02_01_2019_08_16_14_00"


def write_all(folder: Path) -> dict[str, list[str]]:
    """A small data set for each command, and its arguments."""
    data_set_samples.write_ikea(folder / "ikea", SCAN)
    data_set_samples.write_ikea(folder / "ikea", "Lack_TV_Bench/0007_white")
    data_set_samples.write_segments(folder / "ikea", {SCAN: [("spin leg", 2, 5)]})
    data_set_samples.write_h2o(folder / "h2o")
    data_set_samples.write_h2o_list(folder / "h2o", "train", ["subject1/h1/1 23 2 4 0 7"])
    data_set_samples.write_records(folder / "x_train.npy", {"a": data_set_samples.record()})
    write_mat(folder / "penn" / "labels" / "0001.mat", frames=4)
    labels = folder / "carl" / "train" / "golf_swing" / "0001.npy"
    labels.parent.mkdir(parents=True)
    np.save(labels, np.array([0, 0, 1, 1]))
    return {
        "ikea-asm": [str(folder / "ikea"), "--furniture", "kallax_shelf_drawer"],
        "h2o": [str(folder / "h2o"), "--action", "pour milk"],
        "casa-npy": [str(folder / "x_train.npy"), "--fps", "30"],
        "penn-action": [str(folder / "penn"), "--carl-labels", str(folder / "carl")],
    }


@pytest.mark.parametrize("name", ["ikea-asm", "h2o", "casa-npy", "penn-action"])
def test_each_makes_a_project_with_poses_split_and_phases(tmp_path: Path, name: str):
    root = tmp_path / "project"
    arguments = ["import", name, *write_all(tmp_path)[name], "--project", root]
    result = invoke(*arguments)
    assert "1 ok" in result.stdout
    assert "next: la2ds" in result.stderr
    project = StoredProject.open(root)
    (video,) = project.videos()
    assert video.split == "train"  # of IKEA by the subset in gt_segments.json
    assert len(project.read_pose(video.id)[0]) == video.frames
    assert list(project.phases()) == [video.id]
    result = invoke(*arguments, "--json", "-q")
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["command"] == f"import {name}"
    assert [item["status"] for item in document["items"]] == ["cached"]
    assert result.stderr == ""
