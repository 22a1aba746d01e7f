"""`la2ds evaluate`: how well a run aligns, beside what needs no training."""

from __future__ import annotations

from la2ds_cli.commands.options import (
    HERE,
    DeviceOption,
    JsonOption,
    ProjectOption,
    QuietOption,
    RunOption,
    open_project,
)


def evaluate(
    project: ProjectOption = HERE,
    run: RunOption = "default",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure alignment beside the baselines.

    Event transfer on trimmed pairs, and Kendall's tau, for the trained run, raw poses, the clock
    and the untrained network. Uses the clips that videos.csv marks split=test, or all of them.

    \b
      la2ds evaluate --project swings
    """
    from la2ds_cli.console import Console
    from la2ds_cli.evaluation import evaluate as step
    from la2ds_cli.evaluation.table import evaluation_table

    with Console(as_json=as_json, quiet=quiet) as console:
        opened = open_project(project)
        result = step.evaluate(
            opened, run=run, config=opened.config(), device=device, progress=console.progress
        )
        console.document("evaluate", {"project": opened.root, **result})
        console.rendered(evaluation_table(result))
        console.note(f"in full: {opened.results_dir('evaluate') / run}.json")
