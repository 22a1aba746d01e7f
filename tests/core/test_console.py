from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console as RichConsole

from la2ds_cli.core import console
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip_names import ShownNames
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import duration
from la2ds_cli.core.table import Cell, Column, Table, markdown, terminal


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console.time, "monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "total", "lines"),
    [
        (1, 200, ["poses: 10 %, about 3 min 00 s left", *[""] * 7, "poses: 90 %, about 20 s left"]),
        (0.001, 200, []),  # done within a second
        (1, None, []),
    ],
)
def test_a_log_gets_at_most_a_line_per_tenth_which_says_what_is_left(
    capsys: pytest.CaptureFixture[str], clock: Clock, seconds: float, total: int, lines: list[str]
):
    progress = console.LineProgress()
    progress.advance()  # outside any task
    progress.begin("poses", total)
    for _ in range(200):
        clock.now += seconds
        progress.advance()
    progress.end()
    progress.note("kept")
    first, *shown, last = capsys.readouterr().err.splitlines()
    assert (first, last, len(shown)) == ("poses ...", "kept", len(lines))
    assert all(line == there for line, there in zip(lines, shown, strict=True) if line)


def test_what_an_earlier_start_did_says_nothing_about_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], clock: Clock
):
    progress = console.LineProgress()
    progress.begin("training", 100, 55)
    for _ in range(5):
        clock.now += 2
        progress.advance()
    assert capsys.readouterr().err.splitlines() == [
        "training ...",
        "training: 60 %, about 1 min 20 s left",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_a_duration(value: float, text: str):
    assert duration(value) == text


@dataclass
class _Result:
    path: Path
    error: float
    curve: np.ndarray


def test_to_plain_gives_json_types_and_null_for_what_json_lacks():
    result = _Result(Path("a/b"), float("nan"), np.array([1.5, np.inf]))
    plain = console.to_plain({"result": result, "code": ExitCode.PARTIAL, "pair": (np.int64(3),)})
    assert plain == {
        "result": {"path": "a/b", "error": None, "curve": [1.5, None]},
        "code": 8,
        "pair": [3],
    }
    json.dumps(plain, allow_nan=False)


RESULTS = [
    ItemResult("a.mp4", "a-1", "ok", 120),
    ItemResult("b.mp4", "b-2", "cached", 80),
    ItemResult("c.mp4", "", "failed", 0, "V001", "not a readable video", "record it again"),
]


def test_items_are_listed_with_code_and_hint_and_counted(capsys: pytest.CaptureFixture[str]):
    with console.Console() as out:
        out.items(RESULTS, ShownNames({"a-1": "a.mp4"}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["status", "clip", "frames", "message"]
    assert lines[1].split() == ["ok", "a.mp4", "120"]
    assert lines[2].split() == ["cached", "b-2", "80"]
    assert lines[3].split(maxsplit=2)[:2] == ["failed", "c.mp4"]
    assert lines[3].endswith("V001 not a readable video; record it again")
    assert lines[4] == "1 ok, 1 cached, 1 failed"
    many = [ItemResult(f"{n}.mp4", f"v-{n}", "cached", 9) for n in range(100)]
    with console.Console() as out:
        out.items([*many, RESULTS[2]], ShownNames())
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (3, "100 cached, 1 failed")  # what needs a look alone


def test_columns_line_up_for_wide_characters(capsys: pytest.CaptureFixture[str]):
    with console.Console() as out:
        out.table(("clip", "n"), [("深蹲", 1), ("ab", 2)])
    assert capsys.readouterr().out.splitlines() == ["clip  n", "深蹲  1", "ab    2"]


def test_json_keeps_stdout_to_the_document(capsys: pytest.CaptureFixture[str]):
    with console.Console(as_json=True) as out:
        out.items(RESULTS, ShownNames())
        out.line("text")
        out.next("la2ds train")
        out.document("extract-poses", {"items": RESULTS})
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema_version"] == 1
    assert document["command"] == "extract-poses"
    assert document["items"][2]["code"] == "V001"
    assert "la2ds train" not in captured.err


def test_lines_are_printed_as_they_are_and_quiet_silences_notes_alone(
    capsys: pytest.CaptureFixture[str],
):
    path = "/" + "long-folder-name/" * 12 + "clip [1].mp4"
    for text in (":cat: [bold]a[/bold]", path, ""):
        console.Console().line(text)
        console.Console().note(text)
    captured = capsys.readouterr()
    assert captured.out == captured.err == f":cat: [bold]a[/bold]\n{path}\n\n"
    console.error(UserError(f"cannot read {path}", hint="check the [path]", code="V001"))
    said = capsys.readouterr().err
    assert said == f"error: cannot read {path} (V001)\nhint: check the [path]\n"
    with console.Console(quiet=True) as out:
        out.progress.begin("poses", 2)
        out.note("a choice")
        out.next("la2ds train")
        out.line("result")
    assert capsys.readouterr() == ("result\n", "")


def test_bar_progress_draws_on_stderr_and_can_end_twice(capsys: pytest.CaptureFixture[str]):
    bar = console.BarProgress()
    bar.begin("poses", 2)
    bar.advance()
    bar.note("kept line")
    bar.begin("next [task]")
    bar.end()
    bar.end()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "kept line" in captured.err


HOSTILE = "a\x1b[2J\r\nerror: forged\x9b31m\u202egpj.\udce9"
SHOWN = r"a\x1b[2J\r\nerror: forged\x9b31m\u202egpj.\xe9"


def test_names_reach_the_terminal_as_text_on_one_line(capsys: pytest.CaptureFixture[str]):
    console.error(UserError(f"{HOSTILE} is no video", hint=f"copy {HOSTILE}\n  line of ours"))
    out = console.Console()
    out.note(HOSTILE)
    out.progress.begin(HOSTILE)
    out.line(HOSTILE)
    out.items([ItemResult(HOSTILE, "", "failed", code="V001", message=HOSTILE)], ShownNames())
    out.rendered(terminal(Table([Column("name")], [[Cell(HOSTILE, [HOSTILE])]])))
    both = capsys.readouterr()
    error, first, forged, ours, note, begun = both.err.splitlines()
    assert error == f"error: {SHOWN} is no video"
    assert first == r"hint: copy a\x1b[2J\r"
    assert forged == r"  error: forged\x9b31m\u202egpj.\xe9"
    assert ours == "  line of ours"
    assert (note, begun) == (SHOWN, f"{SHOWN} ...")
    assert both.out.count(SHOWN) == 5
    assert all(line.isprintable() for line in (both.out + both.err).split("\n"))
    console.Console(as_json=True, quiet=True).document("x", {"name": HOSTILE})
    text = capsys.readouterr().out
    assert json.loads(text)["name"] == HOSTILE
    assert all(line.isprintable() for line in text.split("\n"))


def test_programs_read_events_and_people_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
):
    monkeypatch.setenv("LA2DS_PROGRESS", "json")
    with console.Console(as_json=True) as told:
        told.progress.begin("clips", 8)
        for _ in range(8):
            told.progress.advance()
            clock.now += 0.06
        told.note("a note")
        told.item(ItemResult("a.mp4", "a-1", "ok", 20))
        told.progress.begin("of unknown length")
        told.progress.advance(3)
        console.warn("a warning")
        console.error(UserError("no such file", hint="look", code="V006"))
    first, *events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first == {"task": "clips", "share": 0.0}
    assert [event["share"] for event in events[:4]] == [0.125, 0.375, 0.625, 0.875]
    assert events[4] == {"note": "a note"}
    assert events[5]["item"]["video"] == "a-1"
    assert events[6:] == [
        {"task": "of unknown length", "share": None},
        {"note": "a warning"},
        {"error": "no such file", "hint": "look", "code": "V006"},
        {"task": "", "share": None},
    ]
    monkeypatch.delenv("LA2DS_PROGRESS")
    with console.Console() as told:
        told.item(ItemResult("a.mp4", "a-1", "ok", 20))
    assert capsys.readouterr() == ("", "")


# --- tables ---------------------------------------------------------------------------------------

NAMES = ("50% <b>|$#{~^\\}", "[bold]my_method[/bold]")
TABLE = Table(
    [Column("method", left=True), Column("10 %"), Column(NAMES[0])],
    [
        [Cell(NAMES[1]), Cell("91.2 ±0.4", ["[90.1, 92.0]"], "**"), Cell("–")],
        [Cell("time only", mark="*"), Cell("80.0", mark="*"), Cell("0.99")],
    ],
)


def _screen(table: Table) -> list[str]:
    screen = RichConsole(width=110, highlight=False)
    with screen.capture() as capture:
        screen.print(terminal(table))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_terminal_shows_names_as_they_are_and_intervals_below() -> None:
    heading, first, below, quiet = _screen(TABLE)
    assert heading.split(maxsplit=3) == ["method", "10", "%", NAMES[0]]
    assert first.split() == [NAMES[1], "91.2", "±0.4", "–"]
    assert below.strip() == "[90.1, 92.0]"
    assert first.index("±0.4") + 4 == below.index("]") + 1 == quiet.index("80.0") + 4


def test_markdown_has_as_many_cells_in_every_line_and_escapes_their_signs() -> None:
    head, rule, first, quiet = markdown(TABLE)
    assert rule == "| --- | ---: | ---: |"
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in (head, rule, first, quiet)} == {4}
    assert r"50% \<b\>\|$#{~^\\}" in head
    assert r"**91.2 ±0.4**<br>\[90.1, 92.0\]" in first
    assert quiet == "| *time only* | *80.0* | 0.99 |"
