"""Who may import whom (docs/architecture.md).

The rooms lie on three storeys: the app on the laboratory on the library. A room imports only rooms
that lie below it, on its storey or under it, and a function imports a module of ours only if a
heavy package waits behind that.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Set
from functools import cache
from pathlib import Path

import pytest

from tests.processes import run_python

ROOT = Path(__file__).parents[1]
HEAVY = {"av", "cv2", "matplotlib", "numba", "onnxruntime", "scipy", "sklearn"}
HEAVY |= {"timm", "torch"}
# From the ground up. The data flow the same way: video, poses, features, ..., pages.
LIBRARY = [
    *("core", "video", "poses", "formats", "features", "network", "alignment"),
    *("retrieval", "compare", "offset", "labels", "training"),
]
LABORATORY = ["datasets", "methods", "evaluation", "experiments"]
APP = ["health", "views", "demo", "studio", "commands", "main"]
ROOMS = [*LIBRARY, *LABORATORY, *APP]
# Rooms that need not everything that lies below them.
NARROW = {
    "training": {"core", "features", "network"},
    "methods": {"core", "training"},
    "datasets": {"core", "video", "formats"},
}
# Folders of plugins and kernels: arrays and settings in, arrays out; they know no project.
PURE = ("alignment.methods", "features.heatmaps", "poses.networks")
PURE = (*(f"la2ds_cli.{name}" for name in PURE), "la2ds_cli.training.losses", "la2ds_cli.methods")
# Folders of which every file is named after the plugin or the data set in it.
PLUGINS = (*PURE, "la2ds_cli.labels.files", "la2ds_cli.datasets")
DIAGNOSES = {"la2ds_cli.health.doctor"}  # says what works here, where numpy does not, too
CONSOLE = {"la2ds_cli.core.console", "la2ds_cli.commands", "la2ds_cli.main"}


def _modules() -> dict[str, Path]:
    modules = {}
    for folder in (ROOT, ROOT / "models"):
        for package in ("la2ds", "la2ds_cli", "la2ds_models"):
            for path in sorted((folder / package).rglob("*.py")):
                parts = path.relative_to(folder).with_suffix("").parts
                modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


MODULES = _modules()


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def _statements(body: list[ast.stmt], *, functions: bool, types: bool) -> Iterator[ast.stmt]:
    """All statements in `body`, with or without those of functions and under TYPE_CHECKING."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types:
            continue
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not functions:
            continue
        for block in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, block, []), functions=functions, types=types)
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body, functions=functions, types=types)


