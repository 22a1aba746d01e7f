"""A learning rate for each method of a benchmark, chosen with the same number of tries for all.

The tries use no test clip: they run in a project with only the training clips, a quarter of which
is held out. The criterion is none that a method is trained on: the mean error of event transfer
between the held-out clips, by the labels of phases.csv.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import PHASE_COLUMNS
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.result import Choice
from la2ds_cli.experiments.rows import Row
from la2ds_cli.experiments.runs import Plan, attempt, train_run
from la2ds_cli.experiments.scores import cached_scores
from la2ds_cli.training.data import training_videos

FOLDER = "held-out"
SHARE = 0.25  # of the training clips
FACTOR = 3.0  # between successive rates
NAME = "try"


def rates(middle: float, tries: int) -> list[float]:
    """`tries` learning rates around that of a preset, each 3 times the previous one."""
    steps = range(-(tries // 2), tries - tries // 2)
    return [float(f"{middle * FACTOR**step:.2g}") for step in steps]


def choose_rate(project: Project, row: Row, plan: Plan, progress: Progress) -> Choice:
    """The learning rate with which a row does best on held-out training clips of the project.

    Trains one run per rate with the minutes and settings of the table and its first seed, in
    results/benchmark/held-out of the project; finished runs and their scores are reused. Raises
    UserError (exit 4) if all rates fail.
    """
    inner, seed = held_out_project(project), plan.seeds[0]
    recipe = row.recipe(inner, seed)
    errors: list[tuple[float, float | None]] = []
    reasons = []
    for rate in rates(recipe.train.learning_rate, plan.tries):
        run = f"{NAME}-{row.name}-{rate:g}-s{seed}"
        config = replace(recipe, train=replace(recipe.train, learning_rate=rate))

        def work(run: str = run, config: Config = config) -> float:
            train_run(inner, run, config, plan, progress)
            scored = cached_scores(
                inner,
                run,
                config,
                ["model"],
                protocol="la2ds",
                device=plan.device,
                progress=progress,
            )
            error = scored.scores["model"]["event_transfer_mean"]
            if scored.facts["events"] != "phases" or error is None:
                raise UserError("phases.csv labels no event of two held-out training clips")
            return error

        error, reason = attempt(inner, run, progress, work)
        errors.append((rate, error))
        reasons.append(reason)
    known = [(error, rate) for rate, error in errors if error is not None]
    if not known:
        raise UserError(
            f"no learning rate of {row.name} could be tried: {reasons[0]}",
            exit_code=ExitCode.UNUSABLE,
        )
    return Choice(min(known)[1], errors)


def read_rates(path: Path) -> dict[str, Choice]:
    """The learning rates that a benchmark of one project chose, by method, from its JSON file.

    Raises UserError (exit 2) for a file that is not such a document, or has several projects.
    """
    hint = "name the benchmark.json of `la2ds benchmark --tries N`"
    try:
        document = json.loads(regular_file.text(path))
        chosen = list(document["learning_rates"].values())
    except artifact.FOREIGN:
        raise UserError(f"{path} has no learning rates of a benchmark", hint=hint) from None
    if len(chosen) != 1:
        raise UserError(
            f"{path} has the learning rates of {len(chosen)} projects, not one", hint=hint
        )
    try:
        return {name: Choice.from_json(choice) for name, choice in chosen[0].items()}
    except artifact.FOREIGN:
        raise UserError(f"the learning rates of {path} cannot be read", hint=hint) from None


def check_rates(rows: Sequence[Row], plan: Plan) -> None:
    """Raise UserError (exit 2) for tries together with given rates, and for a row without a given
    rate."""
    if plan.rates is None:
        return
    if plan.tries > 1:
        raise UserError("--rates and --tries exclude each other", hint="leave one of them out")
    missing = [row.name for row in rows if row.name not in plan.rates]
    if missing:
        raise UserError(
            f"the given learning rates have none for {', '.join(missing)}",
            hint=f"they are for {', '.join(sorted(plan.rates))}; select these with --methods",
        )


def held_out_project(project: Project) -> Project:
    """A project in results/benchmark/held-out with only the training clips; a quarter is `test`."""
    inner = Project.create(project.results_dir(f"benchmark/{FOLDER}"), project.settings or None)
    inner = Project(inner.root, project.settings)
    videos = training_videos(project)
    held_out = _held_out(videos)
    for video in videos:
        content = regular_file.content(project.pose_path(video.id), most=None)
        target = inner.pose_path(video.id)
        if not target.exists() or regular_file.content(target, most=None) != content:
            artifact.write_bytes(target, content)
    gone = {video.id for video in inner.videos()} - {video.id for video in videos}
    inner.add_videos(
        (
            replace(
                video,
                path=str(project.source(video)),
                split="test" if video.id in held_out else "train",
            )
            for video in videos
        ),
        removed=gone,
    )
    phases = project.phases()
    rows = [(v.id, p.start, p.end, p.name) for v in videos for p in phases.get(v.id, [])]
    if rows:
        artifact.write_text(inner.phases_path, table_text(PHASE_COLUMNS, rows))
    if project.annotations_path.exists():
        artifact.write_text(inner.annotations_path, regular_file.text(project.annotations_path))
    return inner


def _held_out(videos: list[Video]) -> set[str]:
    """Ids of a quarter of the clips, at least two, chosen by a hash; clips of one performer or of
    one file stay together."""
    together: dict[str, list[str]] = {}
    for video in videos:
        together.setdefault(video.group or video.sha256 or video.path, []).append(video.id)
    order = sorted(together, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    wanted = max(2, round(SHARE * len(videos)))
    chosen: set[str] = set()
    for name in order:
        if len(chosen) >= wanted:
            break
        chosen.update(together[name])
    return chosen
