"""Whether the tests notice small faults of the code: python scripts/mutation_run.py --out table.md

Each mutation of a list (tests/mutations.toml) is put into a copy of the source, never into the
source itself, and its tests run on that copy. What no test fails on has survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTS = (ROOT / "tests" / "mutations.toml", ROOT / "tests" / "mutations_later.toml")
PACKAGE = "la2ds_cli"
NEEDED = (PACKAGE, "models", "tests", "scripts", "docs", "pyproject.toml")
TIMEOUT = 300  # seconds; a mutation may well loop forever
FAILED = {1: "failed", 2: "stopped at an error"}  # of pytest; other codes say nothing of the code


@dataclass(frozen=True)
class Mutation:
    """function: the function, method or constant of the package in whose source `old` stands once.
    tests: files, by name or by the end of their path. left: why it may survive, empty = it must
    not."""

    id: str
    function: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
    left: str = ""


class NotApplicable(Exception):
    """A mutation whose text or whose tests are not found exactly once."""


def read_list(path: Path) -> tuple[list[Mutation], list[str]]:
    """The mutations, and the names of tests that are too slow to run for each."""
    document = tomllib.loads(path.read_text())
    found = [Mutation(**{**row, "tests": tuple(row["tests"])}) for row in document["mutation"]]
    if len({mutation.id for mutation in found}) < len(found):
        raise ValueError(f"{path.name}: two mutations of one id")
    return found, document["too_slow"]


def read_files(root: Path = ROOT) -> tuple[dict[Path, str], list[str]]:
    """The package's source by path, and the paths of all test files below root."""
    source = {path: path.read_text() for path in sorted((root / PACKAGE).rglob("*.py"))}
    tests = (root / "tests").rglob("test_*.py")
    return source, [path.relative_to(root).as_posix() for path in tests]


def mutated(mutation: Mutation, source: Mapping[Path, str]) -> tuple[Path, str]:
    """The one file that holds the old text in that function, and what it becomes."""
    found = [
        (path, text, place)
        for path, text in source.items()
        if mutation.old in text
        for place in _places(text, mutation)
    ]
    if len(found) != 1:
        raise NotApplicable(f"{mutation.id}: found {len(found)} times in '{mutation.function}'")
    path, text, place = found[0]
    changed = text[:place] + mutation.new + text[place + len(mutation.old) :]
    ast.parse(changed)
    return path, changed


def _places(text: str, mutation: Mutation) -> Iterator[int]:
    """Where in a file the old text begins, in definitions of the mutation's name."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if mutation.function in _names(node):
            assert isinstance(node, ast.stmt)
            start = sum(map(len, lines[: node.lineno - 1]))
            stop = sum(map(len, lines[: node.end_lineno]))
            place = text.find(mutation.old, start, stop)
            while place >= 0:
                yield place
                place = text.find(mutation.old, place + 1, stop)


def _names(node: ast.AST) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def files_of_tests(mutation: Mutation, paths: Sequence[str]) -> list[str]:
    """Those of the paths of all test files that are its tests."""
    found = []
    for name in mutation.tests:
        named = [path for path in paths if path.endswith(f"/{name}")]
        if len(named) != 1:
            raise NotApplicable(f"{mutation.id}: {len(named)} test files are called {name}")
        found += named
    return found


def run_tests(
    copy: Path, files: Sequence[str], too_slow: Sequence[str], timeout: float = TIMEOUT
) -> tuple[str, str]:
    """Whether the tests pass on the copy: `killed` or `survived`, and by what."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-k", " and ".join(f"not {name}" for name in too_slow)] if too_slow else []
    # Of the package that is installed nothing may be imported, nor a stale byte code be kept.
    search = os.pathsep.join(map(str, (copy, copy / "models")))
    kept = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *files],
            cwd=copy,
            env=kept,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "killed", f"no end after {timeout:.0f} s"
    if done.returncode == 0:
        return "survived", ""
    if done.returncode not in FAILED:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "killed", lines[0].split("::")[-1].split(" - ")[0] if lines else FAILED[done.returncode]


def table(rows: Sequence[tuple[Mutation, str, str]]) -> str:
    """Markdown: one line for each mutation."""
    lines = [
        "| mutation | in | what is at stake | result | by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for mutation, result, by in rows:
        shown = f"**{result}**" if result == "survived" else result
        by = f"`{by}`" if by else mutation.left
        cells = (mutation.id, f"`{mutation.function}`", mutation.why, shown, by)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="mutations to run; all without any")
    parser.add_argument("--list", type=Path, default=LISTS[0], help="another list of mutations")
    parser.add_argument("--out", type=Path, help="file for the table")
    chosen = parser.parse_args()
    mutations, too_slow = read_list(chosen.list)
    if unknown := set(chosen.ids) - {mutation.id for mutation in mutations}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    mutations = [each for each in mutations if not chosen.ids or each.id in chosen.ids]
    source, paths = read_files()
    try:
        work = [(each, *mutated(each, source), files_of_tests(each, paths)) for each in mutations]
    except NotApplicable as problem:
        print(f"not applicable: {problem}", file=sys.stderr)
        return 2
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in NEEDED:
            # Time stamps are kept, so that what numba has compiled is found.
            part = ROOT / name
            (shutil.copytree if part.is_dir() else shutil.copy2)(part, copy / name)
        files = sorted({file for *_, named in work for file in named})
        result, by = run_tests(copy, files, too_slow, 10 * TIMEOUT)
        if result == "killed":
            print(f"the tests fail without any mutation: {by}", file=sys.stderr)
            return 2
        for number, (mutation, path, text, named) in enumerate(work, 1):
            target = copy / path.relative_to(ROOT)
            whole = shutil.copy2(target, copy / "whole")
            target.write_text(text)
            begun = time.monotonic()
            result, by = run_tests(copy, named, too_slow)
            shutil.copy2(whole, target)
            rows.append((mutation, result, by))
            seconds = time.monotonic() - begun
            print(
                f"{number}/{len(work)} {mutation.id} ({seconds:.0f} s): {result} {by}", flush=True
            )
    if chosen.out:
        chosen.out.write_text(table(rows))
    survivors = [mutation for mutation, result, _ in rows if result == "survived"]
    print(f"{len(rows) - len(survivors)} of {len(rows)} killed")
    return int(any(not mutation.left for mutation in survivors))


if __name__ == "__main__":
    sys.exit(main())
