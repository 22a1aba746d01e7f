"""The Train page: train runs and watch them, with their curves and verdicts.

The command does the work, as a job. Curves are read from the files that a run writes while it
trains, so runs started on the command line are shown, too.
"""

from __future__ import annotations

import json
import math
import time
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.run_verdict import read_verdict
from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.stored_project import DEFAULT_RUN, StoredProject
from la2ds_cli.health.status import ProjectStatus, project_status
from la2ds_cli.network.training_clips import training_videos
from la2ds_cli.studio.jobs import ENDED, Jobs
from la2ds_cli.studio.pages import page, posted
from la2ds_cli.training.checkpoint import FINISHED, START, run_warnings
from la2ds_cli.training.clip_set import outlook

SILENT = 180.0  # seconds without a write after which an unfinished run counts as stopped
_POINTS = 600  # of a curve, at most
_MOST_BYTES = 1 << 24  # of a file of curves

State = Literal["waiting", "training", "finished", "stopped"]


# --- the files of a run ---------------------------------------------------------------------------


def run_names(project: StoredProject) -> list[str]:
    """Return all runs of the project that have been started."""
    folder = project.root / "checkpoints"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if _begun(project, name)]


def _begun(project: StoredProject, name: str) -> bool:
    with suppress(UserError):  # not a run name, or a link out of the project
        return (project.run_dir(name) / "recipe.json").is_file()
    return False


