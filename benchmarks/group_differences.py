"""Does a test of two groups find where correct and incorrect repetitions of a person differ?

    python benchmarks/group_differences.py MOCAP --work DIR [--azimuth 45] [--repetitions 9]

MOCAP: exercises by motion capture (UI-PRMD), as in compare_differences.py. Each person does each
exercise several times correctly and incorrectly, filmed by a camera some degrees aside, with
jitter. The repetitions of one person are the samples (a study of one case); needs spm1d.

The truth is the same test on noise-free joints in the same films, at correspondences found in the
joints in space and the moments of clips.csv. Of the percents in which it finds a difference: how
many does the timeline find? Of those that the timeline reports: in how many do the groups truly
differ in this direction, by TRUE degrees or torso lengths at least? Beside it, linear time.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from compare_differences import (
    Camera,
    at_rate,
    filmed,
    phase_of,
    shaken,
    true_position,
    upright,
)
from people import page_table
from whole_clips import write

from la2ds_cli.alignment.curve_groups import CurveGroups, Grouping, group_curves
from la2ds_cli.alignment.curve_tests import compare_groups
from la2ds_cli.alignment.path import pair_distance
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, measure_at_grid
from la2ds_cli.alignment.timeline_result import GRID
from la2ds_cli.core.arrays import mean_and_deviation
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.pose_features import joint_angles

RATE, JITTER = 30.0, 0.02
TRUE = {"degrees": 3.0}  # of a mean difference
TRUE_LENGTH = 0.03  # torso lengths
WAYS = ("timeline", "true moments", "linear time")
Curves = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Recording:
    """One repetition: joints in space, its film, the same without jitter, and its phase (T,)."""

    row: dict[str, str]
    world: FloatArray
    film: PoseSequence
    clean: PoseSequence

    @property
    def phase(self) -> FloatArray:
        return phase_of(self.row, len(self.world), RATE)


def recordings(mocap: Path, azimuth: int, most: int) -> Iterator[tuple[str, str, list[Recording]]]:
    """Each exercise and person with correct and incorrect repetitions of it."""
    rows: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with (mocap / "clips.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            rows[row["movement"], row["person"]][row["correct"]].append(row)
    for (movement, person), forms in sorted(rows.items()):
        if len(forms) == 2:
            own = [row for rows in forms.values() for row in rows[1 : most + 1]]
            yield movement, person, [record(mocap, row, azimuth) for row in own]


def record(mocap: Path, row: dict[str, str], azimuth: int) -> Recording:
    name = row["clip"]
    world = at_rate(upright(np.load(mocap / f"{name[:3]}.npz")[name].astype(float)), RATE)
    seed = [int(name[1:3]), int(name[5:7]), int(name[9:11]), azimuth, name.endswith("inc")]
    rng = np.random.default_rng(seed)
    xy = Camera.random(azimuth, rng).project(world)
    return Recording(row, world, filmed(shaken(xy, JITTER, rng), RATE), filmed(xy, RATE))


def mirrored(world: FloatArray) -> FloatArray:
    """Joints (T, K, 3) of the person's mirror image."""
    return world[:, list(get_skeleton("penn13").flip)] * [-1, 1, 1]


def true_curves(reference: Recording, clip: Recording) -> tuple[Curves, Curves, Curves]:
    """The noise-free curves at true correspondences, those of the film there, and those of the film
    in linear time; of the person or of the mirror image, whichever is nearer to the reference."""
    ways = []
    for flip in (False, True):
        world = mirrored(clip.world) if flip else clip.world
        match = true_position(reference.world, world, [reference.phase, clip.phase])
        path = np.column_stack([np.arange(len(match)), np.rint(match).astype(int)])
        flat = (reference.world.reshape(len(match), -1), world.reshape(len(world), -1))
        ways.append((float(pair_distance(*flat, path).mean()), flip, match))
    _, flip, match = min(ways, key=lambda way: way[0])
    row = np.interp(GRID * (len(match) - 1), np.arange(len(match)), match)
    linear = GRID * (len(clip.film) - 1)
    view = "mirrored" if flip else "filmed"
    film = seen(clip.film, view)
    return measured(seen(clip.clean, view), row), measured(film, row), measured(film, linear)


