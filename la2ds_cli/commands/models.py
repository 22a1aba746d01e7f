"""`la2ds models`: list, download and check weight files, and show their licences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.command import Command
from la2ds_cli.commands.options import JSON, PROJECT, Output, argument, flag, option
from la2ds_cli.commands.projects import open_project

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.poses.weights import Licence, WeightRow

_WIDTH = 96  # of wrapped text: fits a window of 100 columns

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """List, download and check weight files; show licences.

    \b
      la2ds models ls
      la2ds models pull hrnet-w32 fasterrcnn-mobilenet

    You do not need this command: weights are downloaded when they are first used.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("ls")
def ls(as_json: bool = JSON) -> None:
    """List all weights, and whether they are installed.

    \b
      la2ds models ls

    Size, accuracy, licence and training data of each. AP is the average precision on COCO val2017
    as published: of joints for pose networks, of boxes for detectors.
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.poses import weights
    from la2ds_models.weight_files import weights_dir

    with Console(as_json=as_json) as console:
        rows = weights.list_weights()
        folder = weights_dir()
        console.document("models ls", {"folder": folder, "models": rows})
        _show_rows(console, rows, folder)


@app.command("pull")
@Command
def pull(
    names: list[str] | None = argument("NAME", "Names, as in `la2ds models ls`.", None),
    everything: bool = flag("--all", "All weights that are not installed."),
    offline: bool = flag("--offline", "Use no network: only report what is installed."),
    *,
    output: Output,
) -> None:
    """Download weights before they are needed.

    \b
      la2ds models pull hrnet-w32 fasterrcnn-mobilenet

    An interrupted download is resumed. Size and licence are shown first. For a machine without
    network access, pull weights on another one and copy the folder that `la2ds models ls` names.
    """
    from la2ds_cli.core.console import summary
    from la2ds_cli.poses import weights

    with output.console() as console:
        chosen = [row.name for row in weights.list_weights()] if everything else names or []
        results = weights.pull(chosen, console.progress, offline=offline)
        console.document("models pull", {"items": results})
        console.table(
            ("status", "name", "message"),
            [(r.status, r.path, f"{r.code} {r.message}".strip()) for r in results],
        )
        for result in results:
            if result.hint:
                console.note(f"{result.path}: {result.hint}")
        console.line(summary(results))
    raise typer.Exit(weights.pull_exit_code(results))


@app.command("verify")
def verify(
    names: list[str] | None = argument("NAME", "Which weights; default all.", None),
    as_json: bool = JSON,
) -> None:
    """Check the weight files on this machine.

    \b
      la2ds models verify

    Compares the hash of every file with the published one.
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.errors import ExitCode
    from la2ds_cli.poses import weights

    with Console(as_json=as_json) as console:
        states = weights.verify(names or ())
        damaged = any(state.state == "damaged" for state in states)
        console.document("models verify", {"healthy": not damaged, "models": states})
        console.table(
            ("status", "name", "file"),
            [(s.state, s.name, weights.describe_state(s)) for s in states],
        )
        if any(state.state == "missing" for state in states):
            console.note(
                "missing weights are downloaded at first use, or by la2ds models pull NAME"
            )
    raise typer.Exit(ExitCode.ENVIRONMENT if damaged else ExitCode.OK)


@app.command("licences")
def licences(
    project: Path | None = option(
        "DIR", "Only those used for the poses of this project.", envvar=PROJECT
    ),
    as_json: bool = JSON,
) -> None:
    """Licences of code and weights, and known restrictions.

    \b
      la2ds models licences --project swings

    Repeats what the publishers state, including about training data. This is not legal advice.
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.poses import weights

    with Console(as_json=as_json) as console:
        opened = open_project(project) if project else None
        parts = weights.project_licences(opened) if opened else weights.all_licences()
        root = opened.root if opened else None
        console.document("models licences", {"project": root, "licences": parts})
        if opened and not parts:
            console.line("no clip of the project has poses yet")
        _show_licences(console, parts)


def _show_rows(console: Console, rows: list[WeightRow], folder: Path) -> None:
    from la2ds_cli.poses.weights import megabytes

    console.table(
        ("name", "kind", "size", "AP", "licence", "here"),
        [
            (
                row.name,
                row.kind,
                megabytes(row.size) if row.size else "not stated",
                f"{row.ap:.3f}" if row.ap else "-",
                row.licence,
                "yes" if row.path else "no",
            )
            for row in rows
        ],
    )
    console.line()
    console.line(f"files, in {folder} unless another path is given")
    elsewhere = {row.name: row.path for row in rows if row.path and row.path.parent != folder}
    width = max(len(row.name) for row in rows)
    for row in rows:
        console.line(f"{row.name:<{width}}  {elsewhere.get(row.name, row.file)}")
    console.line()
    console.line("trained on")
    for data in dict.fromkeys(row.trained_on for row in rows):
        console.line(f"  {data}:")
        _wrapped(console, "", ", ".join(row.name for row in rows if row.trained_on == data), 4)


def _show_licences(console: Console, licences: list[Licence]) -> None:
    """Print one block for all parts under the same terms."""
    groups: dict[tuple, list[Licence]] = {}
    for part in licences:
        groups.setdefault(
            (part.role, part.code, part.weights, part.trained_on, part.terms), []
        ).append(part)
    for (role, code, weights, trained_on, terms), parts in groups.items():
        names = [
            f"{p.name} ({p.videos} {'clip' if p.videos == 1 else 'clips'})" if p.videos else p.name
            for p in parts
        ]
        _wrapped(console, role, ", ".join(names), style="bold")
        _wrapped(console, "  code", code)
        _wrapped(console, "  weights", weights)
        _wrapped(console, "  trained on", trained_on)
        for number, text in enumerate(terms):
            _wrapped(console, "" if number else "  terms", text)
        console.line()


def _wrapped(
    console: Console, label: str, text: str, indent: int = 14, style: str | None = None
) -> None:
    """`label  text`, with the text in a column of its own."""
    import textwrap

    lines = textwrap.wrap(text, _WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        console.line(f"{'' if number else label:<{indent}}{line}", style)
