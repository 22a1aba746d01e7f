"""Fit how far the intervals of `align` reach, and measure how often they hold the events that
people set.

    python benchmarks/intervals.py --data HUMAN_EVENTS --work DIR [--pairs 20] [--sets golf,...]

The data sets and the two halves of their people are those of human_labels.py, and so are the runs
(preset default, seed 0), which are trained where DIR does not have them. Whole clips are aligned by
raw poses, the base model and the run's model, each directly and through reference clips. The factor
(confidence.FLAT) is fitted to the people of one half, all sets and features together, and the
intervals that it makes are judged by the people of the other half. Replaces what stands between the
marks of docs/results/confidence.md, and prints the coverage of docs/results/human-labels.md.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from across_people import Statistic, event_pairs, mean, pool
from human_labels import SETS, Fold, Plan, make_folds, numbered, trained, with_interval
from page import put_into

from la2ds_cli.alignment import confidence
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.table import Cell, Column, Row, Table, markdown

PAGE = Path(__file__).parents[1] / "docs" / "results" / "confidence.md"
GRID = tuple(round(0.2 * n, 1) for n in range(3, 13))
AIM = 0.92  # of all sets together, so that few of the single ones fall below 0.88
SLOW = ("address", "finish")  # events of golf at which somebody stands still
FEATURES = {"pose": "raw poses", "base": "base model", "model": "model"}
REFERENCES = {0: "directly", 40: "consensus"}


@dataclass(frozen=True)
class Part:
    """What was measured by one kind of features, with so many reference clips, on one half of the
    people of a data set. document: see `measured`."""

    fold: Fold
    half: int
    features: str
    references: int
    document: dict[str, Any]

    @property
    def events(self) -> list[list[str]]:
        return self.document["events"]

    def column(self, name: str, flat: float) -> np.ndarray:
        """(E,) of `held` or `width` at a factor of GRID."""
        return np.array(self.document[name], float).reshape(-1, len(GRID))[:, GRID.index(flat)]

    def weights(self) -> np.ndarray:
        """(E,) such that all people of a data set count alike."""
        people = [[self.fold.person(row[side]) for row in self.events] for side in (1, 2)]
        count = Counter(people[0]) + Counter(people[1])
        weight = np.array([1 / count[a] + 1 / count[b] for a, b in zip(*people, strict=True)])
        return weight / weight.sum()


def measured(
    fold: Fold, features: str, references: int, config: Config, run: str
) -> dict[str, Any]:
    """Intervals of whole clips at their events. `events`: rows [kind, a, b, event]; `held` and
    `width` (% of B) at every factor of GRID; `confidence`; `near`, whether the match is right to
    5 % of B; `unmatched`: the rows of events without a counterpart. Cached in results/people."""
    config = replace(config, align=replace(config.align, reference_clips=references))
    numbers = (confidence.RUN, confidence.SMOOTHED, confidence.STEP, confidence.TIMING, GRID)
    text = repr([features, run * (features == "model"), config.align, config.evaluate, numbers])
    key = hashlib.sha256(text.encode()).hexdigest()
    path = fold.project.results_dir("people") / f"intervals-{features}-{references}.json"
    document = artifact.read_document(path)
    if document.get("key") == key:
        return document
    request = AlignRequest(config, run, features)  # type: ignore[arg-type]
    document = {"key": key, **_measure(fold, request)}
    artifact.write_json(path, document)
    return document


def _measure(fold: Fold, request: AlignRequest) -> dict[str, Any]:
    names = ("events", "held", "width", "confidence", "near", "unmatched")
    document: dict[str, Any] = {name: [] for name in names}
    cache = AlignmentCache()
    for a, b in event_pairs(fold.project, request.config, fold.kind):
        cache = cache if cache.a == a.id else AlignmentCache()
        result = find_alignment(fold.project, a.id, b.id, request, cache=cache)
        found, length = result.alignment, len(b.pose)
        bounds = [
            confidence.interval(result.match.a, result.match.b, found.position, flat)
            for flat in GRID
        ]
        for event in sorted(a.events.keys() & b.events.keys()):
            frame, truth = a.events[event], b.events[event]
            row = [fold.kind(a.id, b.id), a.id, b.id, event]
            if np.isnan(found.position[frame]):
                document["unmatched"].append(row)
                continue
            ends = [(low[frame], high[frame]) for low, high in bounds]
            document["events"].append(row)
            document["held"].append([int(low <= truth <= high) for low, high in ends])
            document["width"].append([round(100 * (high - low) / length, 2) for low, high in ends])
            document["confidence"].append(round(float(found.confidence[frame]), 4))
            reach = max(confidence.NEAR * length, 1)
            document["near"].append(int(abs(truth - found.position[frame]) <= reach))
    return document


def fitted(parts: Sequence[Part]) -> float:
    """The least factor of GRID whose intervals hold AIM of the events; all parts count alike."""
    for flat in GRID:
        held = [np.average(p.column("held", flat), weights=p.weights()) for p in parts]
        if np.mean(held) >= AIM:
            return flat
    return GRID[-1]


def covered(
    parts: Sequence[Part], factor: dict[int, float], kind: str, only: str = ""
) -> tuple[Statistic, float, int, int]:
    """Share held (%), with intervals over people, median width, events and unmatched events of the
    two halves of a set; only: `slow` or `rest`, of golf."""
    person, counts = numbered([part.fold for part in parts])
    chosen = []
    for part in parts:
        flat = factor[part.half]
        rows = [
            (row, held, width)
            for row, held, width in zip(
                part.events, part.column("held", flat), part.column("width", flat), strict=True
            )
            if not only or (row[3] in SLOW) == (only == "slow")
        ]
        chosen.append(tuple(zip(*rows, strict=True)) if rows else ((), (), ()))
    held = pool([(rows, [100 * one for one in h]) for rows, h, _ in chosen], kind, person)
    width = pool([(rows, w) for rows, _, w in chosen], kind, person)
    lost = sum(
        row[0] == kind and (not only or (row[3] in SLOW) == (only == "slow"))
        for part in parts
        for row in part.document["unmatched"]
    )
    return mean(held, counts), float(np.median(width.value)), len(held.value), lost


def rows_of(parts: Sequence[Part]) -> list[tuple[str, str, str, str]]:
    """(title, set, kind, only) of the rows of the table."""
    rows = []
    for data in dict.fromkeys(part.fold.data for part in parts):
        for kind in data.kinds:
            rows.append((data.title(kind), data.name, kind, ""))
            if data.name == "golf":
                rows.append(("– address and finish", data.name, kind, "slow"))
    return rows


def coverage(parts: Sequence[Part], factor: dict[int, float]) -> list[str]:
    """Held and width by every kind of evidence."""
    evidence = [(f, r) for f in FEATURES for r in REFERENCES]
    columns = [Column("", kind="name")]
    columns += [Column(f"{FEATURES[f]}, {REFERENCES[r]}") for f, r in evidence]
    rows = []
    for title, name, kind, only in rows_of(parts):
        cells = [Cell(title)]
        for features, references in evidence:
            own = chosen(parts, name, features, references)
            held, width, _, _ = covered(own, factor, kind, only)
            cells.append(Cell(f"{with_interval(held, 0)}; {width:.0f}"))
        rows.append(Row(cells))
    return markdown(Table(columns, rows))


def chosen(parts: Sequence[Part], name: str, features: str, references: int) -> list[Part]:
    wanted = name, features, references
    return [p for p in parts if (p.fold.data.name, p.features, p.references) == wanted]


def words(parts: Sequence[Part]) -> list[str]:
    """How often moments of each word are right to 5 % of B, and what confidence says of them."""
    columns = [
        Column("", kind="name"),
        *(Column(name) for name in ("sure", "of them right", "unsure", "of them right")),
        *(Column(name) for name in ("no counterpart", "mean confidence", "right")),
    ]
    rows = []
    for features in FEATURES:
        for references in REFERENCES:
            own = [p for p in parts if (p.features, p.references) == (features, references)]
            said, near = (
                np.concatenate([p.document[name] for p in own]) for name in ("confidence", "near")
            )
            lost = sum(len(p.document["unmatched"]) for p in own)
            sure = said >= confidence.NOMINAL
            total = len(said) + lost
            cells = [f"{FEATURES[features]}, {REFERENCES[references]}"]
            for part in (sure, ~sure):
                cells += [f"{part.sum() / total:.0%}", f"{near[part].mean():.0%}"]
            cells += [f"{lost / total:.0%}", f"{said.mean():.2f}", f"{near.mean():.2f}"]
            rows.append(Row([Cell(cell) for cell in cells]))
    return markdown(Table(columns, rows))


def labels_page(parts: Sequence[Part]) -> list[str]:
    """Coverage by the factor that la2ds has, through reference clips, as in human-labels.md."""
    shipped = {0: confidence.FLAT, 1: confidence.FLAT}
    names = ("held, %", "width, % of B", "events", "unmatched")
    columns = [Column(name, kind="text") for name in ("", "aligned by")]
    columns += [Column(name) for name in names]
    rows = []
    for title, name, kind, only in rows_of(parts):
        for features, label in (("pose", "poses alone"), ("model", "model, default")):
            own = chosen(parts, name, features, 40)
            held, width, events, lost = covered(own, shipped, kind, only)
            cells = (title, label, with_interval(held, 1), f"{width:.1f}", str(events), str(lost))
            if not only:
                rows.append(Row([Cell(cell) for cell in cells]))
    return markdown(Table(columns, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--pairs", type=int, default=20, help="Of each kind and half, at most.")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    plan = Plan(("default",), (), (0,), 0, 300, Progress())
    names = given.sets.split(",")
    parts = []
    for data in (SETS[name] for name in names):
        for half, fold in enumerate(make_folds(data, given.data, given.work, plan.split_seed)):
            config, run = trained(fold, plan, "default", 0)
            evaluate = replace(config.evaluate, pairs=given.pairs, trim_draws=1)
            config = replace(config, evaluate=evaluate)
            for features in FEATURES:
                for references in REFERENCES:
                    document = measured(fold, features, references, config, run)
                    parts.append(Part(fold, half, features, references, document))
            print(f"{data.name}, half {half + 1}: done", flush=True)
    factor = {half: fitted([p for p in parts if p.half != half]) for half in (0, 1)}
    text = [
        f"Factors: {factor[1]} fitted to the first half of the people, {factor[0]} to the second; "
        f"la2ds has {confidence.FLAT}.",
        "",
        *coverage(parts, factor),
        "",
        "By the factor that la2ds has, all sets together:",
        "",
        *words(parts),
    ]
    if names == list(SETS):
        put_into(given.page, "\n".join(text))
    print("\n".join([*text, "", *labels_page(parts)]))


if __name__ == "__main__":
    main()
