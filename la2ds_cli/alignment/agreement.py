"""Agreement: a measure of how well features align the clips of a movement, without any labels.

Two clips are trimmed at random at both ends and aligned directly, and the result is compared with
the consensus of the entire clips through all other clips. Features that represent the movement find
the same moments. Noise does not, and neither does elapsed time, because it treats the trimmed clips
as if they were entire. The consensus uses the same features: a consensus of several features would
favour those whose errors are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from la2ds_cli.alignment.clip_features import pose_feature, velocity_rate
from la2ds_cli.alignment.consensus import (
    FEWEST_REFERENCES,
    MOST_CANDIDATES,
    PairwisePath,
    consensus_of_most,
    estimates_through,
    evenly_spaced,
    pairwise_path,
    pairwise_paths,
)
from la2ds_cli.alignment.one_distance import OneDistance
from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.trained import light_embedder, weights_key
from la2ds_cli.features.body_joints import joint_sources
from la2ds_cli.features.pose_features import movement
from la2ds_cli.training.base_weights import base_key

Feature = Callable[[PoseSequence], FloatArray]
"""Features (T, D) of a clip or of a part of it."""

# 2: slow motion and real speed are each compared at their own pace; 3: a run's parts are weighed
VERSION = 3
MOST_CLIPS = 16
PAIRS = 60
LARGEST_TRIM = 0.3  # largest share of the clip that is cut off each end
FEWEST_CLIPS = FEWEST_REFERENCES + 2
CLEARLY = 0.8
SHORTEST = 8  # frames; of a shorter clip too little remains once both ends are cut off


def agreement(
    poses: Sequence[PoseSequence], feature: Feature, config: AlignConfig, seed: int = 0
) -> float:
    """Mean distance of the alignments of trimmed clips from the consensus, in % of the length of B,
    with frames weighted by how fast A moves there; NaN if nothing can be compared.

    poses: at least FEWEST_CLIPS clips of one movement and one skeleton; at most MOST_CLIPS of them
    are used. config: settings of DTW. To compare features with each other, use the same seed, so
    that they see the same pairs and trims.
    """
    clips = evenly_spaced(poses, MOST_CLIPS)
    rng = np.random.default_rng(seed)
    ordered = [(a, b) for a in range(len(clips)) for b in range(len(clips)) if a != b]
    chosen = [ordered[n] for n in rng.permutation(len(ordered))[:PAIRS]]
    paths = _paths([feature(clip) for clip in clips], config)
    distances = []
    for a, b in chosen:
        trim_a, trim_b = _trim(len(clips[a]), rng), _trim(len(clips[b]), rng)
        part_a = clips[a].cut(trim_a.start, trim_a.stop)
        part_b = clips[b].cut(trim_b.start, trim_b.stop)
        truth = _consensus(paths, a, b, len(clips), len(clips[b]))[trim_a] - trim_b.start
        position = pairwise_path(feature(part_a), feature(part_b), config).forward
        # False where either is NaN
        known = (truth >= 0) & (truth <= len(part_b) - 1) & (position >= 0)
        speed = _speed(part_a)[known]
        if speed.sum() > 0:
            apart = np.average(np.abs(position - truth)[known], weights=speed)
            distances.append(100 * float(apart) / len(clips[b]))
    return float(np.mean(distances)) if distances else np.nan


Paths = dict[tuple[int, int], PairwisePath]


def _paths(values: Sequence[FloatArray], config: AlignConfig) -> Paths:
    """The path from every clip to every other clip, by their features."""
    paths: Paths = {}
    for a in range(len(values)):
        for b, path in enumerate(pairwise_paths(values[a], values[a + 1 :], config), a + 1):
            paths[a, b] = path
            paths[b, a] = PairwisePath(path.backward, path.forward, path.cost)
    return paths


def _consensus(paths: Paths, a: int, b: int, clips: int, length: int) -> FloatArray:
    """(N,) position of each frame of clip a in clip b, of `length` frames: the consensus of the
    direct path and those through all other clips; NaN where most of these leave the frame out."""
    others = [n for n in range(clips) if n not in (a, b)]
    through = estimates_through([paths[a, n] for n in others], [paths[b, n] for n in others])
    return consensus_of_most(np.array([paths[a, b].forward, *through]), length)


def _trim(length: int, rng: np.random.Generator) -> slice:
    """The part of a clip that remains after a random share is cut off each end."""
    start, stop = (int(length * share) for share in rng.uniform(0, LARGEST_TRIM, 2))
    return slice(start, length - stop)


def _speed(pose: PoseSequence) -> FloatArray:
    """(T,) how much the joints move from frame to frame."""
    moved = movement(pose, weight=0.0)
    return np.linalg.norm(np.gradient(moved, axis=0), axis=1) if len(moved) > 1 else np.zeros(1)


# --- the base model against the movement of the joints, on the clips of a project -----------------


@dataclass(frozen=True)
class BaseCheck:
    """Agreement of the base model and of the joints' movement on the clips of a project, in %."""

    base: float
    pose: float

    @property
    def passed(self) -> bool:
        """Whether the base model is clearly better: it agrees with itself more easily than with
        the truth."""
        return self.base <= CLEARLY * self.pose

    @property
    def bar(self) -> str:
        """A sentence on how good a run has to be."""
        return (
            "without training, alignments of trimmed and of entire clips differ by "
            f"{self.base:.1f} % with the base model and {self.pose:.1f} % with raw movement: a run "
            "has to be at least as good as the base model, and clearly better than raw movement"
        )


