"""What all figures share: colours, printable names, reproducible files, and writing by suffix."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.progress import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

# Okabe and Ito's palette, distinct for colour-blind eyes, and a grey.
BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
RED, PURPLE, GREY = "#D55E00", "#CC79A7", "#7a7a7a"
# Of phases; the palette's yellow is too pale on white.
PHASE_COLOURS = (SKY, ORANGE, GREEN, PURPLE, BLUE, RED, GREY)
SUFFIXES = (".png", ".svg", ".pdf")
_LONGEST = 140  # characters of a line below a title that fit at its usual size


def phase_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for every phase name, in order of appearance; empty names (no phase) get none."""
    phases = dict.fromkeys(name for name in names if name)
    return {name: PHASE_COLOURS[k % len(PHASE_COLOURS)] for k, name in enumerate(phases)}


def only_left_and_bottom(axes: Axes) -> None:
    """No frame at the top and on the right; the grid behind what is drawn."""
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def stacked(heights: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Bottom and height of each part of a figure, inches, the first at the top."""
    bottoms = {}
    bottom = sum(heights.values())
    for name, height in heights.items():
        bottom -= height
        bottoms[name] = bottom, height
    return bottoms


def line_at(figure: Figure, text: str, left: float, middle: float, **style: Any) -> None:
    """One line: its left end and its middle, inches from the figure's lower left corner."""
    wide, high = figure.get_size_inches().tolist()
    figure.text(left / wide, middle / high, text, va="center", **style)


def heading(figure: Figure, left: float, title: str, about: str = "") -> None:
    """The figure's title and a smaller line below. left: inches."""
    high = float(figure.get_figheight())
    line_at(figure, title, left, high - 0.28, fontsize=14, fontweight="bold")
    size = 10.5 * min(1.0, _LONGEST / max(len(about), 1))
    line_at(figure, about, left, high - 0.58, fontsize=size, color="#404040")


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes of this place and size, inches from the figure's lower left corner."""
    wide, high = figure.get_size_inches().tolist()
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axes.tick_params(labelsize=9)
    return axes


def render(figure: Figure, kind: str) -> bytes:
    """The figure as png, svg or pdf (`kind`); the same figure gives the same bytes."""
    import matplotlib as mpl

    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "la2ds"}):
        # A third of the time of zlib's default, for a file that is 7 % larger.
        packed: dict[str, Any] = {"pil_kwargs": {"compress_level": 2}} if kind == "png" else {}
        figure.savefig(buffer, format=kind, metadata=dates.get(kind), **packed)
    return buffer.getvalue()


def write_outputs(
    paths: Iterable[Path],
    contents: Mapping[str, Callable[[], str | bytes | Mapping[str, Any]]],
    draw: Callable[[], Figure],
) -> None:
    """Write each file by its suffix; existing files are replaced.

    contents: the content for a suffix; a mapping is written as JSON. draw: returns the figure for
    all other suffixes (SUFFIXES).
    """
    for path in paths:
        kind = path.suffix.lower()
        content = contents[kind]() if kind in contents else render(draw(), kind[1:])
        if isinstance(content, bytes):
            artifact.write_bytes(path, content)
        elif isinstance(content, str):
            artifact.write_text(path, content)
        else:
            artifact.write_json(path, content)


def drawn_once(draw: Callable[[], Figure], progress: Progress) -> Callable[[], Figure]:
    """`draw`, but called only once, when its figure is first needed."""

    @cache
    def drawn() -> Figure:
        progress.begin("drawing")
        figure = draw()
        progress.end()
        return figure

    return drawn


@cache
def letters(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it has Latin, Greek, Cyrillic and more."""
    from matplotlib import font_manager
    from PIL import ImageFont

    name = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(name), size)


def printable(name: str, longest: int = 44) -> str:
    """The name without characters that the font lacks, and with its middle left out if it is
    long."""
    from matplotlib import font_manager, ft2font

    font = ft2font.FT2Font(font_manager.findfont("DejaVu Sans"))
    name = unicodedata.normalize("NFC", name)
    name = "".join(c if c.isprintable() and font.get_char_index(ord(c)) else "□" for c in name)
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")  # matplotlib would read a formula
