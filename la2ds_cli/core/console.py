"""Output for the user: results on stdout; progress, notes and errors on stderr.

With `--json` stdout holds one JSON document and nothing else. Colour and animation are used only on
a terminal; NO_COLOR and TERM=dumb are respected, and each stream is checked separately.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from la2ds_cli.core import work_sign
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress, duration
from la2ds_cli.core.table import UNSAFE, printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.clip_names import ShownNames

_LISTED = 40  # a longer batch lists only the items with a problem
_APART = 0.1  # least seconds between two events of a task
_STYLES = {"ok": "green", "cached": "dim", "degraded": "yellow", "skipped": "red", "failed": "red"}


def _indented(text: str) -> str:
    """Return `printable` text in which line feeds stay, with following lines indented, so that no
    part of a name can look like a line of la2ds."""
    first, *rest = map(printable, text.split("\n"))
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in rest)])


def _rich(*, stderr: bool) -> RichConsole:
    from rich.console import Console as RichConsole

    return RichConsole(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def _for_programs() -> bool:
    return os.environ.get("LA2DS_PROGRESS") == "json"


def _event(**event: Any) -> None:
    sys.stderr.write(json.dumps(event) + "\n")
    sys.stderr.flush()


def _print(text: str, *, stderr: bool, style: str | None = None) -> None:
    """Print one line unchanged. Only a style needs rich, which takes 20 ms."""
    work_sign.hide(for_good=not stderr)
    if style is not None:
        _rich(stderr=stderr).print(text, style=style)
        return
    stream = sys.stderr if stderr else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def sign_of_work(*, as_json: bool, quiet: bool) -> AbstractContextManager[None]:
    """Return a context in which a terminal says that a command is working, up to its result."""
    if as_json or quiet or _for_programs() or not _is_terminal(sys.stderr):
        return nullcontext()
    return work_sign.work_sign(sys.stderr)


def error(problem: UserError) -> None:
    """Print a user error on stderr: its message, then its hint."""
    if _for_programs():
        _event(error=problem.message, hint=problem.hint, code=problem.code)
        return
    code = f" ({problem.code})" if problem.code else ""
    _print(f"error: {printable(problem.message)}{code}", stderr=True, style="red")
    if problem.hint:
        _print(f"hint: {_indented(problem.hint)}", stderr=True)


def warn(text: str) -> None:
    """Print one line on stderr, even with --quiet."""
    if _for_programs():
        _event(note=text)
        return
    _print(printable(text), stderr=True)


def traceback(text: str) -> None:
    """Print the traceback of a bug on stderr, unchanged except for unsafe characters."""
    for line in text.splitlines():
        sys.stderr.write(f"{printable(line)}\n")


def to_plain(value: Any) -> Any:
    """Return a value in JSON types, from dataclasses, paths, enums and numpy; NaN and infinity
    become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    tolist = getattr(value, "tolist", None)  # numpy, not imported here
    if tolist is not None:
        return to_plain(tolist())
    if isinstance(value, (list, tuple, set)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _print_json(data: Mapping[str, Any], indent: int | None = None) -> None:
    """Print JSON on stdout, with characters escaped that are unsafe on a terminal. Line feeds are
    part of the layout: inside a text they are already escaped."""
    lines = json.dumps(to_plain(data), indent=indent, ensure_ascii=False).split("\n")
    escaped = (UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in lines)
    _print("\n".join(escaped), stderr=False)


class Console:
    """The output of one command, used in a `with` block that ends its progress bar.

    The command passes `progress` to its step.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.progress: Progress = Progress() if quiet else _stderr_progress()
        self._at_end: list[Callable[[], None]] = []

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.end()
        for call in self._at_end:
            call()

    def at_end(self, call: Callable[[], None]) -> None:
        """Call a function when the command ends, also by an error."""
        self._at_end.append(call)

    def note(self, text: str) -> None:
        """Print one line on stderr, unless --quiet."""
        self.progress.note(text)

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print one line of the result on stdout, unless --json."""
        if not self.as_json:
            _print(printable(text), stderr=False, style=style)

    def files(self, paths: Iterable[Path]) -> None:
        """Print the files that were written, one per line."""
        for path in paths:
            self.line(str(path))

    def rendered(self, content: RenderableType) -> None:
        """Print a rich renderable on stdout, unless --json; 110 columns wide in a pipe."""
        if not self.as_json:
            from rich.console import Console as RichConsole

            work_sign.hide(for_good=True)
            width = None if sys.stdout.isatty() else 110
            RichConsole(highlight=False, width=width).print(content)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table aligned with spaces, unless --json; values are never truncated."""
        if self.as_json:
            return
        from rich.cells import cell_len

        cells = [[printable(str(cell)) for cell in row] for row in (header, *rows)]
        width = [max(cell_len(row[c]) for row in cells) for c in range(len(header))]
        for number, row in enumerate(cells):
            padded = [cell + " " * (w - cell_len(cell)) for cell, w in zip(row, width, strict=True)]
            self.line("  ".join(padded).rstrip(), "bold" if number == 0 else _STYLES.get(row[0]))

    def items(self, results: Sequence[ItemResult], names: ShownNames) -> None:
        """Print the outcome of a batch: a table, and a line of counts."""
        listed = results
        if len(results) > _LISTED:
            listed = [r for r in results if r.status not in ("ok", "cached") or r.code]
        rows = [(r.status, names[r.video] or r.path, r.frames or "", _explain(r)) for r in listed]
        if rows:
            self.table(("status", "clip", "frames", "message"), rows[:_LISTED])
        if len(rows) > _LISTED:
            self.line(f"... and {len(rows) - _LISTED} more that need attention")
        self.line(summary(results))

    def document(self, command: str, data: Mapping[str, Any]) -> None:
        """Print the JSON document of a command, only with --json."""
        if self.as_json:
            _print_json({"schema_version": 1, "command": command, **data}, indent=2)

    def record(self, data: Mapping[str, Any]) -> None:
        """Print one line of JSON, only with --json, and flush it, for commands that report events
        as they happen."""
        if self.as_json:
            _print_json(data)

    def status(self, text: str) -> None:
        """Show a line that the next one replaces, only on a terminal; empty clears it."""
        if not (self.quiet or self.as_json) and _is_terminal(sys.stdout):
            work_sign.hide(for_good=True)
            sys.stdout.write(f"\r\x1b[K{printable(text)}")
            sys.stdout.flush()

    def item(self, result: ItemResult) -> None:
        """Report a finished item while the batch runs, only to programs."""
        if _for_programs():
            _event(item=to_plain(result))

    def next(self, command: str) -> None:
        """Suggest the command that usually comes next."""
        if not self.as_json:
            self.note(f"next: {command}")


@contextmanager
def progress_of_call(*, shown: bool) -> Iterator[Progress]:
    """Yield the progress of a function that a program calls: on stderr if `shown`, else silent."""
    if not shown:
        yield Progress()
        return
    with Console() as console:
        yield console.progress


def _explain(result: ItemResult) -> str:
    text = f"{result.code} {result.message}".strip()
    return f"{text}; {result.hint}" if result.hint else text


def summary(results: Sequence[ItemResult]) -> str:
    """Return the count of every status that occurs, ok first: `12 ok, 3 cached, 1 failed`."""
    count = Counter(result.status for result in results)
    parts = [f"{count[status]} {status}" for status in _STYLES if count[status]]
    return ", ".join(parts) or "nothing to do"


def _stderr_progress() -> Progress:
    if _for_programs():
        return EventProgress()
    return BarProgress() if _is_terminal(sys.stderr) else LineProgress()


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class LineProgress(Progress):
    """Progress in logs and pipes: a line at the start of a task, and at most one per tenth."""

    _total: float | None = None
    _done = 0.0

    def begin(self, label: str, total: float | None = None, done: float = 0.0) -> None:
        self._label, self._total, self._first, self._done = label, total, done, done
        self._tenth = int(10 * done / total) if total else 0
        self._begun = self._shown = time.monotonic()
        warn(f"{label} ...")

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        if not self._total:
            return
        tenth, now = int(10 * self._done / self._total), time.monotonic()
        if self._tenth < tenth < 10 and now - self._shown >= 1:
            self._tenth, self._shown = tenth, now
            pace = (now - self._begun) / (self._done - self._first)
            left = pace * (self._total - self._done)
            warn(f"{self._label}: {10 * tenth} %, about {duration(left)} left")

    def end(self) -> None:
        self._total = None

    def note(self, text: str) -> None:
        warn(text)


class EventProgress(Progress):
    """Progress for programs that run la2ds, with LA2DS_PROGRESS=json: a line of JSON per event.

    Keys: `task` begins ("" = ended); `share` of it that is done, 0 to 1 or null if its length is
    unknown, at most ten times a second; `item` of a batch that is done, as in `--json`; `note`,
    `error`, `hint`, `code` as on a terminal.
    """

    _total: float | None = None
    _done = 0.0

    def begin(self, label: str, total: float | None = None, done: float = 0.0) -> None:
        self._total, self._done, self._shown = total, done, -math.inf
        _event(task=label, share=done / total if total else None)

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if self._total and now - self._shown >= _APART:
            self._shown = now
            _event(share=min(self._done / self._total, 1.0))

    def end(self) -> None:
        _event(task="", share=None)

    def note(self, text: str) -> None:
        _event(note=text)


class BarProgress(Progress):
    """Progress on terminals: one bar with the time left; notes stay above it."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, label: str, total: float | None = None, done: float = 0.0) -> None:
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.end()
        work_sign.pause()
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=_rich(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(printable(label), total=total, completed=done)

    def advance(self, amount: float = 1) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            work_sign.resume()

    def note(self, text: str) -> None:
        # The bar's own console prints above the bar; rich clears and redraws it.
        if self._bar is None:
            warn(text)
        else:
            self._bar.console.print(printable(text))
