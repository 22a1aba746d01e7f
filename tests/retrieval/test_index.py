"""The saved index: extended clip by clip it is the one made at once, and never of mixed weights."""

from __future__ import annotations

import mmap
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.embedding import embed as embedding
from la2ds_cli.embedding.trained import checkpoint_path
from la2ds_cli.retrieval import index as frame_index
from la2ds_cli.retrieval.index import ClipRows, FrameIndex, update_model_index, update_pose_index
from la2ds_cli.retrieval.result import RetrievalResult
from la2ds_cli.retrieval.retrieve import retrieve
from la2ds_cli.training.train import train
from tests.movement import add_sequence, sequence, warped_phase
from tests.told import Notes

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
    shutil.rmtree(project.index_path(name))
    return make()


def same(a: FrameIndex, b: FrameIndex) -> bool:
    arrays = ("start", "value", "frame", "time")
    equal = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and (one.clips, one.recipe) == (other.clips, other.recipe)
        for one, other in zip(a.parts, b.parts, strict=True)
        for name in arrays
    )
    return equal and a.recipe == b.recipe


def content_of(project: Project, name: str = "pose-penn13") -> dict[str, bytes]:
    """The files of an index."""
    return {file.name: file.read_bytes() for file in project.index_path(name).iterdir()}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that one clip fills, but for the smallest, which two fill."""
    monkeypatch.setattr(frame_index, "PART_BYTES", 40 * 104 * 4)


def replace_pose(project: Project, name: str, seed: int) -> None:
    recipe = Recipe("import", 1, {"format": "test"}, {"labels": f"another digest of {name}"})
    project.write_pose(name, sequence(warped_phase(33, seed)), recipe)


def remove(project: Project, name: str) -> None:
    project.add_videos([], removed=[name])
    project.pose_path(name).unlink()


@pytest.mark.parametrize("parts", [2, 1])
def test_an_extended_index_is_the_fresh_one(project: Project, parts: int, request) -> None:
    if parts > 1:
        request.getfixturevalue("small_parts")
    first = pose_index(project)
    assert first.clips == ("anna", "ben", "cleo")
    assert first.frames.start.tolist() == [0, 40, 81, 123]
    add(project, "dora", 50, 7)
    replace_pose(project, "ben", 9)
    remove(project, "anna")
    update = update_pose_index(project, "penn13")
    assert (update.reused, update.added, update.dropped) == (1, 2, 1)
    assert update.index.clips == ("ben", "cleo", "dora")
    content = content_of(project)
    assert same(update.index, fresh(project, "pose-penn13", lambda: pose_index(project)))
    assert content_of(project) == content
    stored = frame_index.read_index(project.index_path("pose-penn13"))
    assert stored is not None
    assert same(update.index, stored)
    assert len(stored.parts) == parts
    for number, clip in enumerate(stored.clips):
        rows, place = stored.rows(clip), np.arange(*stored.frames.own(number))
        np.testing.assert_array_equal(rows.value, stored.frames.values(place))
        assert rows.time.tolist() == stored.frames.times(place).tolist()


def test_a_new_clip_at_the_end_leaves_full_parts_as_they_are(
    project: Project, small_parts: None
) -> None:
    pose_index(project)
    parts = [project.index_path("pose-penn13") / name for name in content_of(project)]
    before = {file: file.stat().st_mtime_ns for file in parts if file.name.startswith("part-")}
    assert len(before) == 3
    add(project, "dora", 50, 7)
    index = pose_index(project)
    assert [part.clips for part in index.parts] == [("anna",), ("ben",), ("cleo",), ("dora",)]
    assert {file: file.stat().st_mtime_ns for file in before} == before
    remove(project, "ben")
    pose_index(project)
    assert sum(file.exists() for file in before) == 2  # and that of ben is gone


def test_parts_are_mapped_and_written_without_the_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a part are let go before those of the next one are made: while the third clip of a
    part is read, two are held, and none of the part before."""
    monkeypatch.setattr(frame_index, "PART_BYTES", 3 * 40 * 104 * 4)
    alive: list[weakref.ref] = []
    most = 0
    original = frame_index._in_parts

    def counted(rows: Iterable[tuple[str, ClipRows]]) -> Iterator[tuple[str, ClipRows]]:
        nonlocal most
        for name, clip in rows:
            most = max(most, sum(ref() is not None for ref in alive))
            alive.append(weakref.ref(clip.value))
            yield name, clip

    monkeypatch.setattr(frame_index, "_in_parts", lambda rows: original(counted(rows)))
    for number in range(6):
        add(project, f"clip-{number}", 40, number)
    index = pose_index(project)
    assert [len(part.clips) for part in index.parts] == [3, 3, 3]
    assert len(alive) == 9
    assert most == 2
    assert all(isinstance(_owner(part.value), mmap.mmap) for part in index.parts)


def _owner(array: np.ndarray) -> Any:
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base


def test_a_part_has_64_mib_of_features_or_a_little_more() -> None:
    random = np.random.default_rng(0)
    value = random.standard_normal((9000, 256), np.float32)  # 8.8 MiB
    clip = frame_index.ClipRows("a", value, np.arange(9000), np.arange(9000) / 20)
    rows = ((f"clip-{number}", clip) for number in range(20))
    assert [len(part) for part in frame_index._in_parts(rows)] == [8, 8, 4]


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
    folder = project.index_path("pose-penn13")
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    pose_index(project)
    assert read == []
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before  # nor written
    retrieve(project, query="anna@1.0", k=2, features="pose")
    assert set(read) == {"anna"}


