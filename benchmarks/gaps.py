"""Are spans that only one clip shows found, and none where there are none?

    python benchmarks/gaps.py [--pairs 15] [--project DIR ...]

Rendered performers of the demo movement do something else for a while (turn away, arms out, a leg
up) in one of the two clips; joints with 1.5 pixels of noise. Prints the share of foreign frames
that are left out, frames of a clip that are left out wrongly, and the mean error in frames of B of
what both clips show, with `align.gaps` and without. For projects: how many of 150 pairs of test
clips have a gap.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo import clips
from la2ds_cli.demo.movement import movement, random_style
from la2ds_cli.demo.performer import forward_kinematics, pose_vector, random_body

ODD = pose_vector(
    yaw=1.2, left_arm_abduct=1.5, right_arm_abduct=1.5, left_elbow=1.2, right_hip_flex=1.2,
    right_knee=1.8,
)  # fmt: skip
SPANS = (None, (0.58, 20), (0.58, 40), (0.3, 40))  # phase at which it is put in, frames


def performer(
    seed: int, share: float, span: tuple[float, int] | None
) -> tuple[PoseSequence, np.ndarray]:
    """Joints of a performer seen from `share` (camera_for), and the phase, NaN in the span."""
    rng = np.random.default_rng([20, seed])
    body, phase = random_body(rng), clips.random_phase(rng)
    pose = movement(phase, random_style(rng))
    if span:
        at, frames = span
        cut = int(np.abs(phase - at).argmin()) + 1
        clock = np.linspace(0, 1, frames)
        ease = np.clip(5 * np.minimum(clock, 1 - clock), 0, 1)
        ease = (ease**2 * (3 - 2 * ease))[:, None]
        waving = ODD * (0.8 + 0.2 * np.sin(12 * clock))[:, None]
        foreign = pose[cut - 1] * (1 - ease) + waving * ease
        pose = np.concatenate([pose[:cut], foreign, pose[cut:]])
        phase = np.concatenate([phase[:cut], np.full(frames, np.nan), phase[cut:]])
    world = forward_kinematics(body, pose)
    xy = clips.camera_for(rng, world, share).project(world[:, : clips.JOINTS])
    count = len(xy)
    sequence = PoseSequence(
        xy=xy + rng.normal(0, 1.5, xy.shape),
        score=np.ones(xy.shape[:2]),
        box=np.full((count, 4), np.nan),
        frame=np.arange(count),
        time=np.arange(count) / clips.FPS,
        fps=clips.FPS,
        size=clips.SIZE,
        skeleton="coco17",
    )
    return sequence, phase


def rendered(pairs: int, same_side: bool, span: tuple[float, int] | None) -> None:
    """One row: `span` is in A in half of the pairs and in B in the others."""
    found: dict[bool, list[float]] = {True: [], False: []}
    recall, wrong = [], []
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder))
        phase: dict[str, np.ndarray] = {}
        for n in range(pairs):
            for seed, holds, name in ((n, span, f"odd{n}"), (n + 100, None, f"plain{n}")):
                pose, phase[name] = performer(seed, 0.5 if same_side else seed * 0.618 % 1, holds)
                project.write_pose(name, pose, Recipe("performed", 1, {"name": name}, {}))
                row = Video(name, f"{name}.mp4", name, len(pose), pose.fps, *pose.size, "test")
                project.add_videos([row])
        for n in range(pairs):
            for a, b in ((f"odd{n}", f"plain{n}"), (f"plain{n}", f"odd{n}")):
                for gaps in (True, False):
                    config = project.config(overrides=[f"align.gaps={str(gaps).lower()}"])
                    alignment = find_alignment(project, a, b, AlignRequest(config)).alignment
                    shown = ~np.isnan(phase[b])
                    truth = np.interp(phase[a], phase[b][shown], np.flatnonzero(shown))
                    error = np.abs(alignment.position - truth)
                    found[gaps].append(float(np.nanmean(error)))
                    if gaps:
                        for matched, frames in ((alignment.matched_a, a), (alignment.matched_b, b)):
                            foreign = np.isnan(phase[frames])
                            wrong.append(float((_inside(matched) & ~foreign).sum()))
                            if foreign.any():
                                recall.append(float((~matched)[foreign].mean()))
    side = "one side" if same_side else "many sides"
    what = f"{span[1]} foreign frames at phase {span[0]}" if span else "no foreign frames"
    share = f"{np.mean(recall):5.2f}" if recall else "    –"
    print(
        f"{side:11}{what:32} left out {share}   wrongly {np.mean(wrong):4.1f} frames"
        f"   error {np.mean(found[True]):5.2f}, without gaps {np.mean(found[False]):5.2f} frames"
    )


def _inside(matched: np.ndarray) -> np.ndarray:
    """Frames without a counterpart between the first and the last that has one."""
    known = np.flatnonzero(matched)
    frames = np.arange(len(matched))
    return ~matched & (frames > known[0]) & (frames < known[-1])


def false_alarms(root: Path) -> None:
    """How many of 150 pairs of test clips have a gap, by raw poses and two clips alone."""
    project = Project.open(root)
    test = [
        v.id for v in project.videos() if v.split == "test" and project.pose_path(v.id).exists()
    ]
    pairs = [(a, b) for a in test for b in test if a != b]
    chosen = np.random.default_rng(1).permutation(len(pairs))[:150]
    request = AlignRequest(project.config(overrides=["align.reference_clips=0"]), features="pose")
    count = 0
    for a, b in (pairs[n] for n in chosen):
        alignment = find_alignment(project, a, b, request).alignment
        count += bool(_inside(alignment.matched_a).any() or _inside(alignment.matched_b).any())
    print(f"{root.name}: a gap in {count} of {len(chosen)} pairs")


def main() -> None:
    parser = argparse.ArgumentParser(description="spans that only one clip shows")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--project", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    for same_side in (True, False):
        for span in SPANS:
            rendered(options.pairs, same_side, span)
    for root in options.project:
        false_alarms(root)


if __name__ == "__main__":
    main()
