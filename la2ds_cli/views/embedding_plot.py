"""Step: the frames of several clips as trajectories in two dimensions (paper Fig. 5), by PCA or
t-SNE; and its figure (one colour per clip, opacity by time, a mark where a phase begins)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from la2ds_cli.alignment.align import check_joints_seen
from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.alignment.project_aligner import check_skeletons
from la2ds_cli.alignment.request import AlignRequest, choose_features, features_name
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.network.embed import ensure_embeddings
from la2ds_cli.poses.quality import note_weakness
from la2ds_cli.poses.ready import ensure_poses
from la2ds_cli.views.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SUFFIXES,
    axes_at,
    default_files,
    heading,
    only_left_and_bottom,
    printable,
    write_result,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

A_PLOT = "a plot", (*SUFFIXES, ".json")  # for checked_outputs

Method = Literal["pca", "tsne"]
LEAST = 5  # frames; too few for meaningful neighbourhoods
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY)  # one for each clip
_SIGNS = ("D", "^", "v", "P", "X", "*", "<", ">", "p", "h")  # one for each phase


class PlottedClip(NamedTuple):
    """A clip in the plot.

    video: id. name: shown to people. frame: (T,) source frame numbers. time: (T,) seconds. phase:
    (T,) names, empty for a frame without a label. point: (T, 2).
    """

    video: str
    name: str
    frame: IntArray
    time: FloatArray
    phase: list[str]
    point: FloatArray


@dataclass(frozen=True)
class EmbeddingPlot:
    """The frames of clips in two dimensions.

    clips: in the order they were named. explained: share of the variance along each axis, None for
    t-SNE. features: `model`, `base` or `pose`. reason: why these features were used, empty if they
    were requested or a trained run was used. files: as written, in order.
    """

    clips: tuple[PlottedClip, ...]
    explained: tuple[float, float] | None
    method: Method
    features: str
    run: str
    reason: str
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything that is drawn, in plain JSON types."""
        return {
            "schema_version": 1,
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
    project: StoredProject,
    names: Sequence[str],
    request: AlignRequest,
    *,
    method: Method = "pca",
    progress: Progress = SILENT,
) -> EmbeddingPlot:
    """Project the frames of clips to two dimensions; missing poses and embeddings are computed.

    Parameters
    ----------
    names: two or more video files, or names of clips of the project.
    request: as for align, but nothing is mirrored.
    method: is fitted on the frames of all clips together.

    Raises
    ------
    UserError: exit 2 for too few or too many clips or a repeated one, 4 for clips without joints or
        with too few frames, 5 for clips of different skeletons or weights, and whatever extracting
        poses or embedding raises.
    """
    if not 2 <= len(names) <= len(COLOURS):
        raise UserError(
            f"a plot needs at least two clips and at most {len(COLOURS)}",
            hint="la2ds lab plot-embeddings A B",
        )
    choice = choose_features(project, request.run, request.features)
    ids = ensure_poses(project, names, request.config.poses, request.device, progress)
    twice = [name for k, name in enumerate(names) if ids[k] in ids[:k]]
    if twice:
        raise UserError(f"{twice[0]} is named twice", hint="name each clip once")
    poses = [project.read_pose(video)[0] for video in ids]
    for name, pose in zip(names, poses, strict=True):
        note_weakness(progress, name, pose.info)
        check_skeletons(poses[0], pose, (names[0], name))
        check_joints_seen(pose, name)
    choice = choice.on(poses[0].skeleton, spatial=False)
    run, reason = choice.run(request.run), choice.reason.replace("aligned", "drawn")
    if reason:
        progress.note(reason)
    if choice.kind == "pose":
        values = [paced_movement(pose) for pose in poses]
    else:
        embeddings = ensure_embeddings(project, run, ids, request.device, progress)
        values = [embedding.value for embedding in embeddings]
    progress.begin("projecting")
    point, explained = project_frames(np.concatenate(values), method)
    progress.end()
    phases = project.phases(skip_unclear=True)
    videos = {video.id: video for video in project.videos()}
    points = np.split(point, np.cumsum([len(pose) for pose in poses])[:-1])
    clips = tuple(
        PlottedClip(
            video,
            videos[video].title,
            pose.frame,
            pose.time,
            phase_names(pose.frame, phases.get(video, ())),
            own,
        )
        for video, pose, own in zip(ids, poses, points, strict=True)
    )
    return EmbeddingPlot(clips, explained, method, choice.kind, run, reason)


