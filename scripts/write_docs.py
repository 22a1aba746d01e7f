"""Write docs/reference/cli.md from the commands and docs/reference/settings.md from the settings
themselves: python scripts/write_docs.py"""

from __future__ import annotations

import ast
import csv
import dataclasses
import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from typer.main import get_command

from la2ds_cli.commands.app import OTHER_NAMES, app
from la2ds_cli.commands.help_pages import default_in_words, limits_in_words, usage_words
from la2ds_cli.core import config_sections
from la2ds_cli.core.config import Config, kinds, load_config, preset_names

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
RESULTS = REFERENCE.parent / "results"
CLI_HEAD = """# Command line

Written by `scripts/write_docs.py` from the commands; change it there. Results go to stdout;
progress, notes and errors go to stderr. Exit codes: [codes](codes.md).

`la2ds --install-completion` makes the Tab key complete commands, options, clips, runs, methods and
formats in bash, zsh, fish and PowerShell. Clips and runs are those of the project that `-p` names
before them.
"""
SHARED = 5  # commands from which an option stands in one table for all
SHARED_HEAD = """These options are the same in all commands that name them."""
SETTINGS_HEAD = """# Settings

Written by `scripts/write_docs.py` from `la2ds_cli/core/config_sections.py`; change it there.

A project's settings are in its `project.toml`: the preset, and what differs from it.

```toml
preset = "default"

[align]
open_ends = false
```

`la2ds train --set align.open_ends=false` changes one for a single run, as does
`settings={"align.open_ends": False}` in [Python](python.md). Precedence, lowest first: the preset,
`project.toml`, `--set`. An unknown name or a value that does not fit is refused. Choose a preset
with `preset` in `project.toml`, `la2ds init --preset NAME` or `la2ds train --preset NAME`.

The column *default* is the value in the preset `default`, which a project has unless it names
another. *Other presets* lists the presets in which the value differs.
"""


# --- docs/reference/cli.md ------------------------------------------------------------------------


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before their members; without further names."""
    yield path, command
    children = getattr(command, "commands", {})
    for name in command.list_commands(None) if children else ():
        if f"{path} {name}".removeprefix("la2ds ") not in OTHER_NAMES:
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
    return " ".join([path, *usage_words(command)])


def _row(param: Any) -> str:
    """An argument or option, what it means, and what applies without it."""
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    if param.param_type_name == "argument":
        names, takes = f"`{param.metavar}`", ""
    else:
        takes = "" if param.is_flag else f" `{param.metavar}`"
    default, limits = default_in_words(param), limits_in_words(param)
    shown = f" Default: `{default}`." if default else ""
    shown += f" {limits[0].upper()}{limits[1:]}." if limits else ""
    variable = f" Environment: `{param.envvar}`." if param.envvar else ""
    return f"| {_cell(names + takes)} | {_cell(param.help + shown + variable)} |"


def _cell(text: str) -> str:
    """Text as it stands in a table's cell, stars included."""
    parts = re.split("(`[^`]*`)", _without_pipes(text))
    return "".join(p if p.startswith("`") else p.replace("**", "\\*\\*") for p in parts)


def _without_pipes(text: str) -> str:
    """Markdown for a table's cell that every renderer shows alike. Some show the backslash of an
    escaped pipe in code, so a pipe is an entity; and as backticks show an entity as it is written,
    code with a pipe becomes an element."""
    return re.sub(r"`([^`]*\|[^`]*)`", _code_element, text).replace("|", "&#124;")


def _code_element(code: re.Match[str]) -> str:
    return f"<code>{html.escape(code[1], quote=False)}</code>"


def _rows(command: Any) -> list[str]:
    """A row for each argument and option of a command."""
    hidden = ("install_completion", "show_completion")
    return [_row(p) for p in command.params if p.name not in hidden]


@cache
def _shared() -> tuple[str, ...]:
    """The rows that at least SHARED commands have, in the order in which they are met."""
    counted = Counter(row for _, c in walk(get_command(app), "la2ds") for row in _rows(c))
    return tuple(row for row, count in counted.items() if count >= SHARED)


def _table(rows: Sequence[str]) -> str:
    return "\n".join(["| argument or option | meaning |", "| --- | --- |", *rows]) if rows else ""


def _options(command: Any) -> str:
    rows = _rows(command)
    also = [row.split("|")[1].strip().split(" ")[0].strip(",") for row in rows if row in _shared()]
    table = _table([row for row in rows if row not in _shared()])
    more = f"[Also](#shared-options): {', '.join(also)}." if also else ""
    return "\n\n".join(part for part in (table, more) if part)


