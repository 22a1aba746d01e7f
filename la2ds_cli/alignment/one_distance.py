"""The one distance between frames: a run's embedding, the base model's, and the joints' movement.

From top to bottom: the distance of given weights, the distance of a run, the weights of its parts,
which are measured once and stored beside the run's weights, and how they are measured.

Each part says which moment of the movement a frame shows, with an error. How large it is depends on
the movement: on golf swings the base model errs least, on squats a trained network. The error of a
part shows where clips of different people are matched by the *other* parts: matched frames should
have the same features, and the part is the more precise, the less they differ compared with how
fast the features change. This needs no labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from la2ds_cli.alignment.consensus import pairwise_paths
from la2ds_cli.alignment.sampling import thinned
from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.trained import run_header, weights_key
from la2ds_cli.features.augment import at_positions
from la2ds_cli.features.body_joints import as_skeleton, holds, is_body
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.spatial import known_in_3d
from la2ds_cli.features.tempo import paced_movement

MOVEMENT_SPREAD = 1.5  # the counterpart of Embedder.spread for paced_movement, in its units


@dataclass(frozen=True)
class OneDistance:
    """The parts of the distance between two frames: the embeddings of a network, those of the base
    model, and the movement of the joints. Where one of them is wrong, the others mostly are not.

    spread: `Embedder.spread` of the network; if it is unknown (0), only the embeddings are used.
    movement, base, embedding: weights of the parts; without movement and base (0) the embedding is
    left as it is. base_spread: `Embedder.spread` of the base model.
    """

    spread: float
    movement: float = 0.0
    base: float = 0.0
    base_spread: float = 1.0
    embedding: float = 1.0

    @classmethod
    def of(cls, spread: float, settings: AlignConfig, base_spread: float = 0.0) -> OneDistance:
        """The distance that the settings ask for; base_spread: 0 = no base model."""
        if not spread:
            return cls(0.0)
        if not base_spread:
            return cls(spread, settings.movement)
        return cls(spread, settings.movement, settings.base, base_spread)

    @classmethod
    def of_run(
        cls, project: Project | None, run: str, pose: PoseSequence, settings: AlignConfig
    ) -> OneDistance:
        """The distance that the settings ask for, with a run's embeddings of clips like `pose`. The
        base model is left out if it is the run itself, if it does not read the skeleton, and if
        joints are compared in 3D, since it reads joints in the image."""
        with_base = settings.base and run != BASE_RUN and is_body(pose.skeleton)
        with_base = with_base and not pose.spatial
        base_spread = run_header(project, BASE_RUN).spread if with_base else 0.0
        distance = cls.of(run_header(project, run).spread, settings, base_spread)
        if project is None:
            return distance
        return distance.measured(project, run, settings, spatial=pose.spatial)

    def measured(
        self, project: Project, run: str, settings: AlignConfig, *, spatial: bool
    ) -> OneDistance:
        """The distance with its weights multiplied by those that were measured for the run
        (`run_weights`); unchanged for the base model and unless the settings ask for it. spatial:
        whether joints are compared in 3D."""
        if settings.weights != "measured" or run == BASE_RUN or not (self.movement or self.base):
            return self
        weight = run_weights(project, run, settings, self, spatial=spatial)
        return replace(
            self,
            embedding=self.embedding * weight.get("embedding", 1.0),
            base=self.base * weight.get("base", 1.0),
            movement=self.movement * weight.get("movement", 1.0),
        )

    def weights_in_words(self) -> str:
        """The weights of the parts that are used, in a phrase; empty unless they were measured,
        since those of the settings leave the embedding at 1."""
        if self.embedding == 1:
            return ""
        parts = {"network": self.embedding, "base model": self.base, "movement": self.movement}
        return "weights: " + ", ".join(f"{k} {v:.2f}" for k, v in parts.items() if v)

    def features(
        self, pose: PoseSequence, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """Features (T, E) float32 whose squared distance is the sum of three: `self.embedding`
        times that of `embedding` (T, D) in units of its spread, `self.base` times that of the base
        model's embedding `base` in units of its own spread, and `self.movement` times that of the
        `paced_movement` of `pose`. Without the other two parts, the embedding itself. Raises
        ValueError if `base` is missing."""
        return self.joined(paced_movement(pose) if self.movement else None, embedding, base)

    def joined(
        self, moving: FloatArray | None, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """`features` of a clip whose `paced_movement` is known."""
        if not (self.movement or self.base):
            return embedding
        parts = self.parts(moving, embedding, base)
        return np.concatenate(list(parts.values()), axis=1).astype(np.float32)

    def parts(
        self, moving: FloatArray | None, embedding: FloatArray, base: FloatArray | None = None
    ) -> dict[str, FloatArray]:
        """The parts of `joined` by name, those with a weight above 0."""
        parts = {"embedding": math.sqrt(self.embedding) / self.spread * embedding}
        if self.base:
            if base is None:
                raise ValueError("the base model's embedding is part of this distance")
            parts["base"] = math.sqrt(self.base) / self.base_spread * base
        if self.movement:
            if moving is None:
                raise ValueError("the movement is part of this distance")
            parts["movement"] = math.sqrt(self.movement) / MOVEMENT_SPREAD * moving
        return parts


# --- the weights of the parts, measured for a run -------------------------------------------------

VERSION = 1
MOST_CLIPS = 12
FEWEST_CLIPS = 4  # held out; with fewer, all clips of the run are used
NAMES = ("embedding", "base", "movement")


def run_weights(
    project: Project, run: str, settings: AlignConfig, distance: OneDistance, *, spatial: bool
) -> dict[str, float]:
    """Weights of the parts of `distance`, by name, with a mean of 1; empty if they cannot be
    measured, since fewer than two clips of the run are left.

    They are measured on at most MOST_CLIPS clips that were held out of the run's training: on those
    that it was trained on, its embedding looks better than it is. The result is stored beside the
    run's weights, and measured again only for other weights, settings and poses of these clips.
    """
    path = project.part_weights_path(run)
    chosen = _chosen(project, run)
    key = _key(project, run, settings, distance, chosen, spatial=spatial)
    stored = _stored(artifact.read_document(path), key)
    if stored is not None:
        return stored
    clips = _clips(project, run, distance, list(chosen), spatial=spatial)
    if len(clips) < 2:
        return {}
    weights = measure_weights(list(clips.values()), settings)
    artifact.write_json(path, {"key": key, "weights": weights, "clips": len(clips)})
    return weights


def _chosen(project: Project, run: str) -> dict[str, str]:
    """Ids of the clips that the weights are measured on, of those that the project still has, and
    the identities of their poses."""
    known = project.posed()
    held_out, trained_on = (
        sorted(video for video in videos if video in known)
        for videos in run_header(project, run).split
    )
    enough = len(held_out) >= FEWEST_CLIPS
    keys: dict[str, str] = {}
    for video in evenly_spaced(held_out if enough else held_out + trained_on, MOST_CLIPS):
        with suppress(UserError, OSError, artifact.ArtifactError):  # such as a damaged file
            keys[video] = project.pose_header(video)[0].key
    return keys


def _key(
    project: Project,
    run: str,
    settings: AlignConfig,
    distance: OneDistance,
    poses: Mapping[str, str],
    *,
    spatial: bool,
) -> str:
    """Identity of what the weights depend on: the two networks, the poses, the parts, and settings
    of DTW."""
    from la2ds_cli.training.base_weights import base_key

    inputs = {"model": weights_key(project, run)}
    inputs |= {f"poses of {video}": key for video, key in poses.items()}
    if distance.base:
        inputs["base"] = base_key()
    used = {
        "open_ends": settings.open_ends,
        "skip_cost": settings.skip_cost,
        "movement": bool(distance.movement),
        "spatial": spatial,
    }
    return artifact.Recipe("part_weights", VERSION, used, inputs).key


def _stored(document: Mapping[str, Any], key: str) -> dict[str, float] | None:
    """The weights in the file, None if there are none for this key, or none that la2ds wrote."""
    if document.get("key") != key:
        return None
    try:
        weights = {str(name): float(value) for name, value in document["weights"].items()}
    except (AttributeError, TypeError, ValueError, KeyError):
        return None
    usable = all(name in NAMES and 0 <= value <= len(NAMES) for name, value in weights.items())
    return weights if usable and sum(weights.values()) > 0 else None


def _clips(
    project: Project, run: str, distance: OneDistance, videos: Sequence[str], *, spatial: bool
) -> dict[str, dict[str, FloatArray]]:
    """The parts, without their weights, of those of the clips that can be embedded and compared, by
    id; none if no clip can be embedded. They may have been extracted again with a skeleton of more
    joints than the run reads."""
    from la2ds_cli.embedding.embed import possible_embeddings

    skeleton = run_header(project, run).skeleton
    poses: dict[str, PoseSequence] = {}
    for video in videos:
        with suppress(UserError):
            pose = replace(project.read_pose(video)[0], spatial=spatial)
            usable = holds(pose.skeleton, skeleton) and (not spatial or known_in_3d(pose))
            if usable and not np.isnan(pose.xy).all():
                poses[video] = as_skeleton(pose, skeleton)
    try:  # a clip whose video frames are missing is left out
        embeddings = possible_embeddings(project, run, list(poses), "cpu")[0]
        base = (
            possible_embeddings(project, BASE_RUN, list(embeddings), "cpu")[0]
            if distance.base
            else None
        )
    except UserError as error:  # such as a network that is not installed
        if error.exit_code == ExitCode.STORAGE:
            raise
        return {}
    plain = replace(
        distance,
        embedding=1.0,
        base=float(distance.base > 0),
        movement=float(distance.movement > 0),
    )
    return {
        video: plain.parts(
            paced_movement(pose) if plain.movement else None,
            embeddings[video].value,
            None if base is None else base[video].value,
        )
        for video, pose in poses.items()
        if video in (embeddings if base is None else base)
    }


# --- how they are measured: arrays in, numbers out ------------------------------------------------

PARTNERS = 8  # other clips that each clip is matched with, at most
MOST_FRAMES = 200  # longer clips are thinned
LEAST_NOISE = 1e-3  # as a share of the variance of a part: copies of one clip are no better


def measure_weights(
    clips: Sequence[Mapping[str, FloatArray]], config: AlignConfig
) -> dict[str, float]:
    """Weight of the squared distance of each part, with a mean of 1.

    clips: for each clip of a movement, the features (T, D) of every part by name, at least two
    parts and the same ones in all clips; no NaN. config: settings of DTW. Every part is judged
    along paths by all others together. Its *noise* is the mean squared distance of matched frames,
    and its *speed* the mean squared change of its features per length of the clip, so noise / speed
    is the variance of the moment that the part would tell by itself. With weights of 1 / noise, all
    parts would add the same noise, which is best if they have equally many independent errors. The
    additional factor speed / noise favours the part that tells the moment best; it was chosen on
    training clips (docs/decisions/0018-measured-weights.md).

    All weights are 1 for fewer than two clips, and if no part moves.
    """
    names = list(clips[0]) if clips else []
    rows = [thinned(len(next(iter(clip.values()))), MOST_FRAMES) for clip in clips]
    thin = [
        {name: value[row].astype(np.float64) for name, value in clip.items()}
        for clip, row in zip(clips, rows, strict=True)
    ]
    weights = {name: _speed(thin, name) / _noise(thin, name, config) ** 2 for name in names}
    total = sum(weights.values())
    if len(clips) < 2 or not 0 < total < np.inf:
        return dict.fromkeys(names, 1.0)
    return {name: len(names) * weight / total for name, weight in weights.items()}


def _speed(clips: Sequence[Mapping[str, FloatArray]], name: str) -> float:
    """Mean over clips of the mean squared change of a part's features in units of the clip."""
    speeds = []
    for clip in clips:
        value = clip[name]
        change = np.gradient(value, axis=0) * len(value) if len(value) > 1 else np.zeros((1, 1))
        speeds.append((change**2).sum(axis=1).mean())
    return float(np.mean(speeds))


def _noise(clips: Sequence[Mapping[str, FloatArray]], name: str, config: AlignConfig) -> float:
    """Mean squared distance of a part's features in frames that the other parts match."""
    beside = [
        np.concatenate([value for other, value in clip.items() if other != name], axis=1)
        for clip in clips
    ]
    apart = []
    for a in range(len(clips)):
        others = [(a + k) % len(clips) for k in range(1, min(PARTNERS, len(clips) - 1) + 1)]
        paths = pairwise_paths(beside[a], [beside[b] for b in others], config)
        for b, path in zip(others, paths, strict=True):
            known = ~np.isnan(path.forward)
            matched = at_positions(clips[b][name], path.forward[known])
            apart.append(((clips[a][name][known] - matched) ** 2).sum(axis=1).mean())
    variance = np.mean([clip[name].var(axis=0).sum() for clip in clips])
    return max(float(np.mean(apart)) if apart else 0.0, LEAST_NOISE * float(variance), 1e-12)
