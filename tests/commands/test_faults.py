"""Every operation on a file fails once, in every command that writes: the command ends with a
documented exit code and leaves nothing half-written, and the same command again makes what an
undisturbed one makes. So it does after a kill at any of these operations.

A few operations of each command are tried here, all of them with `pytest -m heavy`.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
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


# --- kills ----------------------------------------------------------------------------------------


class Kills(Faults):
    def fail(self, number: int, *path: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def run_and_be_killed(root: Path, name: str, at: int) -> None:
    with Kills(root, at):
        run(root, name)


def kill(undisturbed: Undisturbed, name: str, at: int) -> None:
    """Kill a command before the operation `at`, and run it again."""
    root = undisturbed.root
    w.fresh_copy(undisturbed.before[name], root)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["la2ds_cli.commands.app", "torch", "cv2", "numpy"])
    child = processes.Process(target=run_and_be_killed, args=(root, name, at))
    child.start()
    child.join()
    what = f"{name}, killed before operation {at}: {undisturbed.operations[name][at - 1]}"
    # What Python reads at its first command is not read again: a later one may do less.
    assert child.exitcode == -signal.SIGKILL or (
        child.exitcode == 0 and at > 0.8 * len(undisturbed.operations[name])
    ), what
    assert_whole(root, what)
    again = run(root, name)
    fine = DOCUMENTED if name.startswith("export") else {ExitCode.OK}
    assert again.exit_code in fine, f"{what}: then {again.output}"
    assert_same(root, undisturbed.contents[name], what)
    assert not w.temporary(root), what


def kills(name: str, operations: list[str], count: int) -> list[int]:
    """Numbers of operations that change files, spread over the command."""
    changes = [k for k, done in enumerate(operations, 1) if not done.startswith("read")]
    step = max(len(changes) // count, 1)
    return changes[NAMES.index(name) % step :: step]


@pytest.fixture
def all_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed command leaves is swept at once, not after a minute."""
    monkeypatch.setattr(artifact, "_ABANDONED", 0.0)


@pytest.mark.skipif(os.name == "nt", reason="needs a fork server")
@pytest.mark.usefixtures("all_swept")
@pytest.mark.parametrize("name", NAMES)
def test_run_again_after_a_kill_is_as_if_undisturbed(undisturbed: Undisturbed, name: str):
    for at in kills(name, undisturbed.operations[name], 1):
        kill(undisturbed, name, at)


@pytest.mark.heavy
@pytest.mark.skipif(os.name == "nt", reason="needs a fork server")
@pytest.mark.usefixtures("all_swept")
@pytest.mark.parametrize("name", NAMES)
def test_run_again_after_any_kill_is_as_if_undisturbed(undisturbed: Undisturbed, name: str):
    for at in kills(name, undisturbed.operations[name], 10**6):
        kill(undisturbed, name, at)


# --- which operations -----------------------------------------------------------------------------


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
