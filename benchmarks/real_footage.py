"""Make the table of labelled golf videos in docs/results/real-footage.md.

    python benchmarks/real_footage.py VIDEOS --work DIR

VIDEOS: a folder with golf/*.mp4 and golf/phases.csv, set by hand. The clips are extracted as
`la2ds extract-poses` does by default; every labelled clip is aligned with every other one, the
starts of phases are transferred, and the distance from where a person set them is printed by kind
of pair: two clips whose tempos differ by more than SLOW times count as real speed with slow motion.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.confidence import SURE, certainty_words
from la2ds_cli.alignment.request import AlignRequest, FeatureKind
from la2ds_cli.core.project import Project
from la2ds_cli.features.tempo import peak_speed
from la2ds_cli.poses.extract import ensure_pose

SLOW = 2.5
FEATURES: tuple[FeatureKind, ...] = ("pose", "base", "auto")


@dataclass(frozen=True)
class Moment:
    """One start of a phase, transferred. percent: error in % of B, NaN = no counterpart."""

    percent: float
    held: bool
    sure: bool


def project_of(videos: Path, work: Path) -> tuple[Project, dict[str, dict[str, int]]]:
    """The clips with their poses, and for each where its phases start, but the first."""
    folder = videos / "golf"
    if not (work / "project.toml").exists():
        Project.create(work)
    project = Project.open(work)
    shutil.copy(folder / "phases.csv", project.root / "phases.csv")
    starts = {}
    for path in sorted(folder.glob("*.mp4")):
        video = ensure_pose(project, str(path), project.config().poses, "cpu")
        rows = project.phases().get(video, [])
        starts[video] = {row.name: row.start for row in rows[1:]}
    return project, {video: found for video, found in starts.items() if found}


def moments(project: Project, a: str, b: str, starts, features: FeatureKind) -> list[Moment]:
    request = AlignRequest(project.config(), features=features, device="cpu")
    result = find_alignment(project, a, b, request)
    alignment = result.alignment
    words = certainty_words(alignment)
    found = []
    for name in starts[a].keys() & starts[b].keys():
        row = int(np.abs(alignment.frame_a - starts[a][name]).argmin())
        truth = int(np.abs(alignment.frame_b - starts[b][name]).argmin())
        percent = 100 * abs(float(alignment.position[row]) - truth) / len(alignment.time_b)
        held = bool(alignment.low[row] <= truth <= alignment.high[row])
        found.append(Moment(percent, held, words[row] == SURE))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    project, starts = project_of(given.videos, given.work)
    assert set(FEATURES) <= set(get_args(FeatureKind))
    poses = {video: project.read_pose(video)[0] for video in starts}
    table: dict[tuple[str, str], list[Moment]] = defaultdict(list)
    for a, b in itertools.permutations(starts, 2):
        slower, faster = sorted((peak_speed(poses[a]), peak_speed(poses[b])))
        mixed = faster > SLOW * slower > 0
        kind = "real speed with slow motion" if mixed else "like tempos"
        for features in FEATURES:
            both = moments(project, a, b, starts, features)
            table[kind, features] += both
            table["all", features] += both
    titles = "pairs", "features", "matched (lost)", "median, %", "held by the interval"
    print(f"| {' | '.join([*titles, 'within 5 %', 'sure'])} |")
    print(f"|{'---|' * (len(titles) + 2)}")
    for (kind, features), found in sorted(table.items()):
        errors = np.array([moment.percent for moment in found])
        known = ~np.isnan(errors)
        matched = [moment for moment, n in zip(found, known, strict=True) if n]
        cells = [kind, features, f"{known.sum()} ({(~known).sum()})"]
        cells += [f"{np.median(errors[known]):.2f}"]
        shares = [m.held for m in matched], errors[known] <= 5, [m.sure for m in matched]
        cells += [f"{100 * np.mean(share):.0f} %" for share in shares]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
