"""Options that several commands share, declared once, and the way they open the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from la2ds_cli.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.console import Console
    from la2ds_cli.project import Project

HERE = Path()
FeaturesChoice = Literal["auto", "model", "pose"]  # as alignment.clip_features.FeatureKind
ProjectOption = Annotated[
    Path,
    typer.Option("--project", envvar="LA2DS_PROJECT", metavar="DIR", help="Project directory."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notes; errors are still shown.")
]
DeviceOption = Annotated[
    DeviceName,
    typer.Option(
        "--device",
        metavar="|".join(get_args(DeviceName)),
        help="Where to compute; cuda fails where there is none.",
    ),
]
RunOption = Annotated[str, typer.Option("--run", metavar="NAME", help="Name of the training run.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Do everything again, also what is up to date.")
]


def open_project(root: Path) -> Project:
    """The project at `root`; UserError (exit 2) where there is none."""
    from la2ds_cli.project import Project

    return Project.open(root)


def open_or_create(root: Path, console: Console) -> Project:
    """The project at `root`, made there, and said so, where there is none."""
    from la2ds_cli.project import PROJECT_FILE, Project

    if not (root / PROJECT_FILE).exists():
        console.note(f"new project in {root.resolve()}")
    return Project.create(root)
