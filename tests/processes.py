"""Programs that the tests run."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What Python answers; options: of subprocess.run."""
    command = [sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
