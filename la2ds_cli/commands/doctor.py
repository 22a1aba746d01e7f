"""`la2ds doctor`: what is installed, for people and for bug reports."""

from __future__ import annotations

import typer

from la2ds_cli.commands.options import JSON


def doctor(as_json: bool = JSON) -> None:
    """Show what is installed and what works.

    \b
      la2ds doctor

    Versions, devices, weights, and a test of the video decoder.
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import ExitCode
    from la2ds_cli.health import doctor as step

    with Console(as_json=as_json) as console:
        checks = step.examine()
        console.table(
            ("status", "what", "found"),
            [("ok" if check.ok else "failed", check.name, check.found) for check in checks],
        )
        healthy = all(check.ok for check in checks)
        console.document("doctor", {"healthy": healthy, "checks": checks})
    raise typer.Exit(ExitCode.OK if healthy else ExitCode.ENVIRONMENT)
