"""`la2ds init`, `status` and `remove`: manage a project. `la2ds demo`: an example project. `la2ds
doctor`: check this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from la2ds_cli.commands.options import (
    DEVICE,
    JSON,
    PROJECT,
    PROJECT_OPTION,
    Here,
    Output,
    argument,
    flag,
    option,
)
from la2ds_cli.commands.projects import on_project, open_project
from la2ds_cli.core.config import read_preset
from la2ds_cli.core.console import Console
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.health import doctor as diagnosis

if TYPE_CHECKING:
    from la2ds_cli.health.status import ProjectStatus


def demo(
    folder: Path = argument("DIR", "Where to create the demo project.", Path("la2ds-demo")),
    train: bool = flag("--train", "Also train a network and evaluate it."),
    minutes: float | None = option(
        "M", "With --train: longest training, in minutes.", min=0.1, show_default="1.5"
    ),
    device: DeviceName = DEVICE,
    *,
    output: Output,
) -> None:
    """Align rendered clips, from the video to the film.

    \b
      la2ds demo
      la2ds demo --train

    Renders sixteen clips, finds the joints, aligns two performers, and shows them in step in a
    film, a page for a browser and a picture. Takes about a minute on a CPU and downloads nothing.
    The true alignment of rendered clips is known, so the result is checked against it. Run it
    again to continue an interrupted demo.

    --train also trains a network on the clips and compares it, in two tables, with methods that
    need no training.
    """
    from la2ds_cli.demo.run import MINUTES, run_demo

    if minutes is not None and not train:
        raise UserError("--minutes limits the training, so it needs --train", hint="add --train")
    with output.console() as console:
        result = run_demo(
            folder,
            training=train,
            minutes=MINUTES if minutes is None else minutes,
            device=device,
            progress=console.progress,
        )
        console.document("demo", result)
        if train:
            _show_training(console, result)
        _show_demo(console, result)
        console.next(on_project("la2ds studio", folder))
        console.next("la2ds align YOUR.mp4 OTHER.mp4 --out ab.png")


def _show_training(console: Console, result: dict[str, Any]) -> None:
    from la2ds_cli.evaluation.evaluation_table import evaluation_table

    console.rendered(evaluation_table(result["evaluation"]))
    console.line()
    console.line(f"{result['clips']} clips, {result['training']['steps']} training steps")


def _show_demo(console: Console, result: dict[str, Any]) -> None:
    truth = result["truth"]
    a, b = (Path(truth[side]["path"]).name for side in "ab")
    console.line(f"A {a} and B {b}, two of {result['clips']} rendered performers")
    console.line(
        f"sure of {truth['sure']} of {truth['frames_of_a']} frames of A; median error "
        f"{truth['median_error']:.1f} frames of B against the true alignment "
        f"(constant speed: {truth['clock_median_error']:.1f})"
    )
    console.line()
    rows = [(each["file"], each["shows"]) for each in result["files"]]
    console.table(("file", "shows"), rows)


def init(
    folder: Path = argument("DIR", "Where to create the project.", Path(), envvar=PROJECT),
    preset: str | None = option(
        "NAME", "Settings to start from, such as heatmap.", show_default="default"
    ),
    *,
    output: Output,
) -> None:
    """Create a project directory.

    \b
      la2ds init swings

    It contains project.toml and everything that la2ds computes. An existing project is unchanged.
    """
    from la2ds_cli.core.stored_project import PROJECT_FILE, StoredProject

    with output.console() as console:
        existed = (folder / PROJECT_FILE).exists()
        if preset is not None:
            read_preset(preset)
        project = StoredProject.create(folder, {"preset": preset or "default"})
        actual = project.settings.get("preset", "default")
        if preset not in (None, actual):
            raise UserError(
                f"{project.root} is already a project with preset {actual}",
                hint=f'write preset = "{preset}" in {project.root / PROJECT_FILE}',
            )
        console.document(
            "init", {"project": project.root, "preset": actual, "created": not existed}
        )
        console.line(f"{'project already in' if existed else 'new project in'} {project.root}")
        console.next(on_project("la2ds extract-poses YOUR-VIDEOS", folder))


_NAMED = 5  # clips or files


def status(project: Path = PROJECT_OPTION, as_json: bool = JSON) -> None:
    """Show what is done, and what is out of date and why.

    \b
      la2ds status --project swings
    """
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
            console.note(f"everything is up to date; to align two clips: {example}")


def _show(console: Console, state: ProjectStatus) -> None:
    splits = ", ".join(f"{n} {name or 'in no split'}" for name, n in state.splits.items())
    console.line(f"{state.project}, preset {state.preset}")
    clips = "1 clip" if state.videos == 1 else f"{state.videos} clips"
    console.line(f"{clips} ({splits}), {state.labelled} with phases" if splits else "no clips")
    console.line()
    rows = [
        (f"{s.step} {s.run}".strip(), s.current, len(s.stale), len(s.missing))
        for s in state.steps
        if s.step != "heatmaps" or s.current or s.stale  # nobody needs them to be stored
    ]
    console.table(("step", "current", "stale", "missing"), rows)
    for step in state.steps:
        for reason, count in Counter(step.stale.values()).most_common():
            console.line(f"{step.step} {step.run}".strip() + f": {count} stale: {reason}", "yellow")
    if state.gone:
        console.line(
            f"clips whose video is missing {_named(state.gone)}; put the files back, or "
            "run la2ds extract-poses on them at their new place",
            "yellow",
        )
    if state.changed:
        console.line(
            f"clips whose video was replaced {_named(state.changed)}; put the files back, "
            "or run la2ds extract-poses on the new files and la2ds remove on these clips",
            "yellow",
        )
    if state.split_problem:
        console.line(state.split_problem, "yellow")
    for problem in state.unclear_labels:
        console.line(f"phases.csv: {problem}", "yellow")
    for run in state.runs:
        error = "" if run.validation_error is None else f", error {run.validation_error:.2f} %"
        console.line(f"run {run.run}: step {run.step} of {run.steps}{error}")
        if run.stale:
            console.line(f"run {run.run} is out of date: {run.stale}", "yellow")
        if run.settings:
            console.line(f"run {run.run} has its own settings: {run.settings}")


def _named(clips: Sequence[str]) -> str:
    """Return `(5): a, b, ...`: how many clips, and the names of the first _NAMED."""
    return f"({len(clips)}): {', '.join(clips[:_NAMED])}" + ", ..." * (len(clips) > _NAMED)


def doctor(as_json: bool = JSON) -> None:
    """Show what is installed and what works.

    \b
      la2ds doctor

    Shows versions, devices and weights, and tests the video decoder.
    """
    with Console(as_json=as_json) as console:
        checks = diagnosis.examine()
        console.table(
            ("status", "what", "found"),
            [("ok" if check.ok else "failed", check.name, check.found) for check in checks],
        )
        healthy = all(check.ok for check in checks)
        console.document("doctor", {"healthy": healthy, "checks": checks})
    raise typer.Exit(ExitCode.OK if healthy else ExitCode.ENVIRONMENT)


def remove(
    videos: list[str] = argument("CLIP", "Clips by file or id; NAME#2: one person."), *, here: Here
) -> None:
    """Remove clips from the project.

    \b
      la2ds remove swings-anna-1a2b3c4d --project swings

    Deletes their joints and everything else that was computed for them. The videos stay. Phases,
    groups, corrected joints and whatever else people have set are kept, and used again if the same
    video is extracted again from the same place.
    """
    from la2ds_cli.poses.current import clip_named

    with here.console() as console:
        opened = here.open()
        with opened.lock():
            clips = [clip_named(opened, name) for name in videos]  # before any is removed
            gone = list(dict.fromkeys(clip.id for clip in clips))
            video_exists = any(opened.source(clip).exists() for clip in clips)
            opened.take_out(gone)
        for video in gone:
            console.line(f"removed {video}")
        left = sorted({file for clip in clips for file in opened.exported(clip)})
        console.document("remove", {"project": opened.root, "removed": gone, "exported": left})
        if video_exists:
            console.note("extract-poses will add a clip again if it finds its video in a folder")
        if left:
            named = ", ".join(left[:_NAMED]) + ", ..." * (len(left) > _NAMED)
            console.note(f"exported files were kept: {named}")
