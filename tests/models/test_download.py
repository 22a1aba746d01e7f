"""Transfers from a server on the loopback; nothing here touches another network."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from la2ds_models import download as module
from la2ds_models.download import (
    DownloadFailed,
    Patience,
    StorageProblem,
    download,
    exclusive,
)
from tests.file_server import FileServer, Served

CONTENT = bytes(range(256)) * 400  # more than one block
HALF = len(CONTENT) // 2
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with FileServer() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "net.pth"


class Run:
    """`get()` with what it told, and the pauses it would have made."""

    def __init__(self, server: FileServer, target: Path) -> None:
        self.server = server
        self.target = target
        self.pauses: list[float] = []
        self.told: list[tuple[int, int]] = []
        self.notes: list[str] = []

    def get(self, *paths: str, sha256: str = DIGEST, size: int = 0, timeout: float = 20) -> bytes:
        urls = tuple(path if "://" in path else self.server.url + path for path in paths)
        patience = Patience(timeout=timeout, attempts=3, pause=1, sleep=self.pauses.append)
        with exclusive(self.target, self.notes.append):
            download(
                urls,
                self.target,
                sha256,
                size,
                lambda done, total: self.told.append((done, total)),
                note=self.notes.append,
                patience=patience,
            )
        return self.target.read_bytes()

    def left(self) -> set[str]:
        """Names in the folder, but for the lock."""
        return {path.name for path in self.target.parent.iterdir() if path.suffix != ".lock"}

    def part(self) -> bytes:
        return self.target.with_name("net.pth.part").read_bytes()


@pytest.fixture
def run(server: FileServer, target: Path) -> Run:
    return Run(server, target)


def test_a_file_lands_whole_and_alone(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT)
    assert run.get("/net.pth") == CONTENT
    assert run.left() == {"net.pth"}
    assert run.told[0] == (0, len(CONTENT))
    assert run.told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in run.told] == sorted(done for done, _ in run.told)
    assert run.pauses == []


def test_a_length_that_is_not_told(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, length_known=False)
    assert run.get("/net.pth") == CONTENT
    assert run.told[-1] == (len(CONTENT), 0)


@pytest.mark.parametrize("told", [True, False])
def test_a_server_that_sends_more_than_the_file_is_stopped(
    server: FileServer, run: Run, told: bool
) -> None:
    vast = CONTENT + b"x" * (len(CONTENT) + (8 << 20))
    server.paths["/net.pth"] = Served(vast, length_known=told)
    with pytest.raises(DownloadFailed, match="bytes"):
        run.get("/net.pth", size=len(CONTENT))
    assert run.left() == set()
    assert max(done for done, _ in run.told or [(0, 0)]) < len(CONTENT) + (1 << 20)


def test_a_break_is_gone_on_from_with_the_rest_alone(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, cut=[HALF])
    assert run.get("/net.pth") == CONTENT
    first, second = server.asked
    assert first.range is None
    assert second.range == f"bytes={HALF}-"
    assert first.sent + second.sent == len(CONTENT)
    assert run.pauses == [1]
    assert any("interrupted" in note and "trying again" in note for note in run.notes)


def test_silence_is_a_break(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, stall=[HALF])
    assert run.get("/net.pth", timeout=0.3) == CONTENT
    assert server.asked[1].range == f"bytes={HALF}-"
    assert any("no answer in time" in note for note in run.notes)


def test_a_server_that_never_gets_further_is_given_up(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, ranges=False, cut=[HALF] * 9)
    with pytest.raises(DownloadFailed, match="interrupted after 51,200 of 102,400 bytes"):
        run.get("/net.pth")
    assert len(server.asked) == 3
    assert run.pauses == [1, 2]
    assert run.left() == {"net.pth.part"}


def test_attempts_that_get_further_do_not_count(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, cut=[10_000] * 8)
    assert run.get("/net.pth") == CONTENT
    assert len(server.asked) == 9
    assert run.pauses == [1] * 8


def test_what_was_got_serves_a_later_call(server: FileServer, run: Run) -> None:
    served = server.paths["/net.pth"] = Served(CONTENT, cut=[HALF, 0, 0, 0, 0])
    with pytest.raises(DownloadFailed):
        run.get("/net.pth")
    assert run.part() == CONTENT[:HALF]
    served.cut = []
    before = len(server.asked)
    assert run.get("/net.pth") == CONTENT
    assert [asked.sent for asked in server.asked[before:]] == [len(CONTENT) - HALF]


def test_a_server_without_ranges_starts_over(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT, ranges=False, cut=[HALF])
    assert run.get("/net.pth") == CONTENT
    assert server.asked[1].range == f"bytes={HALF}-"
    assert server.asked[1].sent == len(CONTENT)


def begin(server: FileServer, run: Run, content: bytes) -> Served:
    """Leave the first half of `content` as a part."""
    server.paths["/net.pth"] = Served(content, cut=[HALF, 0, 0, 0])
    with pytest.raises(DownloadFailed):
        run.get("/net.pth")
    assert run.part() == content[:HALF]
    server.asked.clear()
    served = server.paths["/net.pth"] = Served(CONTENT)
    return served


@pytest.mark.parametrize(
    ("began", "now"),
    [(CONTENT[::-1], CONTENT), (CONTENT, CONTENT[: HALF // 2])],
    ids=["changed", "shorter"],
)
def test_the_rest_of_another_version_starts_over(
    server: FileServer, run: Run, began: bytes, now: bytes
) -> None:
    begin(server, run, began).content = now
    assert run.get("/net.pth", sha256=hashlib.sha256(now).hexdigest()) == now
    assert [asked.range for asked in server.asked] == [f"bytes={HALF}-", None]
    assert any("another version" in note for note in run.notes)


def test_another_address_has_the_rest_too(server: FileServer, run: Run) -> None:
    begin(server, run, CONTENT)
    server.paths["/net.pth"] = Served(status=404)
    server.paths["/b/net.pth"] = Served(CONTENT)
    assert run.get("/net.pth", "/b/net.pth") == CONTENT
    assert server.asked[-1].sent == len(CONTENT) - HALF


def test_a_part_that_is_whole_is_only_checked(server: FileServer, run: Run) -> None:
    begin(server, run, CONTENT)
    run.target.with_name("net.pth.part").write_bytes(CONTENT)
    assert run.get("/net.pth") == CONTENT
    assert server.asked == []


def test_the_wrong_content_is_thrown_away_and_the_liar_named(server: FileServer, run: Run) -> None:
    server.paths["/a/net.pth"] = Served(b"an error page")
    with pytest.raises(DownloadFailed, match="wrong content") as caught:
        run.get("/a/net.pth")
    assert f"{server.url}/a/net.pth" in str(caught.value)
    assert DIGEST in str(caught.value)
    assert len(server.asked) == 1
    assert run.left() == set()


def test_the_start_of_a_digest_is_not_enough(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(CONTENT)
    with pytest.raises(DownloadFailed, match="wrong content"):
        run.get("/net.pth", sha256=DIGEST[:8])


def test_after_a_lie_and_a_404_comes_the_next_address(server: FileServer, run: Run) -> None:
    server.paths["/lie/net.pth"] = Served(b"an error page")
    server.paths["/good/net.pth"] = Served(CONTENT)
    assert run.get("/lie/net.pth", "/gone/net.pth", "/good/net.pth") == CONTENT
    assert [asked.path for asked in server.asked] == [
        *("/lie/net.pth", "/gone/net.pth", "/good/net.pth")
    ]
    assert run.pauses == []


def test_a_busy_server_is_asked_again(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(status=503)
    with pytest.raises(DownloadFailed, match="HTTP 503"):
        run.get("/net.pth")
    assert len(server.asked) == 3


def test_a_redirect_keeps_the_range(server: FileServer, run: Run) -> None:
    server.paths["/net.pth"] = Served(redirect="/there/net.pth")
    server.paths["/there/net.pth"] = Served(CONTENT, cut=[HALF])
    assert run.get("/net.pth") == CONTENT
    assert server.asked[-1].range == f"bytes={HALF}-"


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_a_redirect_off_the_web_is_refused(
    server: FileServer, run: Run, tmp_path: Path, scheme: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    server.paths["/net.pth"] = Served(redirect=f"{scheme}://{secret}")
    with pytest.raises(DownloadFailed, match=scheme):
        run.get("/net.pth")
    assert len(server.asked) == 1
    assert run.left() == set()


def test_only_web_addresses_are_opened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    with pytest.raises(DownloadFailed, match="neither https nor http"):
        run.get(f"file://{tmp_path}/net.pth", "ftp://127.0.0.1/net.pth")
    assert run.pauses == []


def test_https_is_not_left_for_http() -> None:
    from urllib.request import Request

    from la2ds_models.http_source import Refused, _Redirects

    request = Request("https://example.org/net.pth")
    with pytest.raises(Refused, match="http://example"):
        _Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/net.pth")


def test_a_port_that_nobody_serves(run: Run) -> None:
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1:9"):
        run.get("http://127.0.0.1:9/net.pth")
    assert run.pauses == [1, 2]


def test_space_is_looked_for_before_anything_is_asked(
    server: FileServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=50_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: free)
    server.paths["/net.pth"] = Served(CONTENT)
    with pytest.raises(StorageProblem, match=r"102,400 bytes") as caught:
        run.get("/net.pth", size=len(CONTENT))
    assert caught.value.needed == len(CONTENT)
    assert server.asked == []
    with pytest.raises(StorageProblem, match=r"102,400 bytes"):
        run.get("/net.pth")  # size not known before: asked, and nothing of it stored
    assert run.left() == set()


def test_a_part_needs_only_the_space_of_the_rest(
    server: FileServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(server, run, CONTENT)
    free = SimpleNamespace(free=len(CONTENT) - HALF)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: free)
    assert run.get("/net.pth", size=len(CONTENT)) == CONTENT


def test_a_write_that_fails_is_no_fault_of_the_server(server: FileServer, run: Run) -> None:
    resource = pytest.importorskip("resource")
    server.paths["/a/net.pth"] = server.paths["/b/net.pth"] = Served(CONTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StorageProblem, match=r"net\.pth\.part: File too large"):
            run.get("/a/net.pth", "/b/net.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(server.asked) == 1
    assert run.part() == CONTENT[:20_000]
    assert run.get("/a/net.pth") == CONTENT  # space was made
    assert server.asked[1].range == "bytes=20000-"


def test_a_folder_that_cannot_be_made(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where the folder should be")
    with pytest.raises(StorageProblem, match="weights"):
        Run(server, tmp_path / "weights" / "net.pth").get("/net.pth")


def test_two_at_once_fetch_once(server: FileServer, target: Path) -> None:
    gate = threading.Event()
    server.paths["/net.pth"] = Served(CONTENT, gate=gate)
    first, second = Run(server, target), Run(server, target)
    started = threading.Thread(target=lambda: first.get("/net.pth"))
    started.start()
    while not server.asked:  # then the first holds the lock and waits for the gate
        assert started.is_alive()
        time.sleep(0.01)

    def open_gate(text: str) -> None:
        second.notes.append(text)
        gate.set()

    with exclusive(target, open_gate):
        assert target.read_bytes() == CONTENT
    started.join()
    assert second.notes == ["another process is downloading net.pth; waiting for it"]
    assert len(server.asked) == 1


def test_a_killed_process_is_gone_on_from(server: FileServer, run: Run) -> None:
    served = server.paths["/net.pth"] = Served(CONTENT, stall=[HALF])
    script = (
        "import sys; from pathlib import Path\n"
        "from la2ds_models.download import download, exclusive\n"
        "target = Path(sys.argv[1])\n"
        "with exclusive(target, print):\n"
        "    download((sys.argv[2],), target, sys.argv[3])\n"
    )
    arguments = [str(run.target), f"{server.url}/net.pth", DIGEST]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "models")}
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment)
    part = run.target.with_name("net.pth.part")
    while not part.is_file() or part.stat().st_size < HALF:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not run.target.exists()
    served.stall = []
    assert run.get("/net.pth") == CONTENT
    assert [asked.sent for asked in server.asked] == [HALF, len(CONTENT) - HALF]
    assert run.left() == {"net.pth"}
