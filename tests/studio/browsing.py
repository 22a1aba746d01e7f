"""A studio that a browser can open, and one that is asked as its pages ask."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.testclient import TestClient

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.server import server_of, studio_app

HOST = "127.0.0.1:8123"
TOKEN = "a-token-of-the-tests"
PATIENCE = 120_000
"""Milliseconds that a browser is waited for, on a crowded machine."""
READY = "document.body.dataset.ready === 'true'"
SAVED = "document.getElementById('saved').textContent === 'saved'"
NAMES = """async () => {
  const studio = location.protocol === "http:" && document.getElementById("pair-work");
  if (!studio || document.body.dataset.ready !== "true") return;
  const names = ["clips", "film", "pair"].map((name) => import(`/views/report/${name}.js`));
  Object.assign(window, ...await Promise.all(names));
}"""
"""Gives a test the names of the pair page's modules."""
SHADE, FIRST = 6, 20  # grey levels from one frame of shaded_video to the next; of frame 0
ORIGIN = {"origin": f"http://{HOST}"}


class Loaded(TestClient):
    """Asks as a page that has just been loaded: what changes something carries its version, unless
    a test gives one."""

    def request(self, method: str, url: Any, **options: Any) -> Any:
        headers = dict(options.pop("headers", None) or {})
        if method in ("POST", "DELETE") and "if-match" not in {*headers, *self.headers}:
            headers["if-match"] = version_of(self, str(url), options.get("json"))
        return super().request(method, url, headers=headers, **options)


def version_of(client: TestClient, path: str, body: Any = None) -> str:
    """The version that a page has read of what a request changes; `none` if it shows no such
    thing."""
    body = body if isinstance(body, dict) else {}
    _, page, *rest = path.split("/")
    if path in ("/joints/save", "/joints/draw", "/phases/save", "/pair/change"):
        named = {name: body[name] for name in ("clip", "a", "b", "view", "force") if body.get(name)}
        found = client.get(f"/{page}/data", params=named)
        return version_in(found.json(), path) if found.status_code == 200 else "none"
    if page == "clips" and rest[0] == "files":
        listed = client.get("/clips").json()["files"]
        files = {file["name"]: file.get("version", "none") for file in listed}
        return files.get(unquote(rest[-1]), "none")
    if page == "clips" and (found := client.get(f"/clips/{rest[0]}")).status_code == 200:
        versions = found.json().get("versions", {})
        parts = [name for name in ("split", "group") if name in body] or ["reading"]
        return " ".join(versions.get(name, "none") for name in parts)
    return "none"


def version_in(said: dict[str, Any], path: str) -> str:
    """The version in an answer of what requests to this address change; `none` without one."""
    versions = said.get("versions", {})
    name = {"/joints/save": "joints", "/joints/draw": "drawings"}.get(path, "split")
    return said.get("version") or versions.get(name, "none")


def client_of(project: StoredProject) -> Loaded:
    """A client of a project's studio that has no cookie and says no origin."""
    app = studio_app(project, hosts=frozenset({HOST}), token=TOKEN)
    return Loaded(app, base_url=f"http://{HOST}")


@contextlib.contextmanager
def asked(project: StoredProject) -> Iterator[TestClient]:
    """A client with the cookie and the origin of the studio's own pages."""
    with client_of(project) as client:
        client.get("/", params={"token": TOKEN}, follow_redirects=False)
        client.headers.update(ORIGIN)
        yield client


def finished(client: TestClient, started: Any) -> dict[str, Any]:
    """The job that an answer has begun, when it is over."""
    assert started.status_code == 200, started.text
    number = started.json()["number"]
    for _ in range(1200):
        (job,) = [job for job in client.get("/jobs").json() if job["number"] == number]
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"never over: {job}")


def check_refused(
    client: TestClient, path: str, cases: Iterable[tuple[dict[str, Any], str]], status: int = 400
) -> None:
    """Each body that is posted is refused by a sentence that says this."""
    for body, said in cases:
        answer = client.post(path, json=body)
        assert answer.status_code == status, (body, answer.text)
        assert said in answer.json()["error"], body


