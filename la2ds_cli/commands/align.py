"""`la2ds align`: which frame of one clip is which frame of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    FeaturesChoice,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_or_create,
    open_project,
)

if TYPE_CHECKING:
    from la2ds_cli.alignment.align import AlignResult
    from la2ds_cli.console import Console
    from la2ds_cli.project import Project


def align(
    a: Annotated[str, typer.Argument(metavar="A", help="A video file, or a clip of the project.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The clip to align with it.")],
    project: ProjectOption = HERE,
    run: RunOption = "default",
    features: Annotated[
        FeaturesChoice,
        typer.Option(
            "--features",
            metavar="auto|model|pose",
            help="auto: the run's model where there is one, raw poses otherwise.",
        ),
    ] = "auto",
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="NAME", help="dtw, soft_dtw, nearest or linear."),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="Write .png, .svg, .pdf, .csv or .json."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find which frame of A is which frame of B.

    Needs no trained model. Video files that are new to the project are extracted first; with
    them the project is made where there is none. Without --out a picture and a JSON file go to
    results/align.

    \b
      la2ds align anna.mp4 ben.mp4 --project swings --out ab.png --out ab.csv
    """
    from la2ds_cli.alignment import align as step
    from la2ds_cli.console import Console

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = _project(project, a, b, console)
        result = step.align(
            opened,
            a,
            b,
            config=opened.config(),
            run=run,
            features=features,
            method=method,
            out=out or [],
            device=device,
            progress=console.progress,
        )
        console.document("align", result.to_json())
        _show(console, result)


def _project(root: Path, a: str, b: str, console: Console) -> Project:
    """The project, made where there is none and both clips are files.

    UserError (exit 3) where there is none and one clip is a file, so that the other, which does not
    exist, was to be one.
    """
    from la2ds_cli.media_files import unreadable
    from la2ds_cli.project import PROJECT_FILE

    files = [name for name in (a, b) if _is(Path.is_file, name)]
    if len(files) == 2:
        return open_or_create(root, console)
    gone = [name for name in (a, b) if not _is(Path.exists, name)]
    if files and gone and not (root / PROJECT_FILE).exists():
        raise unreadable(f"no such file: {gone[0]}", "check the spelling of the path", "V006")
    return open_project(root)


def _is(test: Callable[[Path], bool], name: str) -> bool:
    try:
        return test(Path(name))
    except OSError:  # a name longer than the system allows; reading it will say so
        return False


def _show(console: Console, result: AlignResult) -> None:
    found = result.alignment
    by = f"model of run {result.run}" if found.features == "model" else "raw poses"
    console.line(f"A: {result.a.id}, {len(found.time_a)} frames")
    console.line(f"B: {result.b.id}, {len(found.time_b)} frames")
    console.line(f"aligned by {found.method} on {by}" + (", B mirrored" * found.mirrored))
    if result.others:
        console.line(f"{result.others} other clips of the project had a say (align.routes)")
    console.line(f"B takes {result.overall_ratio:.2f} times as long as A")
    console.line(f"mean confidence {result.mean_confidence:.2f} (relative, not calibrated)")
    for file in result.files:
        console.line(str(file))
