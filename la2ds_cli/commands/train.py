"""`la2ds train`: learn an embedding from the project's clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from la2ds_cli.commands.options import (
    DEVICE,
    RUN,
    SETTINGS,
    EngineName,
    Here,
    flag,
    option,
    seed_numbers,
)
from la2ds_cli.commands.projects import on_project
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project
    from la2ds_cli.training.train import TrainResult


def train(
    run: str = RUN,
    method: str | None = option("NAME", "la2ds, or a competing method such as tcc."),
    reads: ModelInput | None = option(
        "|".join(get_args(ModelInput)),
        "What the network reads. both: joints and heatmaps; joints3d: joints in metres, "
        "if the clips have them; rgb: video frames, for gtcc, lav, sal, tcc, tcn, vaot, vava.",
        None,
        "--input",
    ),
    start: Literal["base"] | None = option(
        "base",
        "Start from the base model and the preset base, instead of random weights.",
        None,
        "--from",
    ),
    preset: str | None = option(
        "NAME", "Use this preset, such as heatmap, instead of the project's."
    ),
    settings: list[str] | None = SETTINGS,
    max_minutes: float | None = option(
        "M", "Longest training, in minutes; default no limit.", min=0.0
    ),
    seeds: str = option("N,N,...", "Train one run for each seed, called RUN-s0 and so on.", ""),
    engine: EngineName = option("local|ray", "Where the runs of --seeds train.", "local"),
    overwrite: bool = flag("--overwrite", "Train the run from the start again."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Train the alignment network on the clips.

    \b
      la2ds train --project swings
      la2ds train --project swings --max-minutes 30
      la2ds train --run wide --set model.width=384 --set train.steps=4000
      la2ds train --from base --max-minutes 1
      la2ds train --seeds 0,1,2 --engine ray
      la2ds train --run frames --method tcc --input rgb

    Needs no labels. An interrupted run resumes where it stopped. A run whose settings changed is
    refused: choose another --run, or --overwrite. Ends with a verdict: whether the run is better
    than the base model, not shown to help, or worse, judged without labels by clips held out of
    training. Other commands use a run that is better.
    """
    from la2ds_cli.training import train as step
    from la2ds_cli.training.losses import method_recipe

    with here.console() as console:
        opened = here.open()
        preset, chosen = method_recipe(method, preset or start)
        if reads is not None:
            chosen = [*chosen, f"model.input={reads}"]
        shared: dict[str, Any] = {
            "run": run,
            "config": opened.config(preset=preset, overrides=[*chosen, *(settings or [])]),
            "options": step.TrainOptions(device, max_minutes, overwrite, start is not None),
            "progress": console.progress,
        }
        with opened.lock():
            if seeds:
                numbers = seed_numbers(seeds)
                results = list(step.train_seeds(opened, numbers, engine=engine, **shared))
            else:
                results = [step.train(opened, **shared)]
        documents = [_tell(opened, result, device, console) for result in results]
        document = {"runs": documents} if seeds else documents[0]
        console.document("train", {"project": opened.root, **document})
        trained = ",".join(result.run for result in results)
        evaluate = on_project("la2ds evaluate", here.project)
        console.next(f"{evaluate} --run {trained}")


def _tell(
    project: Project, result: TrainResult, device: DeviceName, console: Console
) -> dict[str, Any]:
    """Print the result of a run, and return it as JSON values."""
    import math

    from la2ds_cli.alignment.run_verdict import ensure_verdict
    from la2ds_cli.core.progress import duration

    verdict = ensure_verdict(project, result.run, device, console.progress)
    already = "already finished, " if result.already_finished else ""
    ended = f"ended by {result.ended}, " if result.ended else ""
    console.line(
        f"run {result.run}: {already}{result.steps} steps in {duration(result.seconds)}, {ended}"
        f"validation error {result.validation_error:.2f} %"
    )
    if math.isfinite(result.raw_pose_error):
        console.line(f"raw poses, without training: {result.raw_pose_error:.2f} %")
    for warning in result.warnings:
        console.line(f"warning: {warning}", "yellow")
    console.line(f"checkpoint: {result.checkpoint}")
    if verdict is not None:
        console.line(verdict.sentence(result.run), "yellow" * (verdict.outcome == "worse") or None)
    return {**result.to_json(), "verdict": verdict and verdict.to_json(result.run)}
