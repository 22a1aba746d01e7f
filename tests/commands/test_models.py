"""`la2ds models`, against a server on the loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import Result

from la2ds_cli.core.errors import ExitCode
from la2ds_models import weight_files
from la2ds_models.weight_files import WeightFile, bundled_path, weights_dir, zoo
from tests.file_server import FileServer, Served
from tests.processes import invoke

CONTENT = b"weights " * 1000
REAL = zoo()


@pytest.fixture(autouse=True)
def server(own_home: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Three entries: `a` and `b` are served here, `demo` is bundled."""
    with FileServer() as running:
        running.paths = {"/a.pth": Served(CONTENT), "/b.pth": Served(CONTENT)}
        entries = {
            name: WeightFile(
                *(name, f"{name}.pth", "MIT", "photographs"),
                urls=(f"{running.url}/{name}.pth",),
                sha256=hashlib.sha256(CONTENT).hexdigest(),
                ap=0.5,
                code="some code (MIT)",
            )
            for name in ("a", "b")
        }
        monkeypatch.setattr(
            weight_files, "zoo", lambda: {**entries, "hrnet-demo": REAL["hrnet-demo"]}
        )
        yield running


def models(*arguments: str, code: int = 0) -> Result:
    return invoke("models", *arguments, code=code)


def document(*arguments: str, code: int = 0) -> dict[str, Any]:
    parsed = json.loads(models(*arguments, "--json", code=code).stdout)
    assert parsed["schema_version"] == 1
    assert parsed["command"] == f"models {arguments[0]}"
    return parsed


def test_ls_says_what_is_here() -> None:
    models("pull", "a")
    rows = {row["name"]: row for row in document("ls")["models"]}
    assert rows["a"]["path"] == str(weights_dir() / "a.pth")
    assert rows["a"]["size"] == len(CONTENT)
    assert (rows["b"]["path"], rows["b"]["size"]) == (None, 0)
    assert rows["hrnet-demo"]["path"] == str(bundled_path(REAL["hrnet-demo"]))
    lines = models("ls").stdout.splitlines()
    assert lines[0].split() == ["name", "kind", "size", "AP", "licence", "installed"]
    assert lines[1].split() == ["a", "pose", "0.0", "MB", "0.500", "MIT", "yes"]
    assert lines[2].split() == ["b", "pose", "unknown", "0.500", "MIT", "no"]
    assert "  photographs:" in lines
    assert "run by" in lines


def test_ls_of_the_real_list_fits_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "zoo", lambda: REAL)
    paths = [str(weights_dir()), str(bundled_path(REAL["hrnet-demo"]))]
    lines = models("ls").stdout.splitlines()
    wide = [s for s in lines if len(s) > 100 and not any(path in s for path in paths)]
    assert wide == []
    assert {line.split()[0] for line in lines if line} >= set(REAL)


def test_pull_announces_fetches_and_is_done_the_second_time(server: FileServer) -> None:
    result = models("pull", "a", "b")
    assert "downloading a: 0.0 MB, licence MIT, trained on photographs" in result.stderr
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:3]] == [
        ["ok", "a"],
        ["ok", "b"],
    ]
    assert result.stdout.endswith("2 ok\n")
    again = document("pull", "a", "b", "a")
    assert [item["status"] for item in again["items"]] == ["cached", "cached"]
    assert len(server.asked) == 2


def test_pull_goes_on_after_a_failure(server: FileServer) -> None:
    del server.paths["/a.pth"]
    items = document("pull", "a", "b", code=ExitCode.PARTIAL)["items"]
    assert [item["status"] for item in items] == ["failed", "ok"]
    assert items[0]["code"] == "W001"
    assert "HTTP 404" in items[0]["message"]
    assert f"{server.url}/a.pth" in items[0]["hint"]


def test_pull_of_nothing_that_can_be_had(server: FileServer) -> None:
    server.paths.clear()
    result = models("pull", "a", code=ExitCode.ENVIRONMENT)
    assert "W001" in result.stdout
    assert str(weights_dir() / "a.pth") in result.stderr
    hints = [line for line in result.stderr.splitlines() if line.startswith("a: ")]
    assert len(hints) > 1  # a line each
    assert "\\n" not in result.stderr


def test_pull_offline_only_looks(server: FileServer) -> None:
    models("pull", "a")
    items = document("pull", "a", "b", "--offline", code=ExitCode.PARTIAL)["items"]
    assert [item["status"] for item in items] == ["cached", "failed"]
    assert "--offline" in items[1]["message"]
    assert [asked.path for asked in server.asked] == ["/a.pth"]


def test_an_unknown_name_gets_a_suggestion(server: FileServer) -> None:
    result = models("pull", "a", "hrnet-dem", code=ExitCode.USAGE)
    assert "did you mean hrnet-demo?" in result.stderr
    assert server.asked == []
