"""Step: the frames of some clips as trajectories in two dimensions (paper Fig. 5), by PCA or t-SNE.
embedding_figure.py draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from la2ds_cli.alignment.clip_features import check_seen
from la2ds_cli.alignment.pair import check_skeletons
from la2ds_cli.alignment.request import (
    AlignRequest,
    choose_features,
)
from la2ds_cli.alignment.result import rounded
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.views.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY

SCHEMA_VERSION = 1
Method = Literal["pca", "tsne"]
LEAST = 5  # frames below which there are no neighbourhoods to speak of
_PERPLEXITY = 30.0  # the usual default of t-SNE
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY)
DASHES = ("solid", "dashed", "dotted")  # lines of clips that share a colour
MOST = len(COLOURS) * len(DASHES)
_PALEST = 0.2  # opacity of the first frame; the last has 1


@dataclass(frozen=True)
class PlottedClip:
    """name: short, for people. frame: (T,) in the source. time: (T,) seconds. phase: (T,) names,
    empty if a frame has no label. point: (T, 2). colour, dash: tell it from other clips."""

    video: str
    name: str
    frame: IntArray
    time: FloatArray
    phase: tuple[str, ...]
    point: FloatArray
    colour: str
    dash: str

    @property
    def opacity(self) -> FloatArray:
        """(T,) by time: from _PALEST at the first frame to 1 at the last."""
        span = float(self.time[-1] - self.time[0])
        share = (self.time - self.time[0]) / span if span > 0 else np.ones(len(self.time))
        return _PALEST + (1 - _PALEST) * share

    @property
    def phase_starts(self) -> list[tuple[int, str]]:
        """(row, name) at which each labelled phase begins."""
        before = ("", *self.phase[:-1])
        pairs = zip(before, self.phase, strict=True)
        return [(row, name) for row, (last, name) in enumerate(pairs) if name and name != last]


def style(number: int) -> tuple[str, str]:
    """Colour and dash of the clip with this number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS)]


def all_phases(clips: Sequence[PlottedClip]) -> list[str]:
    """Names of the phases of all clips, in order of appearance."""
    return list(dict.fromkeys(name for clip in clips for name in clip.phase if name))


@dataclass(frozen=True)
class EmbeddingPlot:
    """clips: in the order they were named. explained: share of the variance along each axis, None
    for t-SNE. features: `model`, `base` or `pose`; reason: why those were used, empty if they were
    requested or a trained run was used. files: written, in order."""

    clips: tuple[PlottedClip, ...]
    explained: tuple[float, float] | None
    method: Method
    features: str
    run: str
    reason: str
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything that is drawn, in plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "method": self.method,
            "explained_variance": self.explained,
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            "clips": [
                {
                    "video": clip.video,
                    "frame": clip.frame.tolist(),
                    "time": rounded(clip.time),
                    "phase": [name or None for name in clip.phase],
                    "x": rounded(clip.point[:, 0]),
                    "y": rounded(clip.point[:, 1]),
                }
                for clip in self.clips
            ],
            "files": [str(file) for file in self.files],
        }


