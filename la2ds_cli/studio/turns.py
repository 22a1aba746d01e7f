"""Queues for requests with long work that saves nothing.

All handlers share a fixed number of threads. A waiting request must not block one of them for
requests that save, so it waits without a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")
PLAYERS = 16  # of the page of a timeline


class Turns:
    """A queue of requests for long work.

    Parameters
    ----------
    at_once: requests that work at the same time.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def run(self, request: Request, work: Callable[[], Result]) -> Result:
        """Wait for the request's turn, then do its work in a thread and return the result.

        Parameters
        ----------
        request: its body must have been read.
        work: is called in a thread of its own.

        Raises
        ------
        ClientDisconnect: if the client has gone before its turn.
        Exception: whatever the work raises.
        """
        async with self._free:
            if await request.is_disconnected():
                raise ClientDisconnect
            return await anyio.to_thread.run_sync(work, limiter=CapacityLimiter(1))


@dataclass(frozen=True)
class TurnsByWork:
    """The queues of a studio.

    pairs, searches, strips: one request at a time, because each uses all cores.
    films: chunks of pictures, as many at once as a page has players.
    """

    pairs: Turns = field(default_factory=Turns)
    searches: Turns = field(default_factory=Turns)
    strips: Turns = field(default_factory=Turns)
    films: Turns = field(default_factory=lambda: Turns(PLAYERS))
