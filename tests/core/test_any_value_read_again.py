"""Tables and artifacts of a project, with any value that they may hold: what is written is read
again as it was, and what could not be is refused before it is written."""

from __future__ import annotations

import csv
import io
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import ClipOptions, Video, cell_of_path, check_id, path_of_cell, video_id
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import (
    ORIGIN_COLUMNS,
    PHASE_COLUMNS,
    PhaseRow,
    PhaseTable,
    read_phase_table,
)
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import Cell, Column, Table, markdown, printable
from la2ds_cli.core.types import (
    CLIP_EDGE,
    PERSON,
    PROPAGATED,
    EmbeddingSequence,
    Origins,
    Phase,
    PoseSequence,
)
from la2ds_cli.poses.subjects import set_subjects
from tests.any_values import cells, clip_options, file_names, json_values, poses, texts


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch):
    """Thousands of files, none of which has to outlive the machine."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def refusal(work: Callable[[], Any]) -> UserError | None:
    """The error with which some work ends, if it does."""
    try:
        work()
    except UserError as error:
        return error
    return None


def new_project(folder: str) -> StoredProject:
    return StoredProject.create(Path(folder))


# --- videos.csv ------------------------------------------------------------------------------


@st.composite
def videos(draw: st.DrawFn) -> Video:
    numbers = st.one_of(st.integers(0, 10**9), st.integers(), st.sampled_from([10**6, 10**30]))
    rates = st.one_of(st.floats(0, 1e6), st.floats())
    options = draw(clip_options()) or ClipOptions()
    return Video(
        id=f"clip-{draw(st.integers(0, 5))}",
        path=draw(file_names),
        sha256=draw(cells),
        frames=draw(numbers),
        fps=draw(rates),
        width=draw(numbers),
        height=draw(numbers),
        split=draw(st.one_of(st.sampled_from(["", "train", "test"]), texts)),
        group=draw(texts),
        person=draw(numbers),
        options=draw(st.one_of(st.just(options.to_text()), texts)),
    )


@given(st.lists(videos(), max_size=4))
def test_videos(rows: list[Video]):
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        listed: dict[str, Video] = {}
        for row in rows:
            old = listed.get(row.id, row)
            row = replace(row, split=row.split or old.split, group=row.group or old.group)
            before = project.videos_path.read_bytes() if project.videos_path.exists() else None
            refused = refusal(lambda row=row: project.add_videos([row]))
            if refused is None:
                listed[row.id] = row
            else:
                assert refused.exit_code == ExitCode.MISMATCH
                after = project.videos_path.read_bytes() if project.videos_path.exists() else None
                assert after == before
            assert project.videos() == list(listed.values())


def test_paths_that_any_table_holds_are_written_as_they_are():
    for path in ("clips/anna.mp4", "/home/me/Été (2).mp4", "深蹲.mp4", "a 'b'.mp4", "C:/a.mp4"):
        assert cell_of_path(path) == path == path_of_cell(path)
    assert cell_of_path("caf\udce9.mp4") == "file:caf%E9.mp4"


@given(st.one_of(texts, st.text(max_size=130)))
def test_an_id_is_refused_or_names_a_file_of_the_project(name: str):
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        try:
            check_id(name)
        except ValueError:
            with pytest.raises(UserError):
                project.pose_path(name)
            return
        path = project.pose_path(name)
        assert path.parent == project.root / "poses"
        artifact.write_bytes(path, b"x")
        assert [unicodedata.normalize("NFC", p.stem) for p in path.parent.iterdir()] == [
            unicodedata.normalize("NFC", name)
        ]
        video = Video(name, "a.mp4", "1")
        project.add_videos([video])
        assert project.videos() == [video]
        assert project.find(name) == video


@given(file_names, st.integers(1, 10**6), clip_options())
def test_every_source_has_an_id_that_is_one(name: str, person: int, options: ClipOptions | None):
    part = options.part if options else ""
    made = video_id(Path("/clips") / name, "0" * 64, part=part, person=person)
    check_id(made)


@given(clip_options())
def test_options(options: ClipOptions | None):
    if options is not None:
        again = ClipOptions.from_text(options.to_text())
        assert again == options
        assert again.to_text() == options.to_text()


# --- phases.csv, subjects.csv ----------------------------------------------------------------


@st.composite
def phase_rows(draw: st.DrawFn) -> PhaseRow:
    start, length = draw(st.integers(0, 10**9 - 1)), draw(st.integers(1, 10**6))
    words = st.sampled_from([PERSON, PROPAGATED, CLIP_EDGE, 'rule, of "a" set', "=1"])
    origins = Origins(draw(words), draw(words))
    phase = Phase(start, min(start + length, 10**9), draw(texts), origins)
    return PhaseRow(draw(texts), phase, {"note": draw(texts), "=1,": draw(texts)})


@given(st.lists(phase_rows(), max_size=5))
def test_phases(rows: list[PhaseRow]):
    table = PhaseTable(tuple(rows), (*PHASE_COLUMNS, *ORIGIN_COLUMNS, "note", "=1,"))
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        project.write_phase_table(table)
        assert read_phase_table(project.phases_path) == table
        before = project.phases_path.read_bytes()
        assert project.write_phase_table(project.phase_table()) is None
        assert project.phases_path.read_bytes() == before


@given(st.dictionaries(cells.map(lambda text: f"x{text}".strip()), st.integers(1, 99).map(str)))
def test_subjects(chosen: dict[str, str]):
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        set_subjects(project, chosen)
        rows = read_rows(project.subjects_path, dict, "") if chosen else []
        assert {row["video"]: row["subject"] for row in rows} == chosen


# --- any table of results ----------------------------------------------------------------------


@given(st.lists(st.lists(texts, min_size=3, max_size=3), max_size=4))
def test_cells_of_a_table(rows: list[list[str]]):
    header = ["name", "=1,", "c"]
    content = artifact.encoded(table_text(header, rows))
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(content)
        assert [list(row.values()) for row in read_rows(path, dict, "")] == rows
    # What a spreadsheet sees: as many cells, none of them a formula.
    seen = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert [len(row) for row in seen] == [3] * (len(rows) + 1)
    parts = [part for row in seen for cell in row for part in re.split("[;\t\r\n]", cell)]
    assert not any(part[:1] in ("=", "@", "\uff1d") for part in parts)
    assert table_text(["-1", "-x"], [[-0.53, "a=b"]]) == "-1,'-x\n-0.53,a=b\n"


@given(st.lists(st.one_of(texts, file_names), min_size=2, max_size=2))
def test_a_table_of_any_text_keeps_its_form(row: list[str]):
    table = Table([Column(text) for text in row], [[Cell(text, [text], "*") for text in row]])
    lines = markdown(table)
    assert len(lines) == 3
    assert all("\n" not in line and "\r" not in line for line in lines)


@given(st.one_of(texts, file_names, st.text()))
def test_text_is_shown_on_one_line_and_stays_printable(text: str):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert printable(shown) == shown


# --- artifacts ---------------------------------------------------------------------------------


def same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(poses(), json_values)
def test_poses(pose: PoseSequence, config: Any):
    recipe = artifact.Recipe("poses", 1, {"value": config}, {"source": "1"})
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        project.write_pose("a", pose, recipe)
        content = project.pose_path("a").read_bytes()
        back, stored = project.read_pose("a")
        assert stored.key == recipe.key
        for name in ("xy", "score", "box", "frame", "time", "world"):
            assert same(getattr(back, name), getattr(pose, name)), name
        for name in ("fps", "size", "skeleton", "info"):
            assert getattr(back, name) == getattr(pose, name)
        assert artifact.staleness(project.pose_path("a"), recipe) is None
        project.write_pose("a", back, stored)
        assert project.pose_path("a").read_bytes() == content


@given(st.integers(0, 4), st.integers(0, 4), texts, st.randoms(use_true_random=False))
def test_embeddings(length: int, width: int, model: str, random: Any):
    bits = np.frombuffer(random.randbytes(4 * length * width), np.float32)
    time = np.frombuffer(random.randbytes(8 * length), np.float64)
    value = EmbeddingSequence(bits.reshape(length, width), np.arange(length), time, model)
    with TemporaryDirectory() as folder:
        project = new_project(folder)
        project.write_embedding("run", "a", value, artifact.Recipe("embed", 1, {}, {}))
        back, _ = project.read_embedding("run", "a")
        assert back.model == model
        for name in ("value", "frame", "time"):
            assert same(getattr(back, name), getattr(value, name)), name


@given(file_names)
def test_a_recipe_is_the_same_one_after_it_was_written(name: str):
    recipe = artifact.Recipe("step", 2, {"clip": name}, {name: os.fsencode(name).hex()})
    with TemporaryDirectory() as folder:
        path = Path(folder, "recipe.json")
        artifact.write_json(path, recipe.to_json())
        assert artifact.read_recipe(path).key == recipe.key


# --- project.toml ------------------------------------------------------------------------------

SECTIONS = [field for field in fields(Config) if field.name != "preset"]
SETTINGS = [
    (section.name, key, hint)
    for section in SECTIONS
    for key, hint in get_type_hints(type(getattr(Config(), section.name))).items()
]


def read_stored(config: Config) -> dict[str, Any]:
    """The settings in the config.toml of a run."""
    return tomllib.loads(tomli_w.dumps(config.to_dict()))


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    choices = get_args(hint)
    if choices:
        return st.sampled_from(choices)
    numbers = st.one_of(st.floats(), st.integers(-1, 10), st.sampled_from([1e9, 2**32, 10**30]))
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        bool: st.booleans(),
        int: st.one_of(st.integers(), st.integers(0, 300)),
        float: numbers,
    }
    return kinds[hint]


settings = st.sampled_from(SETTINGS).flatmap(
    lambda setting: st.tuples(st.just(setting[:2]), values_of(setting[2]))
)


@given(st.lists(settings, max_size=4))
def test_settings(chosen: list[tuple[tuple[str, str], Any]]):
    given_settings: dict[str, Any] = {"preset": "default"}
    for (section, key), value in chosen:
        given_settings.setdefault(section, {})[key] = value
    with TemporaryDirectory() as folder:
        refused = refusal(lambda: StoredProject.create(Path(folder), given_settings))
        if refused is not None:
            assert refused.exit_code == ExitCode.USAGE
            assert not Path(folder, "project.toml").exists()
            return
        config = StoredProject.open(Path(folder)).config()
        assert config == load_config(given_settings)
        assert load_config(read_stored(config)) == config
        numbers = [v for part in config.to_dict().values() if isinstance(part, dict)
                   for v in part.values() if isinstance(v, float)]  # fmt: skip
        assert np.isfinite(numbers).all()
