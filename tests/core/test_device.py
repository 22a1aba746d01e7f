"""Which device there is, found out without loading torch where no GPU can be."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import ctypes, sys
from pathlib import Path
from la2ds_cli.core.device import device_type

def no_library(name):
    raise OSError(name)

ctypes.CDLL = no_library
Path.exists = lambda path: False
assert device_type("auto") == device_type("cpu") == "cpu"
assert "torch" not in sys.modules
"""


def test_a_machine_without_a_driver_does_not_load_torch() -> None:
    subprocess.run([sys.executable, "-c", ASKED], check=True)
