"""Which device there is, found out without loading torch where no GPU can be; and kernels that are
compiled when that pays."""

from __future__ import annotations

import subprocess
import sys

from la2ds_cli.core.device import compiled

ASKED = """
import ctypes, sys
from pathlib import Path
from la2ds_cli.core.device import LOADING, compiling_pays, device_type

def no_library(name):
    raise OSError(name)

ctypes.CDLL = no_library
Path.exists = lambda path: False
assert device_type("auto") == device_type("cpu") == "cpu"
assert "torch" not in sys.modules

shares = (1.1, 0.6, 0.6, 0.3, 0.2)  # of what loading takes: as much was done without at the third
assert [compiling_pays(share * LOADING) for share in shares] == [True, False, True, False, True]
"""


def test_a_machine_without_a_driver_does_not_load_torch_and_compiling_pays_later() -> None:
    subprocess.run([sys.executable, "-c", ASKED], check=True)


def test_a_function_says_the_same_as_it_is_and_compiled() -> None:
    @compiled
    def total(count):
        result = 0
        for n in range(count):
            result += n
        return result

    assert total(5) == 10
    assert total.__name__ == "total"
