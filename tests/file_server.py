"""A web server on the loopback for tests of downloads: it can break off, stall, lie and forget."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What one path answers.

    ranges: whether Range is obeyed. cut, stall: byte counts of the body after which the n-th answer
    ends, or goes silent until the server stops; None and beyond the list: no such thing. gate: the
    first byte of a body waits for it.
    """

    content: bytes = b""
    status: int = 200
    ranges: bool = True
    redirect: str = ""
    cut: list[int | None] = field(default_factory=list)
    stall: list[int | None] = field(default_factory=list)
    gate: threading.Event | None = None
    length_known: bool = True


@dataclass(frozen=True)
class Asked:
    """One request, with the number of body bytes that were sent for it."""

    path: str
    range: str | None
    sent: int


class FileServer:
    """`with FileServer() as server:`; fill `server.paths`, read `server.asked`."""

    def __init__(self) -> None:
        self.paths: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FileServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        served = self.paths.get(request.path, Served(status=404))
        wanted = request.headers.get("Range")
        status, body, content_range = _reply(served, wanted)
        number = sum(asked.path == request.path for asked in self.asked)
        cut = served.cut[number] if number < len(served.cut) else None
        stall = served.stall[number] if number < len(served.stall) else None
        sent = body[: min(x for x in (cut, stall, len(body)) if x is not None)]
        # before the first byte leaves, or a client that is done could look too early
        self.asked.append(Asked(request.path, wanted, len(sent)))
        request.send_response(status)
        for name, value in (
            ("Location", served.redirect),
            ("Content-Range", content_range),
            ("Content-Length", str(len(body)) if served.length_known else ""),
        ):
            if value:
                request.send_header(name, value)
        request.end_headers()
        if served.gate:
            served.gate.wait(30)
        request.wfile.write(sent)
        request.wfile.flush()
        if stall is not None:
            self.stopping.wait(60)
        request.close_connection = True


def _reply(served: Served, wanted: str | None) -> tuple[int, bytes, str]:
    """Status, body and Content-Range."""
    size = len(served.content)
    found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
    if served.redirect:
        return 302, b"", ""
    if served.status != 200 or not found or not served.ranges:
        return served.status, served.content, ""
    start = int(found[1])
    if start >= size:
        return 416, b"", f"bytes */{size}"
    return 206, served.content[start:], f"bytes {start}-{size - 1}/{size}"
