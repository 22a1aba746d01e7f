"""Extraction over Ray with two local workers; run with `-m heavy` where the extra is installed."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from la2ds_cli.core import ray_engine
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.poses import extract
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.sources import Entry, load_source
from tests.poses import grey_people
from tests.poses.grey_people import film
from tests.poses.test_extract import CONFIG, walk
from tests.ray_workers import mortal


@pytest.fixture
def clips(tmp_path: Path) -> str:
    for number in range(6):
        film(tmp_path / "clips" / f"{number}.mp4", walk(40, start=20 + 10 * number, step=1))
    film(tmp_path / "clips" / "nobody.mp4", [{}] * 12)
    return str(tmp_path / "clips")


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
    dying = mortal(extract.ClipWorker, mark, lambda item: item["name"].endswith("2.mp4"))
    monkeypatch.setattr(extract, "ClipWorker", dying)
    local, spread = Project.create(tmp_path / "local"), Project.create(tmp_path / "spread")
    expected = extract_poses(local, [clips], CONFIG)
    found = extract_poses(spread, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert mark.exists()
    assert found == expected
    same(local, spread, [r.video for r in expected if r.usable])


@pytest.mark.heavy
def test_a_clip_that_kills_every_worker_is_a_row(
    tmp_path: Path, clips: str, cluster, monkeypatch
) -> None:
    """Such as one that makes a library crash; Ray itself would try again for ever."""
    dying = mortal(
        extract.ClipWorker,
        tmp_path / "died",
        lambda item: item["name"].endswith("2.mp4"),
        always=True,
    )
    monkeypatch.setattr(extract, "ClipWorker", dying)
    project = Project.create(tmp_path / "project")
    found = extract_poses(project, [clips], CONFIG, ExtractOptions(engine="ray"))
    assert [r.usable for r in found] == [True, True, False, True, True, True, False]
    assert (found[2].status, found[2].code) == ("failed", "X001")
    assert "a worker died at each of 3 attempts" in found[2].message


def test_a_worker_does_what_a_local_run_does(tmp_path: Path) -> None:
    """Rows are plain values, as they travel between machines."""
    film(tmp_path / "a.mp4", walk(20))
    film(tmp_path / "nobody.mp4", [{}] * 12)
    project = Project.create(tmp_path / "project")
    run = Extraction(project, CONFIG, "cpu", Progress())
    worker = extract.ClipWorker(str(project.root), CONFIG, "cpu", False)
    for name in ("a.mp4", "nobody.mp4"):
        entry = Entry(str(tmp_path / name), ClipOptions(start=0.2))
        source = load_source(project, entry, max_duration=600)
        item = json.loads(json.dumps(extract.source_item(source)))
        assert extract.source_of(item) == source
        made = json.loads(json.dumps(worker(item)))
        assert made["results"] == [row.to_json() for row in run.attempt(source).items]


def test_what_ends_a_run_travels_back(tmp_path: Path, monkeypatch) -> None:
    film(tmp_path / "a.mp4", walk(20))
    project = Project.create(tmp_path / "project")
    arguments = (str(project.root), CONFIG, "cpu", False)
    actor = ray_engine.Actor(extract.ClipWorker, arguments, lambda index: 1)

    def refuse(*_: object) -> None:
        raise UserError("no GPU", hint="buy one", exit_code=ExitCode.ENVIRONMENT, code="V099")

    monkeypatch.setattr(grey_people, "build_pose", refuse)
    source = load_source(project, Entry(str(tmp_path / "a.mp4")), max_duration=600)
    with pytest.raises(UserError, match="no GPU") as caught:
        ray_engine._result(actor({"index": 0, "item": json.dumps(extract.source_item(source))}))
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.ENVIRONMENT, "buy one")
    assert caught.value.code == "V099"


class Unfit:
    """A worker that cannot work on this node."""

    def __init__(self, error: Exception) -> None:
        raise error

    def __call__(self, item: ray_engine.Item) -> ray_engine.Item:
        return item


def test_a_worker_that_cannot_begin_says_why() -> None:
    """Through Ray, an error of an actor's constructor is a page about the death of an actor."""
    row = {"index": 0, "item": "{}"}
    missing = UserError("no such file on this node", exit_code=ExitCode.UNREADABLE)
    with pytest.raises(UserError, match="on this node"):
        ray_engine._result(ray_engine.Actor(Unfit, [missing], lambda index: 1)(row))
    with pytest.raises(RuntimeError, match="ValueError: a bug"):
        ray_engine._result(ray_engine.Actor(Unfit, [ValueError("a bug")], lambda index: 1)(row))


