"""Alignment methods: one file each, named after the method.

To add one, put `NAME.py` here with

    def align(a, b, config):  # a (N, D), b (M, D) float features; la2ds_cli AlignConfig
        return path           # (P, 2) int64 rows (index of A, of B) that never go back

A method that depends on when frames were filmed takes a fourth parameter with the name `axes`, the
`TimeAxis` of A and of B: frames may not be evenly spaced.

To use a method from your own package, give its dotted path (`mypackage.mymodule`). Methods return
pairs only; the caller computes distances, confidence and times from the path.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache

import numpy as np

from la2ds_cli.alignment.path import Axes
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError, did_you_mean
from la2ds_cli.core.plugins import check_trusted
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import FloatArray, IntArray

Method = Callable[..., IntArray]  # (a, b, config), and axes if it has a parameter of that name


def method_names() -> list[str]:
    """Names of the shipped methods, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


@cache
def get_method(name: str) -> Method:
    """The `align` function of a shipped method or of a dotted module path.

    Raises UserError (exit 2) for a name that is neither (the hint has the nearest known one), and
    for a module that only a file of the project names.
    """
    known = method_names()
    if name in known:
        return importlib.import_module(f"{__name__}.{name}").align
    if "." in name:
        check_trusted(name, "alignment method")
        return _foreign(name)
    raise UserError(
        f"unknown alignment method '{name}'",
        hint=f"{did_you_mean(name, known)}methods: {', '.join(known)}",
    )


def _foreign(name: str) -> Method:
    # Only the search may fail quietly: an error inside the user's module keeps its traceback.
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None:
        raise UserError(
            f"no module '{name}' for an alignment method",
            hint=f"install it, or use one of: {', '.join(method_names())}",
        )
    module = importlib.import_module(name)
    if not callable(getattr(module, "align", None)):
        raise UserError(
            f"module '{name}' has no function align(a, b, config)",
            hint="an alignment method is a module with a function of that name",
        )
    return module.align


def align_features(
    method: str, a: FloatArray, b: FloatArray, config: AlignConfig, axes: Axes | None = None
) -> IntArray:
    """Return pairs (P, 2) int64 of the frames of a (N, D) and b (M, D).

    axes: when the frames of A and of B were filmed; None = evenly.

    Raises UserError (exit 2) for an unknown method, and for one that returns anything but such
    pairs in the order of time; ValueError for features that do not fit together.
    """
    function, more = get_method(method), {}
    if "axes" in inspect.signature(function).parameters:
        more["axes"] = axes or (TimeAxis.even(len(a)), TimeAxis.even(len(b)))
    path = np.asarray(function(a, b, config, **more))
    limit = np.array([len(a), len(b)])
    shaped = path.ndim == 2 and path.shape[1] == 2 and np.issubdtype(path.dtype, np.integer)
    if not shaped or not len(path) or (path < 0).any() or (path >= limit).any():
        found = f"{path.dtype} {path.shape}"
        found += f" from {path.min()} to {path.max()}" if shaped and len(path) else ""
    elif (np.diff(path, axis=0) < 0).any():
        found = "pairs that run back in time"
    else:
        return path.astype(np.int64)
    raise UserError(
        f"the alignment method {method} has to return integer pairs (P, 2) of the {len(a)} frames "
        f"of A and the {len(b)} of B, in the order of time; it returned {found}",
        hint="docs/how-to/extend.md has a complete method",
    )
