"""Kill every writing command at random moments, run it again to the end, and compare the files with
those of an undisturbed run: python scripts/crash_campaign.py --kills 200 --out table.md

The commands work on the tiny clips of tests/writing_commands.py, each in a process forked from one
that has imported everything, so that the time is spent in the command. One kill in two comes after
a time drawn evenly from what the command takes, the other at an operation on a file drawn from all
of them: a write is killed when half of its bytes are in the file. SIGKILL runs no handler.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "models")]

from la2ds_cli.commands.app import app  # noqa: E402
from la2ds_cli.core import artifact  # noqa: E402
from tests import faults, writing_commands  # noqa: E402

# What the commands import; none of it starts a thread by being imported.
_NEEDED = "torch cv2 av numba onnxruntime scipy.signal sklearn.svm matplotlib.pyplot PIL.Image"
_MOST_SECONDS = 120.0  # of one command, after which it hangs


@dataclass
class Row:
    """What came of one command. seconds, operations: of an undisturbed run. temporary: kills that
    left a temporary file. The lists say what was wrong after a kill, and after the next run."""

    name: str
    seconds: float
    operations: int
    by_clock: int = 0
    at_operation: int = 0
    too_late: int = 0
    temporary: int = 0
    damaged: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.by_clock + self.at_operation


class Operations(faults.Faults):
    """Counts operations, and kills this process at one of them."""

    def fail(self, number: int, *rest: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None], log: Path, after: float = _MOST_SECONDS) -> int:
    """The exit status of a forked process that does the work; it is killed after some seconds, and
    its status is then -9."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            work()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + after
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Campaign:
    """The commands on trees in `work`, whose root has the same path in every run."""

    def __init__(self, work: Path, seed: int) -> None:
        self.work, self.root, self.log = work, work / "root", work / "log.txt"
        self.draw = random.Random(seed)
        self.names = list(writing_commands.commands(self.root))
        self.contents: dict[str, dict[str, str]] = {}
        artifact._ABANDONED = 0.0  # the next run sweeps what this one left a moment ago

    def command(self, name: str) -> None:
        app(writing_commands.commands(self.root)[name], prog_name="la2ds")

    def undisturbed(self) -> dict[str, Row]:
        """Every command once; its tree before, its files after, its time and its operations."""
        self.root.mkdir()
        writing_commands.write_sources(self.root)
        rows = {}
        for name in self.names:
            writing_commands.before(self.root, name)
            writing_commands.fresh_copy(self.root, self.work / name)
            counted = self.work / "count.txt"

            def counting(name: str = name, counted: Path = counted) -> None:
                with Operations(self.root) as operations:
                    try:
                        self.command(name)
                    finally:
                        counted.write_text(str(len(operations.operations)))

            self.finish(name, counting)
            self.contents[name] = writing_commands.contents(self.root)
            writing_commands.fresh_copy(self.work / name, self.root)
            start = time.monotonic()
            self.finish(name, lambda name=name: self.command(name))
            rows[name] = Row(name, time.monotonic() - start, int(counted.read_text()))
            if self.difference(name):
                raise SystemExit(f"two runs of {name} differ: {self.difference(name)}")
        return rows

    def finish(self, name: str, work: Callable[[], None]) -> None:
        status = in_child(work, self.log)
        if status:
            raise SystemExit(f"{name} ends with {status}: {self.log.read_text()}")

    def kill(self, row: Row, *, by_clock: bool) -> None:
        """One kill, a look at what it left, the run that follows, and a look at what it made."""
        writing_commands.fresh_copy(self.work / row.name, self.root)
        if by_clock:
            seconds = self.draw.uniform(0, row.seconds)
            moment = f"after {seconds:.3f} s"
            status = in_child(lambda: self.command(row.name), self.log, seconds)
        else:
            at = self.draw.randint(1, row.operations)
            moment = f"at operation {at}"

            def killed() -> None:
                with Operations(self.root, at):
                    self.command(row.name)

            status = in_child(killed, self.log)
        if status != -signal.SIGKILL:
            row.too_late += 1
            return
        row.by_clock += by_clock
        row.at_operation += not by_clock
        row.temporary += bool(writing_commands.temporary(self.root))
        if (problem := self.damage()) != "":
            row.damaged.append(f"{moment}: {problem}")
        status = in_child(lambda: self.command(row.name), self.log)
        exported = row.name.startswith("export")  # what is there is not exported again: exit 4 or 8
        if status not in ((0, 4, 8) if exported else (0,)):
            row.different.append(f"{moment}: then exit {status}, {self.log.read_text()[-300:]}")
        elif (problem := self.difference(row.name)) != "":
            row.different.append(f"{moment}: {problem}")

    def damage(self) -> str:
        """The first file that has its name and cannot be read; empty if there is none."""
        for path in sorted(self.root.rglob("*")):
            if artifact.TEMPORARY in str(path):
                continue
            try:
                if path.suffix == ".safetensors":
                    artifact.read_arrays(path)
                elif path.suffix == ".json" and path.is_file():
                    json.loads(path.read_bytes())
            except (artifact.ArtifactError, FileNotFoundError, ValueError) as error:
                return str(error)
        return ""

    def difference(self, name: str) -> str:
        """Files that are not those of the undisturbed run, and temporary ones that stayed."""
        made, expected = writing_commands.contents(self.root), self.contents[name]
        files = [file for file in made.keys() | expected if made.get(file) != expected.get(file)]
        return ", ".join(sorted(files) + writing_commands.temporary(self.root))


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| command | seconds | operations | killed by the clock | killed at an operation "
        "| left a temporary file | damaged | different after the next run |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        figures = [f"{row.seconds:.2f}", row.operations, row.by_clock, row.at_operation]
        figures += [row.temporary, len(row.damaged), len(row.different)]
        lines.append(f"| `{row.name}` | {' | '.join(map(str, figures))} |")
    sums = [sum(getattr(row, name) for row in rows) for name in ("by_clock", "at_operation")]
    sums += [sum(row.temporary for row in rows)]
    sums += [sum(len(getattr(row, name)) for row in rows) for name in ("damaged", "different")]
    lines.append(f"| together | | | {' | '.join(map(str, sums))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for module in _NEEDED.split():
        __import__(module)
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder).resolve(), options.seed)
        rows = campaign.undisturbed()
        total = 0
        while total < options.kills:
            for row in rows.values():
                campaign.kill(row, by_clock=row.kills % 2 == 0)
            total = sum(row.kills for row in rows.values())
            print(f"{total} kills", file=sys.stderr, flush=True)
    text = table(list(rows.values()))
    print(text, end="")
    if options.out:
        options.out.write_text(text)
    wrong = [f"{r.name} {what}" for r in rows.values() for what in (*r.damaged, *r.different)]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
