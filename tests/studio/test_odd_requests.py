"""Requests at a bad moment, or for what cannot be: an answer in words, never a fault."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio import clips_page
from tests.studio.browsing import TOKEN, asked, served


def test_two_tabs_that_miss_one_thumbnail_both_get_it(
    filmed: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, written, waiting = Barrier(2), Event(), Event()
    made, write = clips_page.thumbnail, clips_page.artifact.write_bytes
    tabs = iter(("first", "second"))

    def together(*arguments: Any, **options: Any) -> bytes:
        both.wait(20)
        if next(tabs) == "second":
            written.wait(20)
        return made(*arguments, **options)

    def ordered(path: Path, content: bytes) -> None:
        """The second tab is about to write when the first, which has written, goes on."""
        if written.is_set():
            waiting.set()
            time.sleep(0.3)
            write(path, content)
        else:
            write(path, content)
            written.set()
            waiting.wait(20)

    monkeypatch.setattr(clips_page, "thumbnail", together)
    monkeypatch.setattr(clips_page.artifact, "write_bytes", ordered)
    with asked(filmed) as client, ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: client.get("/clips/a/picture"), range(2)))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert len(list(filmed.results_dir("studio/thumbnails").iterdir())) == 1


def test_a_project_that_was_moved_is_said_to_be_gone_and_is_not_made_again(
    filmed: StoredProject,
) -> None:
    with asked(filmed) as client:
        filmed.root.rename(filmed.root.with_name("moved"))
        for path in ("/jobs", "/static/clips_page.js"):
            assert client.get(path).status_code == 200
        for method, path in (
            *(("GET", path) for path in ("/clips", "/", "/pair/data?a=a&b=b")),
            *(("PUT", "/clips/files/new.mp4"), ("POST", "/clips/a/mark")),
        ):
            answer = client.request(method, path, content=b"{}")
            assert answer.status_code == 409, path
            assert answer.json()["error"] == f"the project is no longer at {filmed.root}"
        page = client.get("/", headers={"accept": "text/html"})
        assert "the project is no longer at" in page.text
    assert not filmed.root.exists()


def test_an_upload_that_is_aborted_leaves_nothing_and_no_traceback(
    filmed: StoredProject, caplog: pytest.LogCaptureFixture
) -> None:
    with served(filmed) as address, caplog.at_level(logging.ERROR):
        studio = HTTPConnection(address.removeprefix("http://"))
        studio.request("GET", f"/?token={TOKEN}")
        cookie = {"cookie": studio.getresponse().headers["set-cookie"].partition(";")[0]}
        studio.close()
        headers = cookie | {"origin": address, "content-length": "100000"}
        studio.request("PUT", "/clips/files/a.mp4", b"the first bytes", headers)
        studio.close()
        folder = filmed.root / "videos"
        for _ in range(1200):
            time.sleep(0.05)
            if folder.is_dir() and not list(folder.iterdir()):
                break
        assert list(folder.iterdir()) == []
        studio.request("GET", "/jobs", headers=cookie)
        assert studio.getresponse().status == 200
    assert caplog.records == []
