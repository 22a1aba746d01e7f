"""A digest of the source code behind a figure, for the recipes of cached figures.

The modules are found, not listed: all modules of the same packages that a module imports, directly
or through others, at its top or in functions. If a string in a module names a package of them, all
modules of that package count, because it loads them by name (`alignment.methods`), and so do data
files beside a module that it names (`skeletons.toml`). Nothing is imported.

Code of other packages does not count, nor does code that is loaded by a name from elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

OWN = ("la2ds_cli", "la2ds_models")
_IMPORT = re.compile(
    r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+([\w., ]+))", re.MULTILINE
)
_TEXT = re.compile(r"""["']([\w./-]+)["']""")
_DATA = (".toml", ".json")


def source_digest(*modules: str) -> str:
    """Return the SHA-256 of the source of modules and of all that they import of their packages.

    modules: dotted names, in OWN or in a package of the user. Raises ModuleNotFoundError.
    """
    packages = {*OWN, *(module.partition(".")[0] for module in modules)}
    roots = {package: folder for package in packages if (folder := _folder(package)) is not None}
    return _digest(modules, tuple(sorted(roots.items())))


def collect_sources(modules: Iterable[str], roots: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return the files behind modules by name, data files included.

    modules: dotted names. roots: name and folder of each package whose modules count.
    """
    folders, files, queue = dict(roots), dict[str, Path](), list(modules)
    while queue:
        name = queue.pop()
        path = _path(name, folders)
        if name in files or path is None:
            continue
        files[name] = path
        queue += [name.rpartition(".")[0]]  # Python imports the package first
        text = path.read_text("utf-8")
        queue += _imported(text)
        for word in _TEXT.findall(text):
            if word.endswith(_DATA) and (path.parent / word).is_file():
                files[f"{name}/{word}"] = path.parent / word
            elif "." in word and (package := _path(word, folders)):
                queue += _modules_of(word, package)
        if "__path__" in text:  # it loads the modules of its own folder by name
            queue += _modules_of(name, path)
    return files


def _modules_of(name: str, path: Path) -> list[str]:
    """Return the module of a file and, if it is a package, all modules directly in it."""
    inside = path.parent.glob("*.py") if path.name == "__init__.py" else ()
    return [name, *(f"{name}.{each.stem}" for each in inside if each != path)]


def _imported(text: str) -> Iterator[str]:
    """Yield the names that a source may import as modules, and some other names."""
    for package, names, plain in _IMPORT.findall(text):
        if package:
            yield package
            yield from (f"{package}.{name}" for name in re.findall(r"\w+", names))
        else:
            yield from re.findall(r"[\w.]+", plain)


def _path(name: str, folders: dict[str, Path]) -> Path | None:
    """Return the source file of a module of these packages; None for any other name."""
    top, *parts = name.split(".")
    if top not in folders or not all(part.isidentifier() for part in parts):
        return None
    path = folders[top].joinpath(*parts)
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and (parts or file.name == "__init__.py"):
            return file
    return None


def _folder(package: str) -> Path | None:
    """Return the folder of a package; None if Python finds none."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


@lru_cache(maxsize=16)
def _digest(modules: tuple[str, ...], roots: tuple[tuple[str, Path], ...]) -> str:
    total = hashlib.sha256()
    for name, path in sorted(collect_sources(modules, roots).items()):
        total.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
