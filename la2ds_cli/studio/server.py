"""The studio's server: the application with all pages, and serving it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from la2ds_cli.core.errors import ExitCode, Mismatch, Unavailable, UserError
from la2ds_cli.core.stored_project import PROJECT_FILE, StoredProject
from la2ds_cli.studio import (
    clip_changes,
    clips_page,
    comparisons,
    film,
    joints_page,
    pair_page,
    phases,
    search_page,
    timeline_page,
    train_page,
)
from la2ds_cli.studio.connections import BACKLOG, LimitedConnection
from la2ds_cli.studio.guard import Guard, new_token
from la2ds_cli.studio.held_pairs import HeldPairs
from la2ds_cli.studio.jobs import Jobs
from la2ds_cli.studio.pages import page
from la2ds_cli.studio.phases import LabelStore
from la2ds_cli.studio.turns import TurnsByWork

_WITHOUT_PROJECT = ("/static/", "/views/", "/jobs", "/events")
STATIC = Path(__file__).parent / "static"
LOCAL = ("127.0.0.1", "localhost")
ANY = ("", "0.0.0.0", "::")  # all addresses of a machine; no browser sends these as a host name

LOWEST_PORT = 1024  # lower ones are reserved; browsers also leave out :80 in host names


@dataclass
class Studio:
    """State that the pages share, as request.app.state.studio."""

    project: StoredProject
    jobs: Jobs
    films: film.Films
    pairs: HeldPairs
    labels: LabelStore
    turns: TurnsByWork


def studio_app(
    project: StoredProject, *, hosts: frozenset[str], token: str, once: str | None = None
) -> Starlette:
    """Return the studio of a project as an ASGI application; hosts, token, once: see Guard."""
    studio = Studio(
        project,
        Jobs(),
        film.Films(project),
        HeldPairs(project),
        LabelStore(project),
        TurnsByWork(),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(studio.jobs.run())
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            studio.films.close()

    app = Starlette(
        routes=[
            *clip_changes.ROUTES,
            *clips_page.ROUTES,
            *comparisons.ROUTES,
            *film.ROUTES,
            *joints_page.ROUTES,
            *pair_page.ROUTES,
            *phases.ROUTES,
            *search_page.ROUTES,
            *timeline_page.ROUTES,
            *train_page.ROUTES,
            Route("/jobs", _jobs),
            Route("/jobs/{number:int}/cancel", _cancel, methods=["POST"]),
            Route("/events", _events),
            Mount("/static", StaticFiles(directory=STATIC)),
            # Scripts and styles shared with the report's pages.
            Mount("/views", StaticFiles(directory=STATIC.parents[1] / "views")),
        ],
        middleware=[
            Middleware(Guard, hosts=hosts, token=token, once=once),
            Middleware(_ProjectThere, project=project),
        ],
        exception_handlers={UserError: _user_error, ClientDisconnect: _aborted, 404: _not_found},
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


async def _jobs(request: Request) -> Response:
    return JSONResponse([job.to_json() for job in request.app.state.studio.jobs.jobs.values()])


async def _cancel(request: Request) -> Response:
    jobs = request.app.state.studio.jobs
    job = jobs.jobs.get(request.path_params["number"])
    if job is None:
        raise UserError("this job has ended")
    await jobs.cancel(job)
    return JSONResponse(job.to_json())


async def _events(request: Request) -> Response:
    """Send each job as it changes (server-sent events)."""

    async def stream() -> AsyncIterator[str]:
        async for job in request.app.state.studio.jobs.events():
            yield f"data: {json.dumps(job.to_json())}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


async def _user_error(request: Request, error: Exception) -> Response:
    """Answer with an error that the user can fix: JSON for a script, a page for a link."""
    assert isinstance(error, UserError)
    status = 409 if error.exit_code == ExitCode.MISMATCH else 400
    if "text/html" in request.headers.get("accept", ""):
        content = page("message.html", "Not possible", message=error.message, hint=error.hint)
        return HTMLResponse(content, status)
    document = {"error": error.message, "hint": error.hint, "code": error.code}
    document["kind"] = error.exit_code.name
    return JSONResponse(document, status)


class _ProjectThere:
    """ASGI middleware that answers 409 if the project's folder has been moved or removed, instead
    of showing a project without clips."""

    def __init__(self, app: ASGIApp, *, project: StoredProject) -> None:
        self.app = app
        self.root = project.root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = scope["type"] == "http" and not scope["path"].startswith(_WITHOUT_PROJECT)
        if not needed or (self.root / PROJECT_FILE).is_file():
            await self.app(scope, receive, send)
            return
        gone = Mismatch(
            f"the project is no longer at {self.root}",
            hint="move it back, or stop this studio and start it at the new place",
        )
        await (await _user_error(Request(scope), gone))(scope, receive, send)


async def _aborted(_: Request, __: Exception) -> Response:
    """Answer a client that has disconnected; nobody reads this."""
    return Response(status_code=400)


async def _not_found(_: Request, error: Exception) -> Response:
    content = page("message.html", "Not found", message="There is no such page.", hint="")
    return HTMLResponse(content, 404)


def serve(
    project: StoredProject,
    *,
    host: str = LOCAL[0],
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the studio of a project until SIGTERM or SIGINT.

    Parameters
    ----------
    port: 0 = any free port.
    browser: open the studio in a browser.
    announce: called with the link once the studio can be opened.

    Raises
    ------
    UserError: exit 2 for a port reserved by the system, 5 if the project already has a studio, 6 if
        the address cannot be used.
    """
    with project.studio_lock(), _listening(host, port) as listening:
        port = listening.getsockname()[1]
        token = new_token()
        names = LOCAL if host in LOCAL else (host,)
        once = new_token() if browser else None
        app = studio_app(
            project, hosts=frozenset(f"{n}:{port}" for n in names), token=token, once=once
        )
        link = f"http://{host}:{port}/?token="
        announce(f"{link}{token}")
        if once is not None:
            webbrowser.open(f"{link}{once}")
        for number in (signal.SIGINT, signal.SIGTERM):  # restored when uvicorn has ended
            signal.signal(number, lambda *_: None)
        server_of(app).run(sockets=[listening])


def server_of(app: Starlette) -> uvicorn.Server:
    """Return the server of a studio's application."""
    return _Server(
        uvicorn.Config(
            app,
            http=LimitedConnection,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # event streams would keep it open forever
        )
    )


class _Server(uvicorn.Server):
    """Ignore repeated Ctrl-C, at which uvicorn would not wait for jobs and their callbacks."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True


def _listening(host: str, port: int) -> socket.socket:
    hint = f"choose another --port of at least {LOWEST_PORT}, or omit it to use any free port"
    if 0 < port < LOWEST_PORT:
        raise UserError(f"port {port} is reserved for system services", hint=hint)
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise Unavailable(
            f"the studio cannot listen at {host}:{port}: {getattr(error, 'strerror', error)}",
            hint=hint,
        ) from error
