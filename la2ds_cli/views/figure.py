"""What all figures share: colours, printable names, reproducible files, and writing by suffix."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.output_paths import write_output
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

# Okabe and Ito's palette, distinct for colour-blind eyes, and a grey.
BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
RED, PURPLE, GREY = "#D55E00", "#CC79A7", "#7a7a7a"
# Without the palette's yellow, which is too pale on white.
PHASE_COLOURS = (SKY, ORANGE, GREEN, PURPLE, BLUE, RED, GREY)
SUFFIXES = (".png", ".svg", ".pdf")
ABOUT: dict[str, Any] = {"fontsize": 10.5, "color": "#404040"}  # of the line below a title


def phase_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for every phase name, in order of appearance; empty names are skipped."""
    phases = dict.fromkeys(name for name in names if name)
    return {name: PHASE_COLOURS[k % len(PHASE_COLOURS)] for k, name in enumerate(phases)}


def only_left_and_bottom(axes: Axes) -> None:
    """Remove the frame at the top and on the right, and put the grid behind the curves."""
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def stacked(heights: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return bottom and height of each part of a figure, in inches, the first part at the top."""
    bottoms = {}
    bottom = sum(heights.values())
    for name, height in heights.items():
        bottom -= height
        bottoms[name] = bottom, height
    return bottoms


def line_at(figure: Figure, text: str, left: float, middle: float, **style: Any) -> None:
    """Write one line of text at its left end and vertical middle, in inches from the lower left."""
    wide, high = figure.get_size_inches().tolist()
    figure.text(left / wide, middle / high, text, va="center", **style)


def fitted(text: str, size: float, width: float) -> float:
    """Return a font size, at most `size` points, at which the text fits a width in inches."""
    return min(size, 125 * width / max(len(text), 1))


def heading(figure: Figure, left: float, title: str, about: str = "") -> None:
    """Write the figure's title and a smaller line `about` below it; left: in inches."""
    wide, high = figure.get_size_inches().tolist()
    line_at(figure, title, left, high - 0.28, fontsize=14, fontweight="bold")
    size = fitted(about, ABOUT["fontsize"], wide - left)
    line_at(figure, about, left, high - 0.58, **{**ABOUT, "fontsize": size})


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place and size in inches from the figure's lower left corner."""
    wide, high = figure.get_size_inches().tolist()
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axes.tick_params(labelsize=9)
    return axes


def render(figure: Figure, kind: str) -> bytes:
    """Return the figure as a file; the same figure gives the same bytes.

    Parameters
    ----------
    kind: png, svg or pdf.
    """
    if kind == "png":
        return _png(figure)
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with _same_names() if kind == "svg" else nullcontext():
        figure.savefig(buffer, format=kind, metadata=dates[kind])
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG without transparency, compressed by run lengths: a third faster than
    savefig, and a tenth smaller."""
    import zlib

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    dpi = (figure.dpi, figure.dpi)
    picture.save(buffer, "PNG", dpi=dpi, compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


@contextmanager
def _same_names() -> Iterator[None]:
    """Give the parts of an SVG file the same names each time; matplotlib has only a process-wide
    setting for it."""
    import matplotlib as mpl

    name, ours = "svg.hashsalt", "la2ds"
    before = mpl.rcParams[name]
    mpl.rcParams[name] = ours
    try:
        yield
    finally:
        if mpl.rcParams[name] == ours:  # unless other code has set it meanwhile
            mpl.rcParams[name] = before


class Written(Protocol):
    """A result whose dataclass has the field `files`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_json(self) -> Mapping[str, Any]: ...


def default_files(
    project: StoredProject, command: str, name: str, kinds: Iterable[str]
) -> list[Path]:
    """Return the files of a command without --out: results/COMMAND/NAME with each suffix."""
    return [project.results_dir(command) / f"{name}{kind}" for kind in kinds]


R = TypeVar("R", bound=Written)
T = TypeVar("T")


def write_result(
    project: StoredProject,
    result: R,
    targets: Sequence[Path],
    draw: Callable[[R], Figure],
    progress: Progress,
    contents: Mapping[str, Callable[[R], str | bytes]] | None = None,
    writers: Mapping[str, Callable[[R, Path], object]] | None = None,
) -> R:
    """Write each file in the format of its suffix, and return the result with `files`.

    Existing files are replaced unless `check_output` refuses. A .json file holds `to_json`.

    Parameters
    ----------
    draw: makes the figure (SUFFIXES); is called at most once.
    contents: name ending -> function that returns the content; the first match is used.
    writers: name ending -> function that writes the file itself; those files come last, since they
        take longest.
    """
    result = replace(result, files=tuple(targets))
    figure: Figure | None = None
    contents, writers = contents or {}, writers or {}
    for path in sorted(targets, key=lambda path: _for_name(path, writers) is not None):
        kind = path.suffix.lower()
        if write := _for_name(path, writers):
            write(result, path)
        elif kind == ".json":
            write_output(project, path, artifact.json_text(result.to_json()))
        elif content := _for_name(path, contents):
            write_output(project, path, content(result))
        else:
            if figure is None:
                progress.begin("drawing")
                figure = draw(result)
                progress.end()
            write_output(project, path, render(figure, kind[1:]))
    return result


def _for_name(path: Path, by_end: Mapping[str, T]) -> T | None:
    """Return the first value whose key the file name ends with, or None."""
    return next((value for end, value in by_end.items() if path.name.lower().endswith(end)), None)


@cache
def letters(size: int, *, bold: bool = False) -> FreeTypeFont:
    """Return the font DejaVu Sans of matplotlib, which has Latin, Greek, Cyrillic and more."""
    from matplotlib import font_manager
    from PIL import ImageFont

    name = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(name), size)


def printable(name: str, longest: int = 44) -> str:
    """Return the name with □ for characters not in the font, and … in the middle if too long."""
    from matplotlib import font_manager, ft2font

    font = ft2font.FT2Font(font_manager.findfont("DejaVu Sans"))
    name = unicodedata.normalize("NFC", name)
    name = "".join(c if c.isprintable() and font.get_char_index(ord(c)) else "□" for c in name)
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")  # else matplotlib reads a formula
