"""Who may ask the studio anything, and what its answers allow a page to load."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.guard import ONE_USE_SECONDS
from la2ds_cli.studio.server import studio_app
from tests.studio.browsing import HOST, TOKEN

STREAMS = ("/events",)  # without an end


@pytest.fixture
def client(stranger: Callable[[StoredProject], TestClient], project: StoredProject) -> TestClient:
    return stranger(project)


NO_COOKIE = "with the link that la2ds studio printed"
WRONG = ("", "wrong", TOKEN[:-1], TOKEN + "x", "ä", "%00")
REFUSED: list[tuple[str, dict[str, str]]] = [
    *((path, {}) for path in ("/", "/jobs", "/events", "/static/studio.css", "/nowhere")),
    *(("/", {"token": token}) for token in WRONG),
    ("/jobs", {"token": TOKEN}),  # it opens the first page alone
]


def test_who_has_no_cookie_is_told_nothing(client: TestClient):
    for path, query in REFUSED:
        answer = client.get(path, params=query)
        assert (answer.status_code, NO_COOKIE in answer.text) == (403, True), (path, query)
        assert "set-cookie" not in answer.headers
    name = f"la2ds-studio-{HOST.rpartition(':')[2]}"
    for cookie in ("wrong", TOKEN, TOKEN[:-1], "", 'a="', "é"):
        header = f"{name}={cookie}".encode()
        assert client.get("/", headers={b"cookie": header}).status_code == 403, cookie


def test_the_link_gives_a_cookie_that_is_no_token_and_that_no_other_site_can_use(
    client: TestClient,
):
    answer = client.get("/", params={"token": TOKEN})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"  # the token stays in no history
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    value = rest.partition(";")[0]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert "domain" not in cookie.lower()  # for this host alone
    assert TOKEN not in cookie
    assert len(value) >= 43
    client.cookies.clear()
    assert client.get("/", params={"token": value}).status_code == 403
    assert client.get("/", headers={"cookie": f"{name}={value}"}).status_code == 200
    for other in ('shown={"x":1}', "a b=1", "said=two words", "=", "a"):  # of another program
        for header in (f"{other}; {name}={value}", f"{name}={value}; {other}"):
            assert client.get("/", headers={"cookie": header}).status_code == 200, header


def test_a_link_for_one_use_opens_once_and_soon(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    for late in (False, True):
        app = studio_app(project, hosts=frozenset({HOST}), token=TOKEN, once="for-one-use")
        client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
        assert client.head("/", params={"token": "for-one-use"}).status_code == 403
        if late:
            end = time.monotonic() + ONE_USE_SECONDS + 1
            monkeypatch.setattr(time, "monotonic", lambda end=end: end)
        first = client.get("/", params={"token": "for-one-use"})
        assert first.status_code == (403 if late else 303)
        client.cookies.clear()
        again = client.get("/", params={"token": "for-one-use"})
        assert again.status_code == 403
        assert "set-cookie" not in again.headers
        assert client.get("/", params={"token": TOKEN}).status_code == 303


HOSTS = ("attacker.example:8123", "attacker.example", "127.0.0.1", "127.0.0.1:80", "[::1]:8123", "")
ORIGINS = (*("http://attacker.example", f"https://{HOST}", "http://127.0.0.1:9999", "null", ""),)


def test_a_page_of_another_site_reads_and_changes_nothing(page: TestClient):
    """DNS rebinding: a site makes its own name lead here, and its page asks under that name."""
    for host in HOSTS:
        headers = {"host": host}
        assert page.get("/jobs", headers=headers).status_code == 403, host
        assert page.get("/", params={"token": TOKEN}, headers=headers).status_code == 403, host
    for origin in ORIGINS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = page.request(method, "/jobs/1/cancel", headers={"origin": origin})
            assert (answer.status_code, "own pages" in answer.text) == (403, True), origin


def test_no_answer_lets_a_page_run_or_load_what_is_not_of_the_studio(
    page: TestClient, client: TestClient
):
    """What the passive rules of scanners look for, in the answer of each route, whatever it is."""
    app: Any = page.app
    routes = [route for route in app.routes if "GET" in getattr(route, "methods", ())]
    paths = [re.sub(r"\{.*?\}", "1", route.path) for route in routes if route.path not in STREAMS]
    assert len(paths) > 25
    answers = [page.get(path) for path in (*paths, "/static/studio.css", "/views/none", "/nowhere")]
    answers += [client.get("/"), client.get("/", params={"token": TOKEN}), page.post("/jobs")]
    for answer in answers:
        headers, path = answer.headers, f"{answer.request.url} {answer.status_code}"
        parts = [part.split() for part in headers["content-security-policy"].split(";")]
        policy = {name: " ".join(sources) for name, *sources in parts}
        assert "unsafe" not in headers["content-security-policy"], path
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        for name in ("default-src", "frame-ancestors", "base-uri"):
            assert policy[name] == "'none'", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert headers["cache-control"] == "no-store", path
        assert headers.keys().isdisjoint({"server", "x-powered-by"}), path
        assert answer.status_code < 500, path
        if headers.get("content-type", "").startswith("text/html"):
            assert not re.search(r"<script(?![^>]* src=)| on\w+=|https?://|Traceback", answer.text)


def test_static_files_are_those_of_their_folder_and_there_are_no_web_sockets(page: TestClient):
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd"):
        assert page.get(path).status_code == 404
    with pytest.raises(WebSocketDisconnect), page.websocket_connect("/events"):
        pass


NO_JSON = (
    *(b"", b"{", b"[]", b"\xff", b'{"names": [NaN]}', b'{"names": [1e999]}', b"[" * 100_000),
    *(b'{"names": [1000000000000000000]}', b'{"names": ["\\ud800"]}'),
)
LABEL = {"start": 0, "end": 9, "phase": "x", "checked": [], "other": 3}
NO_CLIP = {"reference": 3}
WRONG_CHANGES = ({"at": [1, True]}, {"frame": "2"})
CHANGE = {"frame": 2, "joint": "head", "at": None}
SHAPES: list[tuple[str, dict[str, Any]]] = [
    *(("/clips/extract", {"names": names}) for names in (5, True, "x", {"a": 1}, None, [1])),
    ("/clips/refer", {"path": ["x"]}),
    *(("/clips/a/read", {"options": options}) for options in (5, [], {"start": "x"})),
    ("/clips/a/read", {"rank": "1"}),
    ("/clips/a/mark", {"group": 3}),
    *(("/joints/save", {"clip": "a", "changes": changes}) for changes in ("x", ["x"], [{}])),
    *(("/joints/save", {"clip": "a", "changes": [CHANGE | wrong]}) for wrong in WRONG_CHANGES),
    *(("/phases/save", {"clip": "a", "rows": [row]}) for row in ({}, "x", LABEL)),
    *(("/search/near", {"clip": "a", "row": row}) for row in ("3", True, 2.5, None)),
    *(("/timeline/make", {"clips": ["a", "b"]} | wrong) for wrong in ({"clips": "ab"}, NO_CLIP)),
    ("/attempts/compare", {"reference": "a", "attempts": [["b"]]}),
    *(("/train/go-on", {"run": run}) for run in (None, ["x"])),
    *(("/pair/change", {"a": "a", "b": "b", "old": [], "new": new}) for new in ("line", [{}], [3])),
]


def test_a_request_that_no_page_sends_is_refused_in_one_sentence(page: TestClient):
    for path, body in [("/clips/extract", text) for text in NO_JSON] + SHAPES:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = page.post(path, content=content, headers={"if-match": "x"})
        assert answer.status_code == 400, (path, body)
        assert answer.json()["error"] == "this request is not from a page of the studio", body
