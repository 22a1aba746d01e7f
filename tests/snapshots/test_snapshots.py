"""What other programs rely on, kept as text: keys, files, names and options.

The text of docs/reference/cli.md, which tests/test_reference_docs.py compares with the commands,
has every command, option, default and help; what it leaves out is in commands.txt.
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer import Typer
from typer.main import get_command

from la2ds_cli.commands.app import OTHER_NAMES, app
from la2ds_cli.core.errors import ExitCode
from tests.snapshots.chain import Chain
from tests.snapshots.snapshot import assert_matches, file_lines, header_of, key_lines

ROOT = Path(__file__).parents[2]


def test_the_keys_of_what_json_prints(chain: Chain):
    lines = []
    for command in sorted(chain.documents):
        lines += [f"== la2ds {command} --json", *key_lines(chain.documents[command]), ""]
    assert_matches("json_keys.txt", lines)


def test_the_keys_of_the_files(chain: Chain):
    forms: dict[str, list[Any]] = {}
    for path in sorted(path for path in chain.root.glob("*/**/*") if path.is_file()):
        form = _form(path.relative_to(chain.root))
        if path.name == "written.json":  # its keys are the paths of files
            continue
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
        if f"{path} {command.name}".removeprefix("la2ds ") in OTHER_NAMES:
            continue
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