@contextlib.contextmanager
def served(project: StoredProject) -> Iterator[str]:
    """The address of a studio, without the slash at its end; TOKEN opens it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        app = studio_app(project, hosts=frozenset({host}), token=TOKEN)
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://{host}"
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Seen:
    """A page of the studio in the browser. errors: exceptions, and messages of its console."""

    page: Any
    address: str
    errors: list[str] = field(default_factory=list)

    def go(self, path: str, *, until: str = READY) -> None:
        """Open a page, and wait until an expression holds."""
        self.page.goto(f"{self.address}{path}")
        self.wait_for(until)

    def arrive(self, url: str) -> None:
        """Wait until the page at an address is there and has begun its work."""
        self.page.wait_for_url(url)
        self.wait_for(READY)

    def wait_for(self, condition: str) -> None:
        """Wait until an expression holds; the page's policy forbids Playwright's own way."""
        for _ in range(PATIENCE // 50):
            if self._holds(condition):
                return
            self.page.wait_for_timeout(50)
        said = self.page.inner_text("body")[:600]
        raise AssertionError(f"never: {condition}\n{said}\n{self.errors}")

    def _holds(self, condition: str) -> bool:
        """Whether an expression holds on a page that is there whole, not between two pages; if so,
        the test has the names of its modules."""
        from playwright.sync_api import Error  # not installed wherever the other helpers are used

        try:
            whole = f"document.readyState !== 'loading' && Boolean({condition})"
            if held := self.page.evaluate(whole):
                self.page.evaluate(NAMES)
            return held
        except Error as between:
            if "context was destroyed" not in str(between):
                raise
            return False

    def wait_for_text(self, element: str, text: str) -> None:
        self.wait_for(f"document.getElementById('{element}').innerText.includes({text!r})")

    def trouble(self) -> str:
        """The error that the page shows, when it does."""
        self.wait_for("!document.getElementById('problem').hidden")
        return self.page.inner_text("#problem")

    def check(self) -> None:
        """Nothing went wrong but what the studio refused in words."""
        assert [one for one in self.errors if not re.search("status of 40[09]", one)] == []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def place(self, canvas: str, x: float, y: float = 0.5) -> tuple[float, float]:
        """Where a share of the width and of the height of a canvas is in the window."""
        box = self.page.locator(f"#{canvas}").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, canvas: str, *shares: tuple[float, float]) -> None:
        """Drag from the first of these places on a canvas through the others."""
        self.page.mouse.move(*self.place(canvas, *shares[0]))
        self.page.mouse.down()
        for share in shares[1:]:
            self.page.mouse.move(*self.place(canvas, *share), steps=3)
        self.page.mouse.up()

    def scrub(self, bar: str, value: int) -> None:
        self.page.evaluate(
            "([id, value]) => { const bar = document.getElementById(id); bar.value = value;"
            " bar.dispatchEvent(new Event('input', { bubbles: true })); }",
            [bar, value],
        )

    def frame(self, row: str, canvas: str = "stage-a") -> int:
        """Which frame of shaded_video a canvas shows, once its picture is that of a row."""
        self.wait_for(f"document.getElementById('{canvas}').dataset.picture === String({row})")
        return round((self.grey(canvas) - FIRST) / SHADE)

    def grey(self, canvas: str) -> float:
        """How bright a canvas is near its upper left corner, 0 to 255."""
        return self.page.evaluate(
            "id => { const c = document.getElementById(id), at = (v) => Math.floor(0.06 * v);"
            " const pen = c.getContext('2d');"
            " const [r, g, b] = pen.getImageData(at(c.width), at(c.height), 1, 1).data;"
            " return (r + g + b) / 3; }",
            canvas,
        )

    def limbs(self, canvas: str) -> int:
        """Pixels that have the colour of a limb."""
        return self.page.evaluate(
            "id => { const c = document.getElementById(id);"
            " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
            " for (let k = 0; k < d.length; k += 4) if (Math.abs(d[k] - d[k + 2]) > 120) n += 1;"
            " return n; }",
            canvas,
        )


@contextlib.contextmanager
def browsed(
    browser: Any, project: StoredProject, width: int = 1200, **options: Any
) -> Iterator[Seen]:
    """A page that has come to the studio by its link."""
    with served(project) as address, watched(browser, address, width, **options) as seen:
        seen.go(f"/?token={TOKEN}", until="true")
        yield seen


@contextlib.contextmanager
def watched(
    browser: Any, address: str, width: int = 1200, cache: bool = False, **options: Any
) -> Iterator[Seen]:
    """A page of a window whose console is listened to.

    cache: the browser keeps what it gets; a test can then not hold back what its page asks for.
    options: of the browser's context.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(PATIENCE)
    if not cache:
        # One from the start: Chromium lets through what a page asks for while its first is set.
        context.route("**/nothing-asks-for-this", lambda route: route.abort())
    seen = Seen(context.new_page(), address)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on(
        "console",
        lambda said: (
            seen.errors.append(said.text)
            if said.type in ("error", "warning") and "willReadFrequently" not in said.text
            else None
        ),
    )
    try:
        yield seen
    finally:
        context.close()
