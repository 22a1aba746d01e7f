"""Plugins by file: every module of a plugin folder provides the names in its `NAMES` literal (for
networks, `POSES` and `DETECTORS`), and reads the model files whose ending is in its `SUFFIXES`.

Both are read from the source, so listing them imports no plugin. A plugin takes further arguments
after a colon (`mmpose:config.py`). A dotted name that is not a shipped plugin is the user's own
module with the same functions.

Such a module, or a configuration that is Python, is a program. It runs only if the user names it:
on the command line, as an argument of a function, or in the environment variable LA2DS_PLUGINS. A
file of a project or a checkpoint may name it too, but that is not enough to run it, since such
files come from other people.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from la2ds_cli.core.errors import UserError
from la2ds_models.startup import is_own_process


@cache
def plugin_names(*packages: str, declared: str = "NAMES") -> dict[str, str]:
    """Return the dotted module of each plugin name, for all modules of the packages.

    declared: the literal that holds the names, such as `SUFFIXES` for endings of model files.
    """
    modules = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        folders = (spec and spec.submodule_search_locations) or ()
        for path in sorted(path for folder in folders for path in Path(folder).glob("*.py")):
            if path.name != "__init__.py":
                names = _declared(path.read_text("utf-8"), declared)
                modules |= dict.fromkeys(names, f"{package}.{path.stem}")
    return modules


def _declared(source: str, what: str) -> tuple[str, ...]:
    """Return the literal that a source assigns to `what`. Only its lines are parsed, since parsing
    whole sources would take a tenth of the time of most commands."""
    _, separator, rest = f"\n{source}".partition(f"\n{what} = ")
    lines = rest.splitlines() if separator else []
    for end in range(1, len(lines) + 1):
        with suppress(SyntaxError):  # the literal continues
            return ast.literal_eval("\n".join(lines[:end]))
    return ()


def load_plugin(
    *packages: str, setting: str, what: str, hint: str, declared: str = "NAMES"
) -> ModuleType:
    """Import the module for a setting: a model file, a name, or `name:arguments`.

    Parameters
    ----------
    *packages
        The plugin folders.
    setting
        The value of the user.
    what
        The kind of plugin for errors, such as `pose network`.
    hint
        Added to the list of names in an error.
    declared
        As for plugin_names.

    Raises
    ------
    UserError
        Exit 2 with a list of names, and as `check_trusted`.
    """
    names, missing = plugin_names(*packages, declared=declared), ""
    name = setting.partition(":")[0]
    if name in names:
        return importlib.import_module(names[name])
    for suffix, module in plugin_names(*packages, declared="SUFFIXES").items():
        if setting.lower().endswith(suffix):
            return importlib.import_module(module)
    if "." in setting and re.fullmatch(r"[\w.]+", setting):
        check_trusted(setting, what)
        if _importable(setting):
            return importlib.import_module(setting)
        missing = f"{NOT_FOUND}; "
    listed = f"known: {', '.join(sorted(names))}; " if names else ""
    raise UserError(f"unknown {what} '{setting}'", hint=f"{missing}{listed}{hint}")


NOT_FOUND = "Python finds no such module: install it, or put the folder above it into PYTHONPATH"
_VARIABLE = "LA2DS_PLUGINS"
_named: list[str] = []  # names that the user gave in this process


def trust(setting: object) -> None:
    """Treat a setting (text or any other value) as named by the user.

    A command also keeps it in LA2DS_PLUGINS, where its child processes find it.
    """
    if isinstance(setting, str) and "\0" not in setting and not _is_trusted(setting):
        parts = [part for part in re.split("[:,]", setting) if "." in part]
        paths = [os.path.abspath(part) for part in parts if part.endswith(".py")]  # noqa: PTH100
        _named.extend(name for name in (*parts, *paths) if name not in _named)
        if is_own_process():
            os.environ[_VARIABLE] = ",".join(_listed())


def check_trusted(name: str, what: str) -> None:
    """Raise UserError (exit 2) for a module, or a Python file, that the user did not name.

    A module is also trusted with its package.
    """
    if not _is_trusted(name):
        raise UserError(
            f"the {what} '{name}' is a program that only a file of the project names",
            hint=f"if you trust it, set {_VARIABLE}={name} for this and later commands (several "
            "are separated by commas), or name it on the command line",
        )


def code_digests(*names: str) -> dict[str, str]:
    """Return the digests of the source files of the user's modules, by dotted name.

    Names of no module, and of modules that the user has not named, are left out, and so are modules
    that they import. It does not matter whether a module is imported already.
    """
    files = {name: _source_file(name) for name in names}
    return {
        name: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for name, file in files.items()
        if file
    }


def _source_file(name: str) -> str | None:
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    if "." not in name or not _is_trusted(name):  # its packages would be imported
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None
    return spec.origin if spec and spec.has_location else None


def _listed() -> list[str]:
    names = [name.strip() for name in os.environ.get(_VARIABLE, "").split(",")]
    return list(dict.fromkeys([*filter(None, names), *_named]))


def _is_trusted(name: str) -> bool:
    return any(name == trusted or name.startswith(f"{trusted}.") for trusted in _listed())


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False
