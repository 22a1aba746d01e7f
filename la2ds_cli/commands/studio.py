"""`la2ds studio`: a local page over a project."""

from __future__ import annotations

from typing import Annotated

import typer

from la2ds_cli.commands.options import HERE, ProjectOption
from la2ds_cli.core.errors import UserError


def studio(
    project: ProjectOption = HERE,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65535,
            help="Port to listen on, 1024 or higher; 0: any free one.",
        ),
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in your browser, or not.")
    ] = True,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Address to listen on, for other machines; needs --i-know.",
        ),
    ] = "127.0.0.1",
    i_know: Annotated[
        bool,
        typer.Option(
            "--i-know", help="With --host: accept that whoever has the link can do anything here."
        ),
    ] = False,
) -> None:
    """Open the page to work in: look, label, train, share.

    Runs only on this machine, needs no network, and ends with Ctrl-C. The project is created if it
    does not exist. You can use other commands at the same time.

    \b
      la2ds studio --project swings
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project
    from la2ds_cli.studio.server import ANY, LOCAL, serve

    host = host.lower()  # as browsers send it
    with Console() as console:
        if host in ANY:
            raise UserError(
                f"browsers cannot open the studio at '{host}'",
                hint="give the address or the name by which other machines reach this one",
            )
        if host not in LOCAL:
            danger = (
                "whoever has the link can see and change the project from another machine, and "
                "what they send is not encrypted"
            )
            if not i_know:
                raise UserError(
                    f"with --host {host} {danger}", hint="add --i-know if that is what you want"
                )
            console.note(f"warning: {danger}")
        opened = Project.create(project)
        serve(
            opened,
            host=host,
            port=port,
            browser=browser,
            announce=lambda link: print(f"studio at {link}", flush=True),
        )
