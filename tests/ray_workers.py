"""Workers of the Ray engine that die in mid-work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def mortal(
    worker: type, mark: Path, chosen: Callable[[Any], bool], *, always: bool = False
) -> type:
    """The worker, whose process dies at the first item that is chosen, once or each time."""

    class Mortal(worker):
        def __call__(self, item):
            if chosen(item) and (always or not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(item)

    return Mortal
