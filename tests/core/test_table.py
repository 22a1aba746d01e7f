"""One table in two formats: every text is text, small lines stand below, quiet rows apart."""

from __future__ import annotations

import re

from rich.console import Console

from la2ds_cli.core.table import Cell, Column, Row, Table, markdown, terminal

NAMES = ("50% <b>|$#{~^\\}", "[bold]my_method[/bold]")
TABLE = Table(
    [Column("method", kind="name"), Column("10 %", NAMES[0]), Column("tau", NAMES[0])],
    [
        Row([Cell(NAMES[1]), Cell("91.2", "±0.4", ("[90.1, 92.0]",), 1), Cell("–")]),
        Row([Cell("time only"), Cell("80.0", rank=2), Cell("0.99")], quiet=True),
    ],
)


def _screen(table: Table) -> list[str]:
    console = Console(width=110, highlight=False)
    with console.capture() as capture:
        console.print(terminal(table))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_terminal_shows_names_as_they_are_and_intervals_below() -> None:
    heading, names, first, below, quiet = _screen(TABLE)
    assert heading.count(NAMES[0]) == 2
    assert names.split() == ["method", "10", "%", "tau"]
    assert first.split() == [NAMES[1], "91.2", "±0.4", "–"]
    assert below.strip() == "[90.1, 92.0]"
    assert first.index("±0.4") + 4 == below.index("]") + 1 == quiet.index("80.0") + 4


def test_markdown_has_as_many_cells_in_every_line_and_escapes_their_signs() -> None:
    head, rule, first, quiet = markdown(TABLE)
    assert rule == "| --- | ---: | ---: |"
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in (head, rule, first, quiet)} == {4}
    assert r"50% \<b\>\|$#{~^\\}<br>10 %" in head
    assert r"**91.2 ±0.4**<br>\[90.1, 92.0\]" in first
    assert quiet == "| *time only* | *80.0* | 0.99 |"
