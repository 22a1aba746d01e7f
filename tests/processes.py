"""Programs that the tests run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from la2ds_cli.commands.app import app

Done = subprocess.CompletedProcess[str]


def python(*words: str | Path, **options: Any) -> Done:
    """What Python answers; options: of subprocess.run."""
    command = [sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def run_python(*words: str | Path, code: int = 0, **options: Any) -> Done:
    """What Python answers, ending with this code."""
    done = python(*words, **options)
    assert done.returncode == code, done.stderr
    return done


def invoke(*words: str | Path, code: int = 0, **options: Any) -> Result:
    """What la2ds answers in this process, ending with this code; options: of CliRunner.invoke."""
    done = CliRunner().invoke(app, [str(word) for word in words], **options)
    assert done.exit_code == code, f"la2ds {words}\n{done.output}\n{done.exception!r}"
    return done
