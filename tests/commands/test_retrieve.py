"""retrieve on a small project: the limits on the command line, a store, exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


@pytest.fixture
def out(tmp_path: Path) -> tuple[str, ...]:
    return "--out", str(tmp_path / "found.json")


def test_limits_of_a_clip(document: Document, out: tuple[str, ...]) -> None:
    wide = document("retrieve", "--query", "clip-0", "--k", "9", *out)
    assert (wide["k"], wide["per_video"], wide["min_gap"]) == (9, None, None)
    limits = ("--per-video", "2", "--min-gap", "0.5")
    found = document("retrieve", "--query", "clip-0", "--k", "6", *limits, *out)
    assert (found["per_video"], found["min_gap"]) == (2, 0.5)
    for query in found["queries"]:
        times: dict[str, list[float]] = {}
        for hit in query["hits"]:
            times.setdefault(hit["video"], []).append(hit["time"])
        assert {name: len(of) for name, of in times.items()} == {f"clip-{n}": 2 for n in (1, 2, 3)}
        assert all(abs(first - second) >= 0.5 - 1e-6 for first, second in times.values())


def test_the_model_or_raw_poses(run: Run, document: Document, out: tuple[str, ...]) -> None:
    assert run("retrieve", "--features", "model", *out).exit_code == ExitCode.UNUSABLE
    assert run("train").exit_code == 0
    assert document("retrieve", "--features", "model", *out)["features"] == "model"
    assert document("retrieve", *out)["features"] == "base"  # two steps are not better
    poses = document("retrieve", "--features", "pose", *out)
    assert (poses["features"], poses["run"], poses["reason"]) == ("pose", None, "")


def test_what_was_searched_is_told(
    run: Run, document: Document, project: Project, out: tuple[str, ...]
) -> None:
    assert document("retrieve", *out)["searched"] == {"frames": 158, "clips": 4}
    project.add_videos([], removed=["clip-3"])
    assert "searched 120 frames of 3 clips" in run("retrieve", *out).stdout


def test_a_store(run: Run, document: Document, out: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed (extra lance)")
    store = ("--store", str(tmp_path / "store"))
    exact = document("retrieve", "--k", "5", *out)
    found = document("retrieve", "--k", "5", *store, *out)
    (query,), (stored,) = exact["queries"], found["queries"]
    places = [(hit["video"], hit["index"]) for hit in query["hits"]]
    assert [(hit["video"], hit["index"]) for hit in stored["hits"]] == places
    assert {hit["project"] for hit in query["hits"]} == {None}
    assert {hit["project"] for hit in stored["hits"]} == {found["store"]["project"]}
    assert exact["store"] is None
    assert found["store"]["projects"] == 1
    shown = run("retrieve", *store, "--phase", "it's up", "--phase", "down")
    assert shown.exit_code == ExitCode.UNUSABLE
    shown = run("retrieve", *store)
    assert "of 4 clips of 1 project in model-penn13-" in shown.stdout
    assert "exact search, 0 clips added, 0 dropped as project-" in shown.stdout
    assert "retrieve/clip-0@" in shown.stdout
    assert ".png" not in shown.stdout
