"""`la2ds robustness`: the scores of a run on missing limbs and noisy joints."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import typer

from la2ds_cli.commands.command import Command
from la2ds_cli.commands.options import DEVICE, RUN, Here, flag, option
from la2ds_cli.core.device import DeviceName

if TYPE_CHECKING:
    from la2ds_cli.core.config_sections import MissingJoints
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project
    from la2ds_cli.experiments.robustness import Sweep

MISSING = option(
    "NAME,NAME",
    "Compare ways to treat missing joints: zero, imputed or both. RUN-zero and RUN-imputed are "
    "trained if they do not exist. Default: the run as it is.",
)

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def _group(ctx: typer.Context) -> None:
    """Measure a run on missing or noisy joints.

    \b
      la2ds robustness limbs --project swings --limb left_arm
      la2ds robustness noise --project swings
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("limbs")
@Command
def limbs(
    run: str = RUN,
    limb: str = option("NAME", "For example left_arm; any: a random limb in every frame.", "any"),
    probabilities: str = option(
        "P,P,...", "Shares of the frames in which it is hidden.", "0,0.25,0.5,0.75,1", "--p"
    ),
    missing: str | None = MISSING,
    minutes: float | None = option(
        "M", "Longest training for --missing; default the time that the run took.", min=0.0
    ),
    overwrite: bool = flag("--overwrite", "Train for --missing from the start again."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Hide a limb or a finger in a share of the test frames.

    \b
      la2ds robustness limbs --project swings --limb left_arm
      la2ds robustness limbs --project swings --limb right_leg --p 0.5,1
      la2ds robustness limbs --project swings --missing zero,imputed

    Nothing is trained, except for --missing. The raw pose baseline loses the same joints and
    interpolates over the gaps.
    """
    from la2ds_cli.experiments.robustness import by_treatment, limb_sweep

    shares = _shares(probabilities)
    with here.console() as console:
        opened = here.open()

        def sweep_of(name: str) -> Sweep:
            return limb_sweep(
                opened,
                run=name,
                config=opened.config(),
                limb=limb,
                probabilities=shares,
                device=device,
                progress=console.progress,
            )

        treatments = _treatments(missing)
        with opened.lock() if treatments else nullcontext():
            sweep = by_treatment(
                opened,
                run,
                treatments,
                sweep_of,
                config=opened.config(),
                minutes=minutes,
                overwrite=overwrite,
                device=device,
                progress=console.progress,
            )
        _show(console, opened, sweep, f"limbs-{limb}-{run}")


@app.command("noise")
@Command
def noise(
    run: str = RUN,
    cells: float = option(
        "X", "Standard deviation of the noise, in heatmap cells.", 1.0, min=0.0, max=1000.0
    ),
    minutes: float | None = option(
        "M", "Longest training on noisy joints; default the time that the run took.", min=0.0
    ),
    missing: str | None = MISSING,
    overwrite: bool = flag("--overwrite", "Train on noisy joints from the start again."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Train and test on clean and on noisy joints.

    \b
      la2ds robustness noise --project swings --run default

    Scores all four combinations. Training on noisy joints is a second run, RUN-noisy, with the
    settings of the first; it is trained if it does not exist.
    """
    from la2ds_cli.experiments.robustness import by_treatment, noise_sweep

    with here.console() as console:
        opened = here.open()

        def sweep_of(name: str) -> Sweep:
            return noise_sweep(
                opened,
                run=name,
                config=opened.config(),
                cells=cells,
                minutes=minutes,
                overwrite=overwrite,
                device=device,
                progress=console.progress,
            )

        with opened.lock():
            sweep = by_treatment(
                opened,
                run,
                _treatments(missing),
                sweep_of,
                config=opened.config(),
                minutes=minutes,
                overwrite=overwrite,
                device=device,
                progress=console.progress,
            )
        _show(console, opened, sweep, f"noise-{run}")


def _shares(text: str) -> list[float]:
    from la2ds_cli.core.errors import UserError

    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = [-1.0]
    if not all(0 <= share <= 1 for share in shares):
        raise UserError(f"'{text}' is not a list of shares from 0 to 1", hint="--p 0,0.25,0.5,1")
    return shares


def _treatments(text: str | None) -> list[MissingJoints]:
    from la2ds_cli.core.errors import UserError
    from la2ds_cli.experiments.robustness import TREATMENTS

    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    chosen: list[MissingJoints] = [treatment for treatment in TREATMENTS if treatment in names]
    if len(chosen) < len(names):
        raise UserError(
            f"'{text}' is not a list of zero and imputed", hint="--missing zero,imputed"
        )
    return chosen


def _show(console: Console, project: Project, sweep: Sweep, name: str) -> None:
    from la2ds_cli.core.table import terminal
    from la2ds_cli.experiments.robustness import clipped_notes, sweep_table, write_sweep

    paths = write_sweep(sweep, project.results_dir("robustness"), name)
    console.document(f"robustness {sweep.kind}", {"project": project.root, **sweep.to_json()})
    console.rendered(terminal(sweep_table(sweep)))
    console.line(f"event transfer of the model: {sweep.facts['protocol']['features']['model']}")
    for text in [*clipped_notes(sweep), *sweep.warnings]:
        console.line(f"note: {text}", "yellow")
    console.note(f"in full: {', '.join(str(path) for path in paths)}")
