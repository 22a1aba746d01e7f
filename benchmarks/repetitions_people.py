"""Are repetitions counted and cut as people did?

    python benchmarks/repetitions_people.py HUMAN_EVENTS [--clips]

HUMAN_EVENTS: a folder with `repetitions/repetitions.csv` and the joints of the videos in
`repetitions/whole`. The labelled videos are divided in two halves by the hash of their names: the
constants of the method were set on the first. Prints for each half

* how many of the videos are counted with an error of one at most, and the mean of the error as a
  share of the true count;
* how far the first frame of a repetition that was found lies from the nearest border that people
  set, in % of their repetition (median over a video, then over the videos), and for how many videos
  that is below a quarter: cut at the pose that people chose. `--clips` prints every video.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.wide_csv import read_clips

HALVES = ("first", "second")
OPTIONS = ImportOptions(fps=30.0, size=(160, 160), skeleton="mediapipe33")


@dataclass(frozen=True)
class Counted:
    """A video: its true count, what was found, and the distance of the borders (NaN = none)."""

    true: int
    found: int
    off: float

    @property
    def error(self) -> int:
        return abs(self.found - self.true)


def labels(path: Path) -> dict[tuple[str, str], FloatArray]:
    """(video, movement) to frames (n, 2) of its repetitions, in order."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    with path.open(newline="") as handle:
        for row in csv.DictReader(handle):
            span = int(row["first_frame"]), int(row["last_frame"])
            spans[row["video"], row["movement"]].append(span)
    return {video: np.array(sorted(rows)) for video, rows in spans.items()}


def half_of(video: str) -> int:
    return int(hashlib.sha256(video.encode()).hexdigest(), 16) % 2


def border_distance(pose: PoseSequence, found: list[Repetition], spans: FloatArray) -> float:
    """Median distance of the beginnings from the nearest border, in repetitions that people set."""
    off = []
    for each in found:
        frame = float(pose.frame[each.start])
        inside = (spans[:, 0] <= frame) & (frame < spans[:, 1])
        for first, last in spans[inside][:1]:
            off.append(min(frame - first, last - frame) / (last - first))
    return float(np.median(off)) if off else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("human_events", type=Path, metavar="HUMAN_EVENTS")
    parser.add_argument("--clips", action="store_true", help="print every video")
    options = parser.parse_args()
    root = options.human_events / "repetitions"
    rows: tuple[list[Counted], list[Counted]] = ([], [])
    for (video, movement), spans in sorted(labels(root / "repetitions.csv").items()):
        path = root / "whole" / f"{video}.csv"
        if not path.exists():
            continue
        (clip,) = read_clips(path, OPTIONS)
        pose = to_sequence(clip, OPTIONS, None)
        found = cut_clip(pose)
        one = Counted(len(spans), len(found), border_distance(pose, found, spans))
        rows[half_of(video)].append(one)
        if options.clips:
            print(
                f"  {HALVES[half_of(video)]:6} {movement:8} {video:10} true {one.true:3} "
                f"found {one.found:3}  borders off by {100 * one.off:3.0f} %"
            )
    for name, half in (*zip(HALVES, rows, strict=True), ("all", rows[0] + rows[1])):
        right = sum(one.error <= 1 for one in half)
        error = np.mean([one.error / one.true for one in half])
        off = np.array([one.off for one in half])
        print(
            f"{name:6} off by one at most {right} of {len(half)}, mean error {error:.3f}, at "
            f"people's pose {(off < 0.25).sum()}, borders off by {100 * np.nanmedian(off):.0f} %"
        )


if __name__ == "__main__":
    main()