def plot_embeddings(
    project: Project,
    names: Sequence[str],
    request: AlignRequest,
    *,
    method: Method = "pca",
    progress: Progress | None = None,
) -> EmbeddingPlot:
    """Project the frames of the named clips; missing poses and embeddings are computed first.

    names: video files, or names of clips of the project, two or more. method: fitted on the frames
    of all of them together. request: as for align, but nothing is mirrored.

    Raises UserError: exit 2 for too few or too many clips or one named twice, 4 for clips without
    joints or with too few frames, 5 for clips of different skeletons or weights, and whatever
    extracting poses or embedding raises.
    """
    from la2ds_cli.poses.extract import ensure_poses
    from la2ds_cli.poses.verdict import note_weakness

    progress = progress or Progress()
    _check_count(names)
    choice = choose_features(project, request.run, request.features)
    settings = request.config.poses
    ids = ensure_poses(project, names, settings, request.device, progress)
    _check_different(ids, names)
    poses = [project.read_pose(video)[0] for video in ids]
    for name, pose in zip(names, poses, strict=True):
        note_weakness(progress, name, pose.info)
        check_skeletons(poses[0], pose, (names[0], name))
    choice = choice.on(poses[0].skeleton, spatial=False)
    request = replace(request, run=choice.run(request.run))
    reason = choice.reason.replace("aligned", "drawn")
    if reason:
        progress.note(reason)
    for pose, name in zip(poses, names, strict=True):
        check_seen(pose, name)
    if choice.kind != "pose":
        values = _embedded(project, ids, request, progress)
    else:
        values = [paced_movement(pose) for pose in poses]
    progress.begin("projecting")
    point, explained = project_frames(np.concatenate(values), method)
    progress.end()
    clips = _clips(project, ids, poses, point)
    return EmbeddingPlot(clips, explained, method, choice.kind, request.run, reason)


def _check_count(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise UserError("a plot needs at least two clips", hint="la2ds plot-embeddings A B")
    if len(names) > MOST:
        raise UserError(
            f"{len(names)} clips are too many to tell apart in one plot",
            hint=f"name at most {MOST}",
        )


def _check_different(ids: Sequence[str], names: Sequence[str]) -> None:
    for number, video in enumerate(ids):
        if video in ids[:number]:
            raise UserError(f"{names[number]} is named twice", hint="name each clip once")


def _embedded(
    project: Project, ids: Sequence[str], request: AlignRequest, progress: Progress
) -> list[FloatArray]:
    from la2ds_cli.embedding.embed import ensure_embeddings

    embeddings = ensure_embeddings(project, request.run, ids, request.device, progress)
    return [embedding.value for embedding in embeddings]


def _clips(
    project: Project,
    ids: Sequence[str],
    poses: Sequence[PoseSequence],
    point: FloatArray,
) -> tuple[PlottedClip, ...]:
    phases = project.phases()
    rows = {video.id: video for video in project.videos()}
    names = _short_names([rows[video] for video in ids])
    start = np.cumsum([0, *map(len, poses)])
    return tuple(
        PlottedClip(
            video,
            names[number],
            pose.frame,
            pose.time,
            tuple(phase_names(pose.frame, phases.get(video, ()))),
            point[start[number] : start[number + 1]],
            *style(number),
        )
        for number, (video, pose) in enumerate(zip(ids, poses, strict=True))
    )


def _short_names(videos: Sequence[Video]) -> list[str]:
    """File names, or ids if two clips have the same file name."""
    names = [video.name for video in videos]
    return [v.id if names.count(v.name) > 1 else v.name for v in videos]


def project_frames(
    value: FloatArray, method: Method
) -> tuple[FloatArray, tuple[float, float] | None]:
    """Two dimensions (F, 2) of all frames value (F, D), fitted on all of them together with a fixed
    seed, and the share of the variance along each; None for t-SNE, whose axes have no meaning.

    Raises UserError (exit 4) for fewer than LEAST frames.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(value) < LEAST:
        raise UserError(
            f"{len(value)} frames are too few to draw",
            hint="name longer clips",
            exit_code=ExitCode.UNUSABLE,
        )
    fitted = PCA(2, svd_solver="full")
    with np.errstate(invalid="ignore"):  # frames that are all equal
        point = fitted.fit_transform(np.asarray(value, np.float64))
    first, second = np.nan_to_num(fitted.explained_variance_ratio_).tolist()
    if method == "pca":
        return point, (first, second)
    perplexity = min(_PERPLEXITY, (len(value) - 1) / 3)
    start = point / max(float(point[:, 0].std()), 1e-12) * 1e-4  # as scikit-learn's own start
    drawn = TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(value)
    return np.asarray(drawn, np.float64), None
