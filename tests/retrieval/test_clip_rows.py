"""The features of clips: which clips have them, and never those of other weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.clip_features import MOVEMENT_SPREAD
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network import embed as embedding
from la2ds_cli.network.run_weights import run_header
from la2ds_cli.retrieval.clip_rows import (
    ClipRows,
    SearchFeatures,
    model_features,
    pose_features,
    searched_movement,
)
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from la2ds_cli.training.train import TrainOptions, train
from tests import small_runs
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.told import Notes, refused

SETTINGS = [*small_runs.TINY, "model.input=joints"]


def add(project: StoredProject, name: str, length: int, seed: int, fps: float = 20.0) -> None:
    add_sequence(project, name, sequence(warped_phase(length, seed), fps=fps))


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    made = StoredProject.create(tmp_path)
    for number, name in enumerate(("anna", "ben", "cleo")):
        add(made, name, 40 + number, number)
    return made


@pytest.fixture
def trained(project: StoredProject) -> StoredProject:
    train(project, run="default", config=project.config(overrides=SETTINGS))
    return project


def rows_of(features: SearchFeatures) -> dict[str, ClipRows]:
    return dict(features.rows(features.keys))


def of_model(project: StoredProject) -> SearchFeatures:
    return model_features(project, "default", "penn13", "cpu", Progress())


def test_a_clip_without_joints_and_a_damaged_one_are_left_out(project: StoredProject) -> None:
    add_sequence(project, "nobody", without(sequence(warped_phase(20, 1))))
    add(project, "broken", 30, 5)
    path = project.pose_path("broken")
    path.write_bytes(path.read_bytes()[:-50])
    features = pose_features(project, "penn13")
    assert list(rows_of(features)) == ["anna", "ben", "cleo"]
    assert set(features.left_out) == {"nobody", "broken"}
    assert "no joint" in features.left_out["nobody"]
    assert "damaged" in features.left_out["broken"]


def test_only_new_clips_are_embedded(trained: StoredProject) -> None:
    """An embedding in units of its spread stands first, then the movement of the joints."""
    spread = run_header(trained, "default").spread
    for clip, rows in rows_of(of_model(trained)).items():
        stored = trained.read_embedding("default", clip)[0]
        width = stored.value.shape[1]
        np.testing.assert_allclose(rows.value[:, :width], stored.value / spread, rtol=1e-6)
        moving = searched_movement(trained.read_pose(clip)[0]) / MOVEMENT_SPREAD
        np.testing.assert_allclose(rows.value[:, width:], moving, rtol=1e-5, atol=1e-6)
        assert rows.time.tolist() == stored.time.tolist()
    add(trained, "dora", 50, 7)
    notes = Notes()
    assert len(rows_of(model_features(trained, "default", "penn13", "cpu", notes))) == 4
    assert notes.lines == ["embedding dora.mat"]
    assert len(rows_of(model_features(trained, "default", "penn13", "cpu", notes))) == 4
    assert notes.lines == ["embedding dora.mat"]


def test_other_weights_give_other_rows(trained: StoredProject) -> None:
    before = of_model(trained)
    rows = rows_of(before)
    config = trained.config(overrides=[*SETTINGS, "train.seed=5"])
    train(trained, run="default", config=config, options=TrainOptions(overwrite=True))
    after = of_model(trained)
    assert after.model != before.model
    assert not set(after.keys.values()) & set(before.keys.values())
    assert not np.allclose(rows_of(after)["anna"].value, rows["anna"].value)


def test_an_embedding_of_other_weights_is_refused(
    trained: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = embedding.Embedder.__call__

    def swapped(self: embedding.Embedder, poses: Any) -> Any:
        self.key = "other weights"  # as if the run were trained again while its clips are embedded
        return original(self, poses)

    monkeypatch.setattr(embedding.Embedder, "__call__", swapped)
    with refused(ExitCode.MISMATCH, "come from different weights"):
        rows_of(of_model(trained))


def test_a_run_that_sees_frames_sees_clips_as_filmed(project: StoredProject) -> None:
    features = replace(pose_features(project, "penn13"), views=("filmed",))
    with refused(ExitCode.MISMATCH, "video frames"):
        features.in_view("other")


def test_a_query_whose_skeleton_the_model_does_not_read(trained: StoredProject) -> None:
    pose = sequence(warped_phase(20, 1))
    xy, score = np.zeros((20, 17, 2)), np.ones((20, 17))
    add_sequence(trained, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    with refused(ExitCode.UNUSABLE, "has the skeleton coco17, the model has penn13"):
        retrieve(trained, RetrievalRequest("coco", features="model"))
