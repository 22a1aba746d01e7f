"""Who may import whom (docs/architecture.md): commands -> steps -> pure -> core."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"av", "cv2", "faiss", "matplotlib", "numba", "onnxruntime", "scipy", "sklearn"}
HEAVY |= {"timm", "torch"}
CORE = {
    f"la2ds_cli.{name}"
    for name in [
        *("artifact", "batch", "config", "config_sections", "csv_table", "device", "errors"),
        *(
            "progress",
            "project",
            "project_video",
            "skeleton",
            "types",
            "video",
            "video_file",
            "video_writer",
        ),
        *("clip_options", "frame_clock", "frame_conversion", "image_sequence", "media_files"),
        *(
            "clip_id",
            "optional_package",
            "orientation",
            "phases_csv",
            "read_ahead",
            "tone_map",
            "video_container",
        ),
    ]
}
# Arrays in, arrays out: no project, no files of a project. A name stands for all below it.
PURE = {
    f"la2ds_cli.{name}"
    for name in [
        *("alignment.confidence", "alignment.distance", "alignment.dtw_kernel", "alignment.gaps"),
        "alignment.gap_kernel",
        *("alignment.repetition_kernel", "alignment.repetitions"),
        *("alignment.methods", "alignment.path", "alignment.routes", "alignment.soft_dtw_kernel"),
        *("augment", "crop", "embedder"),
        *("compare.anomaly", "compare.differences", "compare.findings", "compare.noise"),
        *("compare.spans", "compare.tempo", "compare.view", "embedding_plot.projection"),
        *("evaluation.bootstrap", "evaluation.kendall", "evaluation.phase_labels"),
        *("evaluation.tau_kernel", "heatmaps"),
        *("frame_search", "ivf_search", "joint_angles", "network_input"),
        *("pose_features", "resample"),
        *("poses.batching", "poses.boxes", "poses.copies", "poses.cuts", "poses.dark"),
        *("poses.decode", "poses.gaps", "poses.identity", "poses.parallel", "poses.people_grid"),
        *("poses.quality", "poses.rejoin", "poses.similarity", "poses.simcc", "poses.smoothing"),
        *("poses.subject", "poses.track", "poses.tracking", "poses.verdict"),
        *("robustness.corruption", "sync.edit_list", "sync.timeline"),
        *("transfer.carry", "transfer.labels", "transfer.vote"),
    ]
}
COMMANDS = {"la2ds_cli.commands", "la2ds_cli.console", "la2ds_cli.main"}


def _modules() -> dict[str, Path]:
    found = {}
    for folder in (ROOT, ROOT / "models"):
        for package in ("la2ds_cli", "la2ds_models"):
            for path in sorted((folder / package).rglob("*.py")):
                parts = path.relative_to(folder).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _statements(body: list[ast.stmt], *, functions: bool) -> Iterator[ast.stmt]:
    """All statements below `body` but those under TYPE_CHECKING, with or without functions."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not functions:
            continue
        for block in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, block, []), functions=functions)
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body, functions=functions)


def imports(module: str, *, functions: bool = True) -> set[str]:
    """Absolute names that a module imports; `from a import b` gives a.b where it is a module."""
    names: set[str] = set()
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    for node in _statements(tree.body, functions=functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else str(node.module))
    return names


def _within(module: str, group: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in group)


def _own(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in ("la2ds_cli", "la2ds_models")}


def _heavy(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in HEAVY}


def test_the_named_modules_exist():
    missing = {name for name in CORE | PURE | COMMANDS if name not in MODULES}
    assert not missing


def test_core_imports_only_core_and_nothing_heavy():
    for module in MODULES:
        if _within(module, CORE):
            assert _own(imports(module)) <= CORE | {"la2ds_cli"}, module
            assert not _heavy(imports(module, functions=False)), module


def test_pure_modules_know_no_project_and_no_step():
    for module in MODULES:
        if _within(module, PURE):
            for name in _own(imports(module)):
                allowed = _within(name, CORE | PURE | {"la2ds_models"})
                assert allowed, f"{module} imports {name}"
                assert name != "la2ds_cli.project", f"{module} imports {name}"


def test_steps_never_import_the_command_line():
    for module in MODULES:
        if not _within(module, COMMANDS):
            up = {name for name in imports(module) if _within(name, COMMANDS)}
            assert not up, f"{module} imports {up}"


def test_models_stand_alone():
    models = [module for module in MODULES if module.startswith("la2ds_models")]
    assert len(models) > 1
    for module in models:
        assert not {n for n in imports(module) if n.startswith("la2ds_cli")}, module


def test_what_main_imports_at_start_is_light():
    seen: set[str] = set()
    queue = ["la2ds_cli.main"]
    while queue:
        module = queue.pop()
        seen.add(module)
        names = imports(module, functions=False)
        assert not _heavy(names), module
        queue += [name for name in _own(names) if name in MODULES and name not in seen]
    assert len([name for name in seen if name.startswith("la2ds_cli.commands.")]) >= 12


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_loads_no_array_library(arguments: list[str]):
    script = (
        "import sys\n"
        "from la2ds_cli.main import app\n"
        "try:\n"
        f"    app({arguments!r}, prog_name='la2ds')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code in (0, None), stop.code\n"
        f"loaded = sorted(({HEAVY!r} | {{'numpy'}}) & set(sys.modules))\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "la2ds" in done.stdout
