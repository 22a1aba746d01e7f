"""Exercises by motion capture, filmed from several sides, as clips and as data sets.

The films are a folder for each side (0, 45, 90 degrees) with wide-csv files of penn13, clips.csv
(clip, movement, person) and events.csv (clip, event, seconds). Their events are an instrument's
truth: a rule finds them in the joints in space.
"""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from people import RATE, DataSet, Info

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.datasets.exercises import EVENTS, read_list

SIDES = ("0", "45")  # of the cameras of A and of B
REPETITIONS = 4  # of a person, at most
SIZE = (1280, 720)


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
