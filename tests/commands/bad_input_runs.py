"""The command line run on bad inputs, and the committed record of what it says about each.

tests/commands/bad_inputs.json holds, by row of the table of bad inputs, what a batch
(`extract-poses`) and a command for single clips answer; paths of the test read `<DIR>`. It is
written anew by

    LA2DS_REWRITE_SNAPSHOT=1 pytest tests/commands/test_bad_inputs*.py

after which its diff has to be read: a message is one clear sentence, a hint says what to do.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from la2ds_cli.commands.app import app
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.poses import grey_people

RECORD = Path(__file__).with_name("bad_inputs.json")
GREY = grey_people.NAMES[0]
NETWORKS = ("--detector", GREY, "--pose", GREY)
_WITH_TRACEBACK = (type(None), SystemExit)


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """A command in this process; anything but a result or a user error is raised."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env=env)
    if not isinstance(result.exception, _WITH_TRACEBACK):
        raise result.exception
    return result


def batch(
    project: Path,
    *arguments: str | Path,
    networks: Sequence[str] = NETWORKS,
    env: dict[str, str] | None = None,
) -> dict[str, Any]:
    """extract-poses: exit code, and its items or the error that ended the run.

    stdout is one JSON document, or empty after an error.
    """
    result = run("extract-poses", *arguments, "--project", project, *networks, "--json", env=env)
    if result.stdout:
        return {"exit_code": result.exit_code, "items": json.loads(result.stdout)["items"]}
    return said(result)


def single(
    project: Path, a: str | Path, b: str | Path, *more: str, env: dict[str, str] | None = None
) -> dict[str, Any]:
    """align: exit code, and the error or what is noted about A."""
    out = project.parent / "ab.json"
    result = run("align", a, b, "--project", project, "--out", out, "--json", *more, env=env)
    if result.exit_code:
        return said(result)
    assert json.loads(result.stdout)["command"] == "align"
    noted = [line for line in result.stderr.splitlines() if line.startswith(f"{a}: ")]
    message, _, hint = "".join(noted).partition("); ")
    return {"exit_code": 0, "message": message + ")" * bool(noted), "hint": hint}


def said(result: Result) -> dict[str, Any]:
    """Exit code, message and hint of a command that printed nothing else."""
    assert result.stdout == ""
    return {"exit_code": result.exit_code, **error_of(result.stderr)}


def error_of(stderr: str) -> dict[str, str]:
    """message and hint of the last two lines of a failed command; a hint may go on below."""
    before, _, problem = stderr.rpartition("error: ")
    assert before == "" or before.endswith("\n")
    message, _, hint = problem.rstrip("\n").partition("\nhint: ")
    assert "\n" not in message
    return {"message": message, "hint": hint}


def outcome(item: dict[str, Any]) -> dict[str, str]:
    """What the record keeps of an item of a batch."""
    return {name: item[name] for name in ("status", "code", "message", "hint")}


def item_of(found: dict[str, Any]) -> dict[str, Any]:
    """Exit code and outcome of a batch of one clip."""
    (item,) = found["items"]
    return {"exit_code": found["exit_code"], **outcome(item)}


def grey_project(root: Path, settings: str = "") -> Path:
    """A project whose networks are those of tests.poses.grey_people."""
    root.mkdir()
    text = f'[poses]\ndetector = "{GREY}"\npose = "{GREY}"\n{settings}'
    (root / "project.toml").write_text(text)
    return root


def report(project: Path) -> dict[str, dict[str, Any]]:
    """Rows of results/extract/report.csv by path."""
    path = StoredProject.open(project).results_dir("extract") / "report.csv"
    with path.open(newline="") as handle:
        return {row["path"]: row for row in csv.DictReader(handle)}


def recorded() -> dict[str, dict[str, Any]]:
    """The record as it is committed."""
    return json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}


def compare(row: str, kind: str, found: dict[str, Any], folder: Path) -> None:
    """Compare with the record, or write it where that is asked for.

    kind: `batch` or `single`; folder: what `<DIR>` stands for.
    """
    text = json.dumps(found, ensure_ascii=False).replace(str(folder), "<DIR>")
    now = json.loads(text)
    record = recorded()
    if os.environ.get("LA2DS_REWRITE_SNAPSHOT"):
        record.setdefault(row, {})[kind] = now
        RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert record.get(row, {}).get(kind) == now
    fine = now.get("exit_code", 0) == ExitCode.OK and now.get("status", "ok") == "ok"
    assert fine or (now["message"] and now["hint"])
