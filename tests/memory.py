"""The most memory that a process of a test had, on Linux."""

from __future__ import annotations

import re
from pathlib import Path


def highest_memory() -> float:
    """MiB of this process since its program began.

    Not `ru_maxrss`, which begins with what the process that started this one had: beside tests
    that have read large networks, a measured process could grow by a gigabyte unseen.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
