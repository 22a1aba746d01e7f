"""Write docs/cli.md from the commands themselves: python scripts/write_cli_docs.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from la2ds_cli.main import app

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# Command line

Written by `scripts/write_cli_docs.py` from the commands; change it there. Results go to stdout;
progress, notes and errors go to stderr. Exit codes: [exit-codes.md](exit-codes.md).
"""


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before their members."""
    yield path, command
    children = getattr(command, "commands", {})
    for name in command.list_commands(None) if children else ():
        yield from walk(children[name], f"{path} {name}")


def _help(text: str) -> str:
    """Docstring to Markdown: the paragraphs under a `\\b` are examples, their lines indented."""
    blocks = []
    for paragraph in text.strip().split("\n\n"):
        for part in paragraph.split("\b"):
            lines = part.strip("\n").splitlines()
            prose = [line for line in lines if not line.startswith("  ")]
            code = [line[2:] for line in lines if line.startswith("  ")]
            if prose:
                blocks.append("\n".join(prose))
            if code:
                blocks.append("\n".join(["```sh", *code, "```"]))
    return "\n\n".join(blocks)


def _usage(path: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    names = [p.metavar + ("..." if p.nargs == -1 else "") for p in arguments]
    if hasattr(command, "commands"):
        names.append("COMMAND ...")
    return " ".join([path, "[OPTIONS]", *names])


def _row(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    takes = "" if param.is_flag else f" `{param.metavar}`"
    default = param.default
    shown = "" if callable(default) or default in (None, False, ()) else f" Default: `{default}`."
    variable = f" Environment: `{param.envvar}`." if param.envvar else ""
    text = f"{param.help}{shown}{variable}"
    return f"| {_cell(names + takes)} | {_cell(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _options(command: Any) -> str:
    options = [p for p in command.params if p.param_type_name == "option"]
    rows = [_row(p) for p in options if p.name not in ("install_completion", "show_completion")]
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows]) if rows else ""


def render() -> str:
    """The whole page."""
    sections = [HEAD]
    for path, command in walk(get_command(app), "la2ds"):
        usage = f"```\n{_usage(path, command)}\n```"
        sections += [f"## {path}", usage, _help(command.help or ""), _options(command)]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
