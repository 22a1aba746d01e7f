"""The page of training, asked as its script asks: what is offered, refused, started and shown."""

from __future__ import annotations

import json
import os
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.train_page import course, run_names
from la2ds_cli.training.checkpoint import run_warnings
from la2ds_cli.training.clip_set import outlook
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import interrupted_at
from tests.studio.browsing import asked, check_refused, finished

TINY = {
    "model": {
        "width": 16, "heads": 2, "spatial_layers": 1, "temporal_layers": 1, "max_frames": 64,
        "input": "joints",
    },
    "train": {
        "steps": 20, "batch_size": 2, "frames": 16, "validate_every": 10, "threads": 1,
        "precision": "fp32",
    },
}  # fmt: skip


def few_clips(root: Path, settings: dict[str, Any], count: int) -> StoredProject:
    """Clips of two lengths and two rates, the last two of them for test."""
    project = StoredProject.create(root, settings)
    for n in range(count):
        fps, length = (30.0, 24) if n % 2 else (20.0, 30)
        split = "test" if n >= count - 2 else ""
        add_sequence(project, f"clip{n}", sequence(warped_phase(length, n), fps=fps), split)
    return project


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two projects of eight clips: `clips`, and `trained`, which has the run `one`."""
    folder = tmp_path_factory.mktemp("originals")
    project = few_clips(folder / "clips", TINY, 8)
    shutil.copytree(project.root, folder / "trained")
    trained = StoredProject.open(folder / "trained")
    train(trained, run="one", config=trained.config(), options=TrainOptions("cpu"))
    return {"clips": project.root, "trained": trained.root}


@pytest.fixture
def clips(originals: dict[str, Path], tmp_path: Path) -> StoredProject:
    return StoredProject.open(shutil.copytree(originals["clips"], tmp_path / "clips"))


@pytest.fixture
def trained(originals: dict[str, Path], tmp_path: Path) -> StoredProject:
    return StoredProject.open(shutil.copytree(originals["trained"], tmp_path / "trained"))


def data_of(project: StoredProject) -> dict[str, Any]:
    with asked(project) as page:
        return page.get("/train/data").json()


# --- runs and their curves ------------------------------------------------------------------------


def test_a_run_is_listed_with_its_curves(trained: StoredProject) -> None:
    data = data_of(trained)
    learn, (run,) = data["learn"], data["runs"]
    assert (learn["clips"], learn["listed"], learn["words"]) == (6, 8, outlook(6)[1])
    assert (run["run"], run["state"], run["step"], run["steps"]) == ("one", "finished", 20, 20)
    lines = (trained.run_dir("one") / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert run["validation"] == [[row["step"], row["validation_error"]] for row in rows]
    assert [step for step, _ in run["loss"]] == [10, 20]
    # Both files tell the mean loss of the same ten steps.
    assert [loss for _, loss in run["loss"]] == pytest.approx([row["loss"] for row in rows])
    assert run["best"] == min(run["validation"], key=lambda point: point[1])
    assert "preset default, method la2ds, reads joints, seed 0" in run["recipe"]
    assert run["warnings"][0] == run_warnings(trained.run_dir("one"))[0]
    assert run["warnings"][0].startswith("only 6 clips to learn from")
    assert run["verdict"] is None  # nobody has compared it yet
    assert run["ended"] == ""
    path = trained.run_dir("one") / "finished.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ended": "its time limit"}))
    assert course(trained, "one")["ended"] == "its time limit"


def test_a_run_that_another_command_trains_is_seen_until_it_is_silent(clips: StoredProject) -> None:
    with interrupted_at(12):
        train(clips, run="one", config=clips.config(), options=TrainOptions("cpu"))
    assert course(clips, "one")["state"] == "training"  # it has just written
    for seconds, state in ((150, "training"), (200, "stopped")):  # three minutes
        then = time.time() - seconds
        for path in clips.run_dir("one").iterdir():
            os.utime(path, (then, then))
        assert course(clips, "one")["state"] == state


def test_lines_that_are_none_are_left_out(trained: StoredProject) -> None:
    wrong = ("", "null", "[]", "3", '"step"', '{"loss": 1}', '{"step": "1", "loss": 2}')
    wrong += ('{"step": NaN, "loss": 2}', '{"step": 5, "loss": Infinity}', "[" * 2000, "\x00")
    before = course(trained, "one")["loss"]
    for name in ("loss.jsonl", "metrics.jsonl"):
        path = trained.run_dir("one") / name
        path.write_text("\n".join([*wrong, path.read_text(), *wrong]))
    assert course(trained, "one")["loss"] == before


def test_a_long_curve_is_thinned_and_ends_where_it_ends(trained: StoredProject) -> None:
    rows = (json.dumps({"step": n, "loss": n / 2}) for n in range(10, 50_010, 10))
    (trained.run_dir("one") / "loss.jsonl").write_text("\n".join(rows))
    loss = course(trained, "one")["loss"]
    assert 500 < len(loss) <= 600
    assert loss[-1] == [50_000, 25_000.0]
    assert len({b[0] - a[0] for a, b in pairwise(loss)}) == 1


def test_folders_that_are_no_runs_are_none(trained: StoredProject, tmp_path: Path) -> None:
    (trained.root / "checkpoints" / "-x").mkdir()
    (trained.root / "checkpoints" / "empty").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "recipe.json").write_text("{}")
    (trained.root / "checkpoints" / "out").symlink_to(outside)
    assert run_names(trained) == ["one"]


# --- what can be asked ----------------------------------------------------------------------------


def test_what_cannot_be_resumed_is_refused(trained: StoredProject) -> None:
    with asked(trained) as page:
        runs = ("two", "", "../one", "-x", "x" * 300, "one")
        check_refused(page, "/train/go-on", [({"run": run}, "was not stopped") for run in runs])
        assert page.get("/jobs").json() == []
    assert run_names(trained) == ["one"]


# --- the commands do the work ---------------------------------------------------------------------


def test_settings_of_somebody_elses_run_are_not_handed_on(clips: StoredProject) -> None:
    config = clips.config(overrides=["train.seed=3"])
    with interrupted_at(15):
        train(clips, run="one", config=config, options=TrainOptions("cpu"))
    with asked(clips) as page:
        job = finished(page, page.post("/train/go-on", json={"run": "one"}))
    assert job["state"] == "failed"
    assert "was trained differently (train.seed: 3 -> 0)" in job["error"]


def test_a_new_run_has_a_free_name_and_none_is_trained_twice(clips: StoredProject) -> None:
    with interrupted_at(15):
        train(clips, run="default", config=clips.config(), options=TrainOptions("cpu"))
    with asked(clips) as page:
        for _ in range(2):
            assert page.post("/train/start").status_code == 200
        assert page.post("/train/go-on", json={"run": "default"}).status_code == 200
        check_refused(page, "/train/go-on", [({"run": "default"}, "already queued")], 409)
        jobs = page.get("/jobs").json()
        assert [job["title"] for job in jobs] == [
            f"training {run}" for run in ("run-2", "run-3", "default")
        ]
        for job in jobs[::-1]:
            page.post(f"/jobs/{job['number']}/cancel")
