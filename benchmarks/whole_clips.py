"""Pairs of whole clips of all data sets with known moments, and what a match of them is worth: for
camera.py and others.

The data sets and the two halves of their people are those of people.py; of Penn Action, clips of
the test part are aligned, whose phases a rule finds in the joints; rendered performers come from
la2ds_cli/demo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from people import SETS, make_folds, penn_project, whole_pairs

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import NOMINAL
from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import performed

SHARE, SECONDS = 0.05, 0.1  # of B; a match within the larger one is right
EVERY = 5  # frames of rendered performers
MEASURES = ("error", "width", "held", "sure", "wrong")


@dataclass(frozen=True)
class Case:
    """Two clips of a project. moments: frames of A, and the frames of B that show the same."""

    project: StoredProject
    title: str
    a: str
    b: str
    moments: list[tuple[int, float]]


def judged(result: Alignment, moments: Sequence[tuple[int, float]]) -> FloatArray:
    """MEASURES of every moment, (E, 5): the error and the width of the interval in % of B, whether
    the interval holds the truth, whether the match is sure, and whether it is wrong. NaN without a
    counterpart."""
    found, time = result, result.pose_b.time
    frame, true = np.array(moments, float).reshape(-1, 2).T
    at = frame.astype(np.int64)
    position, low, high = (v[at] for v in (found.position, found.low, found.high))
    off, length = np.abs(true - position), len(time)
    right = max(SHARE * length, SECONDS / float(np.median(np.diff(time))))
    sure = found.confidence[at] >= np.float32(NOMINAL)
    held = (low <= true) & (true <= high)
    share = 100 / length
    rows = np.stack([share * off, share * (high - low), held, sure, off > right], axis=1)
    rows[np.isnan(position)] = np.nan
    return rows


# --- the data sets -------------------------------------------------------------------------------


def cases(name: str, data: Path, work: Path, pairs: int) -> Iterator[Case]:
    """Pairs of the clips of a set; its projects are made where they are not there yet."""
    config = load_config(overrides=[f"evaluate.pairs={pairs}", "evaluate.trim_draws=1"])
    if name in SETS:
        for fold in make_folds(SETS[name], data / "human_events", work):
            yield from labelled(fold.project, config, fold.kind, SETS[name].title)
    elif name == "rendered":
        yield from rendered(work / name, 2 * pairs)
    else:
        action = name.partition(" ")[2]
        penn = data / "penn_action"
        project = penn_project(penn, action, work / action, penn / "phases_kinematic.csv")
        config = replace(config, evaluate=replace(config.evaluate, pairs=2 * pairs))
        yield from labelled(project, config, lambda a, b: "all", lambda kind: f"Penn, {action}")


def labelled(project: StoredProject, config: Config, kind: Any, title: Any) -> Iterator[Case]:
    for a, b in whole_pairs(project, config, kind):
        shared = sorted(a.events.keys() & b.events.keys())
        moments = [(a.events[event], float(b.events[event])) for event in shared]
        yield Case(project, title(kind(a.id, b.id)), a.id, b.id, moments)


def rendered(folder: Path, pairs: int, clips: int = 40, seed: int = 100) -> Iterator[Case]:
    """Performers of the demo's movement, of whom every second is a training clip."""
    performers = {f"performer{n:02d}": performed(n, clips, seed, 1.5) for n in range(clips)}
    project = StoredProject.create(folder)
    for n, (name, (pose, _)) in enumerate(performers.items()):
        write(project, name, pose, ("train", "test")[n % 2])
    tested = list(performers)[1::2]
    both = [(a, b) for a in tested for b in tested if a != b]
    for k in sorted(np.random.default_rng(seed).permutation(len(both))[:pairs]):
        a, b = both[k]
        phase_a, phase_b = performers[a][1], performers[b][1]
        true = np.interp(phase_a, phase_b, np.arange(len(phase_b)), np.nan, np.nan)
        moments = [(t, float(true[t])) for t in range(0, len(true), EVERY) if np.isfinite(true[t])]
        yield Case(project, "rendered", a, b, moments)


def write(project: StoredProject, name: str, pose: PoseSequence, split: str = "test") -> None:
    project.write_pose(name, pose, Recipe("benchmark", 1, {"clip": name}, {}))
    row = Video(name, f"{name}.csv", name, len(pose), pose.fps, *pose.size, split)
    project.add_videos([row])


# --- measuring -----------------------------------------------------------------------------------


def plain(rows: FloatArray) -> list[list[float | None]]:
    """As JSON, None for NaN."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in rows]


def stored(path: Path, pairs: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The pairs by the title of their row. They are measured, and written to `path`, where it is
    not there."""
    if not path.exists():
        artifact.write_json(path, {"pairs": list(pairs)})
    rows: dict[str, list[dict[str, Any]]] = {}
    for pair in artifact.read_document(path)["pairs"]:
        rows.setdefault(pair["title"], []).append(pair)
    return rows


def values(pairs: Sequence[dict[str, Any]], name: str) -> FloatArray:
    """MEASURES of all moments of the pairs, (E, 5)."""
    return np.array([moment for pair in pairs for moment in pair[name]], float)


def shown(value: float) -> str:
    """Two digits."""
    return "–" if np.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"
