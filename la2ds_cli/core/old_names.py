"""Modules under their names in la2ds 0.1, for plugins and scripts written for it.

The list has the modules that plugins need and that the documentation of 0.1 named. Importing an old
name gives the current module and a DeprecationWarning.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_CORE = ("artifact", "batch", "config", "config_sections", "device", "errors", "progress")
_CORE = (*_CORE, "project", "skeleton", "types")
MOVED = {f"la2ds_cli.{name}": f"la2ds_cli.core.{name}" for name in _CORE} | {
    "la2ds_cli.frame_index": "la2ds_cli.retrieval.index",
    "la2ds_cli.frame_search": "la2ds_cli.retrieval.search",
    "la2ds_cli.poses.instances": "la2ds_cli.poses.threads",
}


class _OldNames(MetaPathFinder, Loader):
    """Finds the old names; asked last, so that it does not hide any current module."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        spec.loader_state = module.__spec__  # the import system overwrites it
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Make the old names importable."""
    sys.meta_path.append(_OldNames())
