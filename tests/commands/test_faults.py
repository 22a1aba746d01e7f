"""Every operation on a file fails once, in every command that writes: the command ends with a
documented exit code and leaves nothing half-written, and the same command again makes what an
undisturbed one makes.

A few operations of each command are tried here, all of them with `pytest -m heavy`.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from la2ds_cli.commands.app import app
from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode
from tests import writing_commands as w
from tests.faults import KINDS, Faults

NAMES = list(w.commands(Path()))
DOCUMENTED = set(ExitCode) - {ExitCode.BUG}


@dataclass
class Undisturbed:
    """The tree before each command, what it leaves behind, its exit code, and its operations."""

    root: Path
    before: dict[str, Path] = field(default_factory=dict)
    contents: dict[str, dict[str, str]] = field(default_factory=dict)
    operations: dict[str, list[str]] = field(default_factory=dict)


def run(root: Path, name: str) -> Result:
    artifact._swept.clear()  # as in a process of its own
    return CliRunner().invoke(app, w.commands(root)[name])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    work = tmp_path_factory.mktemp("faults")
    made = Undisturbed(work / "root")
    made.root.mkdir()
    w.write_sources(made.root)
    for name in NAMES:
        w.before(made.root, name)
        made.before[name] = work / name
        w.fresh_copy(made.root, made.before[name])
        with Faults(made.root) as faults:
            result = run(made.root, name)
        assert result.exit_code == ExitCode.OK, f"{name}: {result.output}"
        made.contents[name] = w.contents(made.root)
        made.operations[name] = faults.operations
        assert not w.temporary(made.root)
    return made


def attempt(undisturbed: Undisturbed, name: str, at: int, number: int) -> None:
    root = undisturbed.root
    w.fresh_copy(undisturbed.before[name], root)
    with Faults(root, at, number) as faults:
        result = run(root, name)
    what = f"{name}, operation {at}, {errno.errorcode[number]}: {faults.failed}"
    assert isinstance(result.exception, SystemExit | None), f"{what}: {result.exception!r}"
    assert result.exit_code in DOCUMENTED, f"{what}: {result.output}"
    if not faults.failed.startswith(("unlink", "rmdir")):
        assert not w.temporary(root), what
    assert_whole(root, what)
    if result.exit_code == ExitCode.OK and "left out" not in result.output:  # a clip, with why
        assert_same(root, undisturbed.contents[name], f"{what}, which was passed over")
    again = run(root, name)
    # Files that exist are not exported again, which makes the batch a partial one.
    fine = DOCUMENTED if name.startswith("export") else {ExitCode.OK}
    assert again.exit_code in fine, f"{what}: then {again.output}"
    assert_same(root, undisturbed.contents[name], what)


def assert_whole(root: Path, what: str) -> None:
    """Every file that has its name is one that can be read."""
    for path in root.rglob("*.safetensors"):
        if artifact.TEMPORARY not in str(path):
            artifact.read_arrays(path)
    for path in root.rglob("*.json"):
        assert artifact.TEMPORARY in str(path) or json.loads(path.read_bytes()), what
    for name in ("project", "filmed"):
        if (root / name / "project.toml").exists():
            status = CliRunner().invoke(app, ["status", "--project", str(root / name)])
            assert status.exit_code == ExitCode.OK, f"{what}: {status.output}"


def assert_same(root: Path, expected: dict[str, str], what: str) -> None:
    made = w.contents(root)
    names = made.keys() | expected.keys()
    other = [name for name in names if made.get(name) != expected.get(name)]
    assert not other, f"{what}: {other}"


def sample(name: str, operations: list[str], count: int) -> Iterator[tuple[int, int]]:
    """Numbers of operations and an error for each, spread over the command, and others for each."""
    step = max(len(operations) // count, 1)
    first = NAMES.index(name) % step
    for k, at in enumerate(range(first, len(operations), step)):
        yield at + 1, KINDS[(k + NAMES.index(name)) % len(KINDS)]


@pytest.mark.parametrize("name", NAMES)
def test_operations_that_fail(undisturbed: Undisturbed, name: str):
    for at, number in sample(name, undisturbed.operations[name], 2):
        attempt(undisturbed, name, at, number)


@pytest.mark.heavy
@pytest.mark.parametrize("number", KINDS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_that_fails(undisturbed: Undisturbed, name: str, number: int):
    operations = undisturbed.operations[name]
    reads = {k for k, operation in enumerate(operations) if operation.startswith("read")}
    for at in range(len(operations)):
        if at not in reads or number == errno.EIO:
            attempt(undisturbed, name, at + 1, number)
