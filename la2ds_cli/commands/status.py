"""`la2ds status`: what is in the project, what is out of date and why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.commands.options import JSON, PROJECT_OPTION
from la2ds_cli.commands.projects import on_project, open_project

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.health.status import ProjectStatus


_NAMED = 5  # clips


def status(project: Path = PROJECT_OPTION, as_json: bool = JSON) -> None:
    """Show what is done, what is out of date and why.

    \b
      la2ds status --project swings
    """
    from la2ds_cli.core.console import Console
    from la2ds_cli.health import status as step

    with Console(as_json=as_json) as console:
        opened = open_project(project)
        state = step.project_status(opened, opened.config())
        console.document("status", vars(state))
        _show(console, state)
        if state.next:
            console.next(on_project(state.next, project))
        else:
            example = on_project(step.an_alignment(opened), project)
            console.note(f"nothing left to do; look at two clips: {example}")


def _show(console: Console, state: ProjectStatus) -> None:
    splits = ", ".join(f"{n} {name or 'in no split'}" for name, n in state.splits.items())
    console.line(f"{state.project}, preset {state.preset}")
    clips = "1 clip" if state.videos == 1 else f"{state.videos} clips"
    console.line(f"{clips} ({splits}), {state.labelled} with phases")
    console.line()
    rows = [
        (f"{s.step} {s.run}".strip(), s.current, len(s.stale), len(s.missing)) for s in state.steps
    ]
    console.table(("step", "current", "stale", "missing"), rows)
    for step in state.steps:
        for reason, count in Counter(step.stale.values()).most_common():
            console.line(f"{step.step} {step.run}".strip() + f": {count} stale: {reason}", "yellow")
    if state.gone:
        names = ", ".join(state.gone[:_NAMED]) + ", ..." * (len(state.gone) > _NAMED)
        console.line(
            f"{len(state.gone)} without their video: {names}; put the files back, or run la2ds "
            "extract-poses on them where they are now",
            "yellow",
        )
    for run in state.runs:
        error = "" if run.validation_error is None else f", error {run.validation_error:.2f} %"
        console.line(f"run {run.run}: step {run.step} of {run.steps}{error}")
        if run.stale:
            console.line(f"run {run.run} is stale: {run.stale}", "yellow")
        if run.settings:
            console.line(f"run {run.run} has its own settings: {run.settings}")
    for kind, files in state.results.items():
        console.line(f"results/{kind}: {len(files)} {'file' if len(files) == 1 else 'files'}")
