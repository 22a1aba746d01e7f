"""Are repetitions found, where there are some and only there?

    python benchmarks/repetitions.py DIR [DIR ...] [--draws 40] [--seed 100]

DIR: a project with clips of one movement each (Penn Action), most of them one repetition. Prints

* `single`: how many of the clips are cut into several, which is wrong, but where a clip does hold
  several;
* `repeated`: clips that end as they begin, performed 2 to 6 times, each time at another tempo (a
  factor of two between the slowest and the fastest), in an uneven rhythm and with noise on every
  joint: how often the count is right, and how far from a true border the borders lie, in % of a
  repetition. `pauses` adds up to 1.5 seconds of rest between repetitions.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import centre_and_scale, fill_gaps

SPREAD = np.log(2) / 2
NOISE = 0.03  # torso lengths
NEAR = 0.35  # torso lengths, median over the joints


def torso(pose: PoseSequence) -> float:
    return centre_and_scale(fill_gaps(pose.xy), get_skeleton(pose.skeleton))[1]


def gap(a: PoseSequence, b: PoseSequence) -> float:
    """From the last pose of a to the first of b."""
    apart = np.linalg.norm(a.xy[-1] - b.xy[0], axis=-1)
    return float(np.nanmedian(apart)) / torso(a) if not np.isnan(apart).all() else np.inf


def made_of(pose: PoseSequence, xy: FloatArray) -> PoseSequence:
    count = len(xy)
    return replace(
        pose,
        xy=xy,
        score=np.where(np.isnan(xy).any(axis=-1), 0, 1),
        box=np.full((count, 4), np.nan),
        frame=np.arange(count),
        time=np.arange(count) / pose.fps,
        trust=None,
    )


def performed(
    pose: PoseSequence, rng: np.random.Generator, count: int, pauses: float
) -> tuple[PoseSequence, FloatArray]:
    """The clip `count` times, and how many repetitions have passed at every frame."""
    passed = []
    for number in range(count):
        frames = max(round(len(pose) * np.exp(rng.uniform(-SPREAD, SPREAD))), 8)
        rhythm = np.concatenate([[0], np.cumsum(np.exp(rng.normal(0, 0.25, 5)))])
        share = np.arange(frames) / frames
        passed.append(number + np.interp(share, np.linspace(0, 1, 6), rhythm / rhythm[-1]))
        rest = int(rng.integers(0, round(pauses * pose.fps) + 1))
        passed.append(np.full(rest, number + 1 - 1e-9))
    turn = np.concatenate(passed)
    row = (turn % 1) * (len(pose) - 1)
    first = np.minimum(row.astype(int), len(pose) - 2)
    weight = (row - first)[:, None, None]
    xy = fill_gaps(pose.xy)
    xy = xy[first] * (1 - weight) + xy[first + 1] * weight
    return made_of(pose, xy + rng.normal(0, NOISE * torso(pose), xy.shape)), turn


def off_border(found: list[Repetition], turn: FloatArray) -> list[float]:
    """How far the borders lie from a true one, share of a repetition."""
    rows = [min(row, len(turn) - 1) for each in found for row in (each.start, each.stop)]
    return [abs((turn[row] + 0.5) % 1 - 0.5) for row in rows]


def repeated(clips: list[PoseSequence], draws: int, seed: int) -> None:
    closed = [pose for pose in clips if gap(pose, pose) < NEAR]
    print(f"  repeated: {len(closed)} clips that end as they begin, {draws} draws")
    for kind, pauses in (("even", 0.0), ("pauses", 1.5)):
        rng = np.random.default_rng(seed)
        rows: list[tuple[int, int, list[float]]] = []
        for _ in range(draws):
            count = int(rng.integers(2, 7))
            pose, turn = performed(closed[int(rng.integers(len(closed)))], rng, count, pauses)
            found = cut_clip(pose)
            rows.append((len(found), count, off_border(found, turn)))
        right = sum(found == count for found, count, _ in rows)
        less = sum(found == count - 1 for found, count, _ in rows)
        off = [100 * x for *_, many in rows for x in many] or [np.nan]
        print(
            f"    {kind:7} count right {right:3} one less {less:3} of {len(rows)}, "
            f"borders off by {np.median(off):4.1f} % (90 %: {np.percentile(off, 90):4.1f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("projects", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    for root in options.projects:
        project = StoredProject.open(root)
        names = sorted(video.id for video in project.videos())
        clips = [project.read_pose(name)[0] for name in names]
        several = {n: len(cut_clip(p)) for n, p in zip(names, clips, strict=True)}
        several = {name: count for name, count in several.items() if count > 1}
        print(f"{root.name}: {len(clips)} clips")
        print(f"  single: {len(several)} cut into several {several or ''}")
        repeated(clips, options.draws, options.seed)


if __name__ == "__main__":
    main()
