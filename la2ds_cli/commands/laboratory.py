"""`la2ds lab`: `benchmark` trains methods with the same budget, `reproduce` makes the tables of the
paper, `exercises` and `leaderboard` are a frozen benchmark, and `cache-heatmaps` renders and stores
heatmaps."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from la2ds_cli.commands.options import (
    DEVICE,
    ENGINE,
    HERE,
    OVERWRITE,
    PROJECT,
    PROJECT_NAMES,
    PROTOCOL,
    EngineName,
    Here,
    Output,
    Runs,
    argument,
    option,
    out_option,
)
from la2ds_cli.commands.projects import open_project, show_batch
from la2ds_cli.commands.usage_errors import Group
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.table import terminal

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.experiments.comparison import Result


app = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Compare methods, and make the tables of papers.

    \b
      la2ds lab benchmark --project golf --minutes 3 --seeds 0,1,2
      la2ds lab reproduce table4 --project swings --minutes 30
      la2ds lab leaderboard exercises-1 --embeddings my-method/

    For those who study the methods; nobody else needs these commands.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def benchmark(
    projects: list[Path] | None = option(
        "DIR",
        "Project directory, repeatable: a table for each.",
        None,
        *PROJECT_NAMES,
        envvar=PROJECT,
        show_default=".",
    ),
    methods: str | None = option(
        "A,B,C", "Built-in methods, presets or dotted paths; default all built-in methods."
    ),
    protocol: str = PROTOCOL,
    out: Path | None = out_option("DIR", "Folder; default results/benchmark of the first project."),
    engine: EngineName = ENGINE,
    *,
    training: Runs,
    output: Output,
) -> None:
    """Train and score methods with the same budget.

    \b
      la2ds lab benchmark --project golf --minutes 3 --seeds 0,1,2
      la2ds lab benchmark --project golf --project squat --minutes 3 --out tables
      la2ds lab benchmark --project golf --methods la2ds,tcc,mypackage.mymethod
      la2ds lab benchmark --project golf --seeds 0,1,2 --engine ray

    Writes Tables 1 to 3 of the paper, event transfer and the cost of training as Markdown, and
    every figure of every run as CSV. Finished runs are reused and interrupted ones resumed, so the
    same command continues a benchmark. The protocols paper and casa need labelled training and
    test clips.
    """
    from contextlib import ExitStack

    from la2ds_cli.experiments.benchmark import NAME, check_projects
    from la2ds_cli.experiments.benchmark import benchmark as step
    from la2ds_cli.experiments.runner import Plan

    with output.console() as console, ExitStack() as locks:
        opened = [open_project(root) for root in projects or [HERE]]
        check_projects(opened)
        for project in opened:
            locks.enter_context(project.lock())
        folder = opened[0].results_dir(NAME) if out is None else out
        plan = Plan(protocol=protocol, **training.arguments())
        names = None if methods is None else [name.strip() for name in methods.split(",")]
        result = step(opened, plan, names, out=folder, engine=engine, progress=console.progress)
        print_result(console, "benchmark", result, folder)
    raise typer.Exit(result.exit_code())


def print_result(console: Console, command: str, result: Result, folder: Path) -> None:
    """Print the JSON document, or the tables with their notes and the paths of the files."""
    from la2ds_cli.experiments.tables import all_notes, document, figures, tables

    values = figures(result)
    console.document(command, {"folder": folder.resolve(), **document(result, values)})
    console.line(f"{result.title}: {result.facts['budget']}")
    for title, table in tables(result, values):
        console.line("")
        console.line(title)
        console.rendered(terminal(table))
    console.line("")
    console.line("* best row; = not significantly worse than the best row, or not tested")
    for text in all_notes(result, values):
        console.line(f"note: {text}", "yellow")
    console.note(f"full results: {folder / result.name}.md, .csv, .json")


# As scores.METHOD_TABLES and reproduce.TableName in experiments.
Table = Literal["table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8"]
METHODS = ("table1", "table2", "table3")  # tables that compare methods, not parts of a method


def reproduce(
    table: Table = argument(
        "TABLE",
        "table1, table2, table3: methods by phase classification, by progression and tau, "
        "by retrieval; table4, table5, table6, table7, table8: components, heatmaps, "
        "augmentations, missing joints, noisy joints.",
    ),
    preset: str | None = option(
        "NAME",
        "The preset whose parts are varied; default paper-penn-casa. Not for table1 to table3.",
    ),
    *,
    training: Runs,
    here: Here,
) -> None:
    """Train and evaluate the rows of a table of the paper.

    \b
      la2ds lab reproduce table4 --project swings --minutes 30 --seeds 0,1,2

    Works on any clips with poses, and shows the figures of the paper for comparison. Finished runs
    are reused and interrupted ones resumed, so the same command continues a table. Tables 1 to 3
    are la2ds lab benchmark on one project with the paper's protocol, which needs labelled training
    and test clips.
    """
    from dataclasses import replace

    from la2ds_cli.experiments import reproduce as tables
    from la2ds_cli.experiments.benchmark import benchmark
    from la2ds_cli.experiments.runner import Plan
    from la2ds_cli.experiments.scores import METHOD_TABLES

    with here.console() as console:
        opened = here.open()
        plan = Plan(**training.arguments())
        with opened.lock():
            folder, progress = opened.results_dir("reproduce"), console.progress
            if table in METHODS:
                plan, task = replace(plan, protocol="paper"), METHOD_TABLES[table]
                result = benchmark([opened], plan, task=task, out=folder, progress=progress)
            else:
                recipe = preset or tables.DEFAULT_PRESET
                result = tables.reproduce(opened, table, plan, preset=recipe, progress=progress)
            print_result(console, "reproduce", result, folder)
    raise typer.Exit(result.exit_code())


def exercises(
    recordings: Path = argument("RECORDINGS", "UI-PRMD: a folder, or a .zip or .tar.gz file."),
    out: Path | None = out_option("DIR", "Folder for the set; default exercises-1."),
    *,
    output: Output,
) -> None:
    """Make the films of the frozen benchmark.

    \b
      la2ds lab exercises UI-PRMD-Analysis.tar.gz --out exercises-1

    Writes 414 films of ten exercises, as joints seen by cameras at 0, 45 and 90 degrees, in a
    project for each exercise, with the moments of each repetition as phases and a split by person.
    UI-PRMD is in the public domain; la2ds does not download it. Recordings that differ from the
    published ones are refused.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.datasets import exercises as step

    with output.console() as console:
        folder = Path(step.NAME) if out is None else out
        made = step.make_exercises(recordings, folder, progress=console.progress)
        document = {"set": step.NAME, "digest": made.digest, "folder": folder}
        frozen = made.digest == step.DIGEST
        console.document("exercises", document | {"frozen": frozen, "items": made.results})
        console.line(f"{step.NAME}: {len(made.results)} films in {folder}")
        console.note(f"sha256 of the set: {made.digest}")
        if not frozen:
            console.note(NOT_THE_SAME)
        console.next(f"la2ds lab leaderboard {shlex.quote(str(folder))}")
    raise typer.Exit(batch_exit_code(made.results))


