"""A store of frames of several projects: the answers of exact search, what is written, and what a
store of a stranger can do."""

from __future__ import annotations

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import PHASE_COLUMNS
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.camera_views import seen
from la2ds_cli.retrieval import frame_table
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.retrieval.retrieve import RetrievalRequest, RetrievalResult, retrieve
from la2ds_cli.retrieval.store import quoted
from tests.movement import add_sequence, sequence, warped_phase
from tests.told import refused

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed (extra lance)")
pa = pytest.importorskip("pyarrow")

TABLE = "pose-penn13-v4"
LENGTHS = {"anna": 41, "ben": 61, "cleo": 51}
"""Frames of the clips of the first project, at 20 frames per second."""


def make(root: Path, fps: float, **lengths: int) -> StoredProject:
    project = StoredProject.create(root)
    for number, (name, length) in enumerate(lengths.items()):
        add_sequence(project, name, sequence(warped_phase(length, number), fps=fps))
    return project


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return make(tmp_path / "one" / "project", 20, **LENGTHS)


@pytest.fixture
def other(tmp_path: Path) -> StoredProject:
    """A folder of the same name, a clip of the same id, another rate and other lengths."""
    made = make(tmp_path / "two" / "project", 50, first=90)
    for name, length, seed in (("anna", 130, 0), ("dora", 75, 7)):
        add_sequence(made, name, sequence(warped_phase(length, seed), fps=50))
    return made


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "a store")


def ask(project: StoredProject, uri: str, **options: Any) -> RetrievalResult:
    """The answer of the store, by raw poses unless other features are asked for."""
    return found(project, store=uri, **options)


def found(project: StoredProject, **options: Any) -> RetrievalResult:
    limits = {name: options.pop(name) for name in ("k", "per_video", "min_gap") if name in options}
    options = {"query": "anna", "features": "pose"} | options
    request = RetrievalRequest(limits=Limits(**limits), **options)
    return retrieve(project, request)


def changes(result: RetrievalResult) -> tuple[int, ...]:
    """Numbers of clips kept, added and dropped."""
    assert result.store is not None
    return tuple(result.store.changes.values())


def places(result: RetrievalResult) -> list[list[tuple[str, int]]]:
    return [[(h.video, h.index) for h in q.hits] for q in result.queries]


def distances(result: RetrievalResult) -> list[float]:
    return [h.distance for q in result.queries for h in q.hits]


def table(uri: str, name: str = TABLE) -> Any:
    return lancedb.connect(uri).open_table(name)


def rows(uri: str, **of: str) -> list[dict[str, Any]]:
    found = table(uri).to_arrow().to_pylist()
    return [row for row in found if all(row[name] == value for name, value in of.items())]


def label(project: StoredProject, **phases: tuple[tuple[int, int, str], ...]) -> None:
    lines = [",".join(PHASE_COLUMNS)]
    for video, of in phases.items():
        lines += [f'{video},{start},{end},"{name}"' for start, end, name in of]
    project.phases_path.write_text("\n".join(lines) + "\n")


def change(project: StoredProject, name: str, pose: PoseSequence, labels: str) -> None:
    project.write_pose(name, pose, Recipe("import", 1, {"format": "test"}, {"labels": labels}))


# --- the same answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"k": 7},
        {"k": 5, "per_video": 1},  # more than there are other clips
        {"k": 12, "min_gap": 0.0},
        {"k": 9, "per_video": 4, "min_gap": 0.3},
        {"k": 60, "min_gap": 0.0},  # more than the frames of the other clips that are near
    ],
)
def test_one_project_has_the_answers_of_exact_search(
    project: StoredProject, uri: str, options: dict[str, Any]
) -> None:
    for query in ("anna", "ben@1.0"):
        exact = found(project, query=query, **options)
        stored = ask(project, uri, query=query, **options)
        assert places(stored) == places(exact)
        np.testing.assert_allclose(distances(stored), distances(exact), rtol=1e-6)
        assert [q.time for q in stored.queries] == [q.time for q in exact.queries]
        assert stored.frames == exact.frames == sum(LENGTHS.values())


def test_the_embeddings_of_a_run(project: StoredProject, uri: str) -> None:
    exact = found(project, query="ben", features="base")
    stored = ask(project, uri, query="ben", features="base")
    assert stored.features == "base"
    assert places(stored) == places(exact)
    np.testing.assert_allclose(distances(stored), distances(exact), rtol=1e-6)
    assert stored.store is not None
    assert stored.store.table.startswith("model-penn13-")
    # Vectors of other features are in a table of their own.
    assert ask(project, uri, features="pose").store.table == TABLE  # pyright: ignore


