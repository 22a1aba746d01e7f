"""Step: the frames of some clips as trajectories in two dimensions (paper Fig. 5), by PCA or t-SNE;
and its figure (one colour per clip, opacity by time, phases, start and end)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from la2ds_cli.alignment.clip_features import check_seen
from la2ds_cli.alignment.pair import check_skeletons
from la2ds_cli.alignment.request import AlignRequest, choose_features, features_name
from la2ds_cli.alignment.result import rounded
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.features.tempo import paced_movement
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

SCHEMA_VERSION = 1
Method = Literal["pca", "tsne"]
LEAST = 5  # frames below which there are no neighbourhoods to speak of
_PERPLEXITY = 30.0  # the usual default of t-SNE
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY)
DASHES = ("solid", "dashed", "dotted")  # lines of clips that share a colour
MOST = len(COLOURS) * len(DASHES)
_PALEST = 0.2  # opacity of the first frame; the last has 1
_WIDTH, _DPI = 12.0, 150  # inches; shown 1200 pixels wide, the small print is 12 pixels high
_LEFT, _AXES, _SIDE = 0.85, 7.9, 9.0  # inches: left edge and width of the axes, the legend
_TOP, _BOTTOM = 0.95, 0.65
_LOWEST, _HIGHEST = 3.8, 7.2  # of the axes
_ROW = 0.245  # of the legend
_SIGNS = ("D", "^", "v", "P", "X", "*", "<", ">", "p", "h")  # of phases
_LABELS = {"pca": "PCA", "tsne": "t-SNE"}


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
    if not 2 <= len(names) <= MOST:
        raise UserError(
            f"a plot shows at least two clips and at most {MOST}", hint="la2ds plot-embeddings A B"
        )
    choice = choose_features(project, request.run, request.features)
    settings = request.config.poses
    ids = ensure_poses(project, names, settings, request.device, progress)
    twice = [name for k, name in enumerate(names) if ids[k] in ids[:k]]
    if twice:
        raise UserError(f"{twice[0]} is named twice", hint="name each clip once")
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


# --- the figure -----------------------------------------------------------------------------------


def write(
    project: Project, result: EmbeddingPlot, targets: Sequence[Path], progress: Progress
) -> EmbeddingPlot:
    """Write files by suffix (A_PLOT); existing ones are replaced. Without targets a picture goes
    to results/plot-embeddings. Returns the result with its `files`."""
    if not targets:
        first, second = result.clips[0].video, result.clips[1].video
        more = len(result.clips) - 2
        name = f"{first}--{second}" + (f"--and-{more}-more" if more else "") + f"-{result.method}"
        targets = default_files(project, "plot-embeddings", name, (".png",))
    return write_result(result, targets, draw, progress)


def draw(result: EmbeddingPlot) -> Figure:
    """The plot as a figure. The points of a clip are the collection with the gid `points VIDEO`."""
    from matplotlib.figure import Figure

    phases = dict.fromkeys(name for clip in result.clips for name in clip.phase if name)
    signs = {name: _SIGNS[n % len(_SIGNS)] for n, name in enumerate(phases)}
    high = _axes_height(result, signs)
    total = _TOP + high + _BOTTOM
    figure = Figure(figsize=(_WIDTH, total), dpi=_DPI)
    axes = axes_at(figure, _LEFT, _BOTTOM, _AXES, high)
    for clip in result.clips:
        _trajectory(axes, clip)
    for clip in result.clips:  # above every line
        _marks(axes, clip, signs)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    only_left_and_bottom(axes)
    labels = axis_labels(result)
    axes.set_xlabel(labels[0], fontsize=10.5)
    axes.set_ylabel(labels[1], fontsize=10.5)
    if result.explained is None:  # numbers of these axes mean nothing
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
    heading(
        figure, 0.24, f"frames of {len(result.clips)} clips in the feature space", summary(result)
    )
    _legend(figure, result, signs)
    return figure


def _axes_height(result: EmbeddingPlot, signs: dict[str, str]) -> float:
    """Inches: by the aspect of the points, and at least the height of the legend."""
    width, height = np.ptp(np.concatenate([clip.point for clip in result.clips]), axis=0)
    wanted = _AXES * float(height / width) if width > 0 else _HIGHEST
    rows = len(result.clips) + 2 + len(signs)
    return max(float(np.clip(wanted, _LOWEST, _HIGHEST)), rows * _ROW)


def axis_labels(result: EmbeddingPlot) -> tuple[str, str]:
    """`component 1 (43 % of the variance)` for PCA, plain names otherwise."""
    shares = result.explained
    if shares is None:
        return "t-SNE, first axis", "t-SNE, second axis"
    first, second = (
        f"component {n} ({share:.0%} of the variance)" for n, share in enumerate(shares, start=1)
    )
    return first.replace("%", " %"), second.replace("%", " %")


def summary(result: EmbeddingPlot) -> str:
    """One line: what was projected, and how."""
    by = features_name(result.features, result.run)
    missing = " (no trained model)" if result.reason else ""
    frames = sum(len(clip.time) for clip in result.clips)
    return f"{by}{missing}   ·   {_LABELS[result.method]}, fitted on all {frames} frames together"


def _trajectory(axes: Axes, clip: PlottedClip) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    colour = np.column_stack([np.tile(to_rgb(clip.colour), (len(clip.time), 1)), clip.opacity])
    segments = np.stack([clip.point[:-1], clip.point[1:]], axis=1)
    lines = LineCollection(list(segments), colors=colour[1:], linewidths=1.2)
    lines.set(linestyle=clip.dash)
    lines.set_zorder(2)
    axes.add_collection(lines)
    axes.scatter(*clip.point.T, s=26, c=colour, linewidths=0, zorder=3, gid=f"points {clip.video}")


def _marks(axes: Axes, clip: PlottedClip, signs: dict[str, str]) -> None:
    """Where phases begin; a ring at the first frame and a square at the last."""
    for row, name in clip.phase_starts:
        style = _mark(signs[name], clip.colour)
        axes.plot(*clip.point[row], **style, zorder=5, gid=f"phase {clip.video} {row}")
    first, last = _ends(clip.colour)
    axes.plot(*clip.point[0], **first, zorder=6, gid=f"start {clip.video}")
    axes.plot(*clip.point[-1], **last, zorder=6, gid=f"end {clip.video}")


def _mark(sign: str, colour: str) -> dict[str, Any]:
    size = 13 if sign == "*" else 9
    edge = {"markeredgecolor": "black", "markeredgewidth": 0.9}
    return {"marker": sign, "ms": size, "color": colour, "linestyle": "none", **edge}


def _ends(colour: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hollow, so that the mark of a phase that begins there shows inside."""
    common = {"mfc": "none", "mec": colour, "mew": 2.4, "linestyle": "none"}
    return {"marker": "o", "ms": 15, **common}, {"marker": "s", "ms": 14, **common}


def _legend(figure: Figure, result: EmbeddingPlot, signs: dict[str, str]) -> None:
    """Everything drawn beside the axes, in one column."""
    from matplotlib.lines import Line2D

    rows = []
    for clip in result.clips:
        line = Line2D([], [], color=clip.colour, marker="o", ms=6, lw=2)
        line.set(linestyle=clip.dash)
        rows.append((line, clip.name))
    first, last = (Line2D([], [], **{**style, "ms": 9, "mew": 2}) for style in _ends(GREY))
    rows += [(first, "start, pale"), (last, "end")]
    rows += [(Line2D([], [], **_mark(s, GREY)), f"{n} begins") for n, s in signs.items()]
    handles, labels = zip(*rows, strict=True)
    top = 1 - _TOP / float(figure.get_figheight())
    figure.legend(
        handles,
        [printable(label, 30) for label in labels],
        loc="upper left",
        bbox_to_anchor=(_SIDE / _WIDTH, top),
        fontsize=9.5,
        frameon=False,
        borderaxespad=0,
        labelspacing=0.55,
        handlelength=2.6,
    )
