"""Are the repetitions of long films counted and cut right, where the truth is known?

    python benchmarks/repetitions_mocap.py MOCAP [--people s05,s06,s07] [--films 1] [--clips]

MOCAP: exercises by motion capture (UI-PRMD), as in compare_differences.py: each clip is one
repetition. A film is 2 to 12 repetitions of one exercise by one person, correct and incorrect,
one after the other, at one to two and a half times their speed, from standing still to standing
still, by a camera at 0, 45, 90 or 180 degrees at 25, 30 or 60 frames a second. Between two
repetitions the person rests up to half a second, in which the joints move from the last pose of
the one to the first of the next. Each film is counted with its joints

* steady: jitter of 2 % of the torso;
* lost: also, limbs that are unseen for 0.2 to 1 s, and joints that stand still for so long;
* jumping: also, joints that jump by half to two torso lengths for 1 to 6 frames, and left and
  right exchanged for 0.1 to 0.5 s.

Prints for each how many films are counted right and with an error of one at most, counts of less
than 0.6 and more than 1.6 times the truth (two taken for one, halves for whole ones), the mean of
the error as a share of the true count, and the distance of the borders from true ones in % of a
repetition. `one` is a film of a single repetition, in which none should be found.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from compare_differences import RECORDED, Camera, at_rate, filmed, shaken, upright
from people import page_table

from la2ds_cli.alignment.repetitions import cut_clip
from la2ds_cli.core.arrays import FloatArray

AZIMUTHS, RATES = (0, 45, 90, 180), (25.0, 30.0, 60.0)
JITTER = 0.02
SEEN = ("steady", "lost", "jumping")
LIMBS = ((3, 5), (4, 6), (9, 11), (10, 12), (0,))
LEFT, RIGHT = slice(1, 13, 2), slice(2, 14, 2)


class Film(NamedTuple):
    """Joints (T, 13, 2) with noise of each kind, and the first and last second (n, 2) of each
    repetition."""

    seen: dict[str, FloatArray]
    fps: float
    spans: FloatArray


class Count(NamedTuple):
    true: int
    found: int
    off: float  # median distance of the borders, in repetitions; NaN = none found


def between(last: FloatArray, first: FloatArray, frames: int) -> FloatArray:
    """Return the joints (frames, 13, 3) that move smoothly from one pose to another."""
    share = (1 - np.cos(np.pi * (np.arange(frames) + 0.5) / frames)) / 2
    return last + share[:, None, None] * (first - last)


def performed(parts: list[FloatArray], speed: float, rng: np.random.Generator):
    """Return joints (T, 13, 3) of repetitions at RECORDED, and the span in seconds of each."""
    stand = round(rng.uniform(0.2, 2.0) * RECORDED)
    joints, spans = [np.repeat(parts[0][:1], stand, axis=0)], []
    row = stand
    for number, part in enumerate(parts):
        quick = at_rate(part, RECORDED / (speed * np.exp(rng.normal(0, 0.1))))
        if number:
            rest = 6 + round(rng.uniform(0, 0.5) * RECORDED)
            joints.append(between(joints[-1][-1], quick[0], rest))
            row += rest
        spans.append((row, row + len(quick)))
        joints.append(quick)
        row += len(quick)
    joints.append(np.repeat(joints[-1][-1:], stand, axis=0))
    return np.concatenate(joints), np.array(spans) / RECORDED


def made(parts: list[FloatArray], rng: np.random.Generator) -> Film:
    world, spans = performed(parts, float(np.exp(rng.uniform(0, np.log(2.5)))), rng)
    fps = float(rng.choice(RATES))
    camera = Camera.random(int(rng.choice(AZIMUTHS)), rng)
    xy = shaken(camera.project(at_rate(world, fps)), JITTER, rng)
    lost = with_lost(xy, fps, rng)
    return Film({"steady": xy, "lost": lost, "jumping": with_jumps(lost, fps, rng)}, fps, spans)


def stretches(count: int, fps: float, often: float, lasts: tuple[float, float], rng):
    """Yield random stretches of `count` frames, `often` a second on average."""
    for _ in range(rng.poisson(often * count / fps)):
        first = int(rng.integers(count))
        yield slice(first, first + max(round(rng.uniform(*lasts) * fps), 1))


def with_lost(xy: FloatArray, fps: float, rng: np.random.Generator) -> FloatArray:
    xy = xy.copy()
    for rows in stretches(len(xy), fps, 0.2, (0.2, 1.0), rng):
        xy[rows, list(LIMBS[int(rng.integers(len(LIMBS)))])] = np.nan
    for rows in stretches(len(xy), fps, 0.2, (0.2, 1.0), rng):
        joint = int(rng.integers(13))
        xy[rows, joint] = xy[rows.start, joint]
    return xy


def with_jumps(xy: FloatArray, fps: float, rng: np.random.Generator) -> FloatArray:
    xy = xy.copy()
    length = np.linalg.norm(xy[:, 1:3].mean(axis=1) - xy[:, 7:9].mean(axis=1), axis=-1)
    torso = float(np.nanmedian(length))
    for rows in stretches(len(xy), fps, 1.0, (1 / fps, 6 / fps), rng):
        angle, far = rng.uniform(0, 2 * np.pi), torso * rng.uniform(0.5, 2.0)
        xy[rows, int(rng.integers(13))] += far * np.array([np.cos(angle), np.sin(angle)])
    for rows in stretches(len(xy), fps, 0.1, (0.1, 0.5), rng):
        xy[rows, LEFT], xy[rows, RIGHT] = xy[rows, RIGHT].copy(), xy[rows, LEFT].copy()
    return xy


def counted(film: Film, kind: str) -> Count:
    pose = filmed(film.seen[kind], film.fps)
    pose = replace(pose, score=(~np.isnan(pose.xy[..., 0])).astype(float))
    found = cut_clip(pose)
    edges = np.concatenate([film.spans[:, 0], film.spans[-1:, 1]])
    usual = float(np.median(np.diff(edges)))
    off = [float(np.abs(edges - pose.time[each.start]).min()) / usual for each in found]
    return Count(len(film.spans), len(found), float(np.median(off)) if off else float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--people", default="s05,s06,s07")
    parser.add_argument("--exercises", default="", help="such as m01,m02; empty = all")
    parser.add_argument("--films", type=int, default=1, help="of each exercise and person")
    parser.add_argument("--clips", action="store_true", help="print every film")
    given = parser.parse_args()
    people, exercises = given.people.split(","), [x for x in given.exercises.split(",") if x]
    sets: dict[tuple[str, str], list[str]] = defaultdict(list)
    with (given.mocap / "clips.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            if row["person"] in people and (not exercises or row["clip"][:3] in exercises):
                sets[row["clip"][:3], row["person"]].append(row["clip"])
    counts: dict[str, list[Count]] = defaultdict(list)
    single: dict[str, list[int]] = defaultdict(list)
    for (exercise, person), names in sorted(sets.items()):
        store = np.load(given.mocap / f"{exercise}.npz")
        for number in range(given.films):
            rng = np.random.default_rng([int(exercise[1:]), int(person[1:]), number])
            many = int(rng.integers(2, 13))
            drawn = rng.choice(names, size=min(many, len(names)), replace=False)
            parts = [upright(store[name].astype(float)) for name in drawn]
            film, alone = made(parts, rng), made(parts[:1], rng)
            for kind in SEEN:
                count = counted(film, kind)
                counts[kind].append(count)
                counts[exercise].append(count)
                single[kind].append(counted(alone, kind).found)
                single[exercise].append(single[kind][-1])
                if given.clips:
                    print(exercise, person, kind, *count, single[kind][-1])
    head = [
        "",
        "films",
        "right",
        "to one",
        "two as one",
        "halves",
        "mean error",
        "borders, %",
        "one",
    ]
    print(page_table(head, [row_of(kind, counts[kind], single[kind]) for kind in counts]))


def row_of(kind: str, counts: list[Count], single: list[int]) -> list[str]:
    true, found, off = np.array(counts).T
    return [
        kind,
        str(len(counts)),
        f"{np.mean(found == true):.2f}",
        f"{np.mean(np.abs(found - true) <= 1):.2f}",
        str(int(np.sum(found < 0.6 * true))),
        str(int(np.sum(found > 1.6 * true))),
        f"{np.mean(np.abs(found - true) / true):.3f}",
        f"{100 * np.nanmedian(off):.0f}",
        f"{np.mean(np.array(single) == 0):.2f}",
    ]


if __name__ == "__main__":
    main()