@pytest.mark.parametrize("features", ["pose", "base"])
def test_clips_from_the_other_side_have_the_answers_of_exact_search(
    project: StoredProject, other: StoredProject, uri: str, features: str
) -> None:
    add_sequence(project, "far", seen(sequence(warped_phase(45, 5)), "other"))
    options: dict[str, Any] = {"query": "anna@1", "features": features, "k": 9}
    exact, stored = found(project, **options), ask(project, uri, **options)
    assert places(stored) == places(exact)
    views = {h.video: h.view for h in stored.queries[0].hits}
    assert views == {"ben": "filmed", "cleo": "filmed", "far": "other"}


# --- several projects ----------------------------------------------------------------------------


def test_neighbours_come_from_both_projects(
    project: StoredProject, other: StoredProject, uri: str
) -> None:
    ask(other, uri)
    result = ask(project, uri, query="anna", k=9, per_video=2)
    assert result.store is not None
    assert result.store.projects == 2
    assert result.clips == 6
    names = {h.project for q in result.queries for h in q.hits}
    own, theirs = (p.store_name_path.read_text().strip() for p in (project, other))
    assert names == {own, theirs}
    assert own != theirs
    clips = {(h.project, h.video) for q in result.queries for h in q.hits}
    assert (theirs, "anna") in clips  # the same movement, and not the clip of the query
    assert (own, "anna") not in clips


def test_frames_of_another_rate_are_found_at_their_time(
    project: StoredProject, other: StoredProject, uri: str
) -> None:
    """anna of both moves alike, at 20 and at 50 frames per second."""
    ask(project, uri)
    ask(other, uri)
    result = ask(project, uri, query="anna@1.0", k=5, per_video=1, min_gap=0.0)
    own = project.store_name_path.read_text().strip()
    near = {h.video: h for h in result.queries[0].hits if h.project != own}
    theirs, phase = near["anna"], warped_phase(130, 0)
    assert phase[theirs.index] == pytest.approx(warped_phase(41, 0)[20], abs=0.03)
    assert theirs.time == pytest.approx(theirs.index / 50)


# --- what is written -----------------------------------------------------------------------------


def test_the_phase_of_a_hit_is_compared_with_the_querys(project: StoredProject, uri: str) -> None:
    label(project, anna=((0, 41, "it's"),), ben=((0, 61, "it's"),), cleo=((0, 20, "down"),))
    result = ask(project, uri, query="anna@1.0", k=12)
    exact = found(project, query="anna@1.0", k=12)
    assert [(h.phase, h.same_phase) for h in result.queries[0].hits] == [
        (h.phase, h.same_phase) for h in exact.queries[0].hits
    ]


def test_only_what_changed_is_written(project: StoredProject, uri: str) -> None:
    assert changes(ask(project, uri)) == (0, 3, 0)
    version = table(uri).version
    assert changes(ask(project, uri)) == (3, 0, 0)
    assert table(uri).version == version
    change(project, "ben", sequence(warped_phase(33, 9)), "others")
    assert changes(ask(project, uri)) == (2, 1, 0)
    assert len(rows(uri, clip="ben")) == 33
    project.add_videos([], removed=["cleo"])
    assert changes(ask(project, uri)) == (2, 0, 1)
    assert {row["clip"] for row in rows(uri)} == {"anna", "ben"}
    label(project, anna=((5, 9, "up"),))
    assert changes(ask(project, uri)) == (1, 1, 0)
    assert [row["row"] for row in rows(uri, phase="up")] == [5, 6, 7, 8]


def test_a_row_of_the_table(project: StoredProject, uri: str) -> None:
    pose = sequence(warped_phase(30, 4))
    add_sequence(project, "late", replace(pose, frame=pose.frame + 100, time=pose.time + 5))
    label(project, late=((100, 110, "up"),))
    ask(project, uri)
    row = next(row for row in rows(uri, clip="late") if row["row"] == 3)
    assert (row["time"], row["phase"]) == (5.15, "up")
    assert (row["start"], row["end"]) == (5, pytest.approx(5 + 29 / 20))
    assert row["project"] == project.store_name_path.read_text().strip()
    assert len(row["vector"]) == 8 * 13


