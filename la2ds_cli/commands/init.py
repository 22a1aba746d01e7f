"""`la2ds init`: create a project directory."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.commands.options import PROJECT, Output, argument, option
from la2ds_cli.commands.projects import on_project


def init(
    folder: Path = argument("DIR", "Where to create it.", Path(), envvar=PROJECT),
    preset: str | None = option(
        "NAME", "Settings to start from, such as heatmap. [default: default]"
    ),
    *,
    output: Output,
) -> None:
    """Create a project directory.

    \b
      la2ds init swings

    It holds project.toml and everything that la2ds makes. An existing project is left as it is.
    """
    from la2ds_cli.core.config import read_preset
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.core.project import PROJECT_FILE, Project

    with output.console() as console:
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
