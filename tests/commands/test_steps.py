"""cache-heatmaps, embed, align, evaluate and status on a small project, with the real steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.main import app

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


@pytest.fixture
def trained(run: Run) -> None:
    assert run("train").exit_code == 0


def test_cache_heatmaps_is_repeatable(run: Run):
    first = run("cache-heatmaps")
    assert first.exit_code == 0
    assert first.stdout.splitlines()[-1] == "4 ok"
    assert run("cache-heatmaps").stdout.splitlines()[-1] == "4 cached"
    assert run("cache-heatmaps", "--overwrite").stdout.splitlines()[-1] == "4 ok"


def test_a_batch_with_a_damaged_item_ends_with_8(run: Run, project: Project):
    project.pose_path("clip-1").write_bytes(b"no poses")
    result = run("cache-heatmaps")
    assert result.exit_code == ExitCode.PARTIAL
    assert "H002" in result.stdout
    assert result.stdout.splitlines()[-1] == "3 ok, 1 failed"


@pytest.mark.usefixtures("trained")
def test_embed_makes_an_item_per_clip(document: Document):
    found = document("embed")
    assert [item["status"] for item in found["items"]] == ["ok"] * 4
    assert {item["status"] for item in document("embed")["items"]} == {"cached"}


def test_align_without_a_run_uses_the_base_model_and_says_so(run: Run, tmp_path: Path):
    table = tmp_path / "ab.csv"
    result = run("align", "clip-0", "clip-1", "--out", str(table))
    assert result.exit_code == 0
    assert "aligned by dtw on base model" in result.stdout
    assert "no trained model" in result.stderr
    assert result.stdout.splitlines()[-1] == str(table)
    assert len(table.read_text().splitlines()) > 40


@pytest.mark.usefixtures("trained")
def test_align_with_a_model(document: Document, tmp_path: Path):
    out = ("--out", str(tmp_path / "ab.csv"))
    assert document("align", "clip-0", "clip-1", *out)["features"] == "base"  # it is not better
    found = document("align", "clip-0", "clip-1", "--features", "model", *out)
    assert found["features"] == "model"
    assert found["a"]["video"] == "clip-0"
    found = document("align", "clip-0", "clip-1", "--features", "pose", *out)
    assert found["features"] == "pose"


@pytest.mark.parametrize("view", ["filmed", "mirrored", "other"])
def test_align_compares_the_view_that_is_asked_for(document: Document, tmp_path: Path, view: str):
    found = document("align", "clip-0", "clip-1", "--view", view, "--out", str(tmp_path / "ab.csv"))
    assert (found["view"], found["mirrored"]) == (view, view != "filmed")


def test_retrieve_lists_what_it_found_and_draws_a_sheet(run: Run, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    result = run("retrieve", "--query", "clip-0@0.5", "--k", "3", "--out", str(sheet))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["query", "found", "distance", "view", "phase"]
    assert all(line.startswith("clip-0@0.50  clip-") for line in lines[1:4])
    assert not any("  clip-0@" in line for line in lines[1:4])
    assert "compared by base model" in result.stdout
    assert lines[-1] == str(sheet)
    assert sheet.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("trained")
def test_retrieve_as_json_by_the_model(document: Document):
    found = document("retrieve", "--query", "clip-0", "--features", "model")
    assert found["features"] == "model"
    assert len(found["queries"]) == 5
    assert {hit["video"] for query in found["queries"] for hit in query["hits"]} <= {
        "clip-1",
        "clip-2",
        "clip-3",
    }


@pytest.mark.usefixtures("trained")
def test_evaluate_prints_the_baselines_beside_the_model(run: Run, document: Document):
    result = run("evaluate")
    assert result.exit_code == 0
    for name in ("model", "raw pose", "time only", "untrained network"):
        assert name in result.stdout
    found = document("evaluate")
    assert found["split"] == "test"
    assert set(found["features"]) >= {"model", "raw_pose", "time_only", "untrained"}


def test_status_follows_the_work(run: Run, document: Document, project: Project):
    found = document("status")
    assert found["videos"] == 4
    assert found["splits"] == {"test": 2, "train": 2}
    assert found["next"] == ""
    run("train")
    run("evaluate")
    (project.root / "project.toml").write_text(
        (project.root / "project.toml").read_text().replace("width = 16", "width = 32")
    )
    text = run("status").stdout
    assert "run default: step 4 of 4" in text
    assert "run default has its own settings: model.width: 32 -> 16" in text
    assert document("status")["results"]["evaluate"] == [
        "results/evaluate/default-events.csv",
        "results/evaluate/default.json",
    ]


def test_doctor_reports_as_a_table_and_as_json():
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.stdout
    assert "decoder" in result.stdout
    found = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    names = {check["name"] for check in found["checks"]}
    assert {"la2ds", "torch", "device", "onnxruntime providers", "weights hrnet-demo"} <= names
    assert found["healthy"] is True
