"""The table of similar frames in docs/results/camera.md: `retrieve` over the angle between cameras.

    python benchmarks/camera_search.py DATA --work DIR

DATA: a folder with gait. A moment of a clip is searched in the clips of other performers, which
another camera filmed: contacts of walkers with the ground, and every twelfth frame of rendered
performers. A hit is right within 5 % of its clip of the same moment; of walkers, of any contact of
that foot, since a stride later shows the same. Each cell has *as filmed / nearest view*.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from people import page_table, walk_pair
from turned_clips import PERFORMERS, TURNS, VIEWS, all_walks, performance
from whole_clips import SHARE, shown, write

from la2ds_cli.alignment.request import FeatureOption
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.retrieval.retrieve import Hit, RetrievalRequest, retrieve

BOTH: tuple[Literal["filmed", "auto"], ...] = ("filmed", "auto")
EVERY = 12  # frames of rendered performers
WAYS: dict[str, FeatureOption] = {"by joints": "pose", "base model": "base"}


@dataclass(frozen=True)
class Search:
    """moments: rows of the query. right: whether a row of a clip shows a moment."""

    query: PoseSequence
    clips: Mapping[str, PoseSequence]
    moments: list[int]
    right: Callable[[int, str, int], bool]


def walking(data: Path, work: Path, view: str) -> Iterator[Search]:
    walks = all_walks(data, work)
    info, seen = walks.info, walks.seen
    feet = {a: {row: event[1:] for event, row in of.items()} for a, of in walks.events.items()}
    for a, pose in seen["side"].items():

        def right(moment: int, b: str, row: int, feet_a: Mapping[int, str] = feet[a]) -> bool:
            same = [at for at, foot in feet[b].items() if foot == feet_a[moment]]
            return any(abs(at - row) <= SHARE * len(seen[view][b]) for at in same)

        clips = {b: seen[view][b] for b in info if walk_pair(info[a], info[b])}
        yield Search(pose, clips, sorted(feet[a]), right)


def rendered(angle: int) -> Iterator[Search]:
    far = {f"c{n}": performance(n, np.radians(angle)) for n in range(PERFORMERS)}
    for n in range(PERFORMERS):
        pose, phase = performance(n, 0.0)

        def right(moment: int, clip: str, row: int, phase: np.ndarray = phase) -> bool:
            other = far[clip][1]
            at = np.interp(phase[moment], other, np.arange(len(other)))
            return bool(abs(at - row) <= SHARE * len(other))

        clips = {name: other for name, (other, _) in far.items() if name != f"c{n}"}
        yield Search(pose, clips, list(range(EVERY, len(pose), EVERY)), right)


def hits(search: Search, way: str, view: Literal["filmed", "auto"]) -> Iterator[tuple[bool, bool]]:
    """Of each hit, whether it is right and whether it is sure."""
    with TemporaryDirectory() as folder:
        project = StoredProject.create(Path(folder) / "project")
        for name, pose in {"query": search.query, **search.clips}.items():
            write(project, name, pose)
        for row in search.moments:
            query = f"query@{float(search.query.time[row])!r}"
            request = RetrievalRequest(query, features=WAYS[way], view=view)
            found: tuple[Hit, ...] = retrieve(project, request).queries[0].hits
            for hit in found:
                yield search.right(row, hit.video, hit.index), not hit.unsure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    sets = {f"walking, {view}": list(walking(given.data, given.work, view)) for view in VIEWS}
    sets |= {f"rendered, {angle}°": list(rendered(angle)) for angle in TURNS}
    rows = []
    for title, searches in sets.items():
        row, told = [title], ""
        for way in WAYS:
            found = [
                np.array([hit for search in searches for hit in hits(search, way, view)], float)
                for view in BOTH
            ]
            row.append(" / ".join(shown(100 * of[:, 0].mean()) for of in found))
            told = shown(100 * (1 - found[1][:, 1].mean()))  # of the last way, the base model
        rows.append([*row, told])
        print(*rows[-1], flush=True)
    print(page_table(["hits from", *WAYS, "unsure"], rows))


if __name__ == "__main__":
    main()
