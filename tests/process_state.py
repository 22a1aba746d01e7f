"""What a process has only one of, and a library must not change, as values to compare."""

from __future__ import annotations

import faulthandler
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

State = dict[str, Any]


def process_state() -> State:
    """Return the present state; what belongs to a package is there only once it is imported."""
    state: State = {
        "folder": str(Path.cwd()),
        "sys.meta_path": [repr(finder) for finder in sys.meta_path],
        "sys.path": list(sys.path),
        "sys.path_hooks": [repr(hook) for hook in sys.path_hooks],
        "streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "displayhook": repr(sys.displayhook),
        "excepthooks": [
            repr(hook) for hook in (sys.excepthook, threading.excepthook, sys.unraisablehook)
        ],
        "faulthandler": faulthandler.is_enabled(),
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "locale": locale.setlocale(locale.LC_ALL),
        "random": hash(random.getstate()),
        "showwarning": repr(warnings.showwarning),
        "logging": [logging.root.level, logging.root.manager.disable, repr(logging.root.handlers)],
    }
    state |= {f"environment {name}": value for name, value in os.environ.items()}
    state |= {f"signal {one}": repr(signal.getsignal(one)) for one in signal.valid_signals()}
    for name in ("numpy", "torch", "matplotlib", "cv2", "numba", "threadpoolctl"):
        if module := sys.modules.get(name):
            state |= _PACKAGES[name](module)
    return state


def differences(before: State, after: State) -> list[str]:
    """Return a line for each value that changed. A package that was imported in between has none
    before; a variable of the environment has."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = (each.get(name, _ABSENT) for each in (before, after))
        if old != new and (old != _ABSENT or name.startswith("environment")):
            lines.append(f"{name}: {old!r} -> {new!r}"[:400])
    return lines


_ABSENT = "(absent)"


def _numpy(numpy: Any) -> State:
    kind, keys, *rest = numpy.random.get_state()
    return {
        "numpy random": [kind, hash(keys.tobytes()), *rest],
        "numpy errors": numpy.geterr(),
        "numpy printing": repr(numpy.get_printoptions()),
    }


def _torch(torch: Any) -> State:
    with ThreadPoolExecutor(1) as new:
        threads = [torch.get_num_threads(), new.submit(torch.get_num_threads).result()]
    return {
        "torch threads": [*threads, torch.get_num_interop_threads()],
        "torch random": hash(torch.random.get_rng_state().numpy().tobytes()),
        "torch type": str(torch.get_default_dtype()),
        "torch gradients": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "torch deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch precision": torch.get_float32_matmul_precision(),
    }


def _matplotlib(matplotlib: Any) -> State:
    return {"rcParams": hash(repr(sorted(map(str, dict.items(matplotlib.rcParams)))))}


def _threadpools(threadpoolctl: Any) -> State:
    return {
        f"threads of {library['filepath']}": library["num_threads"]
        for library in threadpoolctl.threadpool_info()
    }


_PACKAGES: Mapping[str, Any] = {
    "numpy": _numpy,
    "torch": _torch,
    "matplotlib": _matplotlib,
    "cv2": lambda cv2: {"cv2": [cv2.getNumThreads(), cv2.useOptimized()]},
    "numba": lambda numba: {"numba": [numba.get_num_threads(), numba.config.CACHE_DIR]},
    "threadpoolctl": _threadpools,
}
