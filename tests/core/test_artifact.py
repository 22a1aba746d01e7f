"""Artifacts: whole or not at all, and honest about what they were made from."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from la2ds_cli.core import artifact
from la2ds_cli.core import artifact as tested
from la2ds_cli.core.errors import ExitCode, UserError

RECIPE = tested.Recipe("pose", 1, {"sigma": 0.6, "crop": "robust"}, {"video": "aa"})
ARRAYS = {"xy": np.arange(6, dtype=np.float32).reshape(3, 2), "frame": np.arange(3)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "poses" / "a.safetensors"
    tested.write_arrays(path, ARRAYS, RECIPE, {"fps": 20.0, "name": "é"})
    return path


def test_key_depends_on_content_and_not_on_order():
    same = tested.Recipe("pose", 1, {"crop": "robust", "sigma": 0.6}, {"video": "aa"})
    assert same.key == RECIPE.key
    assert tested.Recipe(**RECIPE.to_json()).key == RECIPE.key
    changed = [
        dataclasses.replace(RECIPE, step="other"),
        dataclasses.replace(RECIPE, version=2),
        dataclasses.replace(RECIPE, config={"sigma": 0.7, "crop": "robust"}),
        dataclasses.replace(RECIPE, inputs={"video": "bb"}),
    ]
    assert len({RECIPE.key, *(recipe.key for recipe in changed)}) == 5


def test_staleness_reasons(path):
    assert tested.staleness(path, RECIPE) is None
    assert tested.staleness(path.with_name("other.safetensors"), RECIPE) == "missing"
    version = dataclasses.replace(RECIPE, version=2)
    assert tested.staleness(path, version) == "pose artifact version 1 -> 2"
    sigma = dataclasses.replace(RECIPE, config={**RECIPE.config, "sigma": 0.8})
    assert tested.staleness(path, sigma) == "sigma: 0.6 -> 0.8"
    added = dataclasses.replace(RECIPE, config={**RECIPE.config, "new": 1})
    assert tested.staleness(path, added) == "new: None -> 1"
    video = dataclasses.replace(RECIPE, inputs={"video": "bb"})
    assert tested.staleness(path, video) == "input video changed"
    both = dataclasses.replace(video, version=3)
    assert tested.staleness(path, both) == "pose artifact version 1 -> 3; input video changed"
    step = dataclasses.replace(RECIPE, step="import")
    assert tested.staleness(path, step) == "made by step pose"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_cut_file_is_damaged(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert tested.staleness(path, RECIPE) == "damaged"
    for read in (tested.read_header, tested.read_arrays):
        with pytest.raises(UserError, match="damaged") as caught:
            read(path)
        assert caught.value.exit_code == ExitCode.UNREADABLE


def test_foreign_safetensors_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"w": np.zeros(3)}, path)
    for read in (tested.read_header, tested.read_arrays):
        with pytest.raises(tested.ArtifactError, match="not written by la2ds"):
            read(path)
    save_file({"w": np.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(tested.ArtifactError, match="not written by la2ds"):
        tested.read_header(path)
    assert tested.staleness(path, RECIPE) == "damaged"


def test_file_of_another_schema_is_refused(path, monkeypatch):
    monkeypatch.setattr(artifact, "SCHEMA", 2)
    with pytest.raises(tested.ArtifactError, match="schema 1, expected 2"):
        tested.read_header(path)


def test_missing_file_is_told_apart_from_a_damaged_one(tmp_path):
    for read in (tested.read_header, tested.read_arrays):
        with pytest.raises(tested.MissingArtifact):
            read(tmp_path / "no.safetensors")


def test_failure_while_writing_leaves_the_old_file(path, monkeypatch):
    old = path.read_bytes()

    def fail(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(artifact.os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        tested.write_text(path, "new")
    assert path.read_bytes() == old
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_json_refuses_nan(tmp_path):
    tested.write_json(tmp_path / "a.json", {"b": [1, None]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": [\n    1,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        tested.write_json(tmp_path / "a.json", {"b": math.nan})
    assert "null" in (tmp_path / "a.json").read_text()


def test_files_get_the_permissions_of_the_umask(tmp_path: Path) -> None:
    artifact.write_text(tmp_path / "table.csv", "a,b\n")
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "table.csv").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("inside", ["a.txt", "folder/a.txt"])
def test_a_file_in_the_place_of_a_folder_is_said_to_be_one(tmp_path, inside):
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(UserError, match="a part of the path is a file, not a folder") as caught:
        tested.write_text(tmp_path / "notes" / inside, "text")
    assert caught.value.exit_code == ExitCode.STORAGE
