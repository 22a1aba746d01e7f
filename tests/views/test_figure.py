"""Names in figures, and files that do not change from run to run."""

from __future__ import annotations

import pytest

from la2ds_cli.views.figure import PHASE_COLOURS, SUFFIXES, phase_colours, printable, render


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("swing.mp4", "swing.mp4"),
        ("cost_$x$.mp4", r"cost_\$x\$.mp4"),
        ("日本.mp4", "□□.mp4"),
        ("über.mp4", "über.mp4"),
        ("tab\there.mp4", "tab□here.mp4"),
    ],
)
def test_names_are_printable(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_long_names_lose_their_middle() -> None:
    name = printable("first" + 100 * "-" + "last.mp4", 21)
    assert name == "first-----…--last.mp4"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(suffix: str) -> None:
    from matplotlib.figure import Figure

    def drawn() -> bytes:
        figure = Figure(figsize=(2, 1))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0, 1], [1, 0])
        axes.axvspan(0.2, 0.4, hatch="//")
        return render(figure, suffix[1:])

    content = drawn()
    assert content == drawn()
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])


def test_phases_have_colours_in_order_of_appearance() -> None:
    found = phase_colours(["up", "", "down", "up"])
    assert list(found.items()) == [("up", PHASE_COLOURS[0]), ("down", PHASE_COLOURS[1])]
    assert len(set(phase_colours(map(str, range(7))).values())) == 7
