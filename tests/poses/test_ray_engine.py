"""Extraction over Ray with two local workers; run with `-m heavy` where the extra is installed."""

from __future__ import annotations

import pickle
import socket
import sys
from pathlib import Path

import pytest

from la2ds_cli.core import ray_engine
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses import process_clips
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.sources import Entry, load_source
from tests.poses.grey_people import CONFIG, film, same_poses, walk
from tests.ray_workers import mortal
from tests.told import refused


@pytest.fixture
def clips(tmp_path: Path) -> str:
    for number in range(6):
        film(tmp_path / "clips" / f"{number}.mp4", walk(40, start=20 + 10 * number, step=1))
    film(tmp_path / "clips" / "nobody.mp4", [{}] * 12)
    return str(tmp_path / "clips")


@pytest.mark.heavy
def test_the_same_bytes_as_on_one_machine(tmp_path: Path, clips: str, cluster) -> None:
    local, spread = (
        StoredProject.create(tmp_path / "local"),
        StoredProject.create(tmp_path / "spread"),
    )
    expected = extract_poses(local, [clips], CONFIG)
    found = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert found == expected
    assert spread.videos() == local.videos()
    same_poses(local, spread, [r.video for r in expected if r.usable])
    again = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert [r.status for r in again] == ["cached"] * 6 + ["skipped"]


@pytest.mark.heavy
def test_a_killed_worker_is_replaced(tmp_path: Path, clips: str, cluster, monkeypatch) -> None:
    """The first worker that looks at a frame of the third clip dies, once."""
    mark = tmp_path / "died"
    dying = mortal(process_clips.ClipWorker, mark, lambda source: source.name.endswith("2.mp4"))
    monkeypatch.setattr(process_clips, "ClipWorker", dying)
    local, spread = (
        StoredProject.create(tmp_path / "local"),
        StoredProject.create(tmp_path / "spread"),
    )
    expected = extract_poses(local, [clips], CONFIG)
    found = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert mark.exists()
    assert found == expected
    same_poses(local, spread, [r.video for r in expected if r.usable])


@pytest.mark.heavy
def test_a_clip_that_kills_every_worker_is_a_row(
    tmp_path: Path, clips: str, cluster, monkeypatch
) -> None:
    """Such as one that makes a library crash; Ray itself would try again for ever."""
    dying = mortal(
        process_clips.ClipWorker,
        tmp_path / "died",
        lambda source: source.name.endswith("2.mp4"),
        always=True,
    )
    monkeypatch.setattr(process_clips, "ClipWorker", dying)
    project = StoredProject.create(tmp_path / "project")
    found = extract_poses(project, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert [r.usable for r in found] == [True, True, False, True, True, True, False]
    assert (found[2].status, found[2].code) == ("failed", "X001")
    assert "a worker died at each of 3 attempts" in found[2].message


def test_a_worker_does_what_a_local_run_does(tmp_path: Path) -> None:
    """Clips and rows travel between machines."""
    film(tmp_path / "a.mp4", walk(20))
    film(tmp_path / "nobody.mp4", [{}] * 12)
    project = StoredProject.create(tmp_path / "project")
    run = Extraction(project, CONFIG, "cpu", Progress())
    worker = process_clips.ClipWorker(str(project.root), CONFIG, "cpu", False)
    for name in ("a.mp4", "nobody.mp4"):
        entry = Entry(str(tmp_path / name), ClipOptions(start=0.2))
        source = load_source(project, entry, max_duration=600)
        sent = pickle.loads(pickle.dumps(source))
        assert sent == source
        made = pickle.loads(pickle.dumps(worker(sent)))
        assert made.items == run.attempt(source).items


class Unfit:
    """A worker that cannot work on this node."""

    def __init__(self, error: Exception) -> None:
        raise error

    def __call__(self, item: str) -> str:
        return item


def test_what_ends_a_run_travels_back() -> None:
    """Through Ray, an error of an actor's constructor is a page about the death of an actor."""
    told = {"hint": "buy one", "exit_code": ExitCode.ENVIRONMENT, "code": "V099"}
    for error, said in (
        (UserError("no GPU", **told), "no GPU"),
        (ValueError("a bug"), "ValueError: a bug"),
    ):
        _, raised = ray_engine.Actor(Unfit, [error]).work("item")
        assert said in str(raised)
        again = pickle.loads(pickle.dumps(raised))
        assert (type(again), vars(again)) == (type(raised), vars(raised))


def refusal(folder: Path) -> UserError:
    """What an extraction over Ray ends with."""
    film(folder / "a.mp4", walk(20))
    project = StoredProject.create(folder / "project")
    with refused(ExitCode.ENVIRONMENT) as caught:
        extract_poses(project, [str(folder / "a.mp4")], CONFIG, ExtractOptions(engine="ray"))
    return caught.value


def fake_ray(folder: Path, monkeypatch, package: str) -> None:
    """A package `ray` of the given code instead of the one that may be installed."""
    (folder / "ray.py").write_text(package)
    for name in [name for name in sys.modules if name.split(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)  # so that the fake is forgotten in the end
    del sys.modules["ray"]
    monkeypatch.syspath_prepend(str(folder))


def test_without_ray_the_pip_line_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    error = refusal(tmp_path)
    assert error.message == "--engine ray needs the package ray, which is not installed"
    assert "pip install 'la2ds[ray]'" in error.hint


def test_a_ray_that_cannot_be_imported_is_not_called_missing(tmp_path: Path, monkeypatch) -> None:
    fake_ray(tmp_path, monkeypatch, "raise ImportError('no such symbol')")
    error = refusal(tmp_path)
    assert error.message == "the package ray is installed but cannot be imported: no such symbol"
    assert "pip install --force-reinstall 'la2ds[ray]'" in error.hint
    assert error.hint.endswith(", or run la2ds extract-poses --shard I/N in N jobs")


INITIATED = """
import os
MODE = os.environ.get('RAY_AUTH_MODE')
def is_initialized(): return False
def init(address, **_): raise ConnectionError(f"asked {address} by {MODE}")
"""


@pytest.mark.parametrize(
    ("named", "mode"),
    [
        ({}, None),
        ({"RAY_AUTH_TOKEN": "a"}, "token"),
        ({"RAY_AUTH_TOKEN_PATH": "a"}, "token"),
        ({"RAY_AUTH_TOKEN": "a", "RAY_AUTH_MODE": "disabled"}, "disabled"),
    ],
)
def test_a_token_that_is_named_is_sent(
    tmp_path: Path, monkeypatch, named: dict[str, str], mode: str | None
) -> None:
    """Ray reads the mode when it is imported, and sends no token without it."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "")  # so that it is restored in the end
        monkeypatch.delenv(name)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    fake_ray(tmp_path, monkeypatch, INITIATED)
    error = refusal(tmp_path)
    assert error.message.endswith(f"RAY_ADDRESS=auto: asked auto by {mode}")
    assert "RAY_AUTH_MODE=token" in error.hint


def test_an_address_where_nothing_listens_ends_soon(tmp_path: Path, monkeypatch) -> None:
    """Ray itself would try for minutes."""
    fake_ray(tmp_path, monkeypatch, INITIATED)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert f"asked {address}" in refusal(tmp_path).message
    assert f"RAY_ADDRESS={address}: " in (said := refusal(tmp_path).message)
    assert "asked" not in said
