"""What two clips get: the tables of docs/results/confidence.md, and the second of human-labels.md.

    python benchmarks/intervals.py DATA --work DIR [--pairs 20] [--sets golf,...]

DATA: a folder with human_events, gait and penn_action. The data sets and the two halves of their
people are those of people.py; of Penn Action, clips of the test part are aligned, whose
phases a rule finds in the joints; rendered performers come from la2ds_cli/demo. Every pair is
aligned by the base model alone, through reference clips, and alone with B trimmed at random by up
to 30 % at either end. Prints the error, how often intervals hold, and how often `sure` is wrong.
What is measured stays in DIR; the same command goes on where it was stopped. Another version of
la2ds is measured by the same script with it first in PYTHONPATH, and another DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from people import ACTIONS, SETS, make_folds, page_table, penn_project, whole_pairs

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import NOMINAL
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import performed

NAMES = (*SETS, *(f"penn {action}" for action in ACTIONS), "rendered")
SHARE, SECONDS = 0.05, 0.1  # of B; a match within the larger one is right
TRIM = 0.3  # most of B that is cut off at either end
EVERY = 5  # frames of rendered performers
MEASURES = ("error", "width", "held", "sure", "wrong")
WAYS = ("alone", "references")


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


def measured(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """`alone` and `references`: MEASURES of every moment. `outside`: whether each moment that was
    cut off B is called sure."""
    requests = [
        AlignRequest(load_config(overrides=[f"align.reference_clips={n}"]), features="base")
        for n in (0, 8)
    ]
    project, a, b = case.project, case.a, case.b
    found = {
        way: plain(judged(align_clips(project, a, b, request), case.moments))
        for way, request in zip(WAYS, requests, strict=True)
    }
    pose = project.read_pose(b)[0]
    start, end = (round(len(pose) * rng.uniform(0, TRIM)) for _ in range(2))
    stop = len(pose) - end
    with TemporaryDirectory() as folder:
        trimmed = StoredProject.create(Path(folder) / "trimmed")
        write(trimmed, "a", project.read_pose(a)[0])
        write(trimmed, "b", pose.cut(start, stop))
        result = align_clips(trimmed, "a", "b", requests[0])
    cut = [(i, j - start) for i, j in case.moments if not start <= j < stop]
    outside = np.nan_to_num(judged(result, cut)[:, MEASURES.index("sure")]).tolist()
    return {"title": case.title, **found, "outside": outside}


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


NAMES_OF = ("median / mean error", "held", "width", "sure", "wrong of sure")


def figures(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    """NAMES_OF by two clips alone or through references, in %; a moment without a counterpart is
    off by half of B."""
    every = values(rows, name)
    error = np.nan_to_num(every[:, 0], nan=50.0)
    _, width, held, sure, wrong = every[np.isfinite(every[:, 0])].T
    wrong_of_sure = 100 * wrong[sure > 0].mean() if sure.any() else np.nan
    shares = 100 * held.mean(), np.median(width), 100 * sure.sum() / len(every), wrong_of_sure
    return [f"{np.median(error):.2f} / {error.mean():.2f}", *map(shown, shares)]


def table(rows: dict[str, Any]) -> str:
    names = [f"{way}: {name}" for way in WAYS for name in NAMES_OF]
    lines = []
    for title, pairs in rows.items():
        cut = [one for pair in pairs for one in pair["outside"]]
        both = [cell for way in WAYS for cell in figures(pairs, way)]
        yet_sure = shown(100 * float(np.mean(cut)) if cut else np.nan)
        lines.append([title, str(len(values(pairs, "alone"))), *both, str(len(cut)), yet_sure])
    return page_table(["", "events", *names, "outside B", "yet sure"], lines)


def shown(value: float) -> str:
    """Two digits."""
    return "–" if np.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=20, help="Of each kind and half, at most.")
    parser.add_argument("--sets", default=",".join(NAMES))
    given = parser.parse_args()
    names = given.sets.split(",")
    found = {}
    for name in names:
        rng = np.random.default_rng(0)
        pairs = cases(name, given.data, given.work, given.pairs)
        rows = stored(given.work / f"{name}.json", (measured(pair, rng) for pair in pairs))
        found |= rows
        print(*(f"{title}: {len(pairs)} pairs" for title, pairs in rows.items()), flush=True)
    print(table(found))


if __name__ == "__main__":
    main()
