"""The alignment figure, with all axes in seconds.

It shows pictures of A above the matching ones of B, both time axes joined by lines (paper Fig. 4),
the distance matrix with the path, the local tempo, and the certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import NOMINAL, SURE, UNSURE
from la2ds_cli.alignment.nearest_view import IN_WORDS
from la2ds_cli.alignment.path import matched_time, squared_distance
from la2ds_cli.alignment.request import features_name
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.video.reader import Image, VideoFile, video_file
from la2ds_cli.views.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    axes_at,
    heading,
    only_left_and_bottom,
    phase_colours,
    printable,
    stacked,
)
from la2ds_cli.views.film_strip import aspect, moments, pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from la2ds_cli.alignment.alignment import Alignment

Row = tuple[float, float]  # bottom and height, inches
Colours = dict[str, str]  # phase name -> colour

WIDTH = 12.0  # inches; at a width of 1200 pixels, the small print is 12 pixels high
DPI = 150
LEFT, RIGHT = 0.8, 11.85  # edges of the strips, inches
_MATRIX_RIGHT, _CURVES_LEFT = 5.5, 6.75
_BAR = 0.16  # inches
_TICK = 3.5 / 72  # inches
_TICKS = (0.25, 0.5, 1, 2, 4)


def draw(project: StoredProject, result: Alignment) -> Figure:
    """Return the figure of an alignment."""
    from matplotlib.figure import Figure

    phases = project.phases(skip_unclear=True)
    named_a, named_b = (phases.get(clip.id, []) for clip in (result.a, result.b))
    a = drawn_clip(project, "A", result.a, result.pose_a, result.matched_a, named_a)
    b = drawn_clip(project, "B", result.b, result.pose_b, result.matched_b, named_b, result.view)
    colours = phase_colours(name for clip in (a, b) for _, _, name in clip.phases)
    count = picture_count(a, b)
    width = (RIGHT - LEFT) / count
    shown_a, shown_b = zip(*moments(result, a.pose, b.pose, count), strict=True)
    heights = {
        "title": 0.8,
        "strip A": width / aspect(a.pose),
        "between": 0.05,
        "strip B": width / aspect(b.pose),
        "times of A": 0.4,
        "bar A": _BAR,
        "lines": 0.9,
        "bar B": _BAR,
        "times of B": 0.75,
        "matrix and curves": 4.2,
        "foot": 0.95 if colours else 0.6,
    }
    total = sum(heights.values())
    figure = Figure(figsize=(WIDTH, total), dpi=DPI)
    rows = stacked(heights)
    heading(figure, LEFT, f"A  {a.name}     B  {b.name}", summary(result))
    strip(figure, rows["strip A"], a, shown_a)
    strip(figure, rows["strip B"], b, shown_b)
    time_bar(figure, rows["bar A"], a, shown_a, colours, above=True)
    lines(figure, rows["lines"], result, a, b)
    time_bar(figure, rows["bar B"], b, shown_b, colours, above=False)
    matrix(figure, rows["matrix and curves"], result, a, b)
    bottom, height = rows["matrix and curves"]
    middle = bottom + height / 2
    speed(figure, (middle + 0.14, height / 2 - 0.14), result, a, colours)
    certainty(figure, (bottom, height / 2 - 0.24), result, a, colours)
    legend(figure, colours)
    return figure


def summary(result: Alignment) -> str:
    """Return one line with the method, how exact the alignment is, and how the tempos compare."""
    parts = [f"{result.method} on {features_name(result.features, result.run)}"]
    if result.view != "filmed":
        parts.append(f"B {IN_WORDS[result.view]}")
    if result.references:
        parts.append(f"through {result.references} reference clips")
    parts.append(result.sentence)
    ratio = result.overall_ratio
    if np.isfinite(ratio):
        parts.append(f"B takes {ratio:.2f} times as long as A")
    return "   ·   ".join(parts)


class DrawnClip(NamedTuple):
    """One clip of the figure.

    letter: A or B. edges: (T + 1,) seconds at which its frames begin and end. matched: (T,) whether
    each has a counterpart. phases: (start, end, name), in seconds. source: the video file, None for
    joints alone. view: the view in which it is compared; `pose` is as filmed.
    """

    letter: str
    name: str
    pose: PoseSequence
    source: VideoFile | None
    edges: FloatArray
    matched: BoolArray
    phases: list[tuple[float, float, str]]
    view: View = "filmed"

    @property
    def limits(self) -> tuple[float, float]:
        """Return the seconds at which the first frame begins and the last one ends."""
        return float(self.edges[0]), float(self.edges[-1])

    def unmatched(self) -> list[list[float]]:
        """Return the spans (start, end) in seconds that have no counterpart."""
        bounds = np.flatnonzero(np.diff(self.matched, prepend=True, append=True))
        return self.edges[bounds.reshape(-1, 2)].tolist()


def drawn_clip(
    project: StoredProject,
    letter: str,
    video: Video,
    pose: PoseSequence,
    matched: BoolArray,
    phases: list[Phase],
    view: View = "filmed",
) -> DrawnClip:
    """Return a clip of the project for the figure.

    Parameters
    ----------
    letter: A or B.
    pose: its joints (T frames), which may be only a part of the clip.
    matched: (T,) whether each row has a counterpart.
    view: the view in which it is compared.
    """
    edges = pose.axis.edges
    shown = [p for p in phases if p.end > pose.frame[0] and p.start <= pose.frame[-1]]
    ends = [edges[np.searchsorted(pose.frame, [p.start, p.end])].tolist() for p in shown]
    named = [(low, high, phase.name) for (low, high), phase in zip(ends, shown, strict=True)]
    source = video_file(project, video)
    return DrawnClip(letter, printable(video.name), pose, source, edges, matched, named, view)


def _axes(figure: Figure, row: Row, left: float = LEFT, right: float = RIGHT) -> Axes:
    return axes_at(figure, left, row[0], right - left, row[1])


def picture_count(*clips: DrawnClip) -> int:
    """Return the number of pictures in a strip, the same for all clips of a figure, so that
    pictures above each other match. They fill the strip."""
    shape = float(np.exp(np.mean([np.log(aspect(clip.pose)) for clip in clips])))
    return max(round((RIGHT - LEFT) / (1.45 * shape)), 3)  # inches


def even_moments(clip: DrawnClip, count: int) -> list[int]:
    """Return the row in the middle of each of `count` equal parts of the clip, so that each picture
    is above its time."""
    start, end = clip.limits
    middle = start + (np.arange(count) + 0.5) / count * (end - start)
    return np.abs(clip.pose.time[None] - middle[:, None]).argmin(axis=1).tolist()


def strip(
    figure: Figure,
    row: Row,
    clip: DrawnClip,
    shown: Sequence[int | None],
    captions: Sequence[str] = (),
) -> None:
    """Draw pictures side by side, each with its time or caption.

    They are placed in inches of the figure, which is faster than separate axes.

    Parameters
    ----------
    row: bottom and height, inches.
    shown: rows of the clip; None = an empty place.
    captions: for all places; by default the times of the rows.
    """
    from matplotlib.image import BboxImage
    from matplotlib.transforms import Bbox, TransformedBbox

    inches: dict[str, Any] = {"transform": figure.dpi_scale_trans}
    (bottom, height), width = row, (RIGHT - LEFT) / len(shown)
    rows = [each for each in shown if each is not None]
    pixels = round(height * DPI)
    images = pictures(clip.source, clip.pose, rows, pixels, view=clip.view)
    bounds = TransformedBbox(
        Bbox([[LEFT, bottom], [RIGHT, bottom + height]]), figure.dpi_scale_trans
    )
    image = BboxImage(bounds, interpolation="nearest")
    image.set_data(_side_by_side(images, shown, pixels))
    figure.add_artist(image)
    for k, each in enumerate(shown):
        left = LEFT + k * width
        if each is None:
            _bar(figure, row, (left, left + width), facecolor="none", edgecolor=GREY, hatch="//")
            continue
        time = captions[k] if captions else f"{clip.pose.time[each]:.2f} s"
        paper = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.2}
        place = left + 0.04 * width, bottom + 0.98 * height
        figure.text(*place, time, fontsize=7.5, va="top", bbox=paper, **inches)
    edges = LEFT + width * np.arange(1, len(shown))
    ends = [[(x, bottom), (x, bottom + height)] for x in edges]
    _add_lines(figure, ends, colors="white", linewidths=1.5)
    letter: dict[str, Any] = {"fontsize": 18, "weight": "bold", "ha": "center", "va": "center"}
    figure.text(LEFT - 0.25, bottom + height / 2, clip.letter, **letter, **inches)


def _side_by_side(images: Sequence[Image], shown: Sequence[int | None], height: int) -> Image:
    """Return a strip of pictures in the pixels of the figure, with empty places where `shown` is
    None. Stretching the pictures would be slower; the line beside a picture hides a missing pixel
    column."""
    place = (RIGHT - LEFT) * DPI / len(shown)
    sheet = np.full((height, round((RIGHT - LEFT) * DPI), 3), 0xF0, np.uint8)
    rest = iter(images)
    for k, row in enumerate(shown):
        if row is not None:
            part = sheet[:, round(k * place) :]
            image = next(rest)[:, : part.shape[1]]
            part[:, : image.shape[1]] = image
    return sheet


def _add_lines(figure: Figure, ends: Sequence[Any], **style: Any) -> None:
    """Draw straight lines between pairs of points, in inches."""
    from matplotlib.collections import LineCollection

    figure.add_artist(LineCollection(ends, transform=figure.dpi_scale_trans, **style))


def time_bar(
    figure: Figure,
    row: Row,
    clip: DrawnClip,
    shown: Sequence[int | None],
    colours: Colours,
    *,
    above: bool,
) -> None:
    """Draw the clip's time axis with its phases, the parts without a counterpart, and marks where
    the pictures are from.

    Parameters
    ----------
    row: bottom and height, inches.
    shown: rows of the pictures; None is skipped.
    above: write the times above the axis, otherwise below.
    """
    (bottom, height), (left, right) = row, (LEFT, RIGHT)
    _bar(figure, row, (left, right), facecolor="#f4f4f4")
    for low, high, name in clip.phases:
        _bar(figure, row, _inches(np.array([low, high]), clip), facecolor=colours[name])
    for ends in _inches(np.array(clip.unmatched()).reshape(-1, 2), clip):
        _bar(figure, row, ends, facecolor="#e4e4e4", alpha=0.75)
        _bar(figure, row, ends, facecolor="none", edgecolor=GREY, hatch="////")
    pictured = _inches(clip.pose.time[[each for each in shown if each is not None]], clip)
    _add_lines(figure, [[(x, bottom), (x, bottom + height)] for x in pictured], colors="black")
    edge, away = (bottom + height, 1) if above else (bottom, -1)
    times = _round_times(*clip.limits)
    places = _inches(times, clip)
    ends = [[(x, edge), (x, edge + away * _TICK)] for x in places]
    _add_lines(figure, ends, colors="black", linewidths=0.8)
    style: dict[str, Any] = {"transform": figure.dpi_scale_trans, "ha": "center"}
    for x, time in zip(places, times, strict=True):
        va = "baseline" if above else "top"
        figure.text(x, edge + 2 * away * _TICK, f"{time:g} s", fontsize=9, va=va, **style)
    letter: dict[str, Any] = {"fontsize": 11, "weight": "bold", "va": "center", **style}
    figure.text(left - 10 / 72, bottom + height / 2, clip.letter, **letter)


def _bar(figure: Figure, row: Row, ends: Sequence[float] | FloatArray, **style: Any) -> None:
    """Draw a rectangle; row: bottom and height, ends: left and right, in inches."""
    from matplotlib.patches import Rectangle

    style |= {"linewidth": 0, "transform": figure.dpi_scale_trans}
    figure.add_artist(Rectangle((ends[0], row[0]), ends[1] - ends[0], row[1], **style))


def _round_times(start: float, end: float) -> FloatArray:
    """Return at most ten round times between start and end, as matplotlib would mark them."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins=9, steps=[1, 2, 2.5, 5, 10])
    times = np.asarray(locator.tick_values(start, end))
    return times[(times >= start) & (times <= end)]


