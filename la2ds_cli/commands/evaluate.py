"""`la2ds evaluate`: how well a run aligns, compared with baselines that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    EngineOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    open_project,
)
from la2ds_cli.core.errors import UserError


def evaluate(
    project: ProjectOption = HERE,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            metavar="NAME",
            help="Name of the training run; repeatable, as --runs. [default: default]",
        ),
    ] = None,
    runs: Annotated[
        str,
        typer.Option("--runs", metavar="A,B,C", help="Several runs: their mean and spread."),
    ] = "",
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(
            "--embeddings",
            metavar="DIR",
            help="Folder of embeddings by other code, CLIP.npy for each clip; repeatable, once for "
            "each of its training runs.",
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="la2ds|paper|tcc|casa|ae2",
            help="Whose definitions of the metrics to use.",
        ),
    ] = "la2ds",
    explain: Annotated[
        bool, typer.Option("--explain", help="Also print the definitions of the figures.")
    ] = False,
    engine: EngineOption = "local",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure alignment, compared with baselines.

    Measures event transfer on trimmed pairs and Kendall's tau. If phases.csv labels training and
    test clips, also measures phase classification, phase progression and frame retrieval. The
    baselines are raw poses, the base model, a clock and the untrained network. Scores the clips
    that videos.csv marks split=test, or all clips; classifiers are fitted on the others.

    \b
      la2ds evaluate --project swings
      la2ds evaluate --project swings --protocol paper --runs seed0,seed1,seed2
      la2ds evaluate --project swings --runs seed0,seed1,seed2 --engine ray
      la2ds evaluate --project swings --embeddings theirs/seed0 --embeddings theirs/seed1
    """
    from la2ds_cli.alignment.repetition_counts import note_on_repetitions
    from la2ds_cli.core.console import Console
    from la2ds_cli.evaluation import evaluate as step
    from la2ds_cli.evaluation.table import evaluation_table

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        names = _names(run or [], runs)
        evaluated = step.evaluate_all(
            opened,
            runs=names,
            protocol=protocol,
            config=opened.config(),
            embeddings=embeddings or (),
            device=device,
            engine=engine,
            progress=console.progress,
        )
        result = evaluated.document
        console.document("evaluate", {"project": opened.root, **result})
        console.rendered(evaluation_table(result, explain=explain))
        if repeated := note_on_repetitions(opened, [clip.id for clip in evaluated.inputs.clips]):
            console.note(repeated)
        console.note(f"in full: {opened.results_dir('evaluate') / evaluated.name}.json")


def _names(run: list[str], runs: str) -> list[str]:
    """The runs given, empty for the default; raises UserError (exit 2) if both options are used."""
    names = [name.strip() for name in runs.split(",") if name.strip()]
    if names and run:
        raise UserError("--run and --runs are both given", hint="name all runs with --runs A,B,C")
    return names or run
