"""Plugins by file: every module of a plugin folder provides the names in its `NAMES` literal, and
reads the model files whose ending is in its `SUFFIXES` literal.

Both are read from the source, so listing them imports no plugin. A plugin takes further arguments
after a colon (`mmpose:config.py`). A dotted name that is not a shipped plugin is a module of the
user with the same functions.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from functools import cache
from importlib import resources
from types import ModuleType

from la2ds_cli.core.errors import UserError


def plugin_names(package: str) -> dict[str, str]:
    """Plugin name -> dotted module, for every module of `package` that declares NAMES."""
    return _declarations(package, "NAMES")


def plugin_suffixes(package: str) -> dict[str, str]:
    """Ending of a model file, such as `.onnx` -> dotted module that reads it."""
    return _declarations(package, "SUFFIXES")


@cache
def _declarations(package: str, what: str) -> dict[str, str]:
    modules = {}
    for item in sorted(resources.files(package).iterdir(), key=lambda item: item.name):
        if item.name.endswith(".py") and item.name != "__init__.py":
            for name in _declared(item.read_text("utf-8"), what):
                modules[name] = f"{package}.{item.name[:-3]}"
    return modules


def _declared(source: str, what: str) -> tuple[str, ...]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == what for target in node.targets
        ):
            return ast.literal_eval(node.value)
    return ()


def load_plugin(package: str, setting: str, *, what: str, hint: str) -> ModuleType:
    """The module for a setting: a model file, a name, or `name:arguments`.

    Raises UserError (exit 2) that lists the known names. what: the kind of plugin in the message,
    e.g. `pose network`; hint: added to the list.
    """
    names = plugin_names(package)
    name = setting.partition(":")[0]
    if name in names:
        return importlib.import_module(names[name])
    for suffix, module in plugin_suffixes(package).items():
        if setting.lower().endswith(suffix):
            return importlib.import_module(module)
    if "." in setting and _importable(setting):
        return importlib.import_module(setting)
    known = ", ".join(sorted(names))
    raise UserError(f"unknown {what} '{setting}'", hint=f"known: {known}; {hint}")


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False
