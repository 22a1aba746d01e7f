"""`la2ds train`: learn an embedding from the project's own clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from la2ds_cli.commands.options import (
    DeviceOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_project,
)
from la2ds_cli.core.config_sections import ModelInput

if TYPE_CHECKING:
    from la2ds_cli.alignment.agreement import RunCheck
    from la2ds_cli.core.device import DeviceName
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.project import Project


def train(
    project: ProjectOption = Path(),
    run: RunOption = "default",
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="NAME", help="la2ds, or a competing method."),
    ] = None,
    reads: Annotated[
        ModelInput | None,
        typer.Option(
            "--input",
            metavar="|".join(get_args(ModelInput)),
            help="What the network reads; joints3d: joints in metres, of clips that have them; "
            "rgb: frames, by gtcc, lav, sal, tcc, tcn, vaot, vava.",
        ),
    ] = None,
    start: Annotated[
        Literal["base"] | None,
        typer.Option(
            "--from",
            metavar="base",
            help="Start from the base model, with the preset base, not from random weights.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", metavar="NAME", help="Instead of the project's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting of this run."),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", metavar="M", min=0.0, help="Longest training, in minutes."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train the run from the start again.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train the alignment network on the clips.

    Needs no labels. An interrupted run goes on where it stopped. A run whose settings changed
    is refused: choose another --run, or --overwrite. Under torchrun the processes share every
    batch. Ends with a verdict: whether the run is worth using on these clips, by a comparison with
    raw movement and the base model that needs no labels.

    \b
      la2ds train --project swings --max-minutes 30
      la2ds train --run wide --set model.width=256 --set train.steps=4000
      la2ds train --from base --max-minutes 1
      la2ds train --run frames --method tcc --input rgb
      torchrun --nproc-per-node 2 --no-python la2ds train
    """
    import math
    from contextlib import nullcontext

    from la2ds_cli.alignment.agreement import FEWEST_CLIPS
    from la2ds_cli.alignment.repetition_counts import note_on_repetitions
    from la2ds_cli.core.console import Console, seconds
    from la2ds_cli.training import train as step
    from la2ds_cli.training.distributed import Processes, ReportedElsewhere
    from la2ds_cli.training.losses import method_recipe

    first = Processes.from_environment().first
    with Console(as_json=as_json, quiet=quiet or not first) as console:
        opened = open_project(project)
        preset, chosen = method_recipe(method, preset or start)
        if reads is not None:
            chosen = [*chosen, f"model.input={reads}"]
        with opened.lock() if first else nullcontext():
            try:
                result = step.train(
                    opened,
                    run=run,
                    config=opened.config(preset=preset, overrides=[*chosen, *(settings or [])]),
                    max_minutes=max_minutes,
                    device=device,
                    overwrite=overwrite,
                    progress=console.progress,
                    tensorboard=tensorboard,
                    from_base=start is not None,
                )
            except ReportedElsewhere as error:
                raise typer.Exit(error.exit_code) from error
        if not first:
            return
        check = _check(opened, result.run, device, console.progress)
        verdict = check and {"best": check.best, **vars(check), "text": check.verdict(result.run)}
        console.document("train", {"project": opened.root, **result.to_json(), "verdict": verdict})
        already = "finished already, " if result.already_finished else ""
        console.line(
            f"run {result.run}: {already}{result.steps} steps in {seconds(result.seconds)}, "
            f"validation error {result.validation_error:.2f} %"
        )
        if math.isfinite(result.raw_pose_error):
            console.line(f"raw poses, without training: {result.raw_pose_error:.2f} %")
        console.line(
            f"drawing batches took {100 * result.drawing_share:.0f} % of the time beside the "
            f"network, which waited for them {100 * result.data_share:.0f} % of it"
        )
        for warning in result.warnings:
            console.line(f"warning: {warning}", "yellow")
        console.line(f"checkpoint: {result.checkpoint}")
        if verdict:
            console.line(verdict["text"], None if verdict["best"] == "model" else "yellow")
        else:
            console.line(
                f"no verdict on the run: that takes {FEWEST_CLIPS} clips of a body, and a network "
                "that reads joints in the image"
            )
        if repeated := note_on_repetitions(opened):
            console.note(repeated)
        console.next(f"la2ds evaluate --project {project} --run {run}")


def _check(project: Project, run: str, device: DeviceName, progress: Progress) -> RunCheck | None:
    """The label-free check of the run, computed where it is not there yet. A clip that it cannot
    read is no reason to call the training failed."""
    from la2ds_cli.alignment.agreement import check_run, read_run_check
    from la2ds_cli.core.errors import UserError

    try:
        return read_run_check(project, run) or check_run(project, run, device, progress)
    except UserError as problem:
        progress.note(f"the run was not checked: {problem.message}")
        return None
