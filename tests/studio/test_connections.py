"""Connections and requests that only wait: they keep nobody from opening the studio, or saving."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio import connections
from la2ds_cli.studio.held_pairs import HeldPair
from tests.studio.browsing import TOKEN, asked, served
from tests.studio.test_command import link_of, opened

Start = Callable[..., subprocess.Popen[str]]
SOON = 3.0  # seconds within which a request that waits for nothing is answered


def idle(address: str, count: int, stack: ExitStack, first: bytes = b"") -> list[socket.socket]:
    """Connections that send these bytes, and then nothing."""
    host, port = address.removeprefix("http://").strip("/").split(":")
    made = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(count)]
    for each in made:
        each.sendall(first)
    return made


def closed(connection: socket.socket, within: float) -> bool:
    """Whether the studio ends a connection within some seconds."""
    connection.settimeout(within)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process")
def test_more_idle_connections_than_files_do_not_block_the_studio(start: Start, tmp_path: Any):
    import resource  # POSIX only

    process = start("--project", str(tmp_path / "project"))
    link = link_of(process)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (160, 160))
    with ExitStack() as stack:
        idle(link.partition("/?")[0], 400, stack)
        began = time.monotonic()
        assert "la2ds studio" in opened(link)
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_a_connection_that_asks_for_nothing_ends(
    filmed: StoredProject, monkeypatch: pytest.MonkeyPatch, first: bytes
):
    monkeypatch.setattr(connections, "FIRST_REQUEST", 0.5)
    with served(filmed) as address, ExitStack() as stack:
        (one,) = idle(address, 1, stack, first)
        assert closed(one, 10)


def test_one_without_the_cookie_ends_with_its_refusal(filmed: StoredProject):
    with served(filmed) as address, ExitStack() as stack:
        host = address.removeprefix("http://")
        for method in ("GET", "POST"):
            said = f"{method} /clips HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n"
            (one,) = idle(address, 1, stack, said.encode())
            assert closed(one, 2), method  # before an idle connection would be


def test_one_with_the_cookie_stays(filmed: StoredProject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "FIRST_REQUEST", 0.5)
    with served(filmed) as address, ExitStack() as stack:
        host = address.removeprefix("http://")
        said = f"GET /?token={TOKEN} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        (one,) = idle(address, 1, stack, said.encode())
        assert b"303" in one.recv(1 << 16)
        idle(address, 2 * connections.MOST_SILENT, stack)
        assert not closed(one, 1.5)


def test_saving_waits_for_no_pair_that_is_computed(
    filmed: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    may_end, prepared = threading.Event(), HeldPair.prepared

    def slow(project: StoredProject, a: str, b: str, how: Any = "auto", **options: Any) -> HeldPair:
        if how == "mirrored":
            assert may_end.wait(60)
        return prepared(project, a, b, how, **options)

    monkeypatch.setattr(HeldPair, "prepared", slow)
    with asked(filmed) as client, ThreadPoolExecutor(60) as threads:
        pair = {"a": "a", "b": "b"}
        of_joints = client.get("/joints/data", params={"clip": "a"}).json()["versions"]["joints"]
        of_pair = client.get("/pair/data", params=pair).json()["version"]
        versions = {"joints": of_joints, "pair": of_pair}
        slowly = pair | {"view": "mirrored", "force": "1"}
        waiting = [threads.submit(client.get, "/pair/data", params=slowly) for _ in range(44)]
        time.sleep(0.5)
        note = {"kind": "note", "frames": [3, 3], "text": "early"}
        joint = {"frame": 4, "joint": "head", "at": [9.0, 9.0]}
        changes = {
            "joints": ("/joints/save", {"clip": "a", "changes": [joint]}),
            # Its pair is aligned anew, with this joint.
            "pair": ("/pair/change", pair | {"old": [], "new": [note]}),
        }
        try:
            for page, (path, body) in changes.items():
                known = {"if-match": versions[page]}
                saved = threads.submit(client.post, path, json=body, headers=known)
                answer = saved.result(SOON)
                assert answer.status_code == 200, answer.text
            assert not any(each.done() for each in waiting)
        finally:
            may_end.set()
        assert {each.result(60).status_code for each in waiting} == {200}
