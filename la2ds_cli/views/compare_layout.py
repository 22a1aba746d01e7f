"""The page of a comparison in inches, and axes placed on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69  # A4 upright
DPI = 150
LEFT, RIGHT = 0.5, 7.77


@dataclass(frozen=True)
class Place:
    """A row of the page: its bottom and height."""

    bottom: float
    height: float

    @property
    def top(self) -> float:
        return self.bottom + self.height


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes of that size and place."""
    axes = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.tick_params(labelsize=8)
    return axes


def fitted(text: str, size: float, width: float, weight: str = "normal") -> float:
    """Font size at which `text` is at most `width` inches wide, `size` points at most."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    drawn = TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight))
    return size * min(1.0, 72 * width / max(float(drawn.get_extents().width), 1.0))


def heading(figure: Figure, text: str, left: float, top: float) -> None:
    """A heading whose middle lies a little below `top`."""
    figure.text(
        left / WIDTH, (top - 0.12) / HEIGHT, text, fontsize=10.5, fontweight="bold", va="center"
    )
