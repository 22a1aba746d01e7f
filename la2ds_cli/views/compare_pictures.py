"""The layout of a comparison's sheet, and its upper half: both clips at the key frames, where the
differences are clearest, and both skeletons on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.compare.differences import SURE
from la2ds_cli.compare.findings import Finding, by_joint, span_at
from la2ds_cli.compare.result import CompareResult, amount, joint_name
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.features.pose_features import body_frame
from la2ds_cli.poses.trust import trusted
from la2ds_cli.video.reader import Image, video_file
from la2ds_cli.views.figure import GREEN, GREY, printable
from la2ds_cli.views.film_strip import aspect, pictures, view_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69  # A4 upright
DPI = 150
LEFT, RIGHT = 0.5, 7.77
MOST = 3  # key frames
_PER_FRAME = 2  # findings reported at one key frame
_APART = 0.08  # of the reference's length, and at least:
_LEAST_APART = 0.15  # seconds
# Blue and orange are the sides of the body in drawn pictures.
REFERENCE, OTHER = "#4a4a4a", GREEN
RING = "#b00020"
_HEAD, _CAPTION = 0.3, 0.52  # inches
_GAP = 0.25
_PICTURES = 0.54  # most of the height that is left
_BETWEEN = 0.06  # the two pictures
_LEAST_HEIGHT = 0.4  # inches; where long notes leave less, there are no pictures


@dataclass(frozen=True)
class Row:
    """A row of the page: its bottom and height in inches."""

    bottom: float
    height: float

    @property
    def top(self) -> float:
        return self.bottom + self.height


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes of this size at this position, in inches from the lower left corner."""
    axes = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.tick_params(labelsize=8)
    return axes


