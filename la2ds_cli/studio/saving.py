"""How the studio saves: a change is made only if its page shows the current state.

Whatever people have set comes to a page with its version, a digest. A request that replaces or
removes it goes to a Saves route with that version in its header If-Match; refuse_changed compares
it, with the tables locked, before anything is written. So two tabs, or a tab and a command, cannot
overwrite each other's work unnoticed, and undo takes back only what its own page has done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from la2ds_cli.core.errors import Mismatch, UserError

WAIT = 2.0  # seconds to wait for another process that is writing a table
_HEADER = "if-match"
Endpoint = Callable[[Request], Awaitable[Response]]


class Saves(Route):
    """A route that replaces or removes what people have set or added. Requests without a version
    are refused, and its endpoint calls refuse_changed.

    All other routes only read, add files or start work.
    """

    def __init__(self, path: str, endpoint: Endpoint, *, methods: Sequence[str] = ("POST",)):
        @wraps(endpoint)
        async def with_version(request: Request) -> Response:
            if not known_version(request):
                raise UserError(
                    "this request is not from a page of the studio", hint="reload the page"
                )
            return await endpoint(request)

        super().__init__(path, with_version, methods=list(methods))


def version(*shown: object) -> str:
    """Return a digest that changes with what a page shows."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def known_version(request: Request) -> str:
    """Return the version that a page has sent with its request; empty without one."""
    return request.headers.get(_HEADER, "").strip().strip('"')


def refuse_changed(known: str, now: str, what: str) -> None:
    """Refuse a change from a page that no longer shows the current state.

    Call it with the tables locked until the change is written.

    Parameters
    ----------
    known: the version that the page shows.
    now: the current version.
    what: the thing to change, in the plural, for the message.

    Raises
    ------
    Mismatch: (exit 5) if the versions differ.
    """
    if known != now:
        raise Mismatch(
            f"{what} have changed meanwhile, in another tab or by a command",
            hint="check their current state, then make the change again",
        )
