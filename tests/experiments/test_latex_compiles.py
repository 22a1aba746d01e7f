"""The LaTeX of a benchmark is compiled by pdflatex, where there is one, and fits its page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from la2ds_cli.experiments.benchmark_pages import latex
from la2ds_cli.experiments.methods import shipped_methods
from tests.experiments import test_benchmark_pages
from tests.experiments.test_benchmark_pages import PROJECTS, _result

PREAMBLE = r"""\documentclass[a4paper]{article}
\usepackage{booktabs}
\begin{document}
"""


def _has(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


compiled = pytest.mark.skipif(
    not _has("kpsewhich", "booktabs.sty") or shutil.which("pdflatex") is None,
    reason="pdflatex with booktabs is not installed",
)


def compile_log(folder: Path, page: str) -> str:
    """The log of pdflatex, which stops at the first error; no PDF is written."""
    (folder / "page.tex").write_text(f"{PREAMBLE}{page}\\end{{document}}\n", "utf-8")
    options = ["-draftmode", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    done = subprocess.run(
        ["pdflatex", *options, "page.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
    )
    # Lines of the log are broken at 79 signs, in the middle of a sign of two bytes as well.
    log = (folder / "page.log").read_text("utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log


@compiled
@pytest.mark.parametrize(
    "projects",
    [
        ("golf_swing",),
        PROJECTS,
        ("Kür ≥ 3×½ †", "a & b % c # d_e", "jumping_jacks", "pullup", "squat"),
    ],
    ids=len,
)
def test_it_compiles_and_no_table_is_wider_than_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, projects: tuple[str, ...]
) -> None:
    monkeypatch.setattr(test_benchmark_pages, "METHODS", (*shipped_methods(), "my_package.a&b<i>"))
    page = latex(_result(projects, seeds=3))
    assert page.count(r"\begin{table}") >= 5
    # The box around a table has the width of the text whatever it holds: measure what it holds.
    log = compile_log(tmp_path, page.replace(r"\makebox[\linewidth]{", "{"))
    assert "Missing character" not in log
    assert re.findall(r"Overfull \\hbox.*", log) == []


@compiled
def test_a_group_that_is_wider_than_the_text_stands_in_its_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        test_benchmark_pages, "METHODS", ("la2ds", "my_package.training." + "m" * 40)
    )
    page = latex(_result(("golf_swing",)))
    log = compile_log(tmp_path, page.replace(r"\makebox[\linewidth]{", "{"))
    assert "Overfull" in log
    assert "Overfull" not in compile_log(tmp_path, page)