def _phase_bar(axes: Axes, clip: DrawnClip, colours: Colours, bottom: float, height: float) -> None:
    for low, high, name in clip.phases:
        axes.axvspan(
            low, high, bottom, bottom + height, color=colours[name], clip_on=False, linewidth=0
        )


def lines(figure: Figure, row: Row, alignment: Alignment, a: DrawnClip, b: DrawnClip) -> None:
    """Draw lines between matched frames; darker = more certain (paper Fig. 4)."""
    # At most 45 lines: every n-th pair, not every n-th frame, so that a held pose shows as a fan.
    i, j = alignment.path[:: -(-len(alignment.path) // 45)].T
    sure = alignment.confidence[i]
    low, high = row[0] + 0.04, row[0] + row[1] - 0.04
    places = zip(_inches(alignment.time_a[i], a), _inches(alignment.time_b[j], b), strict=True)
    ends = [[(x, high), (y, low)] for x, y in places]
    _add_lines(figure, ends, colors=BLUE, alpha=0.12 + 0.88 * sure, linewidths=1.4)


def _inches(time: FloatArray, clip: DrawnClip) -> FloatArray:
    """Return the positions of times on the clip's bar, in inches from the left of the figure."""
    start, end = clip.limits
    return LEFT + (RIGHT - LEFT) * (time - start) / (end - start)


def matrix(figure: Figure, row: Row, result: Alignment, a: DrawnClip, b: DrawnClip) -> None:
    """Draw the distances of all pairs of frames in cells of equal time (at most 700 each way), the
    path, and the diagonal of constant speed."""
    thin = [clip.pose.axis.even_rows(700) for clip in (a, b)]
    distance = np.sqrt(squared_distance(result.compared[0][thin[0]], result.compared[1][thin[1]]))
    low, high = np.percentile(distance, [1, 95])
    axes = _axes(figure, row, LEFT, _MATRIX_RIGHT)
    axes.imshow(
        distance.T,
        extent=(*a.limits, *b.limits),
        origin="lower",
        aspect="auto",
        cmap="viridis",
        vmin=float(low),
        vmax=float(high) if high > low else float(low) + 1,
        interpolation="nearest",
    )
    axes.plot(a.limits, b.limits, color="white", linewidth=1.2, linestyle=":")
    axes.plot([], [], color=GREY, linewidth=1.2, linestyle=":", label="constant speed")
    time_a, time_b = result.time_a[result.path[:, 0]], result.time_b[result.path[:, 1]]
    low, high = (matched_time(bound, result.time_b) for bound in (result.low, result.high))
    axes.fill_between(result.time_a, low, high, color="white", alpha=0.45, linewidth=0)
    axes.plot(time_a, time_b, color="black", linewidth=4)
    axes.plot(time_a, time_b, color=ORANGE, linewidth=2.2)
    _labelled_moments(axes, a, b)
    for span in a.unmatched():
        axes.axvspan(*span, color="white", alpha=0.6, linewidth=0)
    for span in b.unmatched():
        axes.axhspan(*span, color="white", alpha=0.6, linewidth=0)
    axes.set(xlim=a.limits, ylim=b.limits)
    axes.set_xlabel("A, seconds", fontsize=10)
    axes.set_ylabel("B, seconds", fontsize=10)
    title = f"distances of all frames (dark: alike), path, {NOMINAL:.0%} interval in white"
    # `y` saves matplotlib from measuring all labels to place the title.
    axes.set_title(title, fontsize=10.5, loc="left", y=1.0)


def _labelled_moments(axes: Axes, a: DrawnClip, b: DrawnClip) -> None:
    """Draw the legend, and a ring where a phase (its first occurrence) begins in both clips: the
    path should pass through it."""
    starts_a, starts_b = ({name: low for low, _, name in reversed(c.phases)} for c in (a, b))
    both = [(low, starts_b[name]) for name, low in starts_a.items() if name in starts_b]
    inside = [(x, y) for x, y in both if x > a.limits[0] and y > b.limits[0]]
    if inside:
        x, y = zip(*inside, strict=True)
        axes.plot(x, y, "o", ms=11, markerfacecolor="none", color="white", mew=2.2)
        axes.plot([], [], "o", ms=8, mfc="none", color=GREY, mew=2, label="phase begins in both")
    axes.legend(loc="upper left", fontsize=8.5, framealpha=0.9)


def _time_panel(figure: Figure, row: Row, clip: DrawnClip, colours: Colours, title: str) -> Axes:
    axes = _axes(figure, row, _CURVES_LEFT, RIGHT)
    axes.set_xlim(clip.limits)
    axes.set_title(title, fontsize=10.5, loc="left", pad=10, y=1.0)
    axes.grid(color="#e0e0e0", linewidth=0.7)
    for low, high in clip.unmatched():
        axes.axvspan(low, high, color="#e4e4e4", linewidth=0)
    _phase_bar(axes, clip, colours, 1.0, 0.09 / row[1])  # inches
    only_left_and_bottom(axes)
    return axes


def speed(figure: Figure, row: Row, result: Alignment, a: DrawnClip, colours: Colours) -> None:
    """Draw seconds of B per second of A on a log axis: B is slower above 1, faster below."""
    axes = _time_panel(figure, row, a, colours, "tempo of B relative to A")
    time = result.time_a
    ratio = np.clip(result.speed_ratio, _TICKS[0], _TICKS[-1])
    style: dict[str, Any] = {"interpolate": True, "linewidth": 0, "alpha": 0.55}
    axes.fill_between(time, 1, ratio, where=ratio > 1, color=RED, **style)
    axes.fill_between(time, 1, ratio, where=ratio < 1, color=BLUE, **style)
    axes.plot(time, ratio, color="#333333", linewidth=1.3)
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_yscale("log", base=2)
    axes.set_ylim(_TICKS[0] / 1.1, _TICKS[-1] * 1.1)
    axes.minorticks_off()
    axes.set_yticks(_TICKS, ["≥ 4× faster", "2× faster", "equal", "2× slower", "≥ 4× slower"])
    axes.tick_params(labelbottom=False)
    if np.isnan(ratio).all():  # pairs run back and forth, or A has one frame
        middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.75, "no tempo", fontsize=10, color=GREY, **middle)


def certainty(
    figure: Figure, row: Row, alignment: Alignment, a: DrawnClip, colours: Colours
) -> None:
    """Draw the half width of each frame's interval in seconds, and which frames are sure."""
    title = f"error below this many seconds in {NOMINAL:.0%} of cases"
    axes = _time_panel(figure, row, a, colours, title)
    within = alignment.within
    words = np.array(alignment.certainty)
    for word, colour in ((SURE, GREEN), (UNSURE, ORANGE)):
        height = np.where(words == word, within, 0)
        style: dict[str, Any] = {"color": colour, "alpha": 0.5, "label": word, "linewidth": 0}
        # A single outline, since a bar for each frame would be slow.
        axes.fill_between(a.edges, np.append(height, 0), step="post", **style)
    axes.plot(alignment.time_a, within, color="#333333", linewidth=1.3)
    axes.set_ylim(0, 1.1 * float(np.nanmax(within)) or 1)
    axes.yaxis.set_major_formatter("{x:g} s")
    axes.legend(loc="upper right", fontsize=8.5, ncols=2, framealpha=0.9)
    axes.set_xlabel("A, seconds", fontsize=10)


def legend(figure: Figure, colours: Colours) -> None:
    """Draw the names of the phases at the bottom of the figure."""
    from matplotlib.patches import Patch

    names = [Patch(color=colour, label=printable(name)) for name, colour in colours.items()]
    if names:
        style: dict[str, Any] = {"fontsize": 9.5, "frameon": False, "loc": "lower center"}
        figure.legend(handles=names, ncols=min(len(names), 6), title="phases", **style)