def measured(pose: PoseSequence, row: FloatArray) -> Curves:
    angles, _, quantities = measure_at_grid(pose, row)
    return dict(zip(joint_angles(pose)[0], angles.T, strict=True)) | quantities


def tested(clips: list[tuple[Video, Curves]]) -> CurveGroups:
    groups = compare_groups(group_curves(clips, Grouping("form")))
    if not groups.tests:
        raise SystemExit(groups.reason)
    return groups


def found(groups: CurveGroups) -> dict[tuple[str, int], np.ndarray]:
    """(G,) whether the groups differ there, by quantity and direction, without what timing
    explains."""
    every, percent = dict[tuple[str, int], np.ndarray](), 100 * GRID
    for test in groups.tests:
        for sign in (1, -1):
            inside = np.zeros(len(GRID), bool)
            for each in test.clusters:
                if not each.timing and sign * each.difference > 0:
                    inside |= (percent >= each.start) & (percent <= each.end)
            every[test.quantity, sign] = inside
    return every


def really(groups: CurveGroups) -> dict[tuple[str, int], np.ndarray]:
    """(G,) whether the means of the true curves differ by TRUE at least."""
    every = {}
    for test in groups.tests:
        a, b = (mean_and_deviation(curves)[0] for curves in groups.curves[test.quantity])
        least = TRUE.get(test.unit, TRUE_LENGTH)
        for sign in (1, -1):
            every[test.quantity, sign] = sign * (b - a) >= least
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--azimuth", type=int, default=45)
    parser.add_argument("--repetitions", type=int, default=9)
    given = parser.parse_args()
    totals: dict[str, FloatArray] = defaultdict(lambda: np.zeros((len(WAYS), 4), int))
    people: dict[str, int] = defaultdict(int)
    for movement, person, clips in recordings(given.mocap, given.azimuth, given.repetitions):
        people[movement] += 1
        totals[movement] += counts(given.work / f"{movement} {person}".replace(" ", "-"), clips)
    head = ["exercise", "people"]
    head += [f"{way}: {what}" for way in WAYS for what in ("found", "true of reported")]
    totals["all"], people["all"] = np.sum(list(totals.values()), axis=0), max(people.values())
    rows = [
        [name, str(people[name]), *(shares(*pair) for way in own for pair in (way[:2], way[2:]))]
        for name, own in totals.items()
    ]
    print(page_table(head, rows))


def counts(folder: Path, clips: list[Recording]) -> FloatArray:
    """(W, 4) percents of each way: found, due, right, reported."""
    project = StoredProject.create(folder)
    by_name = {clip.row["clip"]: clip for clip in clips}
    for name, clip in by_name.items():
        write(project, name, clip.film)
    first = next(clip.row["clip"] for clip in clips if clip.row["correct"] == "1")
    result = align_all(project, list(by_name), AlignRequest(load_config()), reference=first)
    curves: dict[str, list[tuple[Video, Curves]]] = defaultdict(list)
    for placed in result.clips:
        clip = by_name[placed.video.id]
        form = "correct" if clip.row["correct"] == "1" else "incorrect"
        video = replace(placed.video, own={"form": form})
        true, *others = true_curves(by_name[first], clip)
        own = (result.quantities_of(placed), *others, true)
        for way, values in zip((*WAYS, "truth"), own, strict=True):
            curves[way].append((video, values))
    truth = tested(curves["truth"])
    differs, expected = really(truth), found(truth)
    due = sum(int((expected[key] & differs[key]).sum()) for key in expected)
    rows = []
    for way in WAYS:
        claims = found(tested(curves[way]))
        right = sum(int((claims[key] & differs[key]).sum()) for key in claims if key in differs)
        made = sum(int(claim.sum()) for claim in claims.values())
        hit = sum(
            int((claims[key] & expected[key] & differs[key]).sum())
            for key in claims
            if key in expected
        )
        rows.append([hit, due, right, made])
    return np.array(rows)


def shares(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} % of {whole}" if whole else "– of 0"


if __name__ == "__main__":
    main()