NOT_THE_SAME = (
    "the events and splits are those of the published leaderboard, but some joints differ from its "
    "films, so figures may differ slightly"
)


def leaderboard(
    folder: Path = argument("DIR", "The set, as from la2ds lab exercises."),
    embeddings: list[Path] | None = option(
        "FOLDER",
        "Score another method, too: a .npy or .safetensors file for each film, a row for each "
        "frame; repeatable.",
    ),
    out: Path | None = out_option("DIR", "Folder for the page; default DIR/leaderboard."),
    device: DeviceName = DEVICE,
    *,
    output: Output,
) -> None:
    """Score methods on the frozen benchmark, and write the page.

    \b
      la2ds lab leaderboard exercises-1
      la2ds lab leaderboard exercises-1 --embeddings mine/ --embeddings another/

    Scores a clock, raw poses, the base model and the embeddings of others by the code of la2ds
    evaluate, and writes exercises.md and exercises.csv. A set whose films, splits or phases have
    been changed is refused. Takes a quarter of an hour.
    """
    from la2ds_cli.core.output_paths import write_output
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.datasets.exercises import DIGEST, MOVEMENTS
    from la2ds_cli.experiments import leaderboard as step

    with output.console() as console:
        board = step.make_leaderboard(folder, embeddings or (), device, progress=console.progress)
        target = folder / "leaderboard" if out is None else out
        files = {"exercises.md": step.leaderboard_page(board)}
        files["exercises.csv"] = step.leaderboard_csv(board)
        project = StoredProject.open(folder / min(MOVEMENTS))
        for name, text in files.items():
            write_output(project, target / name, text)
        written = [target / name for name in files]
        console.document("leaderboard", {**board.document(), "files": written})
        console.rendered(terminal(step.leaderboard_table(board, step.FEW)))
        if board.digest != DIGEST:
            console.note(NOT_THE_SAME)
        console.files(written)


def cache_heatmaps(overwrite: bool = OVERWRITE, *, here: Here) -> None:
    """Render and store the heatmaps of all clips.

    \b
      la2ds lab cache-heatmaps --project swings

    Stores a map for every joint and limb of every frame, which la2ds export heatmaps writes as
    .npz. Training and embedding render maps themselves, since reading would not be faster.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.features import heatmap_cache

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            results = heatmap_cache.cache_heatmaps(
                opened, opened.config().heatmap, overwrite=overwrite, progress=console.progress
            )
        show_batch(console, "cache-heatmaps", opened, results)
    raise typer.Exit(batch_exit_code(results))
