"""Corrupted joints, as a worse pose estimator would return, and a project that reads them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import name_for_draws
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.clips import clip_generator
from la2ds_cli.features.heatmaps import clip_box
from la2ds_cli.features.pose_features import centre_and_scale, fill_gaps


def drop_limb_at_test(
    pose: PoseSequence, probability: float, rng: np.random.Generator
) -> PoseSequence:
    """Hide a random limb or finger in each frame with `probability` (paper sec. 4.2.4).

    The first joint of a limb (shoulder, hip, wrist) stays, since it also belongs to the body or to
    other fingers. Dropped joints become NaN with score 0. With the same seed, frames that lose a
    limb at a lower probability lose the same limb at a higher one.
    """
    skeleton = get_skeleton(pose.skeleton)
    names = sorted(skeleton.chains)
    dropped = rng.random(len(pose)) < probability
    drawn = rng.integers(len(names), size=len(pose))
    xy, score = pose.xy.copy(), pose.score.copy()
    world = None if pose.world is None else pose.world.copy()
    for number, name in enumerate(names):
        frames = np.flatnonzero(dropped & (drawn == number))
        gone = np.ix_(frames, np.array(skeleton.chains[name][1:]))
        xy[gone] = np.nan
        score[gone] = 0
        if world is not None:
            world[gone] = np.nan
    return replace(pose, xy=xy, score=score, world=world, trust=None)


def add_noise(
    pose: PoseSequence, cells: float, rng: np.random.Generator, heatmap: HeatmapConfig | None = None
) -> PoseSequence:
    """Add N(0, `cells` heatmap cells) to every coordinate of every joint (paper sec. 4.2.5).

    A cell is the longer side of the clip's crop box divided by the cells per side of `heatmap`
    (None = the defaults), even if the crop is stretched. Joints in metres get the same noise
    relative to the torso's length. Unseen joints stay unseen.
    """
    settings = heatmap or HeatmapConfig()
    box = clip_box(pose.xy, settings.crop, settings.padding)
    cell = float(max(box[2] - box[0], box[3] - box[1])) / settings.size
    if not np.isfinite(cell):  # no joint was ever seen
        return pose
    xy = pose.xy + rng.normal(0, cells * cell, pose.xy.shape)
    if pose.world is None:
        return replace(pose, xy=xy, trust=None)
    skeleton = get_skeleton(pose.skeleton)
    pixels, metres = (
        centre_and_scale(fill_gaps(joints), skeleton)[1] for joints in (pose.xy, pose.world)
    )
    world = pose.world + rng.normal(0, cells * cell * metres / pixels, pose.world.shape)
    return replace(pose, xy=xy, world=world, trust=None)


@dataclass(frozen=True)
class DroppedLimb:
    """Apply `drop_limb_at_test` to every clip. recipe: of the result, from poses with key
    `source`."""

    probability: float
    seed: int

    def apply(self, video: str, pose: PoseSequence) -> PoseSequence:
        return drop_limb_at_test(
            pose, self.probability, clip_generator(name_for_draws(video), self.seed)
        )

    def recipe(self, source: str) -> Recipe:
        return Recipe("drop-limb", 3, asdict(self), {"poses": source})


@dataclass(frozen=True)
class JointNoise:
    """Apply `add_noise` to every clip, in cells of `heatmap`."""

    cells: float
    seed: int
    heatmap: HeatmapConfig

    def apply(self, video: str, pose: PoseSequence) -> PoseSequence:
        return add_noise(
            pose, self.cells, clip_generator(name_for_draws(video), self.seed), self.heatmap
        )

    def recipe(self, source: str) -> Recipe:
        settings = asdict(self) | {"heatmap": asdict(self.heatmap)}
        return Recipe("joint-noise", 2, settings, {"poses": source})


Corruption = DroppedLimb | JointNoise


@dataclass(frozen=True)
class Joints:
    """The joints on which a row is trained and tested; None = as they are. label: names the folder
    of its results."""

    label: str = ""
    train: Corruption | None = None
    test: Corruption | None = None

    def in_training(self, project: StoredProject, run: str) -> StoredProject:
        """Return the project as seen by the training of a run."""
        if self.train is None:
            return project
        return CorruptedProject(project, run, train=self.train, test=self.train)

    def in_test(self, project: StoredProject) -> StoredProject:
        """Return the project as seen by the evaluation."""
        if not self.label:
            return project
        return CorruptedProject(project, self.label, train=self.train, test=self.test)


CLEAN = Joints()


class CorruptedProject(StoredProject):
    """A project that reads corrupted poses; the stored poses do not change.

    test: corruption of the scored clips (split `test`, or all if there is no such split); train: of
    the others; None = no corruption. A run trained on it has a different recipe. Results and
    embeddings of corrupted joints go to results/robustness/LABEL/. Labels are those of the project.
    """

    def __init__(
        self,
        project: StoredProject,
        label: str,
        *,
        train: Corruption | None,
        test: Corruption | None,
    ) -> None:
        super().__init__(project.root, project.settings)
        self._clean = project
        self._label = label
        posed = project.posed_videos()
        scored = {v.id for v in posed if v.split == "test"} or {v.id for v in posed}
        self._corruption = {v.id: test if v.id in scored else train for v in project.videos()}

    def read_pose(
        self, video: str, *, with_corrections: bool = True
    ) -> tuple[PoseSequence, Recipe]:
        pose, recipe = self._clean.read_pose(video, with_corrections=with_corrections)
        corruption = self._corruption[video]
        if corruption is None:
            return pose, recipe
        return replace(corruption.apply(video, pose), clip=""), corruption.recipe(recipe.key)

    def pose_header(self, video: str) -> tuple[Recipe, dict[str, Any]]:
        recipe, facts = self._clean.pose_header(video)
        corruption = self._corruption[video]
        return (corruption.recipe(recipe.key) if corruption else recipe), facts

    def embedding_path(self, run: str, video: str) -> Path:
        if self._corruption[video] is None:
            return self._clean.embedding_path(run, video)
        folder = ("results", "robustness", self._label, "embeddings", self.run_dir(run).name)
        return self._artifact(video, *folder)

    def results_dir(self, kind: str) -> Path:
        return self._clean.results_dir(f"robustness/{self._label}")
