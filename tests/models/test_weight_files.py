"""The list of weights, and where they lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from la2ds_models.download import obtain
from la2ds_models.weight_files import WeightFile, bundled_path, digest, find, origin, present, zoo


def test_the_listed_weights() -> None:
    hrnet = {f"hrnet-{w}{v}" for w in ("w32", "w48") for v in ("", "-384", "-v0")}
    poses = hrnet | {"hrnet-demo", "hrnet-w32-msra", "hrnet-w48-384-msra", "yolo11n-pose"}
    poses |= {"yolo26n-pose", "blazepose", "blazepose-lite", "blazepose-heavy"}
    detectors = {"fasterrcnn", "fasterrcnn-mobilenet", "yolo11n", "yolo26n", "blazepose-detector"}
    assert set(zoo()) == poses | detectors | {"base", "resnet50-imagenet"}
    assert {name for name, entry in zoo().items() if entry.kind == "detector"} == detectors


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
    ("name", "bundled"),
    [
        *((name, False) for name in ("../net", "/net", "a/net", "a\\net", "C:net", "..", ".n", "")),
        ("weights/../../net.pth", True),
    ],
)
def test_a_file_name_cannot_leave_the_folder(name: str, bundled: bool) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        WeightFile("net", name, "MIT", "nothing", bundled=bundled)


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        obtain("hrnet-w64")


@pytest.mark.usefixtures("own_home")
def test_the_cache_of_torch_is_used(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    entry = WeightFile("net", "net.pth", "MIT", "nothing", sha256=digest)
    shared = tmp_path / "torch" / "hub" / "checkpoints" / "net.pth"
    shared.parent.mkdir(parents=True)
    shared.write_bytes(b"another net")
    assert find(entry) is None
    assert present(entry) == shared  # not looked into
    shared.write_bytes(b"weights")
    assert find(entry) == shared
    assert origin(entry, shared) == "in torch's cache"
