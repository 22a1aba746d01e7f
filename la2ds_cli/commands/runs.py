"""Training runs: `la2ds train` learns an embedding from clips, `evaluate` measures it, `embed`
applies it, and `plot-embeddings` draws it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import typer

from la2ds_cli.commands.completion import complete_training_methods
from la2ds_cli.commands.options import (
    DEVICE,
    PROTOCOL,
    RUN,
    SETTINGS,
    EngineName,
    Features,
    Here,
    argument,
    flag,
    option,
    out_option,
    seed_numbers,
)
from la2ds_cli.commands.projects import on_project, show_batch
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import duration
from la2ds_cli.training.losses import method_recipe

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.training.train import TrainResult
    from la2ds_cli.views.embedding_plot import EmbeddingPlot


def train(
    run: str = RUN,
    method: str | None = option(
        "NAME",
        "la2ds, or a competing method such as tcc.",
        autocompletion=complete_training_methods,
    ),
    reads: ModelInput | None = option(
        "|".join(get_args(ModelInput)),
        "Input of the network. both: joints and heatmaps; joints3d: joints in metres, if the "
        "clips have them; rgb: video frames, for gtcc, lav, sal, tcc, tcn, vaot, vava.",
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
    seeds: str = option("N,N,...", "Train a run for each seed, named RUN-s0 and so on.", ""),
    engine: EngineName = option("local|ray", "Where to train the runs of --seeds.", "local"),
    overwrite: bool = flag("--overwrite", "Discard an existing run of this name, and start anew."),
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

    Needs no labels. An interrupted run resumes where it stopped; after a change of settings, choose
    another --run or use --overwrite. Ends with a verdict, judged without labels by clips held out
    of training: whether the run is better than the base model, not shown to help, or worse. Other
    commands use the run only if it is better.
    """
    from la2ds_cli.training import train as step

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
                step.check_seeds(numbers, settings or [])
                results = list(step.train_seeds(opened, numbers, engine=engine, **shared))
            else:
                results = [step.train(opened, **shared)]
        documents = [_show_run(opened, result, device, console) for result in results]
        document = {"runs": documents} if seeds else documents[0]
        console.document("train", {"project": opened.root, **document})
        trained = ",".join(result.run for result in results)
        console.next(f"{on_project('la2ds evaluate', here.project)} --run {trained}")


def _show_run(
    project: StoredProject, result: TrainResult, device: DeviceName, console: Console
) -> dict[str, Any]:
    """Print the result of a run, and return it as JSON values."""
    import math

    from la2ds_cli.alignment.run_verdict import ensure_verdict

    verdict = ensure_verdict(project, result.run, device, console.progress)
    already = "already finished, " if result.already_finished else ""
    ended = f"ended by {result.ended}, " if result.ended else ""
    console.line(
        f"run {result.run}: {already}{result.steps} steps in {duration(result.seconds)}, {ended}"
        f"validation error {result.validation_error:.2f} %"
    )
    if math.isfinite(result.raw_pose_error):
        console.line(f"validation error of raw poses: {result.raw_pose_error:.2f} %")
    for warning in result.warnings:
        console.line(f"warning: {warning}", "yellow")
    console.line(f"checkpoint: {result.checkpoint}")
    if verdict is not None:
        console.line(verdict.sentence(result.run), "yellow" * (verdict.outcome == "worse") or None)
    return {**result.to_json(), "verdict": verdict and verdict.to_json(result.run)}


def evaluate(
    run: list[str] | None = option(
        "NAME,...",
        "Training runs; several give mean and spread; repeatable.",
        show_default="default",
    ),
    protocol: str = PROTOCOL,
    embeddings: list[Path] | None = option(
        "FOLDER",
        "Score another method, too: a .npy or .safetensors file for each clip, a row for each "
        "frame; repeatable.",
    ),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Measure how well clips are aligned, compared with baselines.

    \b
      la2ds evaluate --project swings
      la2ds evaluate --project swings --protocol paper --run seed0,seed1,seed2
      la2ds evaluate --project swings --embeddings my-method/

    Measures event transfer on trimmed pairs and Kendall's tau; with labels in phases.csv for
    training and test clips, also phase classification, phase progression and frame retrieval. The
    baselines are raw poses, the base model, a clock and the untrained network. Scores the clips
    with split=test in videos.csv, or else all clips; classifiers are fitted on the others. A
    folder of --embeddings is scored by the same code; its files are named like clips or videos.
    """
    from la2ds_cli.evaluation import evaluate as step
    from la2ds_cli.evaluation.evaluation_table import evaluation_table

    with here.console() as console:
        opened = here.open()
        names = tuple(name.strip() for names in run or () for name in names.split(","))
        others = tuple(embeddings or ())
        config = opened.config()
        request = step.Request(opened, config, names, protocol, device=device, embeddings=others)
        evaluated = step.evaluate(request, progress=console.progress)
        result = evaluated.document
        console.document("evaluate", {"project": opened.root, **result})
        console.rendered(evaluation_table(result))
        console.note(f"full results: {opened.results_dir('evaluate') / request.name}.json")


def embed(
    run: str = RUN,
    engine: EngineName = option(
        "local|ray", "Where to embed the clips: here, or on a Ray cluster.", "local"
    ),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Compute an embedding for every frame.

    \b
      la2ds embed --project swings
      la2ds embed --project swings --engine ray

    Needs a trained run. align, retrieve and evaluate embed clips by themselves when needed.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.network import embed as embedding

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            results = embedding.embed(
                opened, run=run, device=device, progress=console.progress, engine=engine
            )
        usable = show_batch(console, "embed", opened, results, run=run, engine=engine)
        if usable:
            console.next(f"{on_project('la2ds evaluate', here.project)} --run {run}")
    raise typer.Exit(batch_exit_code(results))


def plot_embeddings(
    clips: list[str] = argument("A B", "Video files, or clips of the project."),
    method: Literal["pca", "tsne"] = option("pca|tsne", "Projection to two dimensions.", "pca"),
    out: list[Path] | None = out_option("FILE", "Write .png, .svg, .pdf or .json; repeatable."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Draw clips as trajectories in the feature space.

    \b
      la2ds lab plot-embeddings anna ben --project swings --out ab.png
      la2ds lab plot-embeddings anna ben cleo --method tsne --project swings

    Each clip has its own colour, paler at its start. All clips are projected together. Where
    frames of the same phase lie close together, the features suit alignment. Without --out, a
    picture is written to results/plot-embeddings.
    """
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import embedding_plot as step

    with here.console() as console:
        opened = here.clips(clips, console)
        targets = checked_outputs(opened, out or [], *step.A_PLOT, clips)
        result = step.plot_embeddings(
            opened, clips, how.request(opened), method=method, progress=console.progress
        )
        result = step.write(opened, result, targets, console.progress)
        console.document("plot-embeddings", result.to_json())
        _show(console, result)


def _show(console: Console, result: EmbeddingPlot) -> None:
    from la2ds_cli.alignment.request import features_name

    by = features_name(result.features, result.run)
    console.line(f"features: {by}")
    if result.explained is not None:
        first, second = result.explained
        console.line(f"the two components explain {first:.0%} and {second:.0%} of the variance")
    console.files(result.files)
