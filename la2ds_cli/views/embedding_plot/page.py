"""The page for a browser: the same trajectories, with the moment under the pointer told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from la2ds_cli.alignment.result import rounded
from la2ds_cli.views.embedding_plot.clips import DASHES, all_phases
from la2ds_cli.views.embedding_plot.draw import axis_labels, summary
from la2ds_cli.views.report.page import embedded_json, page, text

if TYPE_CHECKING:
    from la2ds_cli.views.embedding_plot.plot import EmbeddingPlot


def render(result: EmbeddingPlot) -> bytes:
    """One file that needs no network; every name of the user's is text in it."""
    title = "Frames in the feature space: " + ", ".join(clip.name for clip in result.clips)
    return page(
        "page.html",
        title,
        styles=["page.css"],
        scripts=["marks.js", "page.js"],
        package=__package__ or "la2ds_cli.views.embedding_plot",
        heading=text(f"Frames of {len(result.clips)} clips in the feature space"),
        summary=text(summary(result)),
        data=embedded_json("plot", _data(result)),
    )


def _data(result: EmbeddingPlot) -> dict[str, Any]:
    phases = all_phases(result.clips)
    number = {name: n for n, name in enumerate(phases)}
    return {
        "labels": axis_labels(result),
        "ticks": result.projection.explained is not None,
        "phases": phases,
        "links": [{"a": k.a, "b": k.b, "pairs": k.pair.tolist()} for k in result.links],
        "clips": [
            {
                "name": clip.name,
                "colour": clip.colour,
                "dash": DASHES.index(clip.dash),
                "frame": clip.frame.tolist(),
                "time": rounded(clip.time, 4),
                "phase": [number.get(name, -1) for name in clip.phase],
                "opacity": rounded(clip.opacity, 3),
                "x": rounded(clip.point[:, 0], 5),
                "y": rounded(clip.point[:, 1], 5),
                "starts": [[row, number[name]] for row, name in clip.phase_starts],
            }
            for clip in result.clips
        ],
    }
