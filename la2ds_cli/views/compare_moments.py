"""The pictures of both clips at a moment, and both skeletons in one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.compare.moments import Moment, other_pose, overlay_joints
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.spans import span_at
from la2ds_cli.compare.words import amount, joint_name
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.video.reader import Image
from la2ds_cli.video.video_file import video_file
from la2ds_cli.views.compare_layout import (
    DPI,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Place,
    axes_at,
    fitted,
    heading,
)
from la2ds_cli.views.figure import GREEN, GREY, printable
from la2ds_cli.views.film_strip import aspect, pictures, views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and orange are the sides of the body in drawn pictures.
REFERENCE, OTHER = "#4a4a4a", GREEN
RING = "#b00020"
_HEAD, _CAPTION = 0.3, 0.52  # inches
_GAP = 0.25
_PICTURES = 0.5  # most of the height that is left
_BETWEEN = 0.06  # the two pictures


def draw(
    figure: Figure,
    place: Place,
    project: Project,
    result: CompareResult,
    shown: list[Moment],
    *,
    privacy: bool,
) -> None:
    """One column per moment: caption, both pictures, both skeletons."""
    title = "Moments of the clearest differences" if result.findings else "The same moments in both"
    heading(figure, title, LEFT, place.top)
    _legend(figure, place.top - 0.12)
    if not shown:
        return
    columns = len(shown)
    width = (RIGHT - LEFT - (columns - 1) * _GAP) / columns
    height = place.height - _HEAD - _CAPTION - 0.1
    # A single moment has its pictures beside the skeletons, not above them.
    pictured = (width - _GAP) / 2 if columns == 1 else width
    most = height if columns == 1 else height * _PICTURES
    half, tall = _picture_size(result, (pictured - _BETWEEN) / 2, most)
    images = _images(project, result, shown, round(tall * DPI * 1.5), privacy=privacy)
    joints = overlay_joints(result, shown)
    reach = _reach(joints)
    skeleton = get_skeleton(result.aligned.pose_a.skeleton)
    for n, moment in enumerate(shown):
        left = LEFT + n * (width + _GAP)
        _caption(figure, result, n + 1, moment, left, place.top - _HEAD, width)
        top = place.top - _HEAD - _CAPTION
        for side, (image, ring) in enumerate(images[n]):
            at = left + side * (half + _BETWEEN)
            axes = axes_at(figure, at, top - tall, half, tall)
            seconds = (result.angles.time[moment.row], result.aligned.pose_b.time[moment.other_row])
            _picture(axes, image, ring, (REFERENCE, OTHER)[side], f"{seconds[side]:.2f} s")
        if columns == 1:
            at = left + 2 * half + _BETWEEN + _GAP
            box = (at, top - height, RIGHT - at, height)
        else:
            box = (left, top - height, width, height - tall - 0.1)
        _overlay(axes_at(figure, *box), joints[n], skeleton, moment, reach, box[3] / box[2])


def _picture_size(result: CompareResult, width: float, height: float) -> tuple[float, float]:
    """Width and height of each picture: as large as both clips' pictures fit, no larger."""
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
    moment: Moment,
    left: float,
    top: float,
    width: float,
) -> None:
    time = result.angles.time[moment.row]
    span = span_at(result.spans, moment.row)
    lines = [f"{number}   {time:.2f} s" + (f", {printable(span, 24)}" if span else "")]
    lines += [f"{joint_name(f.joint)}: {amount(f.joint, f.difference)}" for f in moment.findings]
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
    project: Project, result: CompareResult, shown: list[Moment], height: int, *, privacy: bool
) -> list[list[tuple[Image, FloatArray]]]:
    """For each moment picture and ringed joints (R, 2), in pixels of it, of both clips."""
    aligned = result.aligned
    sides = []
    for video, pose, rows in (
        (aligned.a, aligned.pose_a, [moment.row for moment in shown]),
        (aligned.b, aligned.pose_b, [moment.other_row for moment in shown]),
    ):
        source = None if privacy else video_file(project, video)
        sides.append(pictures(source, pose, rows, height))
    if aligned.alignment.mirrored:
        sides[1] = [np.ascontiguousarray(image[:, ::-1]) for image in sides[1]]
    found = []
    for n, moment in enumerate(shown):
        rings = [
            _rings(aligned.pose_a, moment.row, moment, sides[0][n], mirrored=False),
            _rings(
                other_pose(result),
                moment.other_row,
                moment,
                sides[1][n],
                mirrored=aligned.alignment.mirrored,
            ),
        ]
        found.append([(sides[side][n], rings[side]) for side in (0, 1)])
    return found


def _rings(
    pose: PoseSequence, row: int, moment: Moment, image: Image, *, mirrored: bool
) -> FloatArray:
    """(R, 2) pixels of the picture where the joints lie that differ. pose: as it was compared."""
    triples = angle_triples(get_skeleton(pose.skeleton))
    at = [triples[finding.joint][1] for finding in moment.findings]
    # The picture is cut from the video as it is filmed, and turned round after that.
    box = views(mirror(pose) if mirrored else pose)[row]
    xy = pose.xy[row, at].astype(np.float64)
    scale = image.shape[0] / (box[3] - box[1])
    if mirrored:
        width = float(pose.size[0] - 1) if pose.size[0] else 0.0
        xy[:, 0] = width - xy[:, 0]
    place = (xy - box[:2]) * scale
    if mirrored:
        place[:, 0] = image.shape[1] - 1 - place[:, 0]
    return place


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
    skeleton: Skeleton,
    moment: Moment,
    reach: FloatArray,
    shape: float,
) -> None:
    """Both skeletons about the root; limbs of the angles that differ are thick. shape: of the axes,
    height / width."""
    triples = angle_triples(skeleton)
    told = [triples[finding.joint] for finding in moment.findings]
    strong = {frozenset(pair) for before, at, after in told for pair in ((before, at), (at, after))}
    for xy, colour, order in ((joints[0], REFERENCE, 2), (joints[1], OTHER, 3)):
        for first, second in skeleton.limbs:
            ends = xy[[first, second]]
            if not np.isnan(ends).any():
                wide = 4.2 if frozenset((first, second)) in strong else 1.8
                axes.plot(*ends.T, color=colour, lw=wide, solid_capstyle="round", zorder=order)
    for _, at, _ in told:
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
