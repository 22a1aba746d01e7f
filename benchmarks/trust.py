"""Measure how well `trust` tells wrong joints from right ones: docs/results/real-footage.md.

    python benchmarks/trust.py --work DIR [--penn LABELS] [--clips 24] [--seed 78]
        [--pose blazepose] [--detector blazepose] [--fit]

Renders performers from all sides, three of four of them behind an obstacle, estimates their joints,
and compares them with the true ones. --penn: the folder of Penn Action's label files; one error of
each kind of pose_errors.py is put into clips of its test part. Prints the area
under the ROC curve by cause, and what the limit lets pass. A joint is wrong if it lies more than a
quarter of a torso from where it is; joints of the limbs count.

--fit prints the weights that a logistic regression finds on this data instead: those of
la2ds_cli/poses/trust.py come from --seed 77 --clips 48 and the training part of Penn Action, up to
those whose comments say that they were raised.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pose_errors import KINDS, errors_of, with_error
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.datasets.penn_action import read_clip
from la2ds_cli.demo.demo_clips import FPS, JOINTS, camera_at, drawn_frames, random_phase
from la2ds_cli.demo.performer import COCO17, forward_kinematics, movement, random_body, random_style
from la2ds_cli.features.body_joints import as_skeleton
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.trust import EVIDENCE, LEAST_TRUST, WRONG, evidence, trust_of
from la2ds_cli.video.reader import Image, write_video

LIMBS = [
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
OBSTACLES = ("none", "still", "follows", "bar")
COVERED = tuple(
    COCO17.index(f"{side}_{joint}")
    for joint in ("elbow", "wrist", "knee", "ankle")
    for side in ("left", "right")
)
GRAIN = 6.0  # grey levels
PER_ACTION = 14
SIDES = 16  # of the performers, evenly around


@dataclass(frozen=True)
class Joints:
    """Joints of one cause: error (N,) torso lengths, trust (N,), evidence (N, E)."""

    cause: str
    error: FloatArray
    trust: FloatArray
    against: FloatArray


def obstacle(rng: np.random.Generator, xy: FloatArray, kind: str) -> FloatArray:
    """Boxes (T, 4) xyxy in pixels in front of the joints xy (T, 17, 2) of a clip; NaN = no box.

    still: a box about the size of a torso, placed over a limb for a quarter to three fifths of the
    clip. follows: the same, but it moves with a joint. bar: a post that passes from left to right.
    none: no box. Raises ValueError for another kind.
    """
    if kind not in OBSTACLES:
        raise ValueError(f"no such obstacle: {kind}")
    length = len(xy)
    boxes = np.full((length, 4), np.nan)
    trunk = xy[:, [5, 6]].mean(axis=1) - xy[:, [11, 12]].mean(axis=1)
    torso = float(np.median(np.linalg.norm(trunk, axis=1)))
    if kind == "bar":
        low, high = xy[..., 0].min(), xy[..., 0].max()
        middle = np.linspace(low, high, length)
        half = rng.uniform(0.15, 0.35) * torso
        boxes[:, 0], boxes[:, 2] = middle - half, middle + half
        boxes[:, 1], boxes[:, 3] = xy[..., 1].min() - torso, xy[..., 1].max() + torso
    elif kind != "none":
        joint = int(rng.choice(COVERED))
        start = int(rng.uniform(0, 0.4) * length)
        rows = slice(start, start + int(rng.uniform(0.25, 0.6) * length))
        half = rng.uniform(0.25, 0.55, 2) * torso
        middle = xy[rows, joint]
        if kind == "still":
            middle = np.broadcast_to(np.median(middle, axis=0), middle.shape)
        boxes[rows] = np.concatenate([middle - half, middle + half], axis=1)
    return boxes


def covered(
    images: Iterator[Image], boxes: FloatArray, rng: np.random.Generator
) -> Iterator[Image]:
    """The images of a clip with the boxes (T, 4) drawn on them in one colour with grain."""
    colour = rng.uniform(20, 235, 3)
    for image, box in zip(images, boxes, strict=True):
        if np.isfinite(box).all():
            height, width = image.shape[:2]
            left, top, right, bottom = np.clip(
                np.round(box), 0, [width, height, width, height]
            ).astype(int)
            part = image[top:bottom, left:right]
            part[:] = np.clip(colour + rng.normal(0, GRAIN, part.shape), 0, 255)
        yield image


def rendered(folder: Path, clips: int, seed: int) -> None:
    """Write videos and the true joints beside them; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(clips):
        path = folder / f"performer-{index:03d}.mp4"
        if path.exists():
            continue
        rng = np.random.default_rng([seed, index])
        body, phase = random_body(rng), random_phase(rng)
        world = forward_kinematics(body, movement(phase, random_style(rng)))
        camera = camera_at(rng, world, 2 * np.pi * index / SIDES + rng.normal(0, 0.1))
        xy = camera.project(world[:, :JOINTS])
        boxes = obstacle(rng, xy, OBSTACLES[index // 4 % len(OBSTACLES)])
        write_video(path, covered(drawn_frames(rng, world, body, camera), boxes, rng), FPS)
        np.save(path.with_suffix(".npy"), xy)


def estimated(folder: Path, work: Path, config: PosesConfig) -> Iterator[Joints]:
    """The joints that a network sees in the rendered clips."""
    project = StoredProject.open(work) if work.exists() else StoredProject.create(work)
    for result in extract_poses(project, [str(folder)], config):
        if not result.usable or "#" in result.video:
            continue
        pose = replace(project.read_pose(result.video)[0], trust=None)  # by the code of today
        truth = as_skeleton(pose, "coco17")
        xy = np.load(Path(result.path).with_suffix(".npy"))[pose.frame]
        truth = replace(truth, xy=xy, score=np.ones(xy.shape[:2]), trust=None)
        yield joints("a network's, behind obstacles", pose, truth)


def simulated(labels: Path, seed: int, split: str) -> Iterator[Joints]:
    """Hand-labelled joints with one error each, and without any."""
    by_action: dict[str, list[PoseSequence]] = {}
    for path in sorted(labels.glob("*.mat")):
        clip = read_clip(path)
        pose = to_sequence(clip, ImportOptions())
        if clip.split == split and np.isnan(pose.xy[:, 1:]).mean() < 0.1:
            by_action.setdefault(clip.info["action"], []).append(pose)
    rng = np.random.default_rng(seed)
    for poses in by_action.values():
        for number, index in enumerate(rng.permutation(len(poses))[:PER_ACTION]):
            truth = poses[int(index)]
            kind = (*KINDS, "none", "none")[number % (len(KINDS) + 2)]
            pose = truth if kind == "none" else with_error(truth, kind, rng)
            yield joints(kind, pose, truth)


def joints(cause: str, pose: PoseSequence, truth: PoseSequence) -> Joints:
    """The limbs' joints of a sequence whose truth may have another skeleton."""
    common = as_skeleton(pose, truth.skeleton)
    error = errors_of(common, truth)[:, _limbs(truth)]
    known = np.isfinite(error)
    against = np.stack([evidence(pose)[name] for name in EVIDENCE], axis=-1)
    at = _limbs(pose)
    return Joints(cause, error[known], trust_of(pose)[:, at][known], against[:, at][known])


def _limbs(pose: PoseSequence) -> list[int]:
    return [get_skeleton(pose.skeleton).index(name) for name in LIMBS]


def merged(parts: list[Joints]) -> dict[str, Joints]:
    causes = dict.fromkeys(part.cause for part in parts)
    return {
        cause: Joints(
            cause,
            *(
                np.concatenate([getattr(part, name) for part in parts if part.cause == cause])
                for name in ("error", "trust", "against")
            ),
        )
        for cause in causes
    }


def report(found: dict[str, Joints]) -> None:
    print("| cause | joints | wrong | area | wrong ones not trusted | right ones not trusted |")
    print("|---|---|---|---|---|---|")
    for cause, part in found.items():
        wrong, low = part.error > WRONG, part.trust < LEAST_TRUST
        area = f"{roc_auc_score(wrong, -part.trust):.3f}" if wrong.any() else "–"
        passed = f"{low[wrong].mean():.0%}" if wrong.any() else "–"
        print(
            f"| {cause} | {len(wrong):,} | {wrong.mean():.1%} | {area} | {passed} "
            f"| {low[part.error < 0.1].mean():.1%} |"
        )


def fit(found: dict[str, Joints]) -> None:
    wrong = np.concatenate([part.error > WRONG for part in found.values()])
    against = np.concatenate([part.against for part in found.values()])
    scale = against.std(axis=0)
    model = LogisticRegression(max_iter=3000).fit(against / scale, wrong)
    print(f"usual {model.intercept_[0]:.2f}")
    for name, weight in zip(EVIDENCE, model.coef_[0] / scale, strict=True):
        print(f"{name} {weight:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Trust against true joints.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--penn", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument("--pose", default="blazepose")
    parser.add_argument("--detector", default="blazepose")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    videos = given.work / f"videos-{given.seed}"
    rendered(videos, given.clips, given.seed)
    config = PosesConfig(pose=given.pose, detector=given.detector)
    network = given.pose.replace("/", "-").replace(":", "-")
    parts = list(estimated(videos, given.work / f"{network}-{given.seed}", config))
    if given.penn:
        parts += simulated(given.penn, given.seed, "train" if given.fit else "test")
    found = merged(parts)
    if given.fit:
        fit(found)
    else:
        report(found)


if __name__ == "__main__":
    main()
