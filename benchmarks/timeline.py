"""How exact a timeline of many clips is: the table of docs/results/timeline.md.

    OMP_NUM_THREADS=1 python benchmarks/timeline.py DATA --work DIR [--pairs 300]

DATA: a folder with human_events and penn_action. Of each set 30 clips are put on one timeline, and
events are carried from clip to clip through it: of half of the people of golf and ski jumps, and of
training clips of Penn Action, whose events a rule finds. Median / mean error in % of B; an end that
B lacks is its first or last frame. What a call costs: many_clips.py --only timeline.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from people import SETS, make_folds, penn_project

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.alignment.timeline_result import PlacedClip
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.events import EvaluationClip, choose_events

CLIPS = 30


def sets(data: Path, work: Path) -> Iterator[tuple[str, StoredProject, list[EvaluationClip]]]:
    for name in ("golf", "skijump"):
        fold = make_folds(SETS[name], data / "human_events", work)[0]
        yield name, fold.project, labelled(fold.project, "test")
    penn = data / "penn_action"
    project = penn_project(penn, "golf_swing", work / "penn", penn / "phases_kinematic.csv")
    yield "Penn golf swings", project, labelled(project, "train")


def labelled(project: StoredProject, split: str) -> list[EvaluationClip]:
    """CLIPS clips with events."""
    poses = {v.id: project.read_pose(v.id)[0] for v in project.videos() if v.split == split}
    clips = [clip for clip in choose_events(poses, project.phases())[0] if clip.events]
    chosen = np.random.default_rng(0).permutation(len(clips))[:CLIPS]
    return [clips[k] for k in sorted(chosen)]


def through(a: PlacedClip, b: PlacedClip, row: int) -> float:
    """The row of B that shows what a row of A does, by the timeline."""
    known = np.flatnonzero(~np.isnan(a.position))
    place = a.position[known[np.abs(known - row).argmin()]]
    shown = b.position[~np.isnan(b.position)]
    return float(b.row_at(np.array([np.clip(place, shown[0], shown[-1])]))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=300)
    given = parser.parse_args()
    for title, project, clips in sets(given.data, given.work):
        request = AlignRequest(project.config(), features="base")
        result = align_all(project, [clip.id for clip in clips], request)
        placed = {clip.video.id: clip for clip in result.clips}
        known, errors = [clip for clip in clips if clip.id in placed], []
        rng = np.random.default_rng(0)
        for _ in range(given.pairs):
            a, b = (known[k] for k in rng.choice(len(known), 2, replace=False))
            for event in a.events.keys() & b.events.keys():
                landed = through(placed[a.id], placed[b.id], a.events[event])
                errors.append(100 * abs(landed - b.events[event]) / len(b.pose))
        print(f"| {title} | {np.median(errors):.2f} / {np.mean(errors):.2f} |", flush=True)


if __name__ == "__main__":
    main()
