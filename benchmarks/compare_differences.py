"""How many differences between two repetitions does `la2ds compare` find, and how many are false?

    python benchmarks/compare_differences.py MOCAP [--people s05,s06,s07] [--azimuth 45,90]
        [--jitter 0.02] [--rates 30,30] [--repetitions 1] [--correct]

MOCAP: exercises by motion capture (UI-PRMD): mNN.npz with an array (T, 13, 3) for each repetition,
joints of penn13 in millimetres, z up, 50 a second; clips.csv (clip, movement, person, correct). A
pair is a correct and an incorrect repetition by one person (with --correct, two correct ones),
filmed from the same side by two cameras that stand some degrees apart, and aligned alone by the
base model.

The truth are the angles of noise-free joints in the same two films, at correspondences found in the
noise-free joints in space and the moments of clips.csv. An angle clearly differs if it does so by
CLEAR degrees in one direction for LASTS seconds; where a limb points at the camera, the picture
does not show it. A claim is false if the truth at its moment differs by less than FALSE degrees;
how many more would be if A's camera had filmed both clips is counted apart. Beside `compare`, the
plainest rule: angles of joints that are smoothed over five frames, at the matches of `align`, that
differ by 22 degrees in one direction for 0.2 s. It has no quantities, of which lean clearly differs
by 15 degrees and lengths by 0.3 torso lengths; claims of them are false below two fifths of it.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from people import page_table

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import Embedding, network_features
from la2ds_cli.alignment.consensus import match_clips
from la2ds_cli.compare.differences import differences
from la2ds_cli.compare.findings import find_differences
from la2ds_cli.compare.measured_quantities import quantity_values
from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.config import load_config
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_quantities import QUANTITIES
from la2ds_cli.features.pose_features import (
    angle_difference,
    foreshortened,
)
from la2ds_cli.features.resample import at_positions
from la2ds_cli.network.load_network import light_base

ANGLES = 8  # of a body; quantities follow
RECORDED = 50.0  # frames a second
CLEAR, LASTS = 25.0, 0.17  # degrees, seconds
FALSE = 10.0  # degrees
CLEAR_BY_UNIT = {"degrees": 15.0, "torso lengths": 0.3}  # of quantities; FALSE is as much less
EVENTS = ("half_out", "turn", "half_back")
PHASE = 4.0  # torso lengths for which the share of the movement that has passed counts
PLAIN, PLAIN_LASTS, PLAIN_FRAMES = 22.0, 0.2, 5
SHOULDERS, HIPS = slice(1, 3), slice(7, 9)


class Claim(NamedTuple):
    """An angle differs: its number, in one direction, at these rows of A, most at `row`."""

    joint: int
    sign: int
    first: int
    stop: int
    row: int
    size: float


@dataclass(frozen=True)
class Pair:
    """match: (N,) true position of each frame of A in B. truth: (N, J) degrees, B minus A, as each
    camera shows it; one_camera: if A's camera had filmed both. shown: (N, J) whether the
    picture shows the angle."""

    movement: str
    person: str
    azimuth: int
    aligned: Alignment
    match: FloatArray
    truth: FloatArray
    one_camera: FloatArray
    shown: np.ndarray

    @property
    def clear(self) -> list[Claim]:
        return runs(np.where(self.shown, self.truth, np.nan), CLEAR, LASTS, self.aligned.pose_a)


# --- films ---------------------------------------------------------------------------------------


class Camera(NamedTuple):
    azimuth: float
    elevation: float
    distance: float

    @classmethod
    def random(cls, azimuth: float, rng: np.random.Generator) -> Camera:
        turned = np.radians(azimuth + rng.normal(0, 6))
        return cls(turned, np.radians(rng.uniform(-2, 8)), rng.uniform(3500, 7000))

    def project(self, joints: FloatArray) -> FloatArray:
        """Pixels (T, K, 2) of joints (T, K, 3) in torso lengths, z up."""
        y = joints * 500
        y = y - [0, 0, y[..., 2].mean()]
        (sin, cos), (up, flat) = ((np.sin(x), np.cos(x)) for x in self[:2])
        right, depth = np.array([cos, sin, 0]), np.array([-sin * flat, cos * flat, -up])
        above = np.cross(right, depth)
        above = above if above[2] > 0 else -above
        z = self.distance + y @ depth
        return np.stack([640 + 900 * (y @ right) / z, 360 - 900 * (y @ above) / z], -1)


def upright(joints: FloatArray) -> FloatArray:
    """Hips in the middle of the first frame, x to the person's left, in torso lengths."""
    first = joints[0]
    middle = first[HIPS].mean(0) * [1, 1, 0]
    cos, sin = (first[7, :2] - first[8, :2]) / np.linalg.norm(first[7, :2] - first[8, :2])
    torso = np.linalg.norm(first[SHOULDERS].mean(0) - first[HIPS].mean(0))
    return (joints - middle) @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) / torso


