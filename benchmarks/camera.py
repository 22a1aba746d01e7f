"""The tables and the picture of docs/results/camera.md: error over the angle between two cameras.

    python benchmarks/camera.py DATA --work DIR [--parts walking,rendered,harm]

DATA: a folder with human_events, gait and penn_action. Two clips alone are aligned by the base
model, clip B compared as filmed and, by default, in the nearest view. *walking*: A from the side, B
from another one, filmed or rebuilt from the joints in three views. *rendered*: performers of the
demo's movement, A from one of eight sides and B turned from there, with joints that have the errors
of a pose network that sees one camera. *harm*: clips that most people film from one side. What is
measured stays in DIR; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from people import page_table
from turned_clips import ANGLES, TURNS, Pair, harm, rendered, walking
from whole_clips import judged, plain, shown, stored, values, write

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import load_config
from la2ds_cli.core.stored_project import StoredProject

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "camera.png"


def measured(pair: Pair) -> dict[str, Any]:
    """MEASURES of the moments as filmed and in the nearest view, and whether that is unclear."""
    row: dict[str, Any] = {"title": pair.title}
    config = load_config(overrides=['align.joints="3d"'] if pair.spatial else [])
    with TemporaryDirectory() as folder:
        project = StoredProject.create(Path(folder) / "pair")
        write(project, "a", pair.a)
        write(project, "b", pair.b)
        for view in ("filmed", "auto"):
            result = align_clips(project, "a", "b", AlignRequest(config, view=view))
            row[view] = plain(judged(result, pair.moments))
            row["unclear"] = bool(result.unclear_views)
    return row


# --- the page ------------------------------------------------------------------------------------

PARTS: dict[str, tuple[str, Callable[[Path, Path], Iterator[Pair]]]] = {
    "walking": ("Walking", walking),
    "rendered": ("Rendered performers", rendered),
    "harm": ("Clips filmed from one side", harm),
}


def table(rows: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """Each cell has the figure as filmed, and by the nearest view."""
    names = ("pairs", "events", "mean error", "median", "sure", "wrong of sure", "held", "unclear")
    lines = []
    for title, pairs in rows.items():
        both = [figures(pairs, view) for view in ("filmed", "auto")]
        cells = [" / ".join(map(shown, one)) for one in zip(*both, strict=True)]
        events = sum(len(pair["auto"]) for pair in pairs)
        unclear = shown(100 * float(np.mean([pair["unclear"] for pair in pairs])))
        lines.append([title, str(len(pairs)), str(events), *cells, unclear])
    return page_table(["", *names], lines)


def figures(pairs: Sequence[dict[str, Any]], view: str) -> list[float]:
    """Mean and median error in % of B; sure, wrong of the sure, and held, in % of the events."""
    found = values(pairs, view)
    error, _, held, sure, wrong = found[np.isfinite(found[:, 0])].T
    among = wrong[sure > 0].mean() if sure.any() else np.nan
    shares = sure.sum() / len(found), among, held.mean()
    return [error.mean(), np.median(error), *(100 * share for share in shares)]


def draw(rows: Mapping[str, Sequence[dict[str, Any]]], out: Path) -> None:
    """Mean error of walkers and of rendered performers over the angle."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = (
        ("walking", ANGLES, {"": ("filmed", "auto")}),
        (
            "rendered performers",
            TURNS,
            {", in the image": ("filmed", "auto"), ", with joints in metres": ("auto",)},
        ),
    )
    for number, (title, angles, lines) in enumerate(panels):
        axes = figure.add_subplot(1, 2, number + 1, title=title, xlabel="degrees between cameras")
        for name, views in lines.items():
            for view in views:
                error = [figures(rows[f"{angle}°{name}"], view)[0] for angle in angles]
                label = ("nearest view" if view == "auto" else "as filmed") + name
                axes.plot(angles, error, "o-", ms=3, label=label)
        axes.set(xticks=range(0, 181, 30), ylim=(0, None), ylabel="mean error, % of B")
        axes.grid(color="#e4e4e4")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    given = parser.parse_args()
    rows, text = {}, []
    for name in given.parts.split(","):
        title, pairs_of = PARTS[name]
        pairs = pairs_of(given.data, given.work / name)
        found = stored(given.work / f"{name}.json", map(measured, pairs))
        rows |= found
        text += [f"### {title}", "", table(found), ""]
    print("\n".join(text))
    if given.parts == ",".join(PARTS):
        draw(rows, PICTURE)


if __name__ == "__main__":
    main()
