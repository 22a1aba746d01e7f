"""Every read of the network and every operation on the disk fails once in a download: it goes on,
or ends with its own error, and the next call has the whole file."""

from __future__ import annotations

import errno
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from la2ds_models.download import DownloadFailed, Patience, StorageProblem, download, exclusive
from tests.faults import KINDS, Faults
from tests.file_server import FileServer, Served

CONTENT = bytes(range(256)) * 1200  # several reads of 64 KiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url() -> Iterator[str]:
    with FileServer() as server:
        server.paths["/file"] = Served(CONTENT)
        yield f"{server.url}/file"


def fetch(url: str, target: Path, attempts: int = 2) -> None:
    patience = Patience(timeout=5, attempts=attempts, sleep=lambda seconds: None)
    with exclusive(target, lambda text: None):
        download((url,), target, DIGEST, len(CONTENT), patience=patience)


class Reads:
    """Reads of sockets by this thread; those whose number is in `failing` are reset."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: range) -> None:
        self.count = 0
        real, client = socket.SocketIO.readinto, threading.get_ident()

        def counted(stream: Any, buffer: Any) -> int | None:
            if threading.get_ident() == client:
                self.count += 1
                if self.count in failing:
                    raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            return real(stream, buffer)

        monkeypatch.setattr(socket.SocketIO, "readinto", counted)


def test_a_read_that_fails_is_made_good(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        clean = Reads(patch, range(0))
        fetch(url, tmp_path / "clean")
    assert clean.count >= 3
    for number in range(1, clean.count + 1):
        target = tmp_path / f"once-{number}"
        with monkeypatch.context() as patch:
            Reads(patch, range(number, number + 1))
            fetch(url, target)
        assert target.read_bytes() == CONTENT
        target = tmp_path / f"ever-{number}"
        with monkeypatch.context() as patch:
            reads, failed = Reads(patch, range(number, 10**6)), False
            try:
                fetch(url, target)
            except DownloadFailed:
                failed = True
        # A file takes fewer reads where more has arrived at each; the first one always comes.
        assert failed == (reads.count >= number)
        assert failed != target.exists()
        fetch(url, target)
        assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("number", KINDS, ids=lambda number: errno.errorcode[number])
def test_a_disk_that_fails_keeps_the_file_from_its_name(url: str, tmp_path: Path, number: int):
    with Faults(tmp_path) as clean:
        fetch(url, tmp_path / "clean")
    assert len(clean.operations) > 8
    for at in range(1, len(clean.operations) + 1):
        target = tmp_path / f"file-{at}"
        try:
            with Faults(tmp_path, at, number) as faults:
                fetch(url, target)
        except StorageProblem:
            assert faults.failed
        if target.exists():
            assert target.read_bytes() == CONTENT, faults.failed
        fetch(url, target)
        assert target.read_bytes() == CONTENT, faults.failed
