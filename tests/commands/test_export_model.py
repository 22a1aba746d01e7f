"""export-model and embed --engine onnx: what they print, and the codes they leave with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from tests.snapshots.snapshot import assert_matches, key_lines

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


@pytest.fixture
def exported(run: Run, tmp_path: Path) -> Path:
    """The file of the run `default`."""
    pytest.importorskip("onnxscript", reason="needs the extra `export`")
    assert run("train").exit_code == 0
    path = tmp_path / "swing.onnx"
    result = run("export-model", "--out", str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [str(path)]
    assert "of the largest number, on clips of 1, 2, 32, 64, 65, 128 frames" in result.stderr
    assert f"next: la2ds embed --project {_project_of(result)}" in result.stderr
    return path


def _project_of(result: Result) -> str:
    return result.stderr.split("--project ")[1].split()[0]


def test_a_run_is_exported_and_embeds(exported: Path, document: Document, project: Project):
    found = document("export-model")
    assert_matches("export_model_keys.txt", key_lines([found]))
    model = found["model"]
    assert Path(model["path"]) == project.run_dir("default") / "model.onnx"
    assert model["inputs"] == {"joints": [117]}
    assert model["size"] == Path(model["path"]).stat().st_size
    assert model["check"]["difference"] < 1e-4
    found = document("embed", "--engine", "onnx")
    assert found["engine"] == "onnx"
    assert [item["status"] for item in found["items"]] == ["ok"] * 4
    found = document("embed", "--engine", "onnx", "--model", str(exported))
    assert {item["status"] for item in found["items"]} == {"cached"}
    found = document("embed")
    assert found["engine"] == "torch"
    assert {item["status"] for item in found["items"]} == {"cached"}


def test_what_does_not_fit_leaves_with_its_code(exported: Path, run: Run, tmp_path: Path):
    here, text = ["--model", str(exported)], tmp_path / "text.onnx"
    text.write_text("a text")
    for arguments, code, words in [
        (["embed", "--engine", "onnx", "--device", "cuda", *here], ExitCode.ENVIRONMENT, "CPU"),
        (["embed", "--engine", "onnx", "--model", str(text)], ExitCode.UNREADABLE, "not a usable"),
        (["embed", "--engine", "onnx", "--model", "no.onnx"], ExitCode.UNREADABLE, "no.onnx"),
        (["export-model", "--run", "nope"], ExitCode.UNUSABLE, "trained runs: default"),
    ]:
        result = run(*arguments)
        assert result.exit_code == code, (arguments, result.stderr)
        assert words in result.stderr
        assert result.stdout == ""


def test_the_file_of_an_older_training_is_refused(exported: Path, run: Run):
    assert run("train", "--overwrite", "--set", "train.seed=5").exit_code == 0
    result = run("embed", "--engine", "onnx", "--model", str(exported))
    assert result.exit_code == ExitCode.MISMATCH
    assert "holds other weights than run 'default'" in result.stderr
    assert "la2ds export-model --run default" in result.stderr


def test_a_missing_package_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, project: Project):
    assert run("train").exit_code == 0
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result = run("export-model")
    assert result.exit_code == ExitCode.ENVIRONMENT
    assert "pip install 'la2ds[export]'" in result.stderr
    assert not (project.run_dir("default") / "model.onnx").exists()
