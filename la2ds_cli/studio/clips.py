"""The clips of the project: what there is, and how good it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from la2ds_cli.studio.pages import page


def show(request: Request) -> Response:
    """The page of the clips."""
    videos = request.app.state.studio.project.videos()
    return HTMLResponse(page("clips.html", "Clips", here="/", clips=videos))


ROUTES = [Route("/", show)]
