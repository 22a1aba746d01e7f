"""Connections to the studio are closed if they send no request soon.

Each open connection takes one of the limited number of open files of a process. So connections that
send nothing, or half a request, are limited in time and number. After its first request, a
connection is not limited: the guard has accepted its cookie, or has refused and closed it.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST = 10.0  # seconds that a connection has for its first request
MOST_SILENT = 64  # connections without a request; one more closes the oldest
BACKLOG = 64  # connections waiting to be accepted


class LimitedConnection(H11Protocol):
    """A connection that is closed unless it sends a request in FIRST_REQUEST seconds."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.opened = self.loop.time()
        self.timer = self.loop.call_later(FIRST_REQUEST, self._close_if_silent)
        others = (other for other in self.connections if isinstance(other, LimitedConnection))
        silent = [other for other in others if other.is_silent]
        if len(silent) > MOST_SILENT:
            min(silent, key=lambda other: other.opened).transport.abort()

    @property
    def is_silent(self) -> bool:
        """Return whether it is open and has sent no request."""
        return self.cycle is None and not self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.is_silent:
            self.transport.abort()