def at_rate(joints: FloatArray, fps: float) -> FloatArray:
    time = np.arange(0, (len(joints) - 1) / RECORDED, 1 / fps)
    clock, flat = np.arange(len(joints)) / RECORDED, joints.reshape(len(joints), -1)
    return np.stack([np.interp(time, clock, v) for v in flat.T], 1).reshape(-1, *joints.shape[1:])


def filmed(xy: FloatArray, fps: float) -> PoseSequence:
    return PoseSequence(
        xy=xy,
        score=np.ones(xy.shape[:2]),
        box=np.full((len(xy), 4), np.nan),
        frame=np.arange(len(xy)),
        time=np.arange(len(xy)) / fps,
        fps=fps,
        size=(1280, 720),
        skeleton="penn13",
    )


def shaken(xy: FloatArray, jitter: float, rng: np.random.Generator) -> FloatArray:
    torso = np.linalg.norm(xy[:, SHOULDERS].mean(1) - xy[:, HIPS].mean(1), axis=-1)
    return xy + rng.normal(0, jitter * np.median(torso), xy.shape)


# --- pairs ---------------------------------------------------------------------------------------


def chosen(
    mocap: Path, given: argparse.Namespace
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Rows of clips.csv of the two clips of a pair."""
    clips: dict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    with (mocap / "clips.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            clips[row["movement"], row["person"], row["correct"]].append(row)
    for (movement, person, correct), own in sorted(clips.items()):
        others = clips.get((movement, person, "1" if given.correct else "0"), [])
        if correct != "1" or person not in given.people.split(","):
            continue
        for n in range(given.repetitions):
            yield own[(3 + n) % len(own)], others[(5 + n) % len(others)]


def pairs(mocap: Path, given: argparse.Namespace) -> Iterator[Pair]:
    settings = replace(load_config().align, reference_clips=0)
    base = light_base()
    network = Embedding(lambda clip: base([clip.seen()])[0], base.spread)
    features = network_features(network, settings, kind="base")
    rates = [float(rate) for rate in given.rates.split(",")]
    for clips in chosen(mocap, given):
        names = [clip["clip"] for clip in clips]
        joints = [
            at_rate(upright(np.load(mocap / f"{name[:3]}.npz")[name].astype(float)), rate)
            for name, rate in zip(names, rates, strict=True)
        ]
        phases = [
            phase_of(clip, len(world), rate)
            for clip, world, rate in zip(clips, joints, rates, strict=True)
        ]
        match = true_position(joints[0], joints[1], phases)
        for azimuth in map(int, given.azimuth.split(",")):
            cameras, films = [], []
            for k, (name, world, rate) in enumerate(zip(names, joints, rates, strict=True)):
                seed = [given.seed, int(name[1:3]), int(name[5:7]), int(name[9:11]), azimuth, k]
                rng = np.random.default_rng(seed)
                cameras.append(Camera.random(azimuth, rng))
                films.append(filmed(shaken(cameras[k].project(world), given.jitter, rng), rate))
            clean = [
                filmed(camera.project(world), rate)
                for camera, world, rate in zip(
                    (*cameras, cameras[0]), (*joints, joints[1]), (*rates, rates[1]), strict=True
                )
            ]
            truth = true_difference(clean[0], clean[1], match)
            one_camera = true_difference(clean[0], clean[2], match)
            hidden = foreshortened(clean[0]) | foreshortened(clean[1])[np.rint(match).astype(int)]
            # A quantity that the picture does not show is NaN.
            hidden = np.pad(hidden, ((0, 0), (0, len(QUANTITIES))))
            aligned = align(films[0], films[1], (), features, settings)
            yield Pair(
                clips[0]["movement"],
                clips[0]["person"],
                azimuth,
                aligned,
                match,
                truth,
                one_camera,
                ~hidden,
            )


def true_difference(a: PoseSequence, b: PoseSequence, match: FloatArray) -> FloatArray:
    """Differences (N, J) of B from A: angles, then quantities in units in which they clearly differ
    from CLEAR on."""
    _, angles = angle_difference(a, b, match)
    more = [quantity_values(pose, QUANTITIES) for pose in (a, b)]
    scale = np.array([CLEAR / CLEAR_BY_UNIT[quantity.unit] for quantity in QUANTITIES])
    return np.hstack([angles, (at_positions(more[1], match) - more[0]) * scale])


def true_position(a: FloatArray, b: FloatArray, phases: Sequence[FloatArray]) -> FloatArray:
    """Position of each frame of A in B, by joints in space relative to the hips, and by how far the
    movement has come."""
    flat = [
        np.column_stack(
            [(x - x[:, HIPS].mean(1, keepdims=True)).reshape(len(x), -1), PHASE * phase]
        )
        for x, phase in zip((a, b), phases, strict=True)
    ]
    position = match_clips(flat[0], flat[1], load_config().align).position
    known = np.flatnonzero(~np.isnan(position))
    return np.interp(np.arange(len(a)), known, position[known])


def phase_of(clip: dict[str, str], length: int, fps: float) -> FloatArray:
    """(T,) 0 to 1, by the moments of clips.csv; by time alone if it has none."""
    end = int(clip["frames"]) - 1
    moments = [int(clip[name]) for name in EVENTS if clip[name]]
    share = [(n + 1) / 4 for n, name in enumerate(EVENTS) if clip[name]]
    time = np.arange(length) * RECORDED / fps
    return np.interp(time, [0, *moments, end], [0.0, *share, 1.0])


# --- rules ---------------------------------------------------------------------------------------


def runs(value: FloatArray, least: float, lasts: float, pose: PoseSequence) -> list[Claim]:
    """Every stretch in which a column of value (N, J) exceeds `least` in one direction."""
    found = []
    for j in range(value.shape[1]):
        for sign in (1, -1):
            with np.errstate(invalid="ignore"):
                mask = sign * value[:, j] >= least
            edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
            for first, stop in edges.reshape(-1, 2).tolist():
                if pose.axis.duration_of(first, stop) >= lasts - 1e-9:
                    row = first + int((sign * value[first:stop, j]).argmax())
                    found.append(Claim(j, sign, first, stop, row, abs(value[row, j])))
    return found


def plain_rule(aligned: Alignment) -> list[Claim]:
    """Claims of the plainest rule, the largest first."""
    a, b = (replace(p, xy=smoothed(p.xy)) for p in (aligned.pose_a, aligned.shown_b))
    _, difference = angle_difference(a, b, aligned.position)
    return sorted(runs(difference, PLAIN, PLAIN_LASTS, a), key=lambda claim: -claim.size)


def smoothed(xy: FloatArray) -> FloatArray:
    half = PLAIN_FRAMES // 2
    padded = np.pad(xy.astype(float), ((half, half), (0, 0), (0, 0)), mode="edge")
    return np.mean([padded[k : len(xy) + k] for k in range(PLAIN_FRAMES)], axis=0)


def compared(aligned: Alignment) -> list[Claim]:
    """Claims of `la2ds compare`, in its order."""
    a, b = aligned.pose_a, aligned.shown_b
    angles = differences(a, b, aligned, view_difference(a, b, aligned.position))
    row_of = {time: row for row, time in enumerate(angles.time.tolist())}
    joints = angles.names
    return [
        Claim(
            *(joints.index(f.joint), int(np.sign(f.difference)), row_of[f.start]),
            *(row_of[f.end] + 1, f.row, abs(f.difference)),
        )
        for f in find_differences(angles, aligned, [])
    ]


# --- score ---------------------------------------------------------------------------------------


class Score(NamedTuple):
    """clear, found: clear differences, and those with a claim of the same angle and direction that
    overlaps. claims, false: as above. differing, largest: pairs with a clear difference, and those
    whose largest is found. first_false: pairs whose first claim is false; of so many pairs that
    have claims. by_camera: claims that only the other camera makes true."""

    clear: int = 0
    found: int = 0
    claims: int = 0
    false: int = 0
    differing: int = 0
    largest: int = 0
    claiming: int = 0
    first_false: int = 0
    by_camera: int = 0

    def __add__(self, other: Score) -> Score:  # type: ignore[override]
        return Score(*(x + y for x, y in zip(self, other, strict=True)))

    def cells(self) -> list[str]:
        return [
            f"{self.found} of {self.clear} ({self.found / max(self.clear, 1):.1%})",
            f"{self.false} of {self.claims} ({self.false / max(self.claims, 1):.1%})",
            f"{self.largest} of {self.differing} ({self.largest / max(self.differing, 1):.1%})",
            f"{self.first_false} of {self.claiming}",
            f"{self.by_camera}",
        ]


def score(pair: Pair, claims: list[Claim], kinds: range) -> Score:
    """Of the angles and quantities with these numbers."""
    clear = [claim for claim in pair.clear if claim.joint in kinds]
    claims = [claim for claim in claims if claim.joint in kinds]
    found = [any(matches(one, claim) for claim in claims) for one in clear]
    false, by_camera = (
        [not claim.sign * truth[claim.row, claim.joint] >= FALSE for claim in claims]
        for truth in (pair.truth, pair.one_camera)
    )
    largest = max(range(len(clear)), key=lambda n: clear[n].size, default=None)
    return Score(
        *(len(clear), sum(found), len(claims), sum(false)),
        *(int(largest is not None), int(largest is not None and found[largest])),
        *(int(bool(claims)), int(bool(false) and false[0])),
        sum(c and not f for c, f in zip(by_camera, false, strict=True)),
    )


def matches(one: Claim, other: Claim) -> bool:
    alike = (one.joint, one.sign) == (other.joint, other.sign)
    return alike and one.first < other.stop and other.first < one.stop


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--people", default="s05,s06,s07")
    parser.add_argument("--azimuth", default="45,90")
    parser.add_argument("--jitter", type=float, default=0.02)
    parser.add_argument("--rates", default="30,30", help="frames a second of A and of B")
    parser.add_argument("--repetitions", type=int, default=1, help="pairs of a person and exercise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--correct", action="store_true", help="two correct repetitions")
    given = parser.parse_args()
    rules = {"compare": compared, "plain rule": plain_rule}
    total: dict[tuple[str, str], Score] = defaultdict(Score)
    count = 0
    for pair in pairs(given.mocap, given):
        count += 1
        for name, rule in rules.items():
            claims = rule(pair.aligned)
            result = score(pair, claims, range(ANGLES))
            for group in (f"{pair.azimuth}°", pair.movement, "all"):
                total[group, name] += result
            if name == "compare":
                for n, quantity in enumerate(QUANTITIES, start=ANGLES):
                    total[quantity.name, name] += score(pair, claims, range(n, n + 1))
                every = range(ANGLES, ANGLES + len(QUANTITIES))
                total["all quantities", name] += score(pair, claims, every)
    print(f"{count} pairs, people {given.people}")
    groups = sorted({group for group, _ in total})
    head = [
        "pairs",
        "rule",
        "found",
        "false",
        "largest found",
        "first claim false",
        "more by camera",
    ]
    print(
        page_table(
            head, [[g, n, *total[g, n].cells()] for g in groups for n in rules if (g, n) in total]
        )
    )


if __name__ == "__main__":
    main()
