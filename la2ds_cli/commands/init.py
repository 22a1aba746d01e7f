"""`la2ds init`: create a project directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import JsonOption, QuietOption, on_project


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", envvar="LA2DS_PROJECT", help="Where to create it.")
    ] = Path(),
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Settings to start from, such as fused. [default: default]",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Create a project directory.

    It holds project.toml and everything that la2ds makes. An existing project is left as it is.

    \b
      la2ds init swings
    """
    from la2ds_cli.core.config import read_preset
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.core.project import PROJECT_FILE, Project

    with Console(as_json=as_json, quiet=quiet) as console:
        existed = (folder / PROJECT_FILE).exists()
        if preset is not None:
            read_preset(preset)
        project = Project.create(folder, {"preset": preset or "default"})
        actual = project.settings.get("preset", "default")
        if preset not in (None, actual):
            raise UserError(
                f"{project.root} is already a project, with preset {actual}",
                hint=f'write preset = "{preset}" in {project.root / PROJECT_FILE}',
            )
        console.document(
            "init", {"project": project.root, "preset": actual, "created": not existed}
        )
        console.line(f"{'project already in' if existed else 'new project in'} {project.root}")
        console.next(on_project("la2ds extract-poses YOUR-VIDEOS", folder))
