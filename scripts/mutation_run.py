"""Whether the tests notice small faults of the code: python scripts/mutation_run.py --out table.md

Each mutation of tests/mutations.toml is put into a copy of the source, never into the source
itself, and its tests run on that copy. A mutation on which no test fails has survived.
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
from functools import cache
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "mutations.toml"
PACKAGE = "la2ds_cli"
NEEDED = (PACKAGE, "la2ds", "models", "tests", "scripts", "docs", "pyproject.toml")
TIMEOUT = 300  # seconds; a mutation may well loop forever
FAILED = {1: "failed", 2: "stopped at an error"}  # pytest's other codes do not concern the source


@dataclass(frozen=True)
class Mutation:
    """function: the function, method or constant of the package in whose source `old` stands once.
    tests: files, by name or by the end of their path. left: why it may survive, empty = it must
    not. blind: written after the tests for the others, and before its first run."""

    id: str
    function: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
    left: str = ""
    blind: bool = False


class NotApplicable(Exception):
    """A mutation whose text or whose tests are not found exactly once."""


def read_list(path: Path) -> tuple[list[Mutation], list[str]]:
    """The mutations, and the names of tests that are too slow to run for every one."""
    document = tomllib.loads(path.read_text())
    mutations = [Mutation(**{**row, "tests": tuple(row["tests"])}) for row in document["mutation"]]
    if len({mutation.id for mutation in mutations}) < len(mutations):
        raise ValueError(f"{path.name}: two mutations have the same id")
    return mutations, document["too_slow"]


def read_files(root: Path = ROOT) -> tuple[dict[Path, str], list[str]]:
    """The package's source by path, and the paths of all test files below root."""
    source = {path: path.read_text() for path in sorted((root / PACKAGE).rglob("*.py"))}
    tests = (root / "tests").rglob("test_*.py")
    return source, [path.relative_to(root).as_posix() for path in tests]


def mutated(mutation: Mutation, source: Mapping[Path, str]) -> tuple[Path, str]:
    """The one file that holds the old text in that function, and what it becomes."""
    matches = [
        (path, text, offset)
        for path, text in source.items()
        if mutation.function in text and mutation.old in text
        for offset in _offsets(text, mutation)
    ]
    if len(matches) != 1:
        raise NotApplicable(f"{mutation.id}: found {len(matches)} times in '{mutation.function}'")
    path, text, offset = matches[0]
    changed = text[:offset] + mutation.new + text[offset + len(mutation.old) :]
    ast.parse(changed)
    return path, changed


def _offsets(text: str, mutation: Mutation) -> Iterator[int]:
    """Where in a file's text the old text begins, within definitions of the mutation's function."""
    for name, start, stop in _definitions(text):
        if name == mutation.function:
            offset = text.find(mutation.old, start, stop)
            while offset >= 0:
                yield offset
                offset = text.find(mutation.old, offset + 1, stop)


@cache
def _definitions(text: str) -> tuple[tuple[str, int, int], ...]:
    """The name of each definition in a file's text, and where it begins and ends."""
    before = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    return tuple(
        (name, before[node.lineno - 1], before[node.end_lineno or node.lineno])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt)
        for name in _names(node)
    )


def _names(node: ast.AST) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def files_of_tests(mutation: Mutation, paths: Sequence[str]) -> list[str]:
    """The paths of the mutation's tests. paths: those of all test files."""
    files = []
    for name in mutation.tests:
        named = [path for path in paths if path.endswith(f"/{name}")]
        if len(named) != 1:
            raise NotApplicable(f"{mutation.id}: {len(named)} test files are called {name}")
        files += named
    return files


def run_tests(
    copy: Path, files: Sequence[str], too_slow: Sequence[str], timeout: float = TIMEOUT
) -> tuple[str, str]:
    """`killed` and the test that failed, or `survived` and an empty text."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-k", " and ".join(f"not {name}" for name in too_slow)] if too_slow else []
    # The installed package must not be imported, and no stale byte code may remain.
    search = os.pathsep.join(map(str, (copy, copy / "models")))
    environment = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        process = subprocess.run(
            [*command, *files],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "killed", f"timed out after {timeout:.0f} s"
    if process.returncode == 0:
        return "survived", ""
    if process.returncode not in FAILED:
        raise RuntimeError(
            f"pytest ended with {process.returncode}:\n{process.stdout}{process.stderr}"
        )
    lines = [line for line in process.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "killed", lines[0].split("::")[-1].split(" - ")[0] if lines else FAILED[
        process.returncode
    ]


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
    parser.add_argument("--list", type=Path, default=LIST, help="another list of mutations")
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
            # Both keep the time stamps, so that numba's cache of compiled kernels stays valid.
            part = ROOT / name
            (shutil.copytree if part.is_dir() else shutil.copy2)(part, copy / name)
        files = sorted({file for *_, named in work for file in named})
        result, by = run_tests(copy, files, too_slow, 10 * TIMEOUT)
        if result == "killed":
            print(f"the tests fail without any mutation: {by}", file=sys.stderr)
            return 2
        for number, (mutation, path, text, named) in enumerate(work, 1):
            target = copy / path.relative_to(ROOT)
            original = shutil.copy2(target, copy / "original")
            target.write_text(text)
            begun = time.monotonic()
            result, by = run_tests(copy, named, too_slow)
            shutil.copy2(original, target)
            rows.append((mutation, result, by))
            seconds = time.monotonic() - begun
            print(
                f"{number}/{len(work)} {mutation.id} ({seconds:.0f} s): {result} {by}", flush=True
            )
    if chosen.out:
        chosen.out.write_text(table(rows))
    survivors = [mutation for mutation, result, _ in rows if result == "survived"]
    for name, group in (("all", rows), ("written blind", [row for row in rows if row[0].blind])):
        if group:
            killed = sum(result == "killed" for _, result, _ in group)
            print(f"{name}: {killed} of {len(group)} killed")
    return int(any(not mutation.left for mutation in survivors))


if __name__ == "__main__":
    sys.exit(main())
