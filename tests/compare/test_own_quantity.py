"""The quantity of docs/how-to/extend.md, in a package outside of la2ds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode
from tests.compare.performers import performance, project_of, steady
from tests.processes import invoke

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "extend.md"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the code of the page as its module `knees`."""
    section = DOCS.read_text("utf-8").partition("## A quantity")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    folder = tmp_path / "ownquantity"
    folder.mkdir()
    write_text(folder / "__init__.py", "")
    write_text(folder / "knees.py", code[1])
    write_text(folder / "toes.py", code[1].replace("left_knee", "left_toe"))
    write_text(folder / "nothing.py", "QUANTITIES = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "ownquantity"]:
        del sys.modules[name]


def compared(tmp_path: Path, *options: str, code: int = 0) -> Any:
    """Two performers, from the front, of whom the second keeps the knees apart in the middle."""
    clips = {}
    for name, frames, fps in (("coach", 91, 30.0), ("trainee", 76, 25.0)):
        clip = performance(steady(frames), fps=fps, azimuth=0.0)
        if name == "trainee":
            then = np.abs(clip.time - 1.5) < 0.3
            clip.xy[then, 13, 0] += 60  # pixels, the left knee
        clips[name] = clip
    root = project_of(tmp_path / "project", **clips).root
    return invoke("compare", "coach", "trainee", "--project", root, "--json", *options, code=code)


def test_a_quantity_of_your_own_is_compared(tmp_path: Path, package: Path) -> None:
    done = compared(tmp_path, "--quantity", "ownquantity.knees", "--out", str(tmp_path / "c.csv"))
    found = json.loads(done.stdout)["findings"]
    (knees,) = [one for one in found if one["joint"] == "knee_gap"]
    assert knees["sentence"].startswith("Knees: ")
    assert "torso lengths" in knees["amount"]
    assert (knees["unit"], abs(knees["time"] - 1.5) < 0.4) == ("torso lengths", True)
    assert ",knee_gap," in (tmp_path / "c.csv").read_text("utf-8")
    assert "knee_gap" not in compared(tmp_path / "without").stdout


@pytest.mark.parametrize(
    "name", ["ownquantity.nothing", "ownquantity.toes", "ownquantity.missing", "nonsense"]
)
def test_what_is_no_quantity_is_refused(tmp_path: Path, package: Path, name: str) -> None:
    assert name in compared(tmp_path, "--quantity", name, code=ExitCode.USAGE).output
