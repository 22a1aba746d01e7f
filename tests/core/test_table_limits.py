"""Tables and pose files of 64 MB that no program writes: a sentence soon, whatever is in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from la2ds_cli.core.csv_tables import MOST_COLUMNS, MOST_ROWS, read_rows
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.told import refused

ROOT = Path(__file__).parents[2]
SIZE = 64 << 20

TABLES = {
    "phases.csv": ("video,start,end,phase\n", "a.mp4,1,2,up\n", "status"),
    "videos.csv": ("id,path,sha256\n", "a,a.mp4,0\n", "status"),
}
FILLS: dict[str, Callable[[str, str], str]] = {
    "rows": lambda head, row: head + row * (SIZE // len(row)),
    "short rows": lambda head, row: head + "\n" * SIZE,
    "one row": lambda head, row: head + "," * SIZE,
    "header": lambda head, row: "," * SIZE,
    "blank cells": lambda head, row: head + (",,,,,,,,,,,,,,,\n" * (SIZE // 16)),
    "one cell": lambda head, row: head + '"' + "a" * SIZE,
    "old line ends": lambda head, row: (head + row * (SIZE // len(row))).replace("\n", "\r"),
}
# In a process that may take 1 GiB more than at its start.
LIMITED = """
import resource, sys
from la2ds_cli.commands.app import app
import numpy, safetensors.numpy, la2ds_cli.formats.wide_csv, la2ds_cli.formats.dlc_csv
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
app(sys.argv[1:], prog_name="la2ds")
"""


def ends_soon(words: list[str]) -> str:
    """What the command says on its way out with a documented code, in 10 s of processor time."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode in set(ExitCode) - {ExitCode.OK}, (done.returncode, done.stderr[-500:])
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", ["phases.csv", "videos.csv"])
def test_a_table_of_a_project(tmp_path: Path, name: str, fill: str) -> None:
    root = StoredProject.create(tmp_path / "p").root
    head, row, command = TABLES[name]
    (root / name).write_text(FILLS[fill](head, row), newline="")
    if name == "phases.csv":
        (root / "videos.csv").write_text("id,path,sha256\na,a.mp4,0\n")
    assert name in ends_soon([*command.split(), "--project", str(root)])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("kind", ["wide-csv", "dlc-csv", "trc"])
def test_a_pose_table(tmp_path: Path, kind: str, fill: str) -> None:
    head, row = {
        "wide-csv": ("frame,nose_x,nose_y\n", "1,2,3\n"),
        "dlc-csv": ("scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n", "1,2,3\n"),
        "trc": ("PathFileType\t4\n", "1\t2\t3\n"),
    }[kind]
    path = tmp_path / ("a.trc" if kind == "trc" else "a.csv")
    path.write_text(FILLS[fill](head, row), newline="")
    said = ends_soon(["import", kind, str(path), "--fps", "30", "--project", str(tmp_path / "p")])
    assert path.name in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["mmpose-json", "coco-json"])
@pytest.mark.parametrize("text", ["[],", "{},", '[{"a":[', "1,"])
def test_a_pose_document(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + text * (SIZE // len(text)) + "0]")
    said = ends_soon(["import", kind, str(path), "--fps", "30", "--project", str(tmp_path / "p")])
    assert path.name in said


def test_the_limits_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "1\n" * (MOST_ROWS + 1))
    with refused(ExitCode.MISMATCH, f"more than {MOST_ROWS:,} rows") as caught:
        read_rows(path, dict, "")
    assert "a.csv" in caught.value.message
    path.write_text(",".join(f"c{n}" for n in range(MOST_COLUMNS + 1)) + "\n")
    with refused(ExitCode.MISMATCH, f"more than {MOST_COLUMNS:,} columns"):
        read_rows(path, dict, "")
    path.write_text("a,b\n" + "1,2\n" * 1000)
    assert len(read_rows(path, dict, "")) == 1000
