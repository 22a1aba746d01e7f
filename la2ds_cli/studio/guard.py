"""Access control of the studio: only a browser that opened its link may send requests.

A page of another site can make a browser send requests to this machine, or make its own host name
resolve to it. So every request needs the cookie that the link sets, and the host name under which
the studio was opened. Requests that change something must come from one of its own pages.
"""

from __future__ import annotations

import hmac
import secrets
import time
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD"})
POLICY = "content-security-policy"  # a response may set its own
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers and scanners without frame-ancestors
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NOT_CACHED = HEADERS | {"cache-control": "no-store"}
REFUSED = NOT_CACHED | {"connection": "close"}  # else refused connections would stay open

ONE_USE_SECONDS = 300.0  # how long a single-use link is valid; browsers can be slow to start


def new_token() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


class Guard:
    """ASGI middleware that answers 403 to requests without access.

    hosts: allowed values of the Host header, with the port. token: of the printed link; with it,
    `/` sets the cookie and redirects, so that the token does not stay in the browser history. once:
    a token that works once, soon after the start: other users of the machine can read the command
    line of a browser, so the link in it must expire.

    The cookie is a secret of this process, not the token. It is for this host alone (no Domain) and
    hidden from scripts and other sites, but browsers send it to all ports of the host. Its name has
    no prefix `__Host-`: that needs Secure, which Safari rejects from http://127.0.0.1 and all
    browsers from other addresses without TLS.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str], token: str, once: str | None = None
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.token = token
        self._once = once
        self._until = time.monotonic() + ONE_USE_SECONDS
        self._session = new_token()
        # All ports of a host share cookies: two studios must not overwrite each other's.
        port = next(iter(hosts)).rpartition(":")[2]
        self.cookie = f"la2ds-studio-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:  # no web sockets here
                await send({"type": "websocket.close"})
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is None and scope["path"] == "/" and self._has_token(scope):
            await self._welcome()(scope, receive, send)
            return
        if refusal is None and not self._has_cookie(headers):
            refusal = "open the studio with the link that la2ds studio printed"
        if refusal is not None:
            await PlainTextResponse(f"{refusal}\n", 403, REFUSED)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answered[name] = value if name != POLICY else answered.get(name, value)
                answered.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        """Return why a request cannot be from the studio's own pages, or None."""
        if headers.get("host", "") not in self.hosts:
            return "this is not the address of the studio"
        if method in SAFE:
            return None
        if headers.get("origin", "") not in {f"http://{host}" for host in self.hosts}:
            return "changes are accepted only from the studio's own pages"
        return None

    def _has_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0].encode()
        if hmac.compare_digest(given, self.token.encode()):
            return True
        once = self._once if time.monotonic() < self._until else None
        if once is None or scope["method"] != "GET":
            return False
        if not hmac.compare_digest(given, once.encode()):
            return False
        self._once = None
        return True

    def _has_cookie(self, headers: Headers) -> bool:
        # Not http.cookies, which drops all cookies if it cannot parse one of another program.
        value = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return hmac.compare_digest(value.encode(), self._session.encode())

    def _welcome(self) -> Response:
        answer = RedirectResponse("/", 303, NOT_CACHED)
        answer.set_cookie(self.cookie, self._session, httponly=True, samesite="strict", path="/")
        return answer
