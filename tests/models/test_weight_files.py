from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from la2ds_models import weight_files
from la2ds_models.weight_files import (
    WeightFile,
    WeightsDamaged,
    WeightsUnavailable,
    bundled_path,
    fetch,
    find,
    weights_dir,
    zoo,
)

CONTENT = b"weights " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class BreakingOff(Quiet):
    """Promises the whole file and sends half of it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the loopback address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serving(partial(Quiet, directory=str(folder))) as url:
        yield folder, url


class serving:
    def __init__(self, handler) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    """Own folders, no mirror, and no proxy between the test and the loopback."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("LA2DS_MIRROR", raising=False)
    monkeypatch.delenv("LA2DS_OFFLINE", raising=False)
    return tmp_path / "home"


def listed(monkeypatch, *urls: str, sha256: str = DIGEST[:8]) -> WeightFile:
    """Make `net` the only entry of the zoo."""
    entry = WeightFile("net", "net.pth", "MIT", "nothing", urls=urls, sha256=sha256)
    monkeypatch.setattr(weight_files, "zoo", lambda: {"net": entry})
    return entry


def test_every_entry_can_be_fetched_or_is_bundled() -> None:
    assert set(zoo()) == {
        *("hrnet-w32", "hrnet-w48", "hrnet-demo", "fasterrcnn", "fasterrcnn-mobilenet")
    }
    for entry in zoo().values():
        assert entry.licence
        assert entry.trained_on
        if entry.bundled:
            assert bundled_path(entry).is_file()
            continue
        assert len(entry.sha256) >= 8
        assert entry.sha256 in entry.file  # the publishers name their files by the hash
        assert 0.2 < entry.ap < 0.8
        assert all(url.startswith("https://") and url.endswith(entry.file) for url in entry.urls)


def test_a_download_lands_whole_in_the_weights_folder(served, home, monkeypatch) -> None:
    folder, url = served
    (folder / "net.pth").write_bytes(CONTENT)
    entry = listed(monkeypatch, f"{url}/net.pth")
    told: list[tuple[int, int]] = []
    path = fetch("net", progress=lambda done, total: told.append((done, total)))
    assert path == home / "weights" / "net.pth"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert list(weights_dir().iterdir()) == [path]
    (folder / "net.pth").unlink()
    assert fetch("net") == find(entry) == path  # no second download


def test_the_next_source_is_tried(served, monkeypatch) -> None:
    folder, url = served
    (folder / "net.pth").write_bytes(CONTENT)
    listed(monkeypatch, f"{url}/gone.pth", f"{url}/net.pth")
    assert fetch("net").read_bytes() == CONTENT


def test_a_mirror_of_the_user_goes_first(served, monkeypatch) -> None:
    folder, url = served
    (folder / "net.pth").write_bytes(CONTENT)
    listed(monkeypatch, "http://127.0.0.1:9/net.pth")
    monkeypatch.setenv("LA2DS_MIRROR", url + "/")
    assert fetch("net").read_bytes() == CONTENT


def test_wrong_content_is_refused_and_leaves_nothing(served, monkeypatch) -> None:
    folder, url = served
    (folder / "net.pth").write_bytes(b"an error page")
    listed(monkeypatch, f"{url}/net.pth")
    with pytest.raises(WeightsUnavailable, match="wrong content") as caught:
        fetch("net")
    assert DIGEST[:8] in caught.value.advice
    assert list(weights_dir().iterdir()) == []


def test_a_transfer_that_breaks_off_leaves_nothing(monkeypatch) -> None:
    with serving(BreakingOff) as url:
        listed(monkeypatch, f"{url}/net.pth")
        with pytest.raises(WeightsUnavailable, match="broke off"):
            fetch("net")
    assert list(weights_dir().iterdir()) == []


def test_unreachable_sources_are_named(monkeypatch) -> None:
    listed(monkeypatch, "http://127.0.0.1:9/net.pth")
    with pytest.raises(WeightsUnavailable, match=r"127\.0\.0\.1:9") as caught:
        fetch("net")
    for text in ("net.pth", DIGEST[:8], "http://127.0.0.1:9", str(weights_dir() / "net.pth")):
        assert text in caught.value.advice


def test_offline_asks_nobody(served, monkeypatch) -> None:
    folder, url = served
    (folder / "net.pth").write_bytes(CONTENT)
    listed(monkeypatch, f"{url}/net.pth")
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="LA2DS_OFFLINE") as caught:
        fetch("net")
    assert str(weights_dir() / "net.pth") in caught.value.advice
    assert not weights_dir().exists()


def test_a_file_put_there_by_hand_is_used_offline(monkeypatch) -> None:
    listed(monkeypatch)
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    weights_dir().mkdir(parents=True)
    (weights_dir() / "net.pth").write_bytes(CONTENT)
    assert fetch("net") == weights_dir() / "net.pth"


def test_a_damaged_file_is_named_and_refused(monkeypatch) -> None:
    listed(monkeypatch)
    weights_dir().mkdir(parents=True)
    (weights_dir() / "net.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsDamaged, match=r"net\.pth") as caught:
        fetch("net")
    assert "delete" in caught.value.advice


def test_the_cache_of_torch_is_used(tmp_path: Path, monkeypatch) -> None:
    entry = listed(monkeypatch)
    shared = tmp_path / "torch" / "hub" / "checkpoints" / "net.pth"
    shared.parent.mkdir(parents=True)
    shared.write_bytes(b"another net")
    assert find(entry) is None
    shared.write_bytes(CONTENT)
    assert fetch("net") == shared


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        fetch("hrnet-w64")