def project_frames(
    value: FloatArray, method: Method
) -> tuple[FloatArray, tuple[float, float] | None]:
    """Project all frames to two dimensions, with a fixed seed.

    Returns points (F, 2) of value (F, D), and the share of the variance along each axis (None for
    t-SNE, whose axes have no meaning).

    Raises
    ------
    UserError: exit 4 for fewer than LEAST frames.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(value) < LEAST:
        raise Unusable(f"{len(value)} frames are too few to draw", hint="name longer clips")
    fitted = PCA(2, svd_solver="full")
    with np.errstate(invalid="ignore"):  # when all frames are equal
        point = fitted.fit_transform(np.asarray(value, np.float64))
    first, second = np.nan_to_num(fitted.explained_variance_ratio_).tolist()
    if method == "pca":
        return point, (first, second)
    perplexity = min(30.0, (len(value) - 1) / 3)  # the usual default
    start = point / max(float(point[:, 0].std()), 1e-12) * 1e-4  # as scikit-learn's own start
    drawn = TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(value)
    return np.asarray(drawn, np.float64), None


def write(
    project: StoredProject, result: EmbeddingPlot, targets: Sequence[Path], progress: Progress
) -> EmbeddingPlot:
    """Write files in the formats of their suffixes (A_PLOT), replacing existing ones, and return
    the result with `files`. Without targets, a picture goes to results/plot-embeddings."""
    if not targets:
        first, second, *more = (project.clip(clip.video) for clip in result.clips)
        name = result_name(project.videos(), first, second)
        name += f"--and-{len(more)}-more" * bool(more) + f"-{result.method}"
        targets = default_files(project, "plot-embeddings", name, (".png",))
    return write_result(project, result, targets, draw, progress)


def draw(result: EmbeddingPlot) -> Figure:
    """Return the plot as a figure, with a line and points for each clip."""
    from matplotlib.figure import Figure

    phases = dict.fromkeys(name for clip in result.clips for name in clip.phase if name)
    signs = {name: _SIGNS[n % len(_SIGNS)] for n, name in enumerate(phases)}
    figure = Figure(figsize=(12.0, 7.5), dpi=150)  # inches
    frames = sum(len(clip.time) for clip in result.clips)
    by = features_name(result.features, result.run)
    method = "PCA" if result.method == "pca" else "t-SNE"
    about = f"{by}   ·   {method}, fitted on all {frames} frames together"
    heading(figure, 0.24, f"frames of {len(result.clips)} clips in the feature space", about)
    axes = axes_at(figure, 0.85, 0.65, 7.9, 5.9)
    for clip, colour in zip(result.clips, COLOURS, strict=False):
        _trajectory(axes, clip, colour, signs)
    for name, sign in signs.items():
        axes.plot([], [], sign, ms=9, color=GREY, label=f"{printable(name, 30)} begins")
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    only_left_and_bottom(axes)
    if result.explained is None:  # the axes of t-SNE have no meaning
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
    else:
        first, second = (f"{100 * share:.0f} % of the variance" for share in result.explained)
        axes.set_xlabel(f"component 1 ({first})", fontsize=10.5)
        axes.set_ylabel(f"component 2 ({second})", fontsize=10.5)
    axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1), fontsize=9.5, frameon=False)
    return figure


def _trajectory(axes: Axes, clip: PlottedClip, colour: str, signs: dict[str, str]) -> None:
    """Draw a clip, paler at the start, with a mark where each phase begins."""
    opacity = np.interp(clip.time, clip.time[[0, -1]], (0.2, 1.0))
    axes.plot(*clip.point.T, color=colour, linewidth=0.8, label=printable(clip.name, 30))
    by_frame: dict[str, Any] = {"alpha": opacity}
    axes.scatter(*clip.point.T, s=26, color=colour, linewidths=0, zorder=3, **by_frame)
    for row, (before, name) in enumerate(zip(("", *clip.phase), clip.phase, strict=False)):
        if name and name != before:
            axes.plot(*clip.point[row], signs[name], ms=9, color=colour, mec="black", zorder=4)