def check_base(
    project: Project, device: DeviceName = "auto", progress: Progress | None = None
) -> BaseCheck | None:
    """Check how well the base model and raw movement agree on the project's clips. Returns None if
    there are fewer than FEWEST_CLIPS of one skeleton of a body. The result is computed once for the
    same clips, weights and settings, and stored in results/agreement/base.json. Raises UserError
    (exit 3) for damaged weights."""
    videos = _checked_videos(project)
    if len(videos) < FEWEST_CLIPS:
        return None
    config, recipe = _base_recipe(project, videos)
    if known := _stored_base_check(project, recipe):
        return known
    poses = _poses(project, videos)
    if len(poses) < FEWEST_CLIPS:
        return None
    progress = progress or Progress()
    progress.begin(f"comparing the base model with raw poses on {len(poses)} clips")
    rate, embed = velocity_rate(poses), light_embedder(project, BASE_RUN, device)
    distance = OneDistance.of(embed.spread, config)

    def base(pose: PoseSequence) -> FloatArray:  # as `align` uses it
        return distance.features(pose, embed([pose])[0])

    check = BaseCheck(
        agreement(poses, base, config),
        agreement(poses, lambda pose: pose_feature(pose, rate, "a clip"), config),
    )
    progress.end()
    if math.isnan(check.base) or math.isnan(check.pose):
        return None
    content = {"key": recipe.key, "base": check.base, "pose": check.pose}
    artifact.write_json(_base_path(project), content)
    return check


def read_base_check(project: Project) -> BaseCheck | None:
    """The stored result of check_base for the current clips of the project, without computing
    anything; None if there is none."""
    videos = _checked_videos(project)
    if len(videos) < FEWEST_CLIPS:
        return None
    return _stored_base_check(project, _base_recipe(project, videos)[1])


def _base_path(project: Project) -> Path:
    return project.results_dir("agreement") / "base.json"


def _base_recipe(project: Project, videos: Sequence[str]) -> tuple[AlignConfig, artifact.Recipe]:
    """The alignment settings of the check on these clips, and the recipe of its result."""
    config = replace(project.config().align, method="dtw")
    keys = {video: project.pose_header(video)[0].key for video in videos}
    settings = asdict(config)
    return config, artifact.Recipe("agreement", VERSION, settings, {"model": base_key()} | keys)


def _stored_base_check(project: Project, recipe: artifact.Recipe) -> BaseCheck | None:
    stored = artifact.read_document(_base_path(project))
    if stored.get("key") != recipe.key:
        return None
    try:
        return BaseCheck(float(stored["base"]), float(stored["pose"]))
    except artifact.FOREIGN:
        return None


def _checked_videos(project: Project) -> list[str]:
    """At most MOST_CLIPS of the clips that training would use, with the most common skeleton among
    MOST_CANDIDATES of them; read from the headers of their files."""
    from la2ds_cli.training.data import some_training_videos

    by_skeleton: dict[str, list[str]] = {}
    for video in some_training_videos(project, MOST_CANDIDATES):
        try:
            skeleton = artifact.read_header(project.pose_path(video.id))[1]["skeleton"]
            joint_sources(skeleton)
        except (artifact.ArtifactError, KeyError, UserError):  # damaged, or a hand
            continue
        if video.frames >= SHORTEST:
            by_skeleton.setdefault(skeleton, []).append(video.id)
    most = max(by_skeleton.values(), key=len, default=[])
    return evenly_spaced(sorted(most), MOST_CLIPS)


