"""`la2ds studio`: local web pages for a project."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.commands.options import PROJECT_OPTION, flag, option
from la2ds_cli.core.console import Console
from la2ds_cli.core.errors import UserError


def studio(
    project: Path = PROJECT_OPTION,
    port: int = option(
        "N", "Port to listen on, 1024 or higher; 0 = any free port.", 0, min=0, max=65535
    ),
    browser: bool = flag("--browser/--no-browser", "Open the studio in your browser.", True),
    host: str = option(
        "ADDRESS", "Address to listen on, for other machines; needs --i-know.", "127.0.0.1"
    ),
    i_know: bool = flag(
        "--i-know", "With --host: accept that anyone with the link has full access."
    ),
) -> None:
    """Open the studio to view, label, train and export in a browser.

    \b
      la2ds studio --project swings

    Runs only on this machine, needs no network, and ends with Ctrl-C. The project is created if it
    does not exist. You can use other commands at the same time.
    """
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.studio.server import ANY, LOCAL, serve

    host = host.lower()  # as browsers send it
    with Console() as console:
        if host in ANY:
            raise UserError(
                f"browsers cannot open the studio at '{host}'",
                hint="give the address or name by which other machines reach this one",
            )
        if host not in LOCAL:
            danger = (
                "anyone with the link can see and change the project from another machine, without "
                "encryption"
            )
            if not i_know:
                raise UserError(
                    f"with --host {host} {danger}", hint="add --i-know if that is what you want"
                )
            console.note(f"warning: {danger}")
        opened = StoredProject.create(project)
        serve(
            opened,
            host=host,
            port=port,
            browser=browser,
            announce=lambda link: print(f"studio at {link}", flush=True),
        )
