"""Does `la2ds retrieve` find the same moment of other people's clips?

    OMP_NUM_THREADS=1 python benchmarks/similar_moments.py DATA --work DIR

DATA: a folder with human_events/golf and gait (people.py), and mocap/ui_prmd. For each labelled
event of each clip, the first seven hits, one for each clip of other people, are right within 5 % of
their clip of that event (of walkers: of any contact of that foot). Columns: by the embedding of the
base model alone (`align.movement` 0), and beside the movement of the joints (1). The numbers of
movement_and_course were chosen on the first half of the golfers, the weight of 1 also on the walks
and exercises.

Exercises: two correct repetitions of each person, one at 30 and one at 50 frames a second, filmed
from 45 degrees, with jitter of 2 % of the torso; each exercise is searched by itself.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from compare_differences import EVENTS, RECORDED, Camera, at_rate, filmed, shaken, upright
from people import SETS, halves, make_folds, page_table
from turned_clips import all_walks
from whole_clips import SHARE, write

from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.events import phase_events
from la2ds_cli.features.camera_views import movements
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.retrieval.clip_rows import model_features
from la2ds_cli.retrieval.frame_search import Limits, OtherClips, Search

HITS, JITTER, AZIMUTH, REPETITIONS = 7, 0.02, 45, (1, 4)
WEIGHTS = (0.0, 1.0)
Key = tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """kind: clips of one kind are searched apart. events: name -> rows that show it."""

    pose: PoseSequence
    person: str
    kind: str
    events: Mapping[str, list[int]]


def golf(data: Path, work: Path) -> Iterator[tuple[str, dict[str, Clip]]]:
    """The two halves of the players; the first is the one on which numbers were chosen."""
    fold = make_folds(SETS["golf"], data / "human_events", work)[0]
    clips = {}
    for name, row in fold.info.items():
        pose = fold.project.read_pose(name)[0]
        events = phase_events(pose, fold.project.phases()[name])
        kind = "slow motion" if row["slow"] == "1" else "real speed"
        rows = {event: [at] for event, at in events.items()}
        clips[name] = Clip(pose, row["player"], kind, rows)
    for number, people in enumerate(halves({clip.person for clip in clips.values()}, 0)):
        own = {name: clip for name, clip in clips.items() if clip.person in people}
        yield f"golf, {('chosen on', 'kept aside')[number]}", own


def walks(data: Path, work: Path) -> Iterator[tuple[str, dict[str, Clip]]]:
    walked = all_walks(data, work)
    for group in ("zoo", "norm"):
        clips = {}
        for name, row in walked.info.items():
            feet: dict[str, list[int]] = defaultdict(list)
            for event, at in walked.events[name].items():
                feet[event[1:]].append(at)
            if row["set"] == group:
                clips[name] = Clip(walked.seen["side"][name], row["person"], "walk", feet)
        yield f"walks, {group}", clips


def exercises(data: Path) -> Iterator[tuple[str, dict[str, Clip]]]:
    folder, clips = data / "mocap" / "ui_prmd", defaultdict(dict)
    by_person: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader((folder / "clips.csv").open(newline="")):
        if row["correct"] == "1" and row["turn"]:
            by_person[row["movement"], row["person"]].append(row)
    for (movement, person), rows in sorted(by_person.items()):
        for k, n in enumerate(REPETITIONS):
            row = rows[n % len(rows)]
            name, fps = row["clip"], (30.0, 50.0)[(k + int(person[1:])) % 2]
            rng = np.random.default_rng([int(name[1:3]), int(person[1:]), n])
            world = at_rate(upright(np.load(folder / f"{name[:3]}.npz")[name].astype(float)), fps)
            pose = filmed(shaken(Camera.random(AZIMUTH, rng).project(world), JITTER, rng), fps)
            last = len(pose) - 1
            events = {e: [min(round(int(row[e]) / RECORDED * fps), last)] for e in EVENTS}
            clips[movement][name] = Clip(pose, person, "exercise", events)
    for movement, own in clips.items():
        yield f"exercise, {movement}", own


def hits(clips: Mapping[str, Clip], root: Path, weight: float) -> Iterator[tuple[Key, bool]]:
    """Of each hit, the kinds of query and hit and the event, and whether the hit is right."""
    project = StoredProject.create(root, {"preset": "default", "align": {"movement": weight}})
    for name, clip in clips.items():
        write(project, name, clip.pose)
    ids = {video.id: clips[name] for name, video in zip(clips, project.videos(), strict=True)}
    skeleton = next(iter(clips.values())).pose.skeleton
    features = model_features(project, BASE_RUN, skeleton, "cpu", SILENT)
    rows = dict(features.rows(ids))
    moved = {name: paced_movement(clip.pose) for name, clip in ids.items()}
    for name, clip in ids.items():
        at = [(event, row) for event, found in clip.events.items() for row in found]
        value: dict[View, FloatArray] = {v: features.seen(clip.pose, v) for v in features.views}
        asked: dict[View, FloatArray] = {v: of[[row for _, row in at]] for v, of in value.items()}
        others = OtherClips(rows, name, lambda other: moved[other]).asked(asked)
        search = Search(others, movements(clip.pose, features.views))
        for n, (event, _) in enumerate(at):
            yield from judged(search, n, event, clip, ids)


def judged(
    search: Search, n: int, event: str, clip: Clip, clips: Mapping[str, Clip]
) -> Iterator[tuple[Key, bool]]:
    left: dict[str, int] = defaultdict(lambda: HITS)
    found = search.nearest(n, Limits(len(clips), 1, 0.0))
    for number, row in zip(found.clip.tolist(), found.row.tolist(), strict=True):
        hit = clips[search.clips.named(number)[1]]
        if hit.person == clip.person or not left[hit.kind]:
            continue
        left[hit.kind] -= 1
        right = min(abs(row - at) for at in hit.events[event]) <= SHARE * len(hit.pose)
        yield (clip.kind, hit.kind, event), right


def shown(found: list[list[tuple[Key, bool]]], *wanted: str) -> list[str]:
    """Per cent right, by weight, of the hits whose key begins like this."""
    each = [[right for key, right in of if key[: len(wanted)] == wanted] for of in found]
    return [f"{100 * np.mean(of):.0f}" for of in each]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    sets = [*golf(given.data, given.work), *walks(given.data, given.work / "walks")]
    sets += list(exercises(given.data))
    table = []
    for number, (title, clips) in enumerate(sets):
        roots = [given.work / f"searched-{number}-{n}" for n in range(len(WEIGHTS))]
        found = [list(hits(clips, *of)) for of in zip(roots, WEIGHTS, strict=True)]
        pairs = sorted({key[:2] for of in found for key, _ in of})
        for pair in pairs:
            name = " in ".join(pair) if len(pairs) > 1 else "all"
            table.append([title, name, "all", *shown(found, *pair)])
            for event in next(iter(clips.values())).events if len(pairs) > 1 else ():
                table.append([title, name, event, *shown(found, *pair, event)])
    print(page_table(["clips", "query in hits", "event", "embedding", "and movement"], table))


if __name__ == "__main__":
    main()
