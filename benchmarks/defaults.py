"""What two clips get by default: the second table of docs/results/human-labels.md.

    python benchmarks/defaults.py NAME --data HUMAN_EVENTS --work DIR [--penn FOLDER] [--pairs 40]

Trains nothing: measures what a user gets who names two clips and no option, in a project of these
two and through the other half of the people, and keeps it under NAME in --work. With
PYTHONPATH=OLDER_CHECKOUT, it measures that one. Prints a column for every NAME. HUMAN_EVENTS: see
human_labels.py. --penn: with labels/ and phases_kinematic.csv.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from people import ACTIONS, SETS, DataSet, Fold, make_folds, penn_project, whole_pairs

from la2ds_cli.alignment.align import PairAligner, find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Cell, Column, Row, Table, markdown

WAYS = ("alone", "through others")


def penn_fold(penn: Path, action: str, work: Path) -> Fold:
    """The clips of an action, by its own split; their events are found by joint rules."""
    project = penn_project(penn, action, work / action, penn / "phases_kinematic.csv")
    info = {video.id: {"video": video.id} for video in project.videos()}
    folder = (penn.name, "labels", "penn13", (0, 0), "video")
    return Fold(DataSet(f"Penn {action}", *folder, lambda a, b: "all"), project, info)


def by_default(fold: Fold, pairs: int, work: Path) -> dict[str, dict[str, list[float]]]:
    """Errors of `align` without options in % of B, by title of the kind of pair and way; no
    counterpart counts as half of B."""
    config = fold.project.config(preset="default", overrides=[f"evaluate.pairs={pairs}"])
    found: dict[str, dict[str, list[float]]] = {}
    request = AlignRequest(config, device="cpu")
    through_others = PairAligner(fold.project, request)
    for a, b in whole_pairs(fold.project, config, fold.kind):
        title = fold.data.title(fold.kind(a.id, b.id))
        errors = found.setdefault(title, {way: [] for way in WAYS})
        with TemporaryDirectory(dir=work) as folder:
            pair = Project.create(Path(folder))
            pair.add_videos(video for video in fold.project.videos() if video.id in (a.id, b.id))
            for clip in (a.id, b.id):
                pair.write_pose(clip, *fold.project.read_pose(clip))
            results = (
                find_alignment(pair, a.id, b.id, request),
                through_others.find(a.id, b.id),
            )
        for event in sorted(a.events.keys() & b.events.keys()):
            for way, result in zip(WAYS, results, strict=True):
                off = abs(result.alignment.position[a.events[event]] - b.events[event])
                share = 50.0 if np.isnan(off) else 100 * off / len(b.pose)
                errors[way].append(round(float(share), 4))
    return found


def table(known: Mapping[str, Any]) -> list[str]:
    """Median / mean of every set, for two clips alone and through others, by NAME."""
    pooled: dict[tuple[str, str, str], list[float]] = {}
    for place, by_title in known.items():
        for title, errors in by_title.items():
            for way, values in errors.items():
                pooled.setdefault((title, way, place.split("/")[0]), []).extend(values)
    names = dict.fromkeys(name for _, _, name in pooled)
    both = [(way, name) for way in WAYS for name in names]
    headings = ["", *(f"{way}, {name}" for way, name in both), "events"]
    rows = []
    for title in dict.fromkeys(title for title, _, _ in pooled):
        values = [pooled[title, way, name] for way, name in both]
        cells = [f"{np.median(one):.2f} / {np.mean(one):.2f}" for one in values]
        rows.append(Row([Cell(text) for text in (title, *cells, str(len(values[0])))]))
    columns = [
        Column(heading, kind="number" if n else "name") for n, heading in enumerate(headings)
    ]
    return markdown(Table(columns, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--penn", type=Path)
    parser.add_argument("--pairs", type=int, default=40, help="Of each kind and half, at most.")
    given = parser.parse_args()
    folds = [
        fold for name in given.sets.split(",")
        for fold in make_folds(SETS[name], given.data, given.work)
    ]  # fmt: skip
    if given.penn:
        folds += [penn_fold(given.penn, action, given.work) for action in ACTIONS]
    path = given.work / "defaults.json"
    for fold in folds:
        known = artifact.read_document(path)
        place = f"{given.name}/{fold.project.root.name}"
        if place not in known:
            known[place] = by_default(fold, given.pairs, given.work)
            artifact.write_json(path, known)
            print(f"{place}: done", flush=True)
    print("\n".join(table(artifact.read_document(path))))


if __name__ == "__main__":
    main()