def test_clips_of_other_projects_stay(
    project: StoredProject, other: StoredProject, uri: str
) -> None:
    ask(project, uri)
    ask(other, uri)
    for name in ("first", "anna"):
        other.add_videos([], removed=[name])
    ask(other, uri, query="dora")
    clips = sorted({(row["project"], row["clip"]) for row in rows(uri)})
    own, theirs = (p.store_name_path.read_text().strip() for p in (project, other))
    assert clips == sorted([(own, "anna"), (own, "ben"), (own, "cleo"), (theirs, "dora")])


def test_two_projects_write_at_once(project: StoredProject, other: StoredProject, uri: str) -> None:
    ready = Barrier(2)

    def write(of: StoredProject) -> None:
        try:
            for n in range(4):
                ready.wait()
                change(of, "anna", sequence(warped_phase(30 + n, n), fps=20), f"change {n}")
                ask(of, uri)
        except BaseException:
            ready.abort()  # the other would wait for ever
            raise

    other.add_videos([], removed=["first", "dora"])
    add_sequence(other, "slow", sequence(warped_phase(25, 3), fps=20))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (project, other)))
    written = Counter((row["project"], row["clip"]) for row in rows(uri))
    own, theirs = (p.store_name_path.read_text().strip() for p in (project, other))
    assert written == {
        **{(own, "anna"): 33, (own, "ben"): 61, (own, "cleo"): 51},
        **{(theirs, "anna"): 33, (theirs, "slow"): 25},
    }


@pytest.mark.parametrize("name", [b"", b"root:x:0:0\n", b"a\nb-01234567\n", b"\xff-01234567"])
def test_another_file_is_no_name(project: StoredProject, uri: str, name: bytes) -> None:
    project.store_name_path.write_bytes(name)
    with refused(ExitCode.UNREADABLE, "does not contain the name of a project"):
        ask(project, uri)
    assert project.store_name_path.read_bytes() == name