def course(project: StoredProject, run: str, jobs: Jobs | None = None) -> dict[str, Any]:
    """Return the progress of a run from its files; unreadable parts are left out.

    state: see State. ended: why it ended before its planned steps, in words. step: the last one.
    steps: planned, 0 = unknown. seconds: of training. when: time of its last write, in seconds
    since 1970. loss: points [step, mean loss since the previous point]. validation: points [step, %
    of the clip length]. best: the best of them, or None. collapsed: as of its last validation.
    """
    folder = project.run_dir(run)
    validations, losses = _rows(folder / "metrics.jsonl"), _rows(folder / "loss.jsonl")
    last = max((*validations[-1:], *losses[-1:]), key=lambda row: row["step"], default={})
    state, validation = _state(folder, run, jobs), _points(validations, "validation_error")
    document = artifact.read_document(folder / FINISHED) if state == "finished" else {}
    return {
        "run": run,
        "state": state,
        "ended": str(document.get("ended") or ""),
        "step": int(last.get("step", 0)),
        "steps": _planned(folder),
        "seconds": float(last.get("seconds", 0.0)),
        "when": _touched(folder),
        "loss": _points(losses, "loss"),
        "validation": validation,
        "best": min(validation, key=lambda point: point[1], default=None),
        "collapsed": bool(validations and validations[-1].get("collapsed")),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a file of curves, in the order of their steps."""
    try:
        lines = regular_file.content(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        with suppress(ValueError, RecursionError):  # a line that is still being written
            row = json.loads(line)
            if isinstance(row, dict) and _is_number(row.get("step")):
                rows.append(row)
    return sorted(rows, key=lambda row: row["step"])


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> list[list[float]]:
    """Return points [step, value], at most _POINTS, evenly spaced, including the last one."""
    points = [[row["step"], row[key]] for row in rows if _is_number(row.get(key))]
    every = math.ceil(len(points) / _POINTS) or 1
    return points[(len(points) - 1) % every :: every]


def _planned(folder: Path) -> int:
    """Return the steps of the recipe; 0 if they are unknown."""
    try:
        value = artifact.read_recipe(folder / "recipe.json").config.get("train.steps", 0)
    except artifact.ArtifactError:
        return 0
    return int(value) if _is_number(value) else 0


_FILES = ("recipe.json", "loss.jsonl", "metrics.jsonl", "resume.pt", FINISHED)


def _touched(folder: Path) -> float:
    """Return when a run last wrote a file, in seconds since 1970."""
    times = []
    for name in _FILES:
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(times, default=0.0)


def _state(folder: Path, run: str, jobs: Jobs | None) -> State:
    asked = [job for job in jobs.jobs.values() if job.about.get("train") == run] if jobs else []
    if any(job.state == "running" for job in asked):
        return "training"
    if any(job.state == "waiting" for job in asked):
        return "waiting"
    if (folder / FINISHED).is_file():
        return "finished"
    stopped = asked and asked[-1].state in ENDED
    return "stopped" if stopped or time.time() - _touched(folder) > SILENT else "training"


def about_run(project: StoredProject, run: str, state: ProjectStatus, jobs: Jobs) -> dict[str, Any]:
    """Return what the page shows about a run: its course, recipe, warnings and verdict."""
    folder, now = project.run_dir(run), course(project, run, jobs)
    finished = now["state"] == "finished"
    status = next((each for each in state.runs if each.run == run), None)
    warnings = run_warnings(folder) if finished else []
    if now["collapsed"] and not any("collapsed" in text for text in warnings):
        warnings.append("the embedding has collapsed: it hardly distinguishes frames")
    if status and status.stale:
        warnings.append(f"its clips have changed since training: {status.stale}")
    judged = read_verdict(project, run) if finished else None
    return now | {
        "recipe": _recipe_words(folder),
        "warnings": warnings,
        "verdict": judged and judged.to_json(run),
    }


def _recipe_words(folder: Path) -> str:
    try:
        stored = tomllib.loads(regular_file.text(folder / "config.toml"))
    except (OSError, ValueError, RecursionError):
        return ""
    train, model = (stored.get(name) for name in ("train", "model"))
    if not (isinstance(train, dict) and isinstance(model, dict)):
        return ""
    named = {"method": train.get("method"), "reads": model.get("input"), "seed": train.get("seed")}
    facts = [f"preset {stored.get('preset', '')}"]
    facts += [f"{name} {value}" for name, value in named.items() if value is not None]
    return ", ".join(fact[:80] for fact in facts)


# --- the page -------------------------------------------------------------------------------------


def _show(request: Request) -> Response:
    """Return the page; its script requests the runs."""
    return HTMLResponse(page("train.html", "Train", here="/train"))


def _data(request: Request) -> Response:
    """Return `learn` (see training_outlook) and `runs` (see about_run)."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    state = project_status(project, project.config(), stopped=False)  # `course` knows stopped runs
    return JSONResponse(
        {
            "learn": training_outlook(project, state),
            "runs": [about_run(project, run, state, studio.jobs) for run in run_names(project)],
        }
    )


def _courses(request: Request) -> Response:
    """Return the course of each run, which the page requests repeatedly."""
    studio = request.app.state.studio
    names = run_names(studio.project)
    return JSONResponse([course(studio.project, run, studio.jobs) for run in names])


def training_outlook(project: StoredProject, state: ProjectStatus) -> dict[str, Any]:
    """Return how many of the clips are for training, and whether it is likely to help."""
    clips = len(training_videos(project))
    pays, words = outlook(clips)
    return {"clips": clips, "pays": pays, "words": words, "listed": state.videos}


# --- training -------------------------------------------------------------------------------------


async def _start(request: Request) -> Response:
    """Train a new run under the first free name, starting with `default`."""
    studio = request.app.state.studio
    names = {*run_names(studio.project), *_asked_for(studio.jobs)}
    numbered = (f"run-{n}" for n in range(2, len(names) + 3))
    run = next(name for name in (DEFAULT_RUN, *numbered) if name not in names)
    return _train(studio, run, [])


async def _go_on(request: Request) -> Response:
    """Resume a stopped run: {"run"}. The command refuses if the run's settings differ from those of
    the project."""
    studio = request.app.state.studio
    run, project = (await posted(request, run=str))["run"], studio.project
    if not _begun(project, run) or (project.run_dir(run) / FINISHED).is_file():
        raise UserError("this run cannot be resumed: it was not stopped", hint="reload the page")
    if run in _asked_for(studio.jobs):
        raise Mismatch(f"training of {run} is already queued or running")
    based = False
    with suppress(artifact.ArtifactError):
        based = START in artifact.read_recipe(project.run_dir(run) / "recipe.json").inputs
    return _train(studio, run, ["--from=base"] if based else [])


def _asked_for(jobs: Jobs) -> list[str]:
    """Return the runs whose training is queued or running as a job."""
    open_ = (job for job in list(jobs.jobs.values()) if job.state not in ENDED)
    return [job.about["train"] for job in open_ if "train" in job.about]


def _train(studio: Any, run: str, options: Sequence[str]) -> Response:
    """Queue the training of a run."""
    arguments = ["train", f"--run={run}", *options, f"--project={studio.project.root}"]
    job = studio.jobs.add(f"training {run}", arguments, about={"train": run})
    return JSONResponse({"number": job.number})


ROUTES = [
    Route("/train", _show),
    Route("/train/data", _data),
    Route("/train/courses", _courses),
    Route("/train/start", _start, methods=["POST"]),
    Route("/train/go-on", _go_on, methods=["POST"]),
]
