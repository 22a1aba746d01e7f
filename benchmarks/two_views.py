"""The figures of docs/results/two-views.md: one movement seen by two cameras, in 2D and in 3D.

    python benchmarks/two_views.py --work DIR [--apart 60] [--seeds 0,1,2] [--steps 400]

Performers of the demo's movement, each with a body, a style, a tempo and a trimming of their own,
stand before two cameras `apart` degrees from each other. 24 performers are trained on, 12 of each
camera; 12 others are tested, each with both cameras. Their joints have the errors of a pose network
that sees one camera: in the image, and larger in depth than across it. An alignment's error is the
mean distance of its matches from the true moments, in % of the length of B; nothing is rendered.

Aligned by the default settings: by the movement of the joints, and by a network of those settings
for each seed of its weights. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import load_config
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.clips import FPS, SIZE, camera_at, clip_of_joints, joints_seen, random_phase
from la2ds_cli.demo.movement import movement, random_style
from la2ds_cli.demo.performer import forward_kinematics, random_body
from la2ds_cli.training.train import train

TRAINED, TESTED = 24, 12  # performers
PAIRS = 40  # of test clips, for each condition
# Standard deviations of the errors of the joints, and how long they last: across the view as in the
# image, along it as networks that see one camera err.
PIXELS, ACROSS, ALONG = 2.0, 0.02, 0.06  # pixels, metres, metres
LASTING = 3.0  # frames, standard deviation of a Gaussian


@dataclass(frozen=True)
class Shown:
    """A clip and its truth. phase: (T,) increasing."""

    pose: PoseSequence
    phase: FloatArray


def performance(seed: int, number: int, azimuths: list[float]) -> list[Shown]:
    """One performance as cameras at these angles see it, with errors of their own."""
    rng = np.random.default_rng([seed, number])
    phase = random_phase(rng)
    points = forward_kinematics(random_body(rng), movement(phase, random_style(rng)))
    shown = []
    for azimuth in azimuths:
        camera = camera_at(rng, points, azimuth)
        xy, space = joints_seen(camera, points)
        xy = xy + PIXELS * lasting(rng, xy.shape)
        space = space + [ACROSS, ACROSS, ALONG] * lasting(rng, space.shape)
        pose = clip_of_joints(xy, space)
        shown.append(Shown(pose, phase))
    return shown


def lasting(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Noise of variance 1 that changes slowly over the frames."""
    from scipy.ndimage import gaussian_filter1d

    slow = gaussian_filter1d(rng.normal(size=shape), LASTING, axis=0, mode="wrap")
    return slow / slow.std()


def make_project(folder: Path, apart: float) -> tuple[Project, dict[str, Shown]]:
    """The project with all clips, and the test clips by id, `a-3` being camera A's."""
    views = [-apart / 2, apart / 2]
    angles = dict(zip("ab", np.radians(views), strict=True))
    clips = {f"train-{n}": performance(1, n, [angles["ab"[n % 2]]])[0] for n in range(TRAINED)}
    tested: dict[str, Shown] = {}
    for n in range(TESTED):
        for camera, shown in zip("ab", performance(2, n, list(angles.values())), strict=True):
            tested[f"{camera}-{n}"] = shown
    if (folder / "project.toml").exists():
        return Project.open(folder), tested
    project = Project.create(folder)
    rows = []
    for name, shown in (clips | tested).items():
        project.write_pose(name, shown.pose, Recipe("import", 1, {"clip": name}, {}))
        split = "test" if name in tested else "train"
        rows.append(Video(name, f"{name}.csv", name, len(shown.pose), FPS, *SIZE, split))
    project.add_videos(rows)
    return project, tested


def pairs(cameras: str) -> list[tuple[str, str]]:
    """Test clips of two performers, by one camera (`aa`), or by two (`ab`)."""
    every = [
        (f"{first}-{i}", f"{second}-{j}")
        for first, second in {cameras, cameras[::-1]}
        for i, j in itertools.permutations(range(TESTED), 2)
    ]
    chosen = np.random.default_rng(0).permutation(len(every))[:PAIRS]
    return [sorted(every)[k] for k in sorted(chosen)]


def error(project: Project, pair: tuple[str, str], request: AlignRequest, truth: dict) -> float:
    """Mean distance from the true moments, % of the length of B, over frames of A that B shows."""
    a, b = (truth[name] for name in pair)
    position = find_alignment(project, *pair, request).alignment.position
    true = np.interp(a.phase, b.phase, np.arange(len(b.phase)))
    shown = (a.phase >= b.phase[0]) & (a.phase <= b.phase[-1]) & np.isfinite(position)
    return float(100 * np.abs(position - true)[shown].mean() / len(b.phase))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--apart", type=float, default=60)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    project, truth = make_project(options.work / f"apart-{options.apart:g}", options.apart)
    conditions = {"same view": pairs("aa") + pairs("bb"), "two views": pairs("ab")}
    path = options.work / f"apart-{options.apart:g}.json"
    errors = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for seed in (None, *map(int, options.seeds.split(","))):
        for kind in ("2d", "3d"):
            name = f"pose {kind}" if seed is None else f"model {kind} {seed}"
            if name in errors:
                continue
            settings = [f'align.joints="{kind}"', f"train.steps={options.steps}"]
            settings += [f"train.seed={seed or 0}", "train.threads=1"]
            settings += ["model.input=joints3d"] if kind == "3d" else []
            config = load_config(overrides=settings)
            request = AlignRequest(config, features="pose", device="cpu")
            if seed is not None:
                run = f"{kind}-{seed}"
                train(project, run=run, config=config, device="cpu")
                request = AlignRequest(config, run=run, features="model", device="cpu")
            errors[name] = {
                condition: [error(project, pair, request, truth) for pair in chosen]
                for condition, chosen in conditions.items()
            }
            artifact.write_json(path, errors)
            means = {condition: float(np.mean(value)) for condition, value in errors[name].items()}
            print(name, *(f"{c}: {m:.2f} %" for c, m in means.items()), sep="  ", flush=True)


if __name__ == "__main__":
    main()