def test_the_next_call_completes_an_interrupted_one(
    project: StoredProject, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_table, "_WRITTEN", 1)  # each clip by itself
    whole, add, calls = 0, lancedb.table.LanceTable.add, []

    def failing(self: Any, data: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(len(data))
        if len(calls) == 2:
            broken = pa.RecordBatchReader.from_batches(data.schema, half(data))
            return add(self, broken, *arguments, **options)
        return add(self, data, *arguments, **options)

    def half(data: Any) -> Any:
        yield data.to_batches()[0].slice(0, 10)
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(lancedb.table.LanceTable, "add", failing)
        with refused(ExitCode.STORAGE, "the disk is full"):
            ask(project, uri)
    whole = rows(uri)
    assert {row["clip"] for row in whole} == {"anna"}
    assert len(whole) == 41
    assert changes(ask(project, uri, query="anna")) == (1, 2, 0)
    assert len(rows(uri)) == sum(LENGTHS.values())


def test_a_quote_ends_no_text_of_sql() -> None:
    assert quoted("o'clock") == "'o''clock'"


def test_a_clip_that_was_written_twice_is_written_anew(project: StoredProject, uri: str) -> None:
    ask(project, uri)
    opened = table(uri)
    opened.add(opened.to_arrow().filter(pa.compute.field("clip") == "ben"))
    assert len(rows(uri, clip="ben")) == 122
    assert changes(ask(project, uri)) == (2, 1, 0)
    assert len(rows(uri, clip="ben")) == 61


# --- the index -----------------------------------------------------------------------------------


def test_approximate_search(
    project: StoredProject, other: StoredProject, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ask(project, uri, query="anna", approximate=True).store
    assert few is not None
    assert few.index == "exact"
    monkeypatch.setattr(frame_table, "LEAST_INDEXED", 300)
    exact = ask(other, uri, query="dora", k=5)
    near = ask(other, uri, query="dora", k=5, approximate=True)
    assert table(uri).list_indices()[0].num_indexed_rows == 448
    assert near.store is not None
    assert near.store.index == "approximate"
    np.testing.assert_allclose(distances(near), distances(exact), rtol=0.2)
    version = table(uri).version
    ask(other, uri, query="dora", k=5, approximate=True)
    assert table(uri).version == version  # not built again


# --- a store of a stranger -----------------------------------------------------------------------


def forged(uri: str, change: Any) -> None:
    """Write the table anew with other contents."""
    changed = change(table(uri).to_arrow())
    lancedb.connect(uri).create_table(TABLE, changed, mode="overwrite")


def renamed(data: Any) -> Any:
    return data.rename_columns(["clop" if n == "clip" else n for n in data.column_names])


def retyped(data: Any) -> Any:
    place = data.column_names.index("row")
    return data.set_column(place, "row", data["row"].cast(pa.string()))


def functions(data: Any) -> Any:
    return data.replace_schema_metadata(data.schema.metadata | {b"embedding_functions": b"[]"})


def another_model(data: Any) -> Any:
    return data.replace_schema_metadata({b"la2ds": b'{"model": "abc"}'})


def deep(data: Any) -> Any:
    return data.replace_schema_metadata({b"la2ds": b"[" * 100_000})


def with_column(data: Any, name: str, value: Any) -> Any:
    place, field = data.column_names.index(name), data.schema.field(name)
    return data.set_column(place, field, pa.array([value] * len(data), field.type))


FORGED = {
    "renamed": renamed,
    "retyped": retyped,
    "functions": functions,
    "another model": another_model,
    "deep": deep,
    "no times": lambda data: with_column(data, "time", float("nan")),
    "before the clip": lambda data: with_column(data, "time", -9362.29),
    "after the clip": lambda data: with_column(data, "time", 1e9),
    "no end": lambda data: with_column(data, "end", float("inf")),
    "rows below": lambda data: with_column(data, "row", -1),
    "overflow": lambda data: with_column(data, "vector", [1e30] * (8 * 13)),
}


@pytest.mark.parametrize("change", FORGED)
def test_a_table_that_la2ds_did_not_write_is_refused(
    project: StoredProject, other: StoredProject, uri: str, change: str
) -> None:
    ask(other, uri)
    forged(uri, FORGED[change])
    with refused(ExitCode.UNREADABLE, "is damaged or was not written by la2ds") as caught:
        ask(project, uri)
    assert caught.value.hint.startswith(f"delete {uri}/{TABLE}.lance; ")
    shutil.rmtree(Path(uri) / f"{TABLE}.lance")  # what the hint says
    assert changes(ask(project, uri)) == (0, 3, 0)


def test_damaged_files_are_an_error_and_nothing_else(
    project: StoredProject, uri: str, tmp_path: Path
) -> None:
    """Any exception but UserError, such as a panic of the Rust code, fails this test."""
    ask(project, uri)
    whole = shutil.copytree(uri, tmp_path / "whole")
    random = np.random.default_rng(0)
    said = []
    files = [path for path in whole.rglob("*") if path.is_file() and path.stat().st_size]
    for name in sorted(path.relative_to(whole) for path in files):  # the file of the lock is empty
        for _ in range(3):
            damaged = bytearray((whole / name).read_bytes())
            for place in random.integers(0, len(damaged), 8):
                damaged[place] = random.integers(256)
            (Path(uri) / name).write_bytes(damaged)
            try:
                ask(project, uri)
            except UserError as error:
                said.append(f"{error.message} {error.hint}")
            shutil.rmtree(uri)
            shutil.copytree(whole, uri)
    assert said
    assert [line for line in said if ".rs:" in line or "delete " not in line] == []


def test_nothing_is_written_through_a_link(
    project: StoredProject, uri: str, tmp_path: Path
) -> None:
    ask(project, uri)
    folder = Path(uri) / f"{TABLE}.lance" / "data"
    outside = folder.rename(tmp_path / "outside")
    folder.symlink_to(outside)
    with refused(ExitCode.MISMATCH, "is a link"):
        ask(project, uri)


def test_the_lock_is_no_link(project: StoredProject, uri: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("kept")
    Path(uri).mkdir()
    (Path(uri) / ".la2ds.lock").symlink_to(theirs)
    with pytest.raises(UserError, match="is a link"):
        ask(project, uri)
    assert theirs.read_text() == "kept"


# --- what has to be there ------------------------------------------------------------------------


def test_offline_reaches_no_object_store(project: StoredProject, monkeypatch) -> None:
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with refused(ExitCode.ENVIRONMENT, "LA2DS_OFFLINE is set"):
        ask(project, "s3://bucket/frames")


def test_a_folder_that_cannot_be_written(project: StoredProject, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="the store") as caught:
        ask(project, str(tmp_path / "file" / "store"))
    assert caught.value.exit_code in (ExitCode.STORAGE, ExitCode.UNREADABLE)


def test_another_command_may_be_writing(project: StoredProject, uri: str) -> None:
    ask(project, uri)
    with project.lock():
        assert changes(ask(project, uri)) == (3, 0, 0)  # nothing to write
    label(project, ben=((0, 9, "up"),))
    with project.lock(), refused(ExitCode.MISMATCH, "is writing to"):
        ask(project, uri)
