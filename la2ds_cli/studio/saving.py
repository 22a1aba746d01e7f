"""How the studio saves: a change is made only while what it replaces is what its page shows.

Whatever a page shows of what people have set comes with its version, a digest. A request that
replaces or removes it goes to a Saves route and carries that version in its header If-Match;
refuse_changed compares it, with the tables locked, before anything is written. So neither two tabs
nor a tab and a command replace each other's work unseen, and undo takes back no more than its own
page has made.
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
    """A route whose requests replace or remove what people have set or brought: they are refused
    without the version of what their page shows. Its endpoint calls refuse_changed.

    All other routes that are not for reading only add files or begin work.
    """

    def __init__(self, path: str, endpoint: Endpoint, *, methods: Sequence[str] = ("POST",)):
        @wraps(endpoint)
        async def with_version(request: Request) -> Response:
            if not known_version(request):
                raise UserError(
                    "this is not a request of the studio's own pages", hint="load the page again"
                )
            return await endpoint(request)

        super().__init__(path, with_version, methods=list(methods))


def version(*shown: object) -> str:
    """Return a digest that differs whenever what a page shows does."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def known_version(request: Request) -> str:
    """Return the version of what the page shows that has sent a request; empty without one."""
    return request.headers.get(_HEADER, "").strip().strip('"')


def refuse_changed(known: str, now: str, what: str) -> None:
    """Refuse a change of what is no longer as its page shows it.

    Call it with the tables locked until the change is written.

    Parameters
    ----------
    known: the version that the page has read.
    now: the current version.
    what: is changed, in the plural, for the message.

    Raises
    ------
    Mismatch: (exit 5) if the versions differ.
    """
    if known != now:
        raise Mismatch(
            f"{what} have changed meanwhile, in another tab or by a command",
            hint="look at them as they are now, then make the change again",
        )
