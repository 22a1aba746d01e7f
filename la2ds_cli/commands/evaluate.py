"""`la2ds evaluate`: how well a run aligns, compared with baselines that need no training."""

from __future__ import annotations

from la2ds_cli.commands.options import (
    DEVICE,
    PROTOCOL,
    Here,
    option,
)
from la2ds_cli.core.device import DeviceName


def evaluate(
    run: list[str] | None = option(
        "NAME,...", "Training runs; of several, mean and spread; repeatable. [default: default]"
    ),
    protocol: str = PROTOCOL,
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Measure alignment, compared with baselines.

    \b
      la2ds evaluate --project swings
      la2ds evaluate --project swings --protocol paper --run seed0,seed1,seed2

    Measures event transfer on trimmed pairs and Kendall's tau. If phases.csv labels training and
    test clips, also measures phase classification, phase progression and frame retrieval. The
    baselines are raw poses, the base model, a clock and the untrained network. Scores the clips
    that videos.csv marks split=test, or all clips; classifiers are fitted on the others.
    """
    from la2ds_cli.evaluation import evaluate as step
    from la2ds_cli.evaluation.table import evaluation_table

    with here.console() as console:
        opened = here.open()
        names = tuple(name.strip() for names in run or () for name in names.split(","))
        request = step.Request(opened, opened.config(), names, protocol, device=device)
        evaluated = step.evaluate(request, progress=console.progress)
        result = evaluated.document
        console.document("evaluate", {"project": opened.root, **result})
        console.rendered(evaluation_table(result))
        console.note(f"in full: {opened.results_dir('evaluate') / request.name}.json")