def _poses(project: Project, videos: Sequence[str]) -> list[PoseSequence]:
    """The poses of those clips in which every trim leaves something visible."""
    poses = [project.read_pose(video)[0] for video in videos]
    return [pose for pose in poses if _seen_throughout(pose)]


def _seen_throughout(pose: PoseSequence) -> bool:
    """Whether every trim of the clip leaves a part in which a joint is seen."""
    cut = int(len(pose) * LARGEST_TRIM)
    return not np.isnan(pose.xy[cut : len(pose) - cut]).all()


# --- the model of a run against both, on the clips of its project ---------------------------------

RUN_CHECK = "agreement.json"  # beside the weights of the run


@dataclass(frozen=True)
class RunCheck:
    """Agreement on the clips of a project, in %: of a run's model as `align` uses it, of the base
    model, and of the joints' movement. clips: their number."""

    run: float
    base: float
    pose: float
    clips: int

    @property
    def best(self) -> Literal["model", "base", "pose"]:
        """The features that are the best choice. The model has to be at least as good as the base
        model, and either has to be clearly better than the movement, as in BaseCheck."""
        if self.run <= self.base and self.run <= CLEARLY * self.pose:
            return "model"
        return "base" if BaseCheck(self.base, self.pose).passed else "pose"

    def verdict(self, run: str) -> str:
        """One sentence on whether the run is worth using, with its figures."""
        figures = (
            f"alignments of trimmed and of entire clips differ by {self.run:.1f} % with the run, "
            f"{self.base:.1f} % with the base model and {self.pose:.1f} % with raw movement "
            f"({self.clips} clips, no labels)"
        )
        if self.best == "model":
            return f"run {run} is worth using on these clips: {figures}"
        if self.best == "pose" and min(self.run, self.base) < self.pose:
            figures += f"; a network has to be {100 * (1 - CLEARLY):.0f} % lower than raw movement"
        other = {"base": "the base model", "pose": "raw movement"}[self.best]
        return (
            f"run {run} is weak on these clips, and {other} is the better choice "
            f"(--features {self.best}): {figures}"
        )


def check_run(
    project: Project, run: str, device: DeviceName = "auto", progress: Progress | None = None
) -> RunCheck | None:
    """Check how well the model of a run agrees on the project's clips, compared with the base model
    and raw movement on the same clips and trims. The result is stored beside the run's weights for
    `read_run_check`.

    Returns None when check_base does, and for a run that reads video frames or joints in metres.
    Raises UserError as load_network does, and (exit 5) if the clips lack joints of the model.
    """
    beside = check_base(project, device, progress)
    if beside is None:
        return None
    embed = light_embedder(project, run, device)
    if embed.config.model.input in ("rgb", "joints3d"):
        return None
    poses = _poses(project, _checked_videos(project))
    if progress is not None:
        progress.note(f"comparing run {run} with both on {len(poses)} clips")
    config = replace(project.config().align, method="dtw")
    distance = OneDistance.of_run(project, run, poses[0], config)
    embed_base = light_embedder(project, BASE_RUN, device) if distance.base else None

    def joined(pose: PoseSequence) -> FloatArray:  # as `align` uses it
        base = embed_base([pose])[0] if embed_base else None
        return distance.features(pose, embed([pose])[0], base)

    own = agreement(poses, joined, config)
    if math.isnan(own):
        return None
    check = RunCheck(own, beside.base, beside.pose, len(poses))
    artifact.write_json(
        project.run_dir(run) / RUN_CHECK, {"model": embed.key, "version": VERSION} | asdict(check)
    )
    return check


def read_run_check(project: Project, run: str) -> RunCheck | None:
    """The result of check_run for the current weights of the run, without computing anything; None
    if there is none."""
    try:
        stored = artifact.read_document(project.run_dir(run) / RUN_CHECK)
        current = (weights_key(project, run), VERSION)
        if (stored["model"], stored["version"]) != current:
            return None
        figures = (float(stored[name]) for name in ("run", "base", "pose"))
        return RunCheck(*figures, clips=int(stored["clips"]))
    except artifact.FOREIGN:  # absent, or not written by la2ds
        return None
