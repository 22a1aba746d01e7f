"""Exercises by motion capture, filmed from several sides, as clips and as data sets.

    python benchmarks/films.py UI-PRMD OUT [--sides 0,45,90]

OUT: a folder for each side, in degrees from the front, with wide-csv files of penn13; clips.csv
(clip, movement, person); events.csv (clip, event, seconds). A camera stands within some degrees of
its side, 3.5 to 7 m away; every joint has a jitter of 2 % of the torso. The events are an
instrument's truth: a rule finds them in the joints in space.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from people import RATE, DataSet, Info

from la2ds_cli.core import artifact
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.datasets.exercises import EVENTS, JITTER, MOVEMENTS, find_moments, read_list
from la2ds_cli.datasets.ui_prmd import RATE as RECORDED
from la2ds_cli.datasets.ui_prmd import read_recordings

SIDES = ("0", "45")  # of the cameras of A and of B
REPETITIONS = 4  # of a person, at most
SIZE = (1280, 720)
FOCAL = 900.0  # pixels
TORSO = 500.0  # millimetres, of everybody
JOINTS = get_skeleton("penn13").joints


def read_events(films: Path) -> dict[str, dict[str, float]]:
    """Clip -> event -> its frame, also between two frames."""
    events: dict[str, dict[str, float]] = defaultdict(dict)
    for row in csv.DictReader((films / "events.csv").read_text("utf-8").splitlines()):
        events[row["clip"]][row["event"]] = float(row["seconds"]) * RATE
    return dict(events)


def read_clips(films: Path) -> list[dict[str, str]]:
    """The rows of clips.csv."""
    return list(csv.DictReader((films / "clips.csv").read_text("utf-8").splitlines()))


def film(path: Path) -> PoseSequence:
    joints = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1:].reshape(-1, 13, 3)
    length = len(joints)
    return PoseSequence(
        clip=path.stem,
        xy=joints[..., :2],
        score=joints[..., 2],
        box=np.full((length, 4), np.nan),
        frame=np.arange(length),
        time=np.arange(length) / RATE,
        fps=RATE,
        size=SIZE,
        skeleton="penn13",
    )


def exercise_pair(a: Info, b: Info) -> str:
    """A is filmed from one side and B from the other. Some people work with the left side of the
    body and some with the right: pairs across them are left out."""
    if (a["side"], b["side"]) != SIDES or a["person"] == b["person"]:
        return ""
    return "{} and {}°".format(*SIDES) if a["mirrored"] == b["mirrored"] else ""


def exercise_sets(films: Path, folder: Path) -> list[DataSet]:
    """A data set for each exercise, since a squat has no moment of a lunge. Its clips and phases
    are written to `folder`."""
    events, sets = read_events(films), []
    mirrored = {row.clip[:7]: row.mirrored for row in read_list()}
    by_movement: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in read_clips(films):
        performance = row["clip"][:7]  # such as m01_s02
        earlier = sum(other["clip"][:7] == performance for other in by_movement[row["clip"][:3]])
        whole = events.get(row["clip"], {}).keys() >= set(EVENTS)
        if whole and performance in mirrored and earlier < REPETITIONS:
            by_movement[row["clip"][:3]].append(row)
    for movement, clips in sorted(by_movement.items()):
        place, info, phases = folder / movement, [], []
        (place / "clips").mkdir(parents=True, exist_ok=True)
        for row in clips:
            clip, side_of_body = row["clip"], str(int(mirrored[row["clip"][:7]]))
            starts = [round(events[clip][event]) for event in EVENTS]
            for side in SIDES:
                name, path = f"{clip}_{side}", films / side / f"{clip}.csv"
                shutil.copyfile(path, place / "clips" / f"{name}.csv")
                stops = [*starts[1:], len(path.read_text("utf-8").splitlines()) - 1]
                rows = zip(starts, stops, EVENTS, strict=True)
                phases += [[name, *one] for one in rows]
                info.append([name, row["person"], side, side_of_body])
        titles = ["video", "person", "side", "mirrored"]
        artifact.write_text(place / "clips.csv", table_text(titles, info))
        phase_titles = ["video", "start", "end", "phase"]
        artifact.write_text(place / "phases.csv", table_text(phase_titles, phases))
        pair = ("person", exercise_pair, ("{} and {}°".format(*SIDES),))
        sets.append(
            DataSet(movement, str(place), "clips", "penn13", SIZE, *pair, heading="exercises")
        )
    return sets


# --- making them ---------------------------------------------------------------------------------


def make_films(recordings: Path, folder: Path, sides: Sequence[int]) -> None:
    """Film every correct repetition that goes out and comes back from each side."""
    clips, events = [], []
    for name, joints in read_recordings(recordings).items():
        moments = find_moments(joints)
        if moments is None or name.endswith("_inc"):  # not as it should be done
            continue
        clips.append([name, MOVEMENTS[name[:3]], name[4:7]])
        events += [[name, *at] for at in zip(EVENTS, (m / 1000 for m in moments), strict=True)]
        for side in sides:
            seed = [int(name[1:3]), int(name[5:7]), int(name[9:11]), side, 0]
            seen = filmed(at_rate(joints), side, np.random.default_rng(seed))
            header = ["frame", *(f"{joint}_{c}" for joint in JOINTS for c in ("x", "y", "score"))]
            rows = [
                [n, *(cell for x, y in frame for cell in (f"{x:.2f}", f"{y:.2f}", 1))]
                for n, frame in enumerate(seen.tolist())
            ]
            artifact.write_text(folder / str(side) / f"{name}.csv", table_text(header, rows))
    artifact.write_text(folder / "clips.csv", table_text(["clip", "movement", "person"], clips))
    artifact.write_text(folder / "events.csv", table_text(["clip", "event", "seconds"], events))


def at_rate(joints: FloatArray) -> FloatArray:
    """Joints (T, 13, 3) at RATE frames a second."""
    row = np.arange(0, (len(joints) - 1) / RECORDED, 1 / RATE) * RECORDED
    flat = joints.reshape(len(joints), -1).T
    both = [np.interp(row, np.arange(len(joints)), value) for value in flat]
    return np.stack(both, axis=1).reshape(len(row), *joints.shape[1:])


def filmed(joints: FloatArray, side: float, random: np.random.Generator) -> FloatArray:
    """Pixels (T, 13, 2) of joints (T, 13, 3) in space, z up."""
    placed = upright(joints) * TORSO
    placed[..., 2] -= placed[..., 2].mean()
    azimuth = np.radians(side + random.normal(0, 6))
    height = np.radians(random.uniform(-2, 8))
    level = np.cos(height)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    depth = np.array([-np.sin(azimuth) * level, np.cos(azimuth) * level, -np.sin(height)])
    up = np.cross(right, depth)
    up = up if up[2] > 0 else -up
    away = random.uniform(3500, 7000) + placed @ depth
    middle = np.array(SIZE) / 2
    shown = np.stack([placed @ right, -(placed @ up)], axis=-1)
    pixels = middle + FOCAL * shown / away[..., None]
    torso = np.linalg.norm(pixels[:, 1:3].mean(axis=1) - pixels[:, 7:9].mean(axis=1), axis=-1)
    return pixels + random.normal(0, JITTER * np.median(torso), pixels.shape)


def upright(joints: FloatArray) -> FloatArray:
    """Hips in the middle of the first frame, x to the person's left, in torso lengths."""
    first = joints[0]
    hips = first[7:9].mean(axis=0)
    left = first[7, :2] - first[8, :2]
    c, s = left / np.linalg.norm(left)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    torso = np.linalg.norm(first[1:3].mean(axis=0) - hips)
    return (joints - hips * [1, 1, 0]) @ turn / torso


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recordings", type=Path, help="UI-PRMD, as for la2ds lab exercises.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sides", default="0,45,90")
    given = parser.parse_args()
    make_films(given.recordings, given.out, [int(side) for side in given.sides.split(",")])


if __name__ == "__main__":
    main()
