"""What other programs rely on, kept as text: keys, files, names and options.

The text of docs/reference/cli.md, which tests/test_reference_docs.py compares with the commands,
has every command, option, default and help; what it leaves out is in commands.txt.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer import Typer
from typer.main import get_command
from typer.testing import CliRunner

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.formats import READ, WRITTEN
from la2ds_cli.main import app
from tests.snapshots.chain import Chain
from tests.snapshots.snapshot import assert_matches, file_lines, header_of, key_lines

ROOT = Path(__file__).parents[2]
PLUGIN_FOLDERS = ("training/losses", "alignment/methods", "poses/networks")
# What a plugin promises; whatever else is public in its file is its own affair.
PROMISED = {"NAMES", "POSES", "DETECTORS", "SUFFIX", "SUFFIXES", "PAIRS", "INPUTS"}
PROMISED |= {"align", "build", "head", "loss", "read_clips", "pose_identity", "build_pose"}
PROMISED |= {"detector_identity", "build_detector"}


def test_the_keys_of_what_json_prints(chain: Chain):
    lines = []
    for command in sorted(chain.documents):
        lines += [f"== la2ds {command} --json", *key_lines(chain.documents[command]), ""]
    assert_matches("json_keys.txt", lines)


def test_the_keys_of_the_files(chain: Chain):
    forms: dict[str, list[Any]] = {}
    for path in sorted(path for path in chain.root.glob("*/**/*") if path.is_file()):
        form = _form(path.relative_to(chain.root))
        if path.suffix == ".json":
            forms.setdefault(form, []).append(json.loads(path.read_text("utf-8")))
        elif path.suffix == ".jsonl":
            lines = path.read_text("utf-8").splitlines()
            forms.setdefault(form, []).extend(json.loads(line) for line in lines)
        elif path.suffix == ".toml":
            forms.setdefault(form, []).append(tomllib.loads(path.read_text("utf-8")))
        elif path.suffix == ".safetensors":
            forms.setdefault(f"{form}, header", []).append(header_of(path))
    lines = []
    for form in sorted(forms):
        lines += [f"== {form}", *key_lines(forms[form]), ""]
    assert_matches("file_keys.txt", lines)


def _form(path: Path) -> str:
    """The place of a file without the names of clips and runs: files of one form have one place."""
    *folders, name = path.parts[1:]
    if path.parts[0] == "poses":  # exported
        return f"exported {path.parts[1]}/*{path.suffix}"
    if folders and folders[0] in ("poses", "heatmaps", "embeddings", "index"):
        return f"{folders[0]}/*{path.suffix}"
    if folders[:2] == ["results", "robustness"] and len(folders) > 2:
        return f"results/robustness/*/*{path.suffix}"
    if folders and folders[0] == "checkpoints":
        return f"checkpoints/*/{name}"
    if "results" in folders and folders[-1] in ("align", "compare", "retrieve", "evaluate"):
        return f"{'/'.join(folders)}/*{path.suffix}"
    return "/".join([*folders, re.sub("-[0-9a-f]{8}", "-DIGEST", name)])


def test_the_files_of_the_projects(chain: Chain):
    assert_matches("files.txt", file_lines(chain.root))


def test_the_exit_codes_of_the_chain(chain: Chain):
    codes = [f"{int(code)} {code.name}" for code in ExitCode]
    assert_matches("exit_codes.txt", ["== codes", *codes, "", "== chain", *chain.exits])


def test_what_the_commands_take():
    assert_matches("commands.txt", _command_lines(app, "la2ds"))


def _command_lines(group: Typer, path: str) -> Iterator[str]:
    """Of each parameter the type and the limits, which docs/reference/cli.md does not say."""
    for command in group.registered_commands:
        assert command.callback is not None
        assert command.name is not None
        yield f"{path} {command.name}"
        params = _group(group).commands[command.name].params
        # The name in the code may change; that on the command line may not.
        shown = {p.name: p.opts[0] if p.opts[0].startswith("-") else p.metavar for p in params}
        for name, given in inspect.signature(command.callback, eval_str=True).parameters.items():
            kind, info = given.annotation, given.default
            text = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
            facts = [text.replace("pathlib._local.", "pathlib.")]  # the module in Python 3.13
            facts += [type(info).__name__.removesuffix("Info").lower()]
            facts += ["required"] * (info.default is ...)
            for limit in ("min", "max"):
                value = getattr(info, limit, None)
                facts += [f"{limit}={value}"] * (value is not None)
            yield f"    {shown[name]}: {', '.join(facts)}"
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from _command_lines(child.typer_instance, f"{path} {child.name}")


def _group(typer: Typer) -> Any:
    return get_command(typer)


def test_the_groups_of_help():
    """How each `--help` lists its commands, which is no part of docs/reference/cli.md."""
    lines = []
    for group in ([], ["import"], ["models"]):
        text = (
            CliRunner()
            .invoke(app, [*group, "--help"], prog_name="la2ds", env={"COLUMNS": "80"})
            .stdout
        )
        lines += [
            f"== {' '.join(['la2ds', *group])}",
            *text[text.index("First steps:" if not group else "Commands:") :].splitlines(),
        ]
        lines.append("")
    assert not [line for line in lines if line.endswith("...")]  # no description is cut off
    assert_matches("help_groups.txt", lines)


def test_the_names_of_the_plugins():
    lines = []
    for folder in PLUGIN_FOLDERS:
        lines.append(f"== {folder}")
        for path in sorted((ROOT / "la2ds_cli" / folder).glob("*.py")):
            if not path.name.startswith("_"):
                lines.append(" ".join([path.stem, *_promises(path, PROMISED)]))
        lines.append("")
    contracts = (
        ("import", READ, {"SUFFIXES", "read_clips", "sources"}),
        ("export", WRITTEN, {"SUFFIX", "write_clip"}),
    )
    for verb, names, promised in contracts:
        lines.append(f"== {verb}")
        for name in names:
            path = ROOT / "la2ds_cli" / "formats" / f"{name.replace('-', '_')}.py"
            lines.append(" ".join([name, *_promises(path, promised)]))
        lines.append("")
    presets = sorted(path.stem for path in (ROOT / "la2ds_cli/core/presets").glob("*.toml"))
    assert_matches("plugins.txt", [*lines, "== presets", *presets])


def _promises(path: Path, names: set[str]) -> list[str]:
    """The literals and the functions of those names in a file, with their arguments."""
    lines = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in names:
                lines.append(f"{node.targets[0].id}={ast.unparse(node.value)}")
        elif isinstance(node, ast.FunctionDef) and node.name in names:
            lines.append(f"{node.name}({', '.join(arg.arg for arg in _arguments(node))})")
    return lines


def _arguments(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def test_the_names_in_the_documents_exist():
    """Dotted names of la2ds_cli and la2ds_models that a document gives a reader to import."""
    names = sorted(set(_documented_names()))
    for name in names:
        _find(name)
    assert_matches("documented_names.txt", names)


def _documented_names() -> Iterator[str]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text("utf-8")
        for module, parts in re.findall(r"^from (la2ds_\w+[\w.]*) import (.+)$", text, re.M):
            yield from (f"{module}.{part.strip()}" for part in parts.split(","))
        yield from re.findall(r"`(la2ds_(?:cli|models)(?:\.\w+)+)`", text)


def _find(name: str) -> object:
    """The module, class or function of a dotted name; ImportError or AttributeError without one."""
    module, *rest = name.split(".")
    found: object = importlib.import_module(module)
    for part in rest:
        module = f"{module}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(module)
    return found