def fitted(text: str, size: float, width: float, weight: str = "normal") -> float:
    """Font size, at most `size` points, at which `text` is at most `width` inches wide."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    drawn = TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight))
    return size * min(1.0, 72 * width / max(float(drawn.get_extents().width), 1.0))


def heading(figure: Figure, text: str, left: float, top: float) -> None:
    """A heading whose middle is a little below `top`."""
    figure.text(
        left / WIDTH, (top - 0.12) / HEIGHT, text, fontsize=10.5, fontweight="bold", va="center"
    )


# --- which frames ----------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyFrame:
    """The rows shown of the reference and of the other clip, and the differences there; none if the
    key frame stands for a part of the movement without differences."""

    row: int
    other_row: int
    findings: tuple[Finding, ...]


def key_frames(result: CompareResult) -> list[KeyFrame]:
    """At most MOST, in time order: the clearest differences, with those near in time as one;
    without differences, the middles of the parts of the movement."""
    position = result.aligned.alignment.position
    time = result.angles.time
    apart = max(_APART * float(time[-1] - time[0]), _LEAST_APART)
    groups: list[list[Finding]] = []
    joints = by_joint(result.findings).values()
    # The clearest of each joint comes before a second one of any.
    for finding in [group[0] for group in joints] + [f for group in joints for f in group[1:]]:
        near = [group for group in groups if abs(group[0].time - finding.time) < apart]
        if near:
            new = finding.joint not in {other.joint for other in near[0]}
            if new and len(near[0]) < _PER_FRAME:
                near[0].append(finding)
        elif len(groups) < MOST:
            groups.append([finding])
    chosen = [(group[0].row, tuple(group)) for group in groups]
    chosen = chosen or [(row, ()) for row in _middles(result)]
    frames = [KeyFrame(row, round(float(position[row])), findings) for row, findings in chosen]
    return sorted(frames, key=lambda frame: frame.row)


def _middles(result: CompareResult) -> list[int]:
    """Middles of the rows that can be judged, in at most MOST parts; of those that are surely
    aligned, or else aligned at all, if the clip has none."""
    matched = ~np.isnan(result.aligned.alignment.position)
    for known in (result.angles.sure, _surely_aligned(result), matched):
        if known.any():
            break
    rows = []
    for span in result.spans:
        part = span.first + np.flatnonzero(known[span.first : span.stop])
        if len(part):
            rows.append(int(part[len(part) // 2]))
    if len(rows) > MOST:
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, MOST).round().astype(int)]
    return rows


def _surely_aligned(result: CompareResult) -> BoolArray:
    found = result.aligned.alignment
    return np.asarray((found.confidence >= SURE) & ~np.isnan(found.position))


# --- pictures --------------------------------------------------------------------------------


def draw(
    figure: Figure,
    band: Row,
    project: Project,
    result: CompareResult,
    shown: list[KeyFrame],
    *,
    privacy: bool,
) -> None:
    """One column per key frame: caption, both pictures, both skeletons."""
    title = (
        "The same moments in both" if _surely_aligned(result).any() else "Perhaps the same moments"
    )
    title = "Moments of the clearest differences" if result.findings else title
    heading(figure, title, LEFT, band.top)
    _legend(figure, band.top - 0.12)
    columns = len(shown)
    height = band.height - _HEAD - _CAPTION - 0.1
    if not shown or height < _LEAST_HEIGHT:
        return
    width = (RIGHT - LEFT - (columns - 1) * _GAP) / columns
    # A single moment has its pictures beside the skeletons, not above them.
    pictured = (width - _GAP) / 2 if columns == 1 else width
    most = height if columns == 1 else height * _PICTURES
    half, tall = _picture_size(result, (pictured - _BETWEEN) / 2, most)
    images = _images(project, result, shown, round(tall * DPI * 1.5), privacy=privacy)
    joints = overlay_joints(result, shown)
    known = trusted(result.aligned.pose_a), trusted(result.aligned.shown_b)
    reach = _reach(joints)
    skeleton = get_skeleton(result.aligned.pose_a.skeleton)
    for n, frame in enumerate(shown):
        left = LEFT + n * (width + _GAP)
        _caption(figure, result, n + 1, frame, left, band.top - _HEAD, width)
        top = band.top - _HEAD - _CAPTION
        for side, (image, ring) in enumerate(images[n]):
            at = left + side * (half + _BETWEEN)
            axes = axes_at(figure, at, top - tall, half, tall)
            seconds = (result.angles.time[frame.row], result.aligned.pose_b.time[frame.other_row])
            _picture(axes, image, ring, (REFERENCE, OTHER)[side], f"{seconds[side]:.2f} s")
        if columns == 1:
            at = left + 2 * half + _BETWEEN + _GAP
            box = (at, top - height, RIGHT - at, height)
        else:
            box = (left, top - height, width, height - tall - 0.1)
        sure = known[0][frame.row], known[1][frame.other_row]
        axes = axes_at(figure, *box)
        _overlay(axes, joints[n], sure, skeleton, frame, reach, box[3] / box[2])


def _picture_size(result: CompareResult, width: float, height: float) -> tuple[float, float]:
    """Width and height of each picture: as large as fits for both clips."""
    shapes = [aspect(pose) for pose in (result.aligned.pose_a, result.aligned.pose_b)]
    tall = min(height, width / min(shapes))
    return min(width, tall * max(shapes)), tall


def _legend(figure: Figure, y: float) -> None:
    for text, colour, x in (("reference", REFERENCE, 6.1), ("other clip", OTHER, 6.95)):
        figure.text(x / WIDTH, y / HEIGHT, "■", fontsize=11, color=colour, va="center")
        figure.text((x + 0.15) / WIDTH, y / HEIGHT, text, fontsize=9, va="center")


def _caption(
    figure: Figure,
    result: CompareResult,
    number: int,
    frame: KeyFrame,
    left: float,
    top: float,
    width: float,
) -> None:
    time = result.angles.time[frame.row]
    span = span_at(result.spans, frame.row)
    lines = [f"{number}   {time:.2f} s" + (f", {printable(span, 24)}" if span else "")]
    lines += [f"{joint_name(f.joint)}: {amount(f.joint, f.difference)}" for f in frame.findings]
    for n, text in enumerate(lines):
        weight = "bold" if n == 0 else "normal"
        figure.text(
            left / WIDTH,
            (top - 0.05 - 0.165 * n) / HEIGHT,
            text,
            fontsize=fitted(text, 9.5 if n == 0 else 8, width, weight),
            fontweight=weight,
            va="center",
        )


def _images(
    project: Project, result: CompareResult, shown: list[KeyFrame], height: int, *, privacy: bool
) -> list[list[tuple[Image, FloatArray]]]:
    """For each key frame, the picture and the ringed joints (R, 2) of both clips, in pixels of the
    picture."""
    aligned = result.aligned
    sides = []
    of_clips: list[tuple[Video, PoseSequence, list[int], View]] = [
        (aligned.a, aligned.pose_a, [frame.row for frame in shown], "filmed"),
        (
            aligned.b,
            aligned.pose_b,
            [frame.other_row for frame in shown],
            aligned.alignment.view,
        ),
    ]
    for video, pose, rows, view in of_clips:
        source = None if privacy else video_file(project, video)
        sides.append(pictures(source, pose, rows, height, view=view))
    columns = []
    for n, frame in enumerate(shown):
        rings = [
            _rings(aligned.pose_a, frame.row, frame, sides[0][n]),
            _rings(aligned.shown_b, frame.other_row, frame, sides[1][n]),
        ]
        columns.append([(sides[side][n], rings[side]) for side in (0, 1)])
    return columns


def _rings(pose: PoseSequence, row: int, frame: KeyFrame, image: Image) -> FloatArray:
    """(R, 2) pixels of the picture: positions of the joints that differ. pose: as it is shown."""
    triples = angle_triples(get_skeleton(pose.skeleton))
    at = [triples[finding.joint][1] for finding in frame.findings]
    return picture_points(pose, row, at, image)


def picture_points(pose: PoseSequence, row: int, joints: Sequence[int], image: Image) -> FloatArray:
    """(R, 2) pixels of a picture of film_strip.pictures: positions of joints of a row. pose: as it
    is shown."""
    box = view_boxes(pose)[row]
    scale = image.shape[0] / (box[3] - box[1])
    return (pose.xy[row, list(joints)].astype(np.float64) - box[:2]) * scale


def _picture(axes: Axes, image: Image, rings: FloatArray, colour: str, label: str) -> None:
    axes.imshow(image, aspect="equal")
    if len(rings):
        axes.plot(*rings.T, "o", ms=13, mfc="none", mec="white", mew=3.5)
        axes.plot(*rings.T, "o", ms=13, mfc="none", mec=RING, mew=2)
    axes.set(
        xticks=[], yticks=[], xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5)
    )
    box = {"facecolor": colour, "edgecolor": "none", "pad": 2}
    axes.text(0.045, 0.03, label, transform=axes.transAxes, fontsize=8, color="white", bbox=box)
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(2)


def _reach(joints: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """(4,) left, top, right, bottom of all skeletons, torso lengths, one for all columns."""
    points = np.concatenate([np.concatenate(pair) for pair in joints])
    points = points[~np.isnan(points).any(axis=1)]
    if not len(points):
        return np.array([-1.0, -1.0, 1.0, 1.0])
    return np.concatenate([points.min(axis=0) - 0.2, points.max(axis=0) + 0.2])


def _overlay(
    axes: Axes,
    joints: tuple[FloatArray, FloatArray],
    sure: tuple[BoolArray, BoolArray],
    skeleton: Skeleton,
    frame: KeyFrame,
    reach: FloatArray,
    shape: float,
) -> None:
    """Both skeletons, centred at the root; limbs of the angles that differ are thick. Joints (K,)
    that are not `sure` are hollow, and their limbs thin and dotted. shape: of the axes, height /
    width.
    """
    triples = angle_triples(skeleton)
    marked = [triples[finding.joint] for finding in frame.findings]
    limbs = [limb for before, at, after in marked for limb in ((before, at), (at, after))]
    strong = {frozenset(limb) for limb in limbs}
    for side, (colour, order) in enumerate(((REFERENCE, 2), (OTHER, 3))):
        xy, known = joints[side], sure[side]
        for first, second in skeleton.limbs:
            ends = xy[[first, second]]
            if np.isnan(ends).any():
                continue
            wide = 4.2 if frozenset((first, second)) in strong else 1.8
            drawn = known[first] and known[second]
            style = {"lw": wide, "ls": "-"} if drawn else {"lw": 1.2, "ls": ":"}
            axes.plot(*ends.T, color=colour, solid_capstyle="round", zorder=order, **style)
        hollow = xy[~known & ~np.isnan(xy).any(axis=1)]
        axes.plot(*hollow.T, "o", ms=4.5, mfc="white", mec=colour, mew=1, zorder=order)
    for _, at, _ in marked:
        for xy in joints:
            if not np.isnan(xy[at]).any():
                axes.plot(*xy[at], "o", ms=7, mfc="white", mec=RING, mew=1.8, zorder=5)
    middle = (reach[:2] + reach[2:]) / 2
    half = (reach[2:] - reach[:2]) / 2
    half = np.array([max(half[0], half[1] / shape), max(half[1], half[0] * shape)])
    axes.set(
        xlim=(middle[0] - half[0], middle[0] + half[0]),
        ylim=(middle[1] + half[1], middle[1] - half[1]),
        xticks=[],
        yticks=[],
        facecolor="#f7f7f5",
    )
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.5)


def overlay_joints(
    result: CompareResult, shown: Sequence[KeyFrame]
) -> list[tuple[FloatArray, FloatArray]]:
    """For each key frame, the joints (K, 2) of the reference and of the other clip relative to
    their roots, in torso lengths, y down; NaN = not seen. The other clip is as it is
    shown, flipped or not."""
    a, b = result.aligned.pose_a, result.aligned.shown_b
    frames = [np.where(np.isnan(pose.xy), np.nan, body_frame(pose)[0]) for pose in (a, b)]
    return [(frames[0][frame.row], frames[1][frame.other_row]) for frame in shown]