@pytest.mark.parametrize(("begun", "made"), [(1, {"seen": 5}), (3, {"seen": 5}), (4, None)])
def test_an_item_is_tried_three_times(begun: int, made: object) -> None:
    actor = ray_engine.Actor(lambda: lambda item: item, [], lambda index: begun)
    assert ray_engine._result(actor({"index": 0, "item": '{"seen": 5}'})) == made


def refusal(folder: Path) -> UserError:
    """What an extraction over Ray ends with."""
    film(folder / "a.mp4", walk(20))
    project = Project.create(folder / "project")
    with pytest.raises(UserError) as caught:
        extract_poses(project, [str(folder / "a.mp4")], CONFIG, ExtractOptions(engine="ray"))
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    return caught.value


def fake_ray(folder: Path, monkeypatch, package: str, data: str = "") -> None:
    """A package `ray` of the given code instead of the one that may be installed."""
    (folder / "fake" / "ray").mkdir(parents=True)
    (folder / "fake" / "ray" / "__init__.py").write_text(package)
    (folder / "fake" / "ray" / "data.py").write_text(data)
    for name in [name for name in sys.modules if name.split(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("ray", "ray.data"):  # so that the fake is forgotten in the end
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(folder / "fake"))


def test_without_ray_the_pip_line_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    error = refusal(tmp_path)
    assert error.message == "--engine ray needs the package ray, which is not installed"
    assert "pip install 'la2ds[ray]'" in error.hint


def test_a_ray_that_cannot_be_imported_is_not_called_missing(tmp_path: Path, monkeypatch) -> None:
    fake_ray(tmp_path, monkeypatch, "", data="raise ImportError('pyarrow requires NumPy 2.0')")
    with pytest.raises(UserError) as caught:
        ray_engine._ray("use --shard I/N in N jobs")
    assert caught.value.message == (
        "the package ray is installed but cannot be imported: pyarrow requires NumPy 2.0"
    )
    assert "pip install --force-reinstall 'la2ds[ray]'" in caught.value.hint
    assert caught.value.hint.endswith(", or use --shard I/N in N jobs")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


FOR_EVER = """
import time
def is_initialized(): return False
def init(address, **_): time.sleep(400)
"""
KNOWN = """
def is_initialized(): return False
def init(address, **_): raise ConnectionError(f"asked {address}")
"""


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """HOST:PORT where a greeting gets an answer, or none for an empty one."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            if answer:
                connection.sendall(answer)
            else:
                closing.wait(60)

    closing = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        closing.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not the head of a Ray cluster"),
        (b"SSH-2.0", "not the head of a Ray cluster"),  # shorter than a frame
        (b"", "timed out"),
    ],
)
def test_an_address_of_something_else_ends_soon(
    tmp_path: Path, monkeypatch, answer: bytes, words: str
) -> None:
    monkeypatch.setattr(ray_engine, "_ANSWER_SECONDS", 0.5)
    fake_ray(tmp_path, monkeypatch, FOR_EVER)
    with server(answer) as address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        error = refusal(tmp_path)
    assert error.message.startswith(f"no Ray cluster answers at RAY_ADDRESS={address}: ")
    assert words in error.message
    assert "RAY_AUTH_MODE=token" in error.hint


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
    fake_ray(tmp_path, monkeypatch, "import os\nMODE = os.environ.get('RAY_AUTH_MODE')\n")
    assert mode == ray_engine._ray("").MODE


def test_an_address_where_nothing_listens_ends_soon(tmp_path: Path, monkeypatch) -> None:
    fake_ray(tmp_path, monkeypatch, FOR_EVER)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert f"RAY_ADDRESS={address}: " in refusal(tmp_path).message


def test_an_address_that_answers_is_left_to_ray(tmp_path: Path, monkeypatch) -> None:
    """As are those that are no HOST:PORT, and a head that wants TLS."""
    fake_ray(tmp_path, monkeypatch, KNOWN)
    with server(b"\0\0\0\4\0\0\0\0\0") as address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert f"asked {address}" in refusal(tmp_path).message
    for address in ("auto", "ray://127.0.0.1:1", "127.0.0.1"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UserError, match=f"asked {address}"):
            ray_engine._connect(ray_engine._ray("use --shard I/N in N jobs"))
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with server(b"not in the clear") as address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UserError, match=f"asked {address}"):
            ray_engine._connect(ray_engine._ray("use --shard I/N in N jobs"))
