"""`la2ds extract-poses`: from videos to joints."""

from __future__ import annotations

from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    ProjectOption,
    QuietOption,
    open_or_create,
)


def extract_poses(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATHS", help="Videos, folders, or quoted patterns.")
    ],
    project: ProjectOption = HERE,
    detector: Annotated[
        str | None,
        typer.Option("--detector", metavar="NAME|FILE.onnx", help="Person detector to use."),
    ] = None,
    pose: Annotated[
        str | None,
        typer.Option("--pose", metavar="NAME|FILE.onnx", help="Pose network to use."),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write videos with the joints drawn in.")
    ] = False,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the person and the joints in videos.

    Makes the project where there is none. Clips that are done are skipped; one bad file does
    not stop the others. A --detector or --pose given here is kept in project.toml.

    \b
      la2ds extract-poses clips/ --project swings
      la2ds extract-poses a.mp4 --detector person.onnx --pose pose.onnx
    """
    from la2ds_cli.batch import batch_exit_code
    from la2ds_cli.commands.remember import remembered
    from la2ds_cli.console import Console
    from la2ds_cli.poses import extract
    from la2ds_cli.status import after_poses

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_or_create(project, console)
        networks = {"detector": detector, "pose": pose}
        with opened.lock(), remembered(opened, "poses", networks) as config:
            results = extract.extract_poses(
                opened,
                paths,
                config.poses,
                device=device,
                overlay=overlay,
                overwrite=overwrite,
                progress=console.progress,
            )
        console.items(results)
        console.document("extract-poses", {"project": opened.root, "items": results})
        if overlay:
            console.note(f"overlays: {opened.results_dir('overlay')}")
        console.next(f"{after_poses(opened)} --project {project}")
    raise typer.Exit(batch_exit_code(results))