@pytest.mark.parametrize("fps", [10.0, 240.0])
def test_a_clip_of_another_frame_rate_leaves_the_rows_of_others_as_they_are(
    project: Project, fps: float
) -> None:
    before = pose_index(project)
    add(project, "another", 60, 3, fps=fps)
    update = update_pose_index(project, "penn13")
    assert (update.reused, update.added) == (3, 1)
    for clip in before.clips:
        np.testing.assert_array_equal(update.index.rows(clip).value, before.rows(clip).value)
    assert same(update.index, fresh(project, "pose-penn13", lambda: pose_index(project)))


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


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.6, 0.99, None])
@pytest.mark.parametrize("kind", ["part-*", "recipe.json"])
def test_half_an_index_is_never_taken_for_whole(
    project: Project, small_parts: None, share: float | None, kind: str
) -> None:
    whole = pose_index(project)
    content = content_of(project)
    path = sorted(project.index_path("pose-penn13").glob(kind))[-1]
    path.unlink()  # a file that is mapped is replaced, not cut
    if share is not None:
        path.write_bytes(content[path.name][: int(share * len(content[path.name]))])
    assert frame_index.read_index(path.parent) is None
    update = update_pose_index(project, "penn13")
    assert (update.reused, update.added) == (0, 3)
    assert same(update.index, whole)
    assert content_of(project) == content


@pytest.mark.parametrize("broken", ["start", "value", "time", "clips", "type"])
def test_arrays_that_do_not_fit_together_are_no_index(project: Project, broken: str) -> None:
    (part,) = pose_index(project).parts
    arrays = {name: np.array(getattr(part, name)) for name in ("start", "value", "frame", "time")}
    facts = {"clips": list(part.clips)}
    changes: dict[str, Callable[[], Any]] = {
        "start": lambda: arrays.update(start=part.start + 1),
        "value": lambda: arrays.update(value=part.value[:-1]),
        "time": lambda: arrays.update(time=part.time[1:]),
        "type": lambda: arrays.update(value=part.value.astype(np.float64)),
        "clips": lambda: facts.update(clips=["anna", "ben", "eve"]),
    }
    folder = project.index_path("pose-penn13")
    path = folder / frame_index.part_name(part.recipe.key)
    artifact.write_arrays(path, arrays, part.recipe, facts)
    assert frame_index.read_index(folder) is not None
    changes[broken]()
    artifact.write_arrays(path, arrays, part.recipe, facts)
    assert frame_index.read_index(folder) is None


def test_a_failed_write_leaves_the_old_index(
    project: Project, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose_index(project)
    content = content_of(project)
    add(project, "dora", 50, 7)
    add(project, "eve", 50, 8)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    progress = Notes()
    update = update_pose_index(project, "penn13", progress)
    assert len(progress.lines) == 1
    assert "the index was not saved" in progress.lines[0]
    assert update.index.clips == ("anna", "ben", "cleo", "dora", "eve")  # answers do not need it
    assert content_of(project) == content
    monkeypatch.undo()
    monkeypatch.setattr(frame_index, "PART_BYTES", 40 * 104 * 4)
    assert same(update.index, pose_index(project))


def test_an_update_that_was_killed_goes_on_where_it_was(
    project: Project, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = pose_index(project)
    content = content_of(project)
    add(project, "dora", 50, 7)
    add(project, "eve", 50, 8)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(artifact, "write_json", killed)  # the last file
        with pytest.raises(KeyboardInterrupt):
            pose_index(project)
    assert content_of(project).items() >= content.items()
    stored = frame_index.read_index(project.index_path("pose-penn13"))
    assert stored is not None
    assert same(stored, old)
    extended = pose_index(project)
    content = content_of(project)
    assert same(extended, fresh(project, "pose-penn13", lambda: pose_index(project)))
    assert content_of(project) == content


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
    monkeypatch.setattr(embedding, "light_embedder", None)
    result = found(trained, features="model")
    assert result.features == "model"
    assert (result.searched.kept, result.searched.clips) == (4, 4)


def found(project: Project, **options: Any) -> RetrievalResult:
    options.setdefault("features", "pose")
    return retrieve(project, query="anna@1.0", k=2, **options)


def test_other_weights_start_a_new_index(trained: Project) -> None:
    before = update_model_index(trained, "default").index
    config = trained.config(overrides=["train.seed=5"])
    train(trained, run="default", config=config, overwrite=True)
    update = update_model_index(trained, "default")
    assert (update.reused, update.added, update.dropped) == (0, 3, 0)
    assert update.index.recipe.inputs["model"] != before.recipe.inputs["model"]
    assert not np.allclose(update.index.rows("anna").value, before.rows("anna").value)


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
    content = content_of(trained, "model-default")
    with pytest.raises(UserError, match="does not come from the weights") as caught:
        update_model_index(trained, "default")
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert content_of(trained, "model-default") == content


def test_a_query_whose_skeleton_the_model_does_not_read(trained: Project) -> None:
    pose = sequence(warped_phase(20, 1))
    xy, score = np.zeros((20, 17, 2)), np.ones((20, 17))
    add_sequence(trained, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    with pytest.raises(UserError, match="has the skeleton coco17, the model penn13") as caught:
        retrieve(trained, query="coco", features="model")
    assert caught.value.exit_code == ExitCode.UNUSABLE
