"""The saved index: extended clip by clip it is the one made at once, and never of mixed weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.embedding import embed as embedding
from la2ds_cli.embedding.trained import checkpoint_path
from la2ds_cli.retrieval import index as frame_index
from la2ds_cli.retrieval import ivf
from la2ds_cli.retrieval.index import FrameIndex, update_model_index, update_pose_index
from la2ds_cli.retrieval.result import RetrievalResult
from la2ds_cli.retrieval.retrieve import retrieve
from la2ds_cli.training.train import train
from tests.movement import add_sequence, sequence, warped_phase

TINY = """
preset = "default"
[model]
input = "joints"
width = 16
heads = 2
temporal_layers = 1
[train]
steps = 2
batch_size = 2
validate_every = 2
"""


def add(project: Project, name: str, length: int = 40, seed: int = 0, fps: float = 20.0) -> None:
    add_sequence(project, name, sequence(warped_phase(length, seed), fps=fps))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path)
    for number, name in enumerate(("anna", "ben", "cleo")):
        add(made, name, 40 + number, number)
    return made


@pytest.fixture
def trained(project: Project) -> Project:
    (project.root / "project.toml").write_text(TINY)
    opened = Project.open(project.root)
    train(opened, run="default", config=opened.config())
    return opened


def pose_index(project: Project) -> FrameIndex:
    return update_pose_index(project, "penn13").index


def fresh(project: Project, name: str, make: Callable[[], FrameIndex]) -> FrameIndex:
    project.index_path(name).unlink()
    return make()


def same(a: FrameIndex, b: FrameIndex) -> bool:
    arrays = ("start", "value", "frame", "time")
    equal = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
    return equal and (a.clips, a.rate, a.recipe.key) == (b.clips, b.rate, b.recipe.key)


def replace_pose(project: Project, name: str, seed: int) -> None:
    recipe = Recipe("import", 1, {"format": "test"}, {"labels": f"another digest of {name}"})
    project.write_pose(name, sequence(warped_phase(33, seed)), recipe)


def remove(project: Project, name: str) -> None:
    project.add_videos([], removed=[name])
    project.pose_path(name).unlink()


def test_an_extended_index_is_the_fresh_one(project: Project) -> None:
    first = pose_index(project)
    assert first.clips == ("anna", "ben", "cleo")
    assert first.start.tolist() == [0, 40, 81, 123]
    add(project, "dora", 50, 7)
    replace_pose(project, "ben", 9)
    remove(project, "anna")
    update = update_pose_index(project, "penn13")
    assert (update.reused, update.added, update.dropped) == (1, 2, 1)
    assert update.index.clips == ("ben", "cleo", "dora")
    content = project.index_path("pose-penn13").read_bytes()
    assert same(update.index, fresh(project, "pose-penn13", lambda: pose_index(project)))
    assert project.index_path("pose-penn13").read_bytes() == content
    stored = frame_index.read_index(project.index_path("pose-penn13"))
    assert stored is not None
    assert same(update.index, stored)


def test_only_new_and_changed_clips_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose_index(project)
    add(project, "dora", 50, 7)
    replace_pose(project, "ben", 9)
    read: list[str] = []
    original = Project.read_pose

    def counted(self: Project, video: str) -> Any:
        read.append(video)
        return original(self, video)

    monkeypatch.setattr(Project, "read_pose", counted)
    pose_index(project)
    assert sorted(read) == ["ben", "dora"]
    read.clear()
    before = project.index_path("pose-penn13").stat().st_mtime_ns
    pose_index(project)
    assert read == []
    assert project.index_path("pose-penn13").stat().st_mtime_ns == before  # nor written again
    retrieve(project, query="anna@1.0", k=2)
    assert set(read) == {"anna"}


def test_a_lower_frame_rate_makes_every_velocity_anew(project: Project) -> None:
    pose_index(project)
    add(project, "slow", 30, 3, fps=10.0)
    update = update_pose_index(project, "penn13")
    assert update.index.recipe.config["fps"] == pytest.approx(10)
    assert (update.reused, update.added) == (0, 4)
    assert same(update.index, fresh(project, "pose-penn13", lambda: pose_index(project)))
    remove(project, "slow")
    assert update_pose_index(project, "penn13").index.recipe.config["fps"] == pytest.approx(20)


def test_a_clip_without_joints_and_a_damaged_one_are_left_out(project: Project) -> None:
    pose = sequence(warped_phase(20, 1))
    add_sequence(project, "nobody", replace(pose, xy=np.full_like(pose.xy, np.nan)))
    add(project, "broken", 30, 5)
    path = project.pose_path("broken")
    path.write_bytes(path.read_bytes()[:-50])
    for _ in range(2):
        update = update_pose_index(project, "penn13")
        assert set(update.left_out) == {"nobody", "broken"}
        assert "no joint" in update.left_out["nobody"]
        assert "damaged" in update.left_out["broken"]
        assert update.index.clips == ("anna", "ben", "cleo")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.6, 0.99])
def test_half_an_index_is_never_taken_for_whole(project: Project, share: float) -> None:
    whole = pose_index(project)
    path = project.index_path("pose-penn13")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert frame_index.read_index(path) is None
    update = update_pose_index(project, "penn13")
    assert (update.reused, update.added) == (0, 3)
    assert same(update.index, whole)
    assert path.read_bytes() == content


@pytest.mark.parametrize("broken", ["start", "value", "time", "rate", "clips"])
def test_parts_that_do_not_fit_together_are_no_index(project: Project, broken: str) -> None:
    whole = pose_index(project)
    path = project.index_path("pose-penn13")
    changed: dict[str, Any] = {
        "start": whole.start + 1,
        "value": whole.value[:-1],
        "time": whole.time[1:],
        "rate": whole.rate[1:],
        "clips": ("anna", "ben", "eve"),
    }
    frame_index.write_index(path, replace(whole, **{broken: changed[broken]}))
    assert frame_index.read_index(path) is None


def test_a_failed_write_leaves_the_old_index(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose_index(project)
    path = project.index_path("pose-penn13")
    content = path.read_bytes()
    add(project, "dora", 50, 7)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    update = update_pose_index(project, "penn13")
    assert update.index.clips == ("anna", "ben", "cleo", "dora")  # the answer does not need it
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_embeddings_are_indexed_and_a_second_query_needs_no_network(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = update_model_index(trained, "default")
    assert (update.reused, update.added) == (0, 3)
    for clip in update.index.clips:
        stored = trained.read_embedding("default", clip)[0]
        np.testing.assert_array_equal(update.index.rows(clip).value, stored.value)
    assert update.index.recipe.inputs["model"] == artifact.file_digest(
        checkpoint_path(trained, "default")
    )
    add(trained, "dora", 50, 7)
    embedded: list[str] = []
    original = embedding.embed

    def counted(*args: Any, videos: list[str], **options: Any) -> Any:
        embedded.extend(videos)
        return original(*args, videos=videos, **options)

    monkeypatch.setattr(embedding, "embed", counted)
    extended = update_model_index(trained, "default").index
    assert embedded == ["dora"]
    make = lambda: update_model_index(trained, "default").index  # noqa: E731
    assert same(extended, fresh(trained, "model-default", make))
    monkeypatch.setattr(embedding, "embed", None)
    monkeypatch.setattr(embedding, "load_embedder", None)
    result = found(trained)
    assert result.features == "model"
    assert (result.searched.kept, result.searched.clips) == (4, 4)


def found(project: Project, **options: Any) -> RetrievalResult:
    return retrieve(project, query="anna@1.0", k=2, **options)


def test_other_weights_start_a_new_index(trained: Project) -> None:
    before = update_model_index(trained, "default").index
    config = trained.config(overrides=["train.seed=5"])
    train(trained, run="default", config=config, overwrite=True)
    update = update_model_index(trained, "default")
    assert (update.reused, update.added, update.dropped) == (0, 3, 0)
    assert update.index.recipe.inputs["model"] != before.recipe.inputs["model"]
    assert not np.allclose(update.index.value, before.value)


def test_an_embedding_of_other_weights_is_refused(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_model_index(trained, "default")
    add(trained, "dora", 50, 7)
    original = embedding.Embedder.__call__

    def swapped(self: embedding.Embedder, poses: Any) -> Any:
        self.key = "other weights"  # as if the run were trained again while its clips are embedded
        return original(self, poses)

    monkeypatch.setattr(embedding.Embedder, "__call__", swapped)
    content = trained.index_path("model-default").read_bytes()
    with pytest.raises(UserError, match="not of the weights") as caught:
        update_model_index(trained, "default")
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert trained.index_path("model-default").read_bytes() == content


def test_a_query_whose_skeleton_the_model_does_not_read(trained: Project) -> None:
    pose = sequence(warped_phase(20, 1))
    xy, score = np.zeros((20, 17, 2)), np.ones((20, 17))
    add_sequence(trained, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    with pytest.raises(UserError, match="has the skeleton coco17, the model penn13") as caught:
        retrieve(trained, query="coco")
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_faiss_answers_as_exact_search_and_keeps_its_lists(project: Project) -> None:
    pytest.importorskip("faiss", reason="the extra faiss is not installed")
    path = project.index_path("ivf-pose-penn13")
    exact, by_lists = found(project), found(project, index="faiss")
    assert exact.searched.recall is None
    assert by_lists.queries == exact.queries  # few frames: every list is looked through
    recall = by_lists.searched.recall
    assert recall is not None
    assert (recall.value, recall.k, recall.queries) == (1.0, 2, 30)
    assert by_lists.searched.lists == by_lists.searched.nprobe == 3
    data = by_lists.to_json()
    assert data["searched"]["recall"] == {"value": 1.0, "k": 2, "queries": 30}
    content = path.read_bytes()
    found(project, index="faiss")
    assert path.read_bytes() == content
    path.write_bytes(content[:-9])
    assert found(project, index="faiss").queries == exact.queries
    assert path.read_bytes() == content
    add(project, "dora", 50, 7)
    assert found(project, index="faiss").queries == found(project).queries
    assert path.read_bytes() != content  # lists of other rows are not taken


def test_a_low_recall_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="the extra faiss is not installed")
    lines: list[str] = []
    progress = Progress()
    monkeypatch.setattr(progress, "note", lines.append)
    for share, said in ((0.95, False), (0.8, True)):
        monkeypatch.setattr(ivf, "recall", lambda *_, share=share: share)
        lines.clear()
        found(project, index="faiss", progress=progress)
        assert (
            "faiss misses 20% of the 2 nearest frames; --index exact finds all" in lines
        ) is said