def cli_page() -> str:
    """docs/reference/cli.md."""
    sections = [CLI_HEAD, "## Shared options", SHARED_HEAD, _table(_shared())]
    for path, command in walk(get_command(app), "la2ds"):
        usage = f"```\n{_usage(path, command)}\n```"
        sections += [f"## {path}", usage, _help(command.help or ""), _options(command)]
    rows = [f"| `la2ds {other}` | `la2ds {name}` |" for other, name in OTHER_NAMES.items()]
    names = ["| also called by | is |", "| --- | --- |", *rows]
    return _page([*sections, "## Other names", "\n".join(names)])


def _page(sections: list[str]) -> str:
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


# --- docs/reference/settings.md -------------------------------------------------------------------


@cache
def _config(preset: str | None = None) -> Config:
    return load_config(preset=preset)


def settings_page() -> str:
    """docs/reference/settings.md."""
    sections = [SETTINGS_HEAD]
    for field in dataclasses.fields(_config()):
        if field.name == "preset":
            continue
        kind = type(getattr(_config(), field.name))
        sections += [f"## {field.name}", str(kind.__doc__), _settings_table(field.name, kind)]
    return _page([*sections, "## Presets", _presets_table()])


def _settings_table(section: str, kind: type) -> str:
    meanings = source_of(kind.__name__)
    hints = kinds(kind)
    rows = [
        "| setting | value | default | meaning | other presets |",
        "| --- | --- | --- | --- | --- |",
    ]
    for field in dataclasses.fields(kind):
        key = field.name
        cells = (
            f"`{section}.{key}`",
            _values(*hints[key]),
            f"`{_toml(getattr(getattr(_config(), section), key))}`",
            meanings[key],
            _in_presets(section, key),
        )
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(rows)


def source_of(name: str) -> dict[str, str]:
    """Of a class of config_sections: field -> the comment above and beside it."""
    text = Path(config_sections.__file__).read_text("utf-8")
    lines = text.splitlines()
    (tree,) = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == name]
    meanings = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno - 1
            while lines[first - 1].strip().startswith("#"):
                first -= 1
            comments = [line.strip() for line in lines[first : node.lineno - 1]]
            comments.append(lines[node.lineno - 1][node.end_col_offset :].strip())
            meanings[node.target.id] = " ".join(c.removeprefix("#").strip() for c in comments if c)
    return meanings


def _values(hint: Any, limits: config_sections.Range) -> str:
    if get_args(hint):
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    if hint in (str, bool):
        return {str: "text", bool: "`true` or `false`"}[hint]
    rule = f"0 to {limits.most:g}" if limits.most <= 1 else limits.rule
    return f"{'whole number' if hint is int else 'number'}, {rule}"


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_presets(section: str, key: str) -> str:
    """`value`: presets, for every value that is not the one of the preset `default`."""
    usual = getattr(getattr(_config(), section), key)
    by_value: dict[str, list[str]] = {}
    for name in preset_names():
        value = getattr(getattr(_config(name), section), key)
        if value != usual:
            by_value.setdefault(_toml(value), []).append(name)
    return "; ".join(f"`{value}`: {', '.join(names)}" for value, names in by_value.items())


def _presets_table() -> str:
    """Each preset with what the comment at the top of its file says first."""
    rows = ["| preset | what it is |", "| --- | --- |"]
    for name in preset_names():
        path = Path(config_sections.__file__).parent / "presets" / f"{name}.toml"
        comments = []
        for line in path.read_text("utf-8").splitlines():
            if not line.startswith("#"):
                break
            comments.append(line.removeprefix("#").strip())
        rows.append(f"| `{name}` | {_cell(' '.join(comments))} |")
    return "\n".join(rows)


# --- docs/results --------------------------------------------------------------------------------


def with_tables(text: str) -> str:
    """A page of results with its tables as they are in the CSV files: what lies between the lines
    `<!-- table NAME.csv -->`, or `<!-- table NAME.csv: column, column -->`, and `<!-- end -->`."""

    def filled(found: re.Match[str]) -> str:
        return f"{found[1]}\n{_csv_table(found[2], found[3] or '')}\n<!-- end -->"

    pattern = r"(<!-- table ([\w-]+\.csv)(?:: ([^>]+?))? -->)\n.*?<!-- end -->"
    return re.sub(pattern, filled, text, flags=re.DOTALL)


def _csv_table(name: str, columns: str) -> str:
    with (RESULTS / name).open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    shown = (
        [header.index(column) for column in columns.split(", ")] if columns else range(len(header))
    )
    lines = [[_without_pipes(row[n]) for n in shown] for row in (header, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PAGES = {"cli.md": cli_page, "settings.md": settings_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    for path in RESULTS.glob("*.md"):
        path.write_text(with_tables(path.read_text("utf-8")), encoding="utf-8")
