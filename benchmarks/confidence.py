"""Do the intervals of an alignment hold? Coverage against known correspondences.

    python benchmarks/confidence.py rendered [--clips 60] [--pairs 150] [--steps 400] [--seed 100]
    python benchmarks/confidence.py project DIR [--run seed0] [--pairs 150]

`rendered`: performers of the demo movement, half of them training clips; every frame of
the others has a true counterpart. `project`: test clips, at their phase boundaries.

Prints, for raw poses and the model, without and with reference clips: how often the interval of
90 % holds the truth, its median width in % of B's length, and, for frames of low, middle and high
confidence, the mean confidence and how often the match was right to within 5 % of B's length.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.confidence import NEAR, NOMINAL
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.demo.clips import performed
from la2ds_cli.evaluation.events import choose_events

Truth = Callable[[AlignResult], np.ndarray]
"""(N,) true frame of B of every frame of A, NaN where it is not known or B does not show it."""
Pairs = list[tuple[str, str]]


def rendered(root: Path, clips: int, seed: int, noise: float) -> tuple[Project, Truth]:
    """A project of performers of which every second is a training clip."""
    project, phase = Project.create(root), {}
    for index in range(clips):
        name, split = f"performer{index:03d}", ("train", "test")[index % 2]
        pose, phase[name] = performed(index, clips, seed, noise)
        project.write_pose(name, pose, Recipe("performed", 1, {"seed": seed, "noise": noise}, {}))
        digest = f"{seed}-{index}"
        row = Video(name, f"{name}.mp4", digest, len(pose), pose.fps, *pose.size, split)
        project.add_videos([row])

    def truth(result: AlignResult) -> np.ndarray:
        a, b = phase[result.a.id], phase[result.b.id]
        found = np.interp(a, b, np.arange(len(b)))
        return np.where((a < b[0]) | (a > b[-1]), np.nan, found)

    return project, truth


def labelled(root: Path) -> tuple[Project, Truth]:
    """A project whose test clips have events: where the same phase begins in both clips."""
    project = Project.open(root)
    test = [v.id for v in project.videos() if v.split == "test"]
    clips, source, _ = choose_events({v: project.read_pose(v)[0] for v in test}, project.phases())
    events = {clip.id: clip.events for clip in clips}
    print(f"events: {source}")

    def truth(result: AlignResult) -> np.ndarray:
        found = np.full(len(result.pose_a), np.nan)
        a, b = events[result.a.id], events[result.b.id]
        for name in a.keys() & b.keys():
            found[a[name]] = b[name]
        return found

    return project, truth


def measure(project: Project, truth: Truth, run: str, pairs: Pairs, routes: int, kind: str) -> None:
    """One row of the table."""
    config = project.config(overrides=[f"align.reference_clips={routes}"])
    request = AlignRequest(config, run, kind)  # type: ignore[arg-type]
    rows = []
    for a, b in pairs:
        result = find_alignment(project, a, b, request)
        found, length = result.alignment, len(result.pose_b)
        true = truth(result)
        known = ~np.isnan(true) & ~np.isnan(found.position)
        inside = (true >= found.low) & (true <= found.high)
        near = np.abs(true - found.position) <= max(NEAR * length, 1)
        width = 100 * (found.high - found.low) / length
        error = 100 * np.abs(true - found.position) / length
        rows.append(np.stack([inside, near, width, found.confidence, error], 1)[known])
    inside, near, width, confidence, error = np.concatenate(rows).T
    low, high = np.percentile(confidence, [100 / 3, 200 / 3])
    thirds = [confidence <= low, (confidence > low) & (confidence <= high), confidence > high]
    reliable = ", ".join(
        f"{confidence[t].mean():.2f}→{near[t].mean():.2f}" for t in thirds if t.any()
    )
    voters = f"{routes} references" if routes else "two clips alone"
    print(
        f"{kind:6}{voters:16} held {inside.mean():.3f} of {NOMINAL}"
        f"   width {np.median(width):5.1f} %   error {np.median(error):4.2f} %"
        f"   confidence→right {reliable}   n {len(inside)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="coverage of the intervals of alignments")
    parser.add_argument("what", choices=("rendered", "project"))
    parser.add_argument("folder", nargs="?", type=Path, default=None)
    parser.add_argument("--run", default="default")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--steps", type=int, default=400, help="of training; 0 = no model")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--noise", type=float, default=1.5, help="pixels, on every joint")
    parser.add_argument("--routes", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.what == "project":
            project, truth = labelled(options.folder)
        else:
            root = options.folder or Path(temporary) / "rendered"
            project, truth = rendered(root, options.clips, options.seed, options.noise)
            if options.steps:
                from la2ds_cli.training.train import train

                overrides = [f"train.steps={options.steps}", "train.threads=1"]
                train(project, run=options.run, config=project.config(overrides=overrides))
        test = [v.id for v in project.videos() if v.split == "test"]
        pairs = [(a, b) for a in test for b in test if a != b]
        chosen = np.random.default_rng(options.seed).permutation(len(pairs))[: options.pairs]
        model = options.what == "project" or options.steps
        for kind in ("pose", *(("model",) if model else ())):
            for routes in (0, options.routes):
                measure(project, truth, options.run, [pairs[i] for i in chosen], routes, kind)


if __name__ == "__main__":
    main()
