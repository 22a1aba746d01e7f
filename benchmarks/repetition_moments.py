"""How far from the truth does la2ds find the turn of a repetition?

    python benchmarks/repetition_moments.py MOCAP [--people s05,s06,s07] [--azimuth 0,45,90,180]
        [--jitter 0.02] [--rates 25,30,60] [--incorrect]

MOCAP: exercises by motion capture (UI-PRMD), as in compare_differences.py. Each clip is one
repetition, filmed by a camera some degrees aside. `turn` of clips.csv, the middle of the time at
the far end, is an instrument's truth; the middle of the found turn and start of the way back is
compared with it. Errors are in % of the repetition, beside those of the middle of the clip.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from compare_differences import RECORDED, Camera, at_rate, filmed, shaken, upright
from people import page_table

from la2ds_cli.alignment.repetition_moments import moments_of_repetition


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--people", default="s05,s06,s07")
    parser.add_argument("--azimuth", default="0,45,90,180")
    parser.add_argument("--jitter", type=float, default=0.02)
    parser.add_argument("--rates", default="25,30,60", help="frames a second")
    parser.add_argument("--incorrect", action="store_true", help="also incorrect repetitions")
    given = parser.parse_args()
    errors: dict[str, list[float]] = defaultdict(list)
    clock: dict[str, list[float]] = defaultdict(list)
    none: dict[str, int] = defaultdict(int)
    with (given.mocap / "clips.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["turn"]]
    for row in rows:
        if row["person"] not in given.people.split(","):
            continue
        if row["correct"] == "0" and not given.incorrect:
            continue
        name = row["clip"]
        world = upright(np.load(given.mocap / f"{name[:3]}.npz")[name].astype(float))
        true, span = int(row["turn"]) / RECORDED, (int(row["frames"]) - 1) / RECORDED
        for azimuth in map(int, given.azimuth.split(",")):
            for rate in map(float, given.rates.split(",")):
                seed = [int(name[1:3]), int(name[5:7]), int(name[9:11]), azimuth, int(rate)]
                rng = np.random.default_rng([*seed, name.endswith("inc")])
                xy = Camera.random(azimuth, rng).project(at_rate(world, rate))
                found = moments_of_repetition(filmed(shaken(xy, given.jitter, rng), rate))
                for group in (row["movement"], f"{azimuth}°", f"{rate:g} a second", "all"):
                    if found is None:
                        none[group] += 1
                        continue
                    turn = (found.turn + found.back) / 2
                    errors[group].append(100 * abs(turn - true) / span)
                    clock[group].append(100 * abs(span / 2 - true) / span)
    head = [
        "",
        "films",
        "not found",
        "median",
        "mean",
        "90 %",
        "right to 5 %",
        "middle of the clip",
    ]
    cells = [
        [
            *(group, len(off) + none[group], none[group]),
            *(f"{value:.1f}" for value in (np.median(off), np.mean(off), np.percentile(off, 90))),
            *(f"{np.mean(np.array(off) <= 5):.2f}", f"{np.mean(clock[group]):.1f}"),
        ]
        for group, off in errors.items()
    ]
    print(page_table(head, [[str(cell) for cell in row] for row in cells]))


if __name__ == "__main__":
    main()
