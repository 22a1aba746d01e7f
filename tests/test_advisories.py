"""Locked packages compared with advisories in the OSV format, which lie on the disk."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.advisories import LOCKS, MOST_BYTES, locked, main

LOCK = """\
pillow==10.2.0 \\
    --hash=sha256:00 \\
    # via la2ds
torch==2.8.0+cpu ; sys_platform == 'linux' \\
    --hash=sha256:11
ruamel-yaml==0.17.4
"""


def record(name: str = "Pillow", **told: Any) -> dict[str, Any]:
    """An advisory of versions from 9 up to 10.3."""
    events = told.pop("events", [{"introduced": "9.0"}, {"fixed": "10.3.0"}])
    part = {
        "package": {"ecosystem": told.pop("ecosystem", "PyPI"), "name": name},
        "ranges": [{"type": told.pop("kind", "ECOSYSTEM"), "events": events}],
        "versions": told.pop("versions", []),
    }
    facts = {"id": "PYSEC-2024-1", "modified": "2026-11-20T00:00:00Z", "summary": "A buffer"}
    return {**facts, "aliases": ["CVE-2024-1"], "affected": [part], **told}


def run(tmp_path: Path, *documents: Any, arguments: tuple[str, ...] = ()) -> int:
    (tmp_path / "lock.txt").write_text(LOCK)
    folder = tmp_path / "osv"
    folder.mkdir()
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
    return main([str(folder), "--lock", str(tmp_path / "lock.txt"), *arguments])


def test_what_is_affected_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path, record()) == 1
    said = capsys.readouterr().out
    assert "3 locked versions, 1 advisories of PyPI, the newest of 2026-11-20" in said
    assert "pillow 10.2.0: PYSEC-2024-1 (CVE-2024-1): A buffer: mended in 10.3.0\n" in said


@pytest.mark.parametrize(
    "told",
    [
        {"events": [{"introduced": "0"}]},
        {"events": [{"introduced": "0"}, {"last_affected": "10.2.0"}]},
        {"events": [{"fixed": "9.1"}, {"introduced": "0"}, {"introduced": "10.1"}]},
        {"events": [{"introduced": "0"}, {"limit": "11"}]},
        {"events": [], "versions": ["10.1", "10.2"]},  # the same as 10.2.0
        {"events": [{"introduced": "one"}]},  # which cannot be decided
        {"name": "PILLOW"},
        {"name": "torch", "events": [{"introduced": "2.8.0"}]},
        {"name": "ruamel.yaml", "events": [{"introduced": "0"}, {"fixed": "0.18"}]},
    ],
)
def test_affected(tmp_path: Path, told: dict[str, Any]):
    assert run(tmp_path, record(**told)) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"events": [{"introduced": "0"}, {"fixed": "10.2.0"}]},
        {"events": [{"introduced": "0"}, {"last_affected": "10.1.9"}]},
        {"events": [{"introduced": "0"}, {"fixed": "9.1"}, {"introduced": "10.2.1"}]},
        {"events": [{"introduced": "0"}, {"limit": "10"}]},
        {"events": [], "versions": ["10.2.1", "1.0-odd"]},
        {"kind": "GIT"},
        {"name": "pillow-heif"},
        {"withdrawn": "2025-01-01T00:00:00Z"},
    ],
)
def test_not_affected(tmp_path: Path, told: dict[str, Any]):
    assert run(tmp_path, record(**told)) == 0


def test_an_accepted_advisory_by_its_id_or_alias(tmp_path: Path):
    assert run(tmp_path, record(), arguments=("--accept", "CVE-2024-1")) == 0


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "holds no advisory"),
        ([record(ecosystem="npm")], "holds no advisory about a package of PyPI"),
        ([record(), ["text"]], "is not an advisory"),
        ([record(affected=[{"package": {}}])], "PYSEC-2024-1 is damaged"),
        ([record(events=[{"introduced": "0"}, {"mended": "10"}])], "PYSEC-2024-1 is damaged"),
    ],
)
def test_advisories_that_cannot_be_read_are_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], documents: list[Any], said: str
):
    assert run(tmp_path, *documents) == 2
    assert said in capsys.readouterr().err


def test_a_file_an_archive_and_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    lock = tmp_path / "lock.txt"
    lock.write_text(LOCK)
    one, archive = tmp_path / "one.json", tmp_path / "all.zip"
    one.write_text(json.dumps([record(), record(name="numpy")]))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("PYSEC-2024-1.json", json.dumps(record()))
    for path in (one, archive):
        assert main([str(path), "--lock", str(lock)]) == 1
    archive.write_bytes(archive.read_bytes()[:-30])
    (tmp_path / "text.json").write_text("[")
    for path in (archive, tmp_path / "text.json", tmp_path / "none"):
        assert main([str(path), "--lock", str(lock)]) == 2
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.json", " " * (MOST_BYTES + 2))
    assert main([str(archive), "--lock", str(lock)]) == 2
    assert "longer than any advisory" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "pillow>=10\n", "pillow==ten\n"])
def test_a_lock_that_is_none(tmp_path: Path, text: str):
    (tmp_path / "lock.txt").write_text(text)
    (tmp_path / "one.json").write_text(json.dumps(record()))
    assert main([str(tmp_path / "one.json"), "--lock", str(tmp_path / "lock.txt")]) == 2


def test_the_locks_of_la2ds_are_read():
    pins = [locked(path) for path in LOCKS]
    assert pins[0] < pins[1]
    assert "numpy" in {name for name, _ in pins[0]}
