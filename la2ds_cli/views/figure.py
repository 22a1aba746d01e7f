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
# Of phases; the palette's yellow is too pale on white.
PHASE_COLOURS = (SKY, ORANGE, GREEN, PURPLE, BLUE, RED, GREY)
SUFFIXES = (".png", ".svg", ".pdf")
ABOUT: dict[str, Any] = {"fontsize": 10.5, "color": "#404040"}  # of the line below a title


def phase_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for every phase name, in order of appearance; empty names (no phase) get
    none."""
    phases = dict.fromkeys(name for name in names if name)
    return {name: PHASE_COLOURS[k % len(PHASE_COLOURS)] for k, name in enumerate(phases)}


def only_left_and_bottom(axes: Axes) -> None:
    """No frame at the top and on the right; the grid behind what is drawn."""
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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


def fitted(text: str, size: float, width: float) -> float:
    """Font size, at most `size` points, at which text of usual letters fits into so many inches."""
    return min(size, 125 * width / max(len(text), 1))


def heading(figure: Figure, left: float, title: str, about: str = "") -> None:
    """The figure's title and a smaller line below.

    Parameters
    ----------
    left: inches.
    """
    wide, high = figure.get_size_inches().tolist()
    line_at(figure, title, left, high - 0.28, fontsize=14, fontweight="bold")
    size = fitted(about, ABOUT["fontsize"], wide - left)
    line_at(figure, about, left, high - 0.58, **{**ABOUT, "fontsize": size})


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes of this place and size, inches from the figure's lower left corner."""
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
    """Return the figure as PNG, without transparency, packed by runs of equal bytes: a third sooner
    than by savefig, and a tenth smaller."""
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
    """Let the parts of an SVG file have the same names each time, for which matplotlib has only a
    setting of the whole process."""
    import matplotlib as mpl

    name, ours = "svg.hashsalt", "la2ds"
    before = mpl.rcParams[name]
    mpl.rcParams[name] = ours
    try:
        yield
    finally:
        if mpl.rcParams[name] == ours:  # nobody has set it meanwhile
            mpl.rcParams[name] = before


class Written(Protocol):
    """A result whose dataclass has the field `files`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_json(self) -> Mapping[str, Any]: ...


def default_files(
    project: StoredProject, command: str, name: str, kinds: Iterable[str]
) -> list[Path]:
    """Return where a command writes without --out: results/COMMAND/NAME with each suffix."""
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
    """Write each file by its suffix, and return the result with its `files`; existing files are
    replaced unless `check_output` refuses it.

    Parameters
    ----------
    draw: makes the figure for all other suffixes (SUFFIXES), once.
    contents: the content by the end of a name other than .json, which holds `to_json`; the first
        that fits counts.
    writers: what writes a file of such a name itself; those come last, since they take longest.
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
    """Return the first value whose key ends the name of a file, None if there is none."""
    return next((value for end, value in by_end.items() if path.name.lower().endswith(end)), None)


@cache
def letters(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it has Latin, Greek, Cyrillic and more."""
    from matplotlib import font_manager
    from PIL import ImageFont

    name = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(name), size)


def printable(name: str, longest: int = 44) -> str:
    """Return the name without characters that the font lacks, and with its middle left out if it is
    long."""
    from matplotlib import font_manager, ft2font

    font = ft2font.FT2Font(font_manager.findfont("DejaVu Sans"))
    name = unicodedata.normalize("NFC", name)
    name = "".join(c if c.isprintable() and font.get_char_index(ord(c)) else "□" for c in name)
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")  # matplotlib would read a formula