def _names(module: str, nodes: Iterable[ast.AST]) -> set[str]:
    """Absolute names that the statements import; `from a import b` gives a.b where it is a
    module."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else str(node.module))
    return names


@cache
def imports(module: str, *, functions: bool = True, types: bool = True) -> frozenset[str]:
    """Absolute names that a module imports, with or without what its functions import, and what it
    imports for type checkers alone."""
    body = _tree(module).body
    return frozenset(_names(module, _statements(body, functions=functions, types=types)))


def _late_imports(module: str) -> set[str]:
    """Names that functions of a module import."""
    nodes = ast.walk(_tree(module))
    functions = (n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return {name for node in functions for name in _names(module, ast.walk(node))}


@cache
def _packages(module: str) -> frozenset[str]:
    """Top-level names of the packages of others that are loaded once a module is imported."""
    seen, queue = set[str](), [module]
    packages = set[str]()
    while queue:
        name = queue.pop()
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        for found in {name, *parents} - seen:
            seen.add(found)
            if found in MODULES:
                queue += imports(found, functions=False, types=False)
            else:
                packages.add(found.split(".")[0])
    return frozenset(packages)


def _room(module: str) -> str:
    return module.split(".")[1] if module.startswith("la2ds_cli.") else ""


def _within(module: str, group: set[str] | tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in group)


def _own(names: Set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in ("la2ds", "la2ds_cli", "la2ds_models")}


@cache
def _loaded_by_la2ds() -> frozenset[str]:
    """Modules that `import la2ds` loads."""
    seen, queue = set[str](), ["la2ds"]
    while queue:
        name = queue.pop()
        if name in MODULES and name not in seen:
            seen.add(name)
            queue += imports(name, functions=False, types=False)
    return frozenset(seen)


def _weighs(module: str) -> set[str]:
    """Packages that are too heavy for a module to load at its start. filelock loads asyncio. `main`
    imports none before it has set up the process."""
    if module in _loaded_by_la2ds() or module == "la2ds_cli.main":
        return HEAVY | {"filelock", "numpy", "pandas", "rich", "typer"}
    quick = _room(module) in ("commands", "main") or module in DIAGNOSES
    return HEAVY | {"filelock"} | ({"numpy"} if quick else set())


def _heavy(names: Set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in HEAVY}


def test_the_rooms_are_the_folders():
    top = (ROOT / "la2ds_cli").iterdir()
    folders = {path.name for path in top if (path / "__init__.py").is_file()}
    assert folders == set(ROOMS) - {"main"}
    assert {p.name for p in (ROOT / "la2ds_cli").glob("*.py")} == {"__init__.py", "main.py"}
    assert all(name in MODULES for name in PURE)


def _public_types(module: str) -> list[str]:
    body = _tree(module).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]


def _shared(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def test_no_two_files_share_a_name():
    """A name in a message, a page or an editor means one file. Plugins are called after what they
    provide, which may be a word of the rooms."""
    files: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py" and not _within(module, PLUGINS):
            files.setdefault(path.name, []).append(module)
    assert not _shared(files)


def test_no_two_public_types_share_a_name():
    types: dict[str, list[str]] = {}
    for module in MODULES:
        for name in _public_types(module):
            types.setdefault(name, []).append(module)
    assert not _shared(types)


def test_every_room_says_what_lives_in_it():
    for room in set(ROOMS) - {"main"}:
        text = ast.get_docstring(_tree(f"la2ds_cli.{room}"))
        for words in ("Imports", "To add"):
            assert words in (text or ""), f"{room}/__init__.py"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below(room: str):
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) | {""}
    for module in MODULES:
        if _room(module) == room:
            up = {name for name in _own(imports(module)) if _room(name) not in allowed}
            assert not up, f"{module} imports {sorted(up)}"


@pytest.mark.parametrize("room", NARROW)
def test_a_narrow_room_imports_no_other(room: str):
    allowed = NARROW[room] | {room, ""}
    for module in MODULES:
        if _room(module) == room:
            others = {name for name in _own(imports(module)) if _room(name) not in allowed}
            assert not others, f"{module} imports {sorted(others)}"


def test_the_library_names_no_file_of_the_laboratory():
    """Methods and data sets are found by the names that they declare."""
    files = {name for name in MODULES if _room(name) in ("methods", "datasets")}
    files -= {"la2ds_cli.methods", "la2ds_cli.datasets"}
    for module in MODULES:
        if _room(module) in LIBRARY:
            named = [name for name in files if name in MODULES[module].read_text("utf-8")]
            assert not named, module


def test_no_cycles():
    graph = {m: _own(imports(m)) & MODULES.keys() - {m} for m in MODULES}
    # A package's face may name its own files: they do not import it for what it takes from them.
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_functions_import_only_what_a_heavy_package_waits_behind(module: str):
    """Any other import stands at the top of the file, where the graph of modules shows it."""
    for name in _own(_late_imports(module)):
        heavier = (_packages(name) - _packages(module)) & _weighs(module)
        assert heavier, f"{module}: import {name} at the top"


def test_the_core_and_the_video_room_import_nothing_heavy_at_start():
    for module in MODULES:
        if _room(module) in ("core", "video"):
            assert not _heavy(imports(module, functions=False, types=False)), module


def test_plugins_know_no_project():
    for module in MODULES:
        if _within(module, PURE):
            assert "la2ds_cli.core.stored_project" not in imports(module), module


def test_steps_never_import_the_command_line():
    for module in MODULES:
        if not _within(module, (*CONSOLE, "la2ds")):
            up = {name for name in imports(module) if _within(name, CONSOLE)}
            assert not up, f"{module} imports {up}"


def test_models_stand_alone():
    models = [module for module in MODULES if module.startswith("la2ds_models")]
    assert len(models) > 1
    for module in models:
        assert not _own(imports(module)) - set(models), module


def test_nothing_imports_the_python_api():
    """la2ds stands on la2ds_cli beside the commands, and shares nothing with them but steps and the
    progress that a terminal shows."""
    for module in MODULES:
        names = {name for name in imports(module) if _within(name, ("la2ds",))}
        assert module.split(".")[0] == "la2ds" or not names, module
    for module in (name for name in MODULES if _within(name, ("la2ds",))):
        above = {name for name in imports(module) if _within(name, CONSOLE)}
        assert above <= {"la2ds_cli.core.console"}, module


def test_only_main_and_workers_set_up_a_process():
    """A command may change its process; a library may not."""
    users = set()
    for module in MODULES:
        nodes = ast.walk(_tree(module))
        if "own_process" in {node.id for node in nodes if isinstance(node, ast.Name)}:
            users.add(module)
    assert users == {"la2ds_cli.main", "la2ds_cli.core.ray_engine"}


def _code_lines(module: str) -> int:
    """Lines with code, without comments and docstrings."""
    text = MODULES[module].read_text("utf-8")
    tree = ast.parse(text)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in lines
        if number not in left_out
    )


def test_the_python_api_is_short():
    """It has no logic of its own: what it does, commands can do by the same functions."""
    assert sum(_code_lines(module) for module in MODULES if _within(module, ("la2ds",))) <= 300


@pytest.mark.parametrize("start", ["la2ds_cli.commands.app", "la2ds_cli.main", "la2ds"])
def test_what_is_imported_at_start_is_light(start: str):
    seen: set[str] = set()
    queue = [start]
    while queue:
        module = queue.pop()
        seen.add(module)
        names = imports(module, functions=False, types=False)
        assert not _heavy(names), module
        queue += [name for name in _own(names) if name in MODULES and name not in seen]
    commands = [name for name in seen if name.startswith("la2ds_cli.commands.")]
    assert len(commands) >= 12 if start == "la2ds_cli.commands.app" else not commands


def test_import_la2ds_loads_no_array_library():
    script = (
        "import sys\n"
        "import la2ds\n"
        f"heavy = {HEAVY!r} | {{'numpy', 'pandas', 'rich', 'typer'}}\n"
        "loaded = sorted(heavy & set(sys.modules))\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    run_python("-c", script, env=os.environ | {"PYTHONPATH": path})


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_loads_no_array_library(arguments: list[str]):
    script = (
        "import sys\n"
        "from la2ds_cli.commands.app import app\n"
        "try:\n"
        f"    app({arguments!r}, prog_name='la2ds')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code in (0, None), stop.code\n"
        f"loaded = sorted(({HEAVY!r} | {{'numpy'}}) & set(sys.modules))\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    done = run_python("-c", script, cwd=ROOT)
    assert "la2ds" in done.stdout


def _loaded_by(arguments: list[str]) -> set[str]:
    """Which of HEAVY a command loads that ends well."""
    script = (
        "import sys\n"
        "from la2ds_cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert stop.code in (0, None), stop.code\n"
        f"sys.stderr.write('loaded ' + ' '.join({HEAVY!r} & set(sys.modules)))\n"
    )
    done = run_python("-c", script, *arguments, cwd=ROOT)
    return set(done.stderr.rpartition("loaded ")[2].split())


def test_align_on_ready_poses_loads_nothing_that_trains_or_draws(tmp_path: Path):
    """With a run, whose network embeds the clips that are not embedded yet."""
    pytest.importorskip("torch", reason="training a run needs torch")
    from la2ds_cli.training.train import TrainOptions, train
    from tests import small_runs

    project = small_runs.clips(tmp_path / "project", count=6)
    train(project, config=project.config(overrides=small_runs.JOINTS), options=TrainOptions("cpu"))
    arguments = ["align", "clip0", "clip1", "--project", str(project.root), "--features", "model"]
    arguments += ["--out", str(tmp_path / "path.json")]
    assert _loaded_by(arguments) == set()
    assert project.embedding_path("default", "clip0").exists()
    assert _loaded_by(arguments) == set()
    assert _loaded_by([*arguments, "--out", str(tmp_path / "path.png")]) >= {"matplotlib"}


@pytest.mark.parametrize("kind", ["model", "base", "pose"])
def test_retrieve_on_ready_poses_loads_nothing_that_trains_or_draws(tmp_path: Path, kind: str):
    """It embeds clips that are not embedded yet, and searches by numpy alone."""
    from tests import small_runs

    project = small_runs.clips(tmp_path / "project", count=4)
    if kind == "model":
        pytest.importorskip("torch", reason="training a run needs torch")
        from la2ds_cli.training.train import TrainOptions, train

        train(
            project, config=project.config(overrides=small_runs.JOINTS), options=TrainOptions("cpu")
        )
    arguments = ["retrieve", "--query", "clip0@0.5", "--project", str(project.root)]
    arguments += ["--features", kind, "--out", str(tmp_path / "found.json")]
    assert _loaded_by(arguments) == set()
