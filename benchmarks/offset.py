"""The tables of docs/results/offset.md: lags of recordings of one performance, and of others.

    python benchmarks/offset.py DATA --work DIR [--film]

DATA: a folder with gait, human_events and videos. *Walks*: motion capture of three children.
*Rendered*: four performances in a row by a performer of the demo. Both are filmed by two cameras
at an angle, at two frame rates of RATES, and one clock gains 100 parts per million. *Golf*: joints
that a network found in films, cut at two places, at 30 and 25 frames per second; every second cut
is flipped. All joints have a jitter of 2 % of the torso, those of half the clips also errors that
last, as those of networks; 2 % of them are missing, and an arm for a second. Recordings of two
performances are by another take of the same performer or golfer, or by others. --film: real films
by the joints that a network finds, and parts of them, smaller and encoded anew (needs ffmpeg).
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from time import process_time

import numpy as np
from people import SETS, make_folds, page_table
from turned_clips import lasting

from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import camera_at, random_phase
from la2ds_cli.demo.performer import forward_kinematics, movement, random_body, random_style
from la2ds_cli.features.pose_features import fill_gaps
from la2ds_cli.features.resample import interpolate, resample_pose
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from la2ds_cli.offset.find_offsets import find_offsets
from la2ds_cli.offset.pair_offset import PairOffset, pair_offset

ANGLES, OVERLAPS = (0, 45, 90, 135, 180), (1.0, 0.5, 0.2)
RATES = ((30.0, 30.0), (25.0, 59.94), (30.0, 120.0), (59.94, 30.0))
PERFORMERS = range(20, 28)  # the weights of the evidence were fitted on the first eight
JITTER, ROUGH, MISSING, DRIFT = 0.02, 0.03, 0.02, 1e-4
WALK = {"HEDO": "head"} | {
    side[0].upper() + label: f"{side}_{joint}"
    for side in ("left", "right")
    for joint, label in (
        *(("shoulder", "CLO"), ("elbow", "HUO"), ("wrist", "RAO")),
        *(("hip", "FEP"), ("knee", "FEO"), ("ankle", "TIO")),
    )
}
FILMS = "golf/swing1", "golf/swing3", "squat/squat_1", "trikonasana/trikonasana_01"


@dataclass(frozen=True)
class Case:
    """Two recordings; true: the lag at the middle of the overlap, None for two performances."""

    title: str
    angle: int
    share: float
    a: PoseSequence
    b: PoseSequence
    true: float | None


# --- recordings -----------------------------------------------------------------------------------


def filmed(
    rng: np.random.Generator, points: FloatArray, azimuth: float, span: tuple[float, float, float]
) -> PoseSequence:
    """Points (T, 13 or 17, 3) at 100 a second, z up, seen by a camera. span: from, to (seconds),
    and rate."""
    begin, end, rate = span
    shown = np.arange(begin + rng.uniform(0, 1 / rate), end, 1 / rate)
    moving = interpolate(points, np.arange(len(points)) / 100, shown)
    xy = camera_at(rng, points, np.radians(azimuth)).project(moving)
    return PoseSequence(
        xy=xy,
        score=np.ones(xy.shape[:2]),
        box=np.full((len(xy), 4), np.nan),
        frame=np.arange(len(xy)),
        time=shown,
        fps=rate,
        size=(240, 320),
        skeleton="penn13" if xy.shape[1] == 13 else "coco17",
    )


def marred(rng: np.random.Generator, pose: PoseSequence) -> PoseSequence:
    """With jitter, errors that last, and missing joints."""
    torso = 0.3 * float(np.nanmedian(np.ptp(np.nan_to_num(pose.xy[..., 1]), axis=1)))
    xy = pose.xy + JITTER * torso * rng.normal(size=pose.xy.shape)
    if rng.random() < 0.5:
        xy = xy + ROUGH * torso * lasting(rng, xy.shape)
    xy[rng.random(xy.shape[:2]) < MISSING] = np.nan
    skeleton = get_skeleton(pose.skeleton)
    arm = [skeleton.index(f"right_{joint}") for joint in ("elbow", "wrist")]
    lost = rng.uniform(pose.time[0], pose.time[-1])
    for joint in arm:
        xy[(pose.time >= lost) & (pose.time < lost + 1), joint] = np.nan
    score = np.where(np.isnan(xy).any(axis=2), 0.0, 1.0)
    return replace(pose, xy=xy, score=score, world=None)


def captures(data: Path, work: Path) -> dict[str, PoseSequence]:
    """Motion capture of walks, with joints in metres at 100 a second."""
    project = StoredProject.create(work / "captures")
    if not project.videos():
        options = ImportOptions(skeleton="penn13", renamed=WALK)
        import_poses(project, "c3d", data / "gait" / "c3d", options)
    return {video.id: project.read_pose(video.id)[0] for video in project.videos()}


def upright(pose: PoseSequence) -> FloatArray:
    """Joints (T, K, 3) in metres, z up."""
    assert pose.world is not None
    return fill_gaps(pose.world, pose.time) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


def performances(number: int, take: int = 0, times: int = 4) -> FloatArray:
    """(T, 17, 3) at 100 a second; a take has its own tempo and pauses."""
    rng = np.random.default_rng([2, number])
    body, style = random_body(rng), random_style(rng)
    rng = np.random.default_rng([3, number, take])
    parts: list[FloatArray] = []
    for _ in range(times):
        points = forward_kinematics(body, movement(random_phase(rng), style))[:, :17]
        if parts:
            share = np.linspace(0, 1, round(rng.uniform(12, 45)))[:, None, None]
            parts.append(parts[-1][-1:] * (1 - share) + points[:1] * share)
        parts.append(points)
    joined = np.concatenate(parts)
    end = (len(joined) - 1) / 30
    return interpolate(joined, np.arange(len(joined)) / 30, np.arange(0, end, 0.01))


# --- cases ----------------------------------------------------------------------------------------


def one_performance(data: Path, work: Path) -> Iterator[Case]:
    rng = np.random.default_rng(7)
    walks = captures(data, work)
    golfers = golf(data, work)
    for share in OVERLAPS:
        for angle in ANGLES:
            for pose in walks.values():
                yield filmed_pair(rng, "walks", upright(pose), angle, share)
            for number in PERFORMERS:
                yield filmed_pair(rng, "rendered", performances(number), angle, share)
        for number, (_, pose) in enumerate(golfers):
            flipped = number % 2 == 1
            yield cut_pair(rng, pose, share, flipped)
    for pose in walks.values():  # a phone beside motion capture
        for angle in ANGLES:
            b = filmed(rng, upright(pose), angle, (0.3, pose.time[-1], 30.0))
            yield Case("walks, capture and film", angle, 1.0, pose, marred(rng, late(b, 1.7)), 1.7)


def filmed_pair(
    rng: np.random.Generator, title: str, points: FloatArray, angle: int, share: float
) -> Case:
    """Two films of equal length that share this part of each; B starts at 3 s, and its clock gains
    DRIFT."""
    rates = RATES[rng.integers(len(RATES))]
    end = (len(points) - 1) / 100
    length = end / (2 - share)
    side = rng.uniform(0, 360)
    a = filmed(rng, points, side, (0, length, rates[0]))
    b = filmed(rng, points, side + angle, (end - length, end, rates[1]))
    lag = 3.0 + DRIFT * end / 2  # at the middle of what both show
    b = replace(b, time=3.0 + b.time * (1 + DRIFT))
    return Case(title, angle, share, marred(rng, a), marred(rng, b), lag)


def late(pose: PoseSequence, seconds: float) -> PoseSequence:
    return replace(pose, time=pose.time + seconds)


def cut_pair(rng: np.random.Generator, pose: PoseSequence, share: float, flipped: bool) -> Case:
    """Two parts of one film, one of them flipped or not, at half the size."""
    end = float(pose.time[-1])
    length = end / (2 - share)
    a, b = (
        resample_pose(pose, np.arange(start + rng.uniform(0, 1 / rate), stop, 1 / rate))
        for start, stop, rate in ((0.0, length, 30.0), (end - length, end, 25.0))
    )
    b = replace(late(b, 3.0), xy=b.xy * [-0.5 if flipped else 0.5, 0.5], fps=25.0)
    return Case("golf", 180 * flipped, share, marred(rng, a), marred(rng, b), 3.0)


def golf(data: Path, work: Path) -> list[tuple[str, PoseSequence]]:
    """Players and their swings at real speed."""
    fold = make_folds(SETS["golf"], data / "human_events", work)[1]
    real = [video for video in fold.project.videos() if fold.info[video.id]["slow"] == "0"]
    return [(fold.person(v.id), fold.project.read_pose(v.id)[0]) for v in real]


def two_performances(data: Path, work: Path) -> Iterator[Case]:
    rng = np.random.default_rng(8)
    for first, second in combinations(captures(data, work).values(), 2):
        for angle in ANGLES:
            yield other(rng, "walks", angle, upright(first), upright(second))
    for number in PERFORMERS:
        for times in (1, 2, 4):
            takes = [performances(number, take, times) for take in (1, 2)]
            yield other(rng, "rendered, another take", ANGLES[rng.integers(5)], *takes)
    golfers = golf(data, work)
    pairs = list(combinations(golfers, 2))
    same = [pair for pair in pairs if pair[0][0] == pair[1][0]]
    some = [pairs[n] for n in rng.permutation(len(pairs))[:100]]
    for title, chosen in (("golf, another take", same), ("golf, another player", some)):
        for (_, a), (_, b) in chosen:
            yield Case(title, 0, 1.0, marred(rng, a), marred(rng, b), None)


def other(
    rng: np.random.Generator, title: str, angle: int, first: FloatArray, second: FloatArray
) -> Case:
    side, rates = rng.uniform(0, 360), RATES[rng.integers(len(RATES))]
    a, b = (
        filmed(rng, points, turned, (0, (len(points) - 1) / 100, rate))
        for points, turned, rate in zip((first, second), (side, side + angle), rates, strict=True)
    )
    return Case(title, angle, 1.0, marred(rng, a), marred(rng, b), None)


# --- real films -----------------------------------------------------------------------------------


def films(data: Path, work: Path) -> Iterator[tuple[str, float, PairOffset]]:
    """Each film from its start at its own rate, and from a later moment, smaller, at 25 frames per
    second and by another encoder."""
    work.mkdir(parents=True, exist_ok=True)
    project = StoredProject.create(work / "films")
    for name in FILMS:
        source = data / "videos" / f"{name}.mp4"
        for number, start in enumerate((0.83, 1.91)):
            part = work / f"{source.stem}-{number}.mkv"
            filters = f"trim=start={start},setpts=PTS-{start}/TB,fps=25:start_time=0,scale=-2:288"
            encoder = ["-c:v", ("mpeg4", "libx264")[number], "-an"]
            cut = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-vf", filters, *encoder]
            subprocess.run([*cut, str(part)], check=True)
            result = find_offsets(project, [str(source), str(part)], force=True)
            yield f"{source.stem}, from {start} s", -start, result.pairs[0]


# --- the tables -----------------------------------------------------------------------------------


def shown(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def accuracy(rows: list[tuple[Case, PairOffset]], key: str) -> str:
    """By what a case is called: errors in frames of the slower film."""
    titles = {
        "overlap": lambda c: f"{c.title}, {100 * c.share:.0f} % overlap",
        "angle": lambda c: f"{c.angle}°",
        "rates": lambda c: f"{c.a.fps:g} and {c.b.fps:g} a second",
    }
    groups: dict[str, list[tuple[Case, PairOffset]]] = {}
    for row in rows:
        groups.setdefault(titles[key](row[0]), []).append(row)
    names = ("pairs", "median", "within a frame", "sure", "wrong of sure", "median of sure", "held")
    lines = []
    for title, of in groups.items():
        off = np.array([frames_off(case, pair) for case, pair in of])
        sure = np.array([pair.sure for _, pair in of])
        seconds = [abs(p.best.lag - (c.true or 0.0)) <= p.best.within for c, p in of]
        held = np.array(seconds)[sure]
        cells = [
            str(len(of)),
            shown(float(np.median(off)), 2),
            shown(100 * float((off <= 1).mean()), 0),
            shown(100 * float(sure.mean()), 0),
            shown(100 * float((off[sure] > 1).mean()) if sure.any() else np.nan, 1),
            shown(float(np.median(off[sure])) if sure.any() else np.nan, 2),
            shown(100 * float(held.mean()) if sure.any() else np.nan, 0),
        ]
        lines.append([title, *cells])
    return page_table(["", *names], lines)


def frames_off(case: Case, pair: PairOffset) -> float:
    period = 1 / min(case.a.fps, case.b.fps)
    return abs(pair.best.lag - (case.true or 0.0)) / period


def write_csv(out: Path, cases: list[tuple[Case, PairOffset]]) -> None:
    columns, rows = ("case", "angle", "share", "rates", "frames off", "evidence", "sure"), []
    for case, pair in cases:
        off = "" if case.true is None else f"{frames_off(case, pair):.3f}"
        rates = f"{case.a.fps:g} {case.b.fps:g}"
        evidence = f"{pair.best.evidence:.2f}"
        rows.append((case.title, case.angle, case.share, rates, off, evidence, pair.sure))
    out.write_text(table_text(columns, rows), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--film", action="store_true")
    given = parser.parse_args()
    if given.film:
        for title, true, pair in films(given.data, given.work):
            off, sure = 25 * abs(pair.best.lag - true), "sure" if pair.sure else "unsure"
            print(f"| {title} | {off:.2f} | {pair.best.evidence:.1f} | {sure} |", flush=True)
        return
    begun, rows = process_time(), []
    for cases in (one_performance, two_performances):
        for case in cases(given.data, given.work):
            rows.append((case, pair_offset((case.a, case.b), (0, 1), ("a", "b"))))
    print(f"{(process_time() - begun) / len(rows):.3f} CPU s a pair, with the making of it")
    write_csv(given.work / "offset.csv", rows)
    same = [row for row in rows if row[0].true is not None]
    half = [row for row in same if row[0].share >= 0.5 and row[0].title == "rendered"]
    for key, of in (("overlap", same), ("angle", half), ("rates", half)):
        print(accuracy(of, key), "\n")
    for title in dict.fromkeys(case.title for case, _ in rows):
        of = [pair for case, pair in rows if case.title == title and case.true is None]
        if of:
            sure, possible = (
                np.mean([getattr(p, name) for p in of]) for name in ("sure", "possible")
            )
            print(f"| {title} | {len(of)} | {100 * sure:.1f} | {100 * possible:.0f} |")


if __name__ == "__main__":
    main()
