"""Connections to the studio: one that sends no request soon is closed.

Each open connection takes one of the files that a process may have open. So one that sends nothing,
or half a request, may neither stay for long nor have many beside it. A connection that has sent a
request is limited no more: the guard has accepted its cookie, or has refused and closed it.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST = 10.0  # seconds in which a connection must have sent a request
MOST_SILENT = 64  # connections that have sent none; one more closes the oldest
BACKLOG = 64  # connections that are accepted at once


class LimitedConnection(H11Protocol):
    """A connection that is closed unless it sends a request in FIRST_REQUEST seconds."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.opened = self.loop.time()
        self.timer = self.loop.call_later(FIRST_REQUEST, self._close_if_silent)
        others = (one for one in self.connections if isinstance(one, LimitedConnection))
        silent = [one for one in others if one.is_silent]
        if len(silent) > MOST_SILENT:
            min(silent, key=lambda one: one.opened).transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether it is open and has sent no request."""
        return self.cycle is None and not self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.is_silent:
            self.transport.abort()
