"""`la2ds datasets`: the data sets that the papers use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.options import JSON

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console

_WIDTH = 96  # of wrapped text: fits a window of 100 columns
_INDENT = 10

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Data sets of the papers.

    \b
      la2ds datasets ls
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("ls")
def ls(as_json: bool = JSON) -> None:
    """List the data sets, where to get them, and on what terms.

    \b
      la2ds datasets ls

    Also names the command that reads each. Nothing is downloaded: the authors distribute their data
    on their own terms.
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.formats.datasets import data_sets

    with Console(as_json=as_json) as console:
        listed = data_sets()
        console.document("datasets ls", {"data_sets": listed})
        for data in listed:
            console.line(f"{data.name}  {data.title}", "bold")
            _wrapped(console, "what", data.what)
            for link in data.get:
                console.line(f"  {'get':<{_INDENT - 2}}{link.url} ({link.label})")
            checked = "" if data.terms_checked else "; not checked for this list: read them there"
            _wrapped(console, "terms", data.terms + checked)
            _wrapped(console, "splits", data.splits)
            _wrapped(console, "cite", data.cite)
            console.line(f"  {'read':<{_INDENT - 2}}{data.example}")
            console.line()


def _wrapped(console: Console, label: str, text: str) -> None:
    import textwrap

    lines = textwrap.wrap(text, _WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        console.line(f"  {'' if number else label:<{_INDENT - 2}}{line}")
