"""Extraction over Ray with two local workers; run with `-m heavy` where the extra is installed."""

from __future__ import annotations

import builtins
import os
import signal
from pathlib import Path

import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.poses import ray_engine
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.sources import load_source
from tests.poses import grey_people
from tests.poses.grey_people import film
from tests.poses.test_extract import CONFIG, walk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clips(tmp_path: Path) -> str:
    for number in range(6):
        film(tmp_path / "clips" / f"{number}.mp4", walk(40, start=20 + 10 * number, step=1))
    film(tmp_path / "clips" / "nobody.mp4", [{}] * 12)
    return str(tmp_path / "clips")


@pytest.fixture
def cluster():
    ray = pytest.importorskip("ray", reason="needs la2ds[ray]")
    pytest.importorskip("ray.data", reason="needs la2ds[ray]")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    yield ray
    ray.shutdown()


def same(a: Project, b: Project, videos: list[str]) -> None:
    for video in videos:
        assert a.pose_path(video).read_bytes() == b.pose_path(video).read_bytes()


@pytest.mark.heavy
def test_the_same_bytes_as_on_one_machine(tmp_path: Path, clips: str, cluster) -> None:
    local, spread = Project.create(tmp_path / "local"), Project.create(tmp_path / "spread")
    expected = extract_poses(local, [clips], CONFIG)
    found = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert found == expected
    assert spread.videos() == local.videos()
    same(local, spread, [r.video for r in expected if r.usable])
    again = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert [r.status for r in again] == ["cached"] * 6 + ["skipped"]


@pytest.mark.heavy
def test_a_killed_worker_is_replaced(tmp_path: Path, clips: str, cluster, monkeypatch) -> None:
    """The first worker that looks at a frame of the third clip dies, once."""
    mark = tmp_path / "died"
    monkeypatch.setattr(ray_engine, "ClipWorker", _mortal(mark))
    local, spread = Project.create(tmp_path / "local"), Project.create(tmp_path / "spread")
    expected = extract_poses(local, [clips], CONFIG)
    found = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert mark.exists()
    assert found == expected
    same(local, spread, [r.video for r in expected if r.usable])


def _mortal(mark: Path) -> type:
    class Mortal(ray_engine.ClipWorker):
        def __call__(self, row):
            if row["place"] == 2 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(row)

    return Mortal


def test_a_worker_does_what_a_local_run_does(tmp_path: Path) -> None:
    """Rows are plain values, as they travel between machines."""
    film(tmp_path / "a.mp4", walk(20))
    film(tmp_path / "nobody.mp4", [{}] * 12)
    project = Project.create(tmp_path / "project")
    run = Extraction(project, CONFIG, "cpu", Progress())
    worker = ray_engine.ClipWorker(str(project.root), CONFIG, "cpu", False)
    for name in ("a.mp4", "nobody.mp4"):
        options = ClipOptions(start=0.2)
        source = load_source(str(tmp_path / name), options, max_duration=600)
        row = {"place": 0, **ray_engine._row(source)}
        assert ray_engine._source(row) == source
        made = ray_engine._made(worker(row))
        with run.networks():
            expected = run.attempt(source)
        assert made.result == expected.result
        assert made.persons == expected.persons


def test_what_ends_a_run_travels_back(tmp_path: Path, monkeypatch) -> None:
    film(tmp_path / "a.mp4", walk(20))
    project = Project.create(tmp_path / "project")
    worker = ray_engine.ClipWorker(str(project.root), CONFIG, "cpu", False)

    def refuse(*_: object) -> None:
        raise UserError("no GPU", hint="buy one", exit_code=ExitCode.ENVIRONMENT)

    monkeypatch.setattr(grey_people, "build", refuse)
    source = load_source(str(tmp_path / "a.mp4"), ClipOptions(), max_duration=600)
    with pytest.raises(UserError, match="no GPU") as caught:
        ray_engine._made(worker({"place": 0, **ray_engine._row(source)}))
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.ENVIRONMENT, "buy one")


def test_without_ray_the_pip_line_is_named(tmp_path: Path, monkeypatch) -> None:
    film(tmp_path / "a.mp4", walk(20))
    project = Project.create(tmp_path / "project")
    original = builtins.__import__

    def no_ray(name: str, *rest):
        if name.split(".")[0] == "ray":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_ray)
    with pytest.raises(UserError, match="ray") as caught:
        extract_poses(project, [str(tmp_path / "a.mp4")], CONFIG, ExtractOptions(engine="ray"))
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "la2ds[ray]" in caught.value.hint
