"""Measure a pose backend on real footage: one row of docs/results/pose-extraction.md.

    python benchmarks/backends.py CLIP|DIR ... --pose NAME --detector NAME [--phases phases.csv]
        [--subject 2] [--work DIR]

Extracts the clips anew and prints a Markdown row under its heading:

* `s per frame`: wall time of the whole step, loading the networks included, and in brackets the
  time of all cores, which other work on the machine changes less;
* `seen`: share of the frames with the subject;
* `plausible`: share of all frames in which every joint of the limbs is plausible (`plausible`);
* `jitter`: noise of the joints in torso lengths, median over the clips, as `extract-poses`
  measures it (la2ds_cli.poses.quality);
* `event error`: where the clips that --phases labels are aligned pair by pair by their raw poses
  (plain, closed ends) on trimmed clips, how far off the labelled events land: mean and median in %
  of a clip, by the protocol of `la2ds evaluate`, each pair trimmed 20 times. Labels of people
  judge the joints this way.

--work keeps the project, for its poses and sheets; otherwise it is thrown away.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core.config_sections import EvaluateConfig, PosesConfig
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import draw_trims, transfer_events
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.evaluation.features import raw_variants
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.quality import assess

# Lengths of the bones in torso lengths (shoulder to hip), from the segment lengths of Drillis and
# Contini (1966) as shares of the body height: torso 0.288, upper arm 0.186, forearm 0.146, thigh
# 0.245, shank 0.246.
BONES = {
    ("shoulder", "elbow"): 0.65,
    ("elbow", "wrist"): 0.51,
    ("hip", "knee"): 0.85,
    ("knee", "ankle"): 0.85,
}
STRETCH = 1.5  # people differ, and a limb that points to the camera looms; the rest is an error
STEP = 1 / 30  # seconds between the frames that a leap is told from
# Torso lengths between a joint and the middle of where it was and will be. A golfer's hands move at
# about 10 m/s on an arc of 0.7 m: half of 140 m/s2 times STEP squared is 0.08 m, 0.16 of a torso.
LEAP = 0.3
DRAWS = 20  # of trims of each pair: few clips have labels
LIMBS = sorted({joint for bone in BONES for joint in bone})


@dataclass(frozen=True)
class Row:
    """What is measured of one backend. error: mean and median in %, None without labels."""

    frames: int
    wall: float
    cpu: float
    seen: float
    plausible: float
    jitter: float
    error: tuple[float, float] | None
    events: int


def plausible(pose: PoseSequence) -> np.ndarray:
    """(T,) bool: frames in which shoulders, elbows, wrists, hips, knees and ankles are all seen,
    no bone is longer than a body has it, and no joint leaps away and back.

    The unit is the clip's torso, its 90th percentile over time, since a bent one looks shorter.
    Frames without neighbours at a distance of about STEP are judged by their bones alone.
    """
    skeleton = get_skeleton(pose.skeleton)
    at = {name: _sides(skeleton, name) for name in LIMBS}
    seen = np.isfinite(pose.xy).all(axis=-1) & (pose.score > 0)
    xy = np.where(seen[..., None], pose.xy, np.nan).astype(np.float64)
    torso = np.linalg.norm(xy[:, at["shoulder"]] - xy[:, at["hip"]], axis=-1)
    if not np.isfinite(torso).any():
        return np.zeros(len(pose), bool)
    unit = float(np.nanpercentile(torso, 90))
    good = seen[:, np.concatenate([at[name] for name in LIMBS])].all(axis=1)
    with np.errstate(invalid="ignore"):
        for (upper, lower), ratio in BONES.items():
            length = np.linalg.norm(xy[:, at[upper]] - xy[:, at[lower]], axis=-1)
            good &= (length <= STRETCH * ratio * unit).all(axis=1)
        leap = _leaps(xy[:, np.concatenate([at[name] for name in LIMBS])], pose)
        return np.asarray(good & ~(leap > LEAP * unit).any(axis=1))


def _sides(skeleton: Skeleton, joint: str) -> list[int]:
    return [skeleton.index(f"{side}_{joint}") for side in ("left", "right")]


def _leaps(xy: FloatArray, pose: PoseSequence) -> FloatArray:
    """(T, K) pixels from each joint xy (T, K, 2) to the middle of its places about STEP before and
    after; 0 where one of these is missing."""
    step = max(1, round(STEP * pose.fps))
    leap = np.zeros(xy.shape[:2])
    if len(xy) > 2 * step:
        middle = (xy[: -2 * step] + xy[2 * step :]) / 2
        away = np.linalg.norm(xy[step:-step] - middle, axis=-1)
        leap[step:-step] = np.nan_to_num(away, nan=0.0)
    return leap


def event_errors(project: Project) -> list[float]:
    """Errors in % of B of every event of every trimmed pair of labelled clips, by raw poses."""
    phases = project.phases()
    poses = {video: project.read_pose(video)[0] for video in phases}
    clips, source, notes = choose_events(poses, phases)
    if source != "phases":
        raise SystemExit(f"the labels are of no use: {notes[-1]}")
    raw = raw_variants()[0]
    draws = draw_trims(clips, EvaluateConfig(trim_draws=DRAWS))
    return [error.percent for error in transfer_events(clips, draws, raw.aligner)]


def measure(project: Project, clips: Sequence[str], config: PosesConfig, phases: str) -> Row:
    """Extract the clips into the project, which must be new, and measure."""
    wall, cpu = time.perf_counter(), time.process_time()
    results = extract_poses(project, clips, config)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for result in results:
        if not result.usable:
            print(f"left out: {result.path}: {result.message}")
    poses = [project.read_pose(video.id)[0] for video in project.videos()]
    facts = [assess(pose) for pose in poses]
    frames = sum(len(pose) for pose in poses)
    errors: list[float] = []
    if phases:
        shutil.copyfile(phases, project.phases_path)
        errors = event_errors(project)
    return Row(
        frames=frames,
        wall=wall,
        cpu=cpu,
        seen=sum(f["coverage"] * len(p) for f, p in zip(facts, poses, strict=True)) / frames,
        plausible=float(np.concatenate([plausible(pose) for pose in poses]).mean()),
        jitter=float(np.median([f["jitter"] for f in facts if f["jitter"] is not None])),
        error=(float(np.mean(errors)), float(np.median(errors))) if errors else None,
        events=len(errors),
    )


HEAD = """\
| detector, pose network | frames | s per frame (all cores) | seen | plausible | jitter \
| event error, mean (median) |
| --- | --- | --- | --- | --- | --- | --- |"""


def markdown(name: str, row: Row) -> str:
    """The row of the table."""
    error = f"{row.error[0]:.1f} % ({row.error[1]:.1f} %)" if row.error else "–"
    return (
        f"| {name} | {row.frames} | {row.wall / row.frames:.3f} ({row.cpu / row.frames:.3f}) "
        f"| {row.seen:.1%} | {row.plausible:.1%} | {row.jitter:.4f} | {error} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--pose", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--phases", default="")
    parser.add_argument("--subject", default="auto")
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    config = PosesConfig(detector=given.detector, pose=given.pose, subject=given.subject)
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(given.work or Path(folder))
        if project.videos():
            raise SystemExit(f"{project.root} has clips already: name a new folder with --work")
        row = measure(project, given.clips, config, given.phases)
    names = [Path(name).name for name in (given.detector, given.pose)]
    print(HEAD)
    print(markdown(", ".join(names), row))
    print(f"{row.events} events of trimmed pairs")


if __name__ == "__main__":
    main()
