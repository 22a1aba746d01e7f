"""`la2ds models`: list, check and download weight files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from la2ds_cli.commands.options import JSON, Output, argument, flag
from la2ds_cli.commands.usage_errors import Group
from la2ds_cli.core.console import Console, summary
from la2ds_models.weight_files import weights_dir

if TYPE_CHECKING:
    from la2ds_models.weight_files import WeightFile

_WIDTH = 92  # characters of wrapped text, for a window of 100 columns

app = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """List, check and download weight files.

    \b
      la2ds models ls
      la2ds models pull hrnet-w32-msra fasterrcnn-mobilenet

    You do not need this command: weights are downloaded when they are first used.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def ls(as_json: bool = JSON) -> None:
    """List all weights, and whether they are installed.

    \b
      la2ds models ls

    Shows size, accuracy, licence and training data. AP is the published average precision on COCO
    val2017: of joints for pose networks, of boxes for detectors.
    """
    from la2ds_cli.poses import weights

    with Console(as_json=as_json) as console:
        folder = weights_dir()
        models = [_facts(entry, path) for entry, path in weights.list_weights()]
        console.document("models ls", {"folder": folder, "models": models})
        _show_models(console, models, folder)


def pull(
    names: list[str] | None = argument("NAME", "Names, as in `la2ds models ls`.", None),
    everything: bool = flag("--all", "All weights that are not installed."),
    offline: bool = flag("--offline", "Only check installed weights, without network."),
    *,
    output: Output,
) -> None:
    """Download weights before they are needed.

    \b
      la2ds models pull hrnet-w32-msra fasterrcnn-mobilenet

    Installed files are checked against their published hash; damaged ones are downloaded again.
    Interrupted downloads are resumed. Size and licence are shown first. For a machine without
    network access, pull weights on another one and copy the folder that `la2ds models ls` names.
    """
    from la2ds_cli.poses import weights

    with output.console() as console:
        chosen = [entry.name for entry, _ in weights.list_weights()] if everything else names or []
        results = weights.pull(chosen, console.progress, offline=offline)
        console.document("models pull", {"items": results})
        console.table(
            ("status", "name", "message"),
            [(r.status, r.path, f"{r.code} {r.message}".strip()) for r in results],
        )
        for result in results:
            for line in result.hint.splitlines():
                console.note(f"{result.path}: {line}")
        console.line(summary(results))
    raise typer.Exit(weights.pull_exit_code(results))


def _facts(entry: WeightFile, path: Path | None) -> dict[str, Any]:
    """Return an entry of the list.

    size: bytes, 0 = unknown. ap: published COCO average precision, 0 = none. sha256: the digest or
    its beginning. path: None = not installed.
    """
    names = ("name", "kind", "ap", "licence", "code", "trained_on", "sha256", "urls")
    size = path.stat().st_size if path else entry.size
    published = {name: getattr(entry, name) for name in names}
    return {**published, "file": Path(entry.file).name, "size": size, "path": path}


def _show_models(console: Console, models: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Print the list of weights; models: see `_facts`."""
    import textwrap

    from la2ds_cli.poses.weights import megabytes

    table = []
    for model in models:
        size, ap = model["size"], f"{model['ap']:.3f}" if model["ap"] else "-"
        row = model["name"], model["kind"], megabytes(size) if size else "unknown"
        table.append((*row, ap, model["licence"], "yes" if model["path"] else "no"))
    console.table(("name", "kind", "size", "AP", "licence", "installed"), table)
    console.line()
    console.line(f"files (in {folder} unless another path is given)")
    width = max(len(model["name"]) for model in models)
    for model in models:
        elsewhere = model["path"] and model["path"].parent != folder
        console.line(f"{model['name']:<{width}}  {model['path'] if elsewhere else model['file']}")
    for title, field in (("run by", "code"), ("trained on", "trained_on")):
        console.line()
        console.line(title)
        groups: dict[str, list[str]] = {}
        for model in models:
            groups.setdefault(model[field], []).append(model["name"])
        for text, names in groups.items():
            console.line(f"  {text}:")
            shown = ", ".join(names)
            for line in textwrap.wrap(shown, _WIDTH, break_on_hyphens=False):
                console.line(f"    {line}")
