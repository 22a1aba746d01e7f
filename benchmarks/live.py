"""How far live alignment is off, and how often its confidence holds.

    python benchmarks/live.py PENN PHASES.csv --work DIR [--split test] [--times 1] [--fit]

PENN: a folder with labels/*.mat; PHASES.csv: video,start,end,phase. Pairs of rendered performers,
of whom every frame has a true counterpart, without and with the errors of pose networks, and of
clips of Penn Action, up to 30 % cut off each end, at the borders of their phases. Each frame of B
is placed in A by the frames so far, and offline by the paths of `align` on the same joints,
directly and in one distance with the base model. --split train are the clips that the settings were
chosen and the confidence was calibrated on, performers of other seeds among them; --fit prints that
calibration.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from people import penn_project
from pose_errors import KINDS, with_error

from la2ds_cli.alignment import live_filter
from la2ds_cli.alignment.clip_features import (
    Embedding,
    PosedClip,
    movement_features,
    network_features,
)
from la2ds_cli.alignment.live_filter import LiveFilter, LiveReference
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.network.load_network import light_embedder

PAIRS = {"golf_swing": 60, "squat": 30, "pullup": 30, "jumping_jacks": 30}
RENDERED, WITH_ERRORS = 16, 12  # pairs; every frame of them counts
SEEDS = {"train": 1000, "test": 2000}
PERFORMERS, NOISE = 40, 1.5  # pixels
TRIM = 0.3
DIRECT = AlignConfig(method="dtw")
BINS = 10


@dataclass(frozen=True)
class Pair:
    """true (M,): where in A each frame of B is, frames of A, NaN = not known."""

    a: PoseSequence
    b: PoseSequence
    true: FloatArray


def drawn(clips: int, pairs: int, seed: int) -> list[tuple[int, int]]:
    every = [(i, j) for i in range(clips) for j in range(clips) if i != j]
    return [every[k] for k in np.random.default_rng(seed).permutation(len(every))[:pairs]]


def rendered(seed: int, pairs: int, *, errors: bool) -> Iterator[Pair]:
    clips = [performed(n, PERFORMERS, seed, NOISE) for n in range(PERFORMERS)]
    for number, (i, j) in enumerate(drawn(PERFORMERS, pairs, seed)):
        (a, phase_a), (b, phase_b) = clips[i], clips[j]
        true = np.interp(phase_b, phase_a, np.arange(len(a)))
        true[(phase_b < phase_a[0]) | (phase_b > phase_a[-1])] = np.nan
        if errors:
            rng = np.random.default_rng([seed, number])
            b = with_error(b, KINDS[number % len(KINDS)], rng)
        yield Pair(a, b, true)


def labelled(project: StoredProject, split: str, pairs: int, seed: int) -> Iterator[Pair]:
    """At most `pairs` trimmed pairs of clips that share an event."""
    poses = {v.id: project.read_pose(v.id)[0] for v in project.videos() if v.split == split}
    clips = [clip for clip in choose_events(poses, project.phases())[0] if clip.events]
    rng = np.random.default_rng(seed)
    for i, j in drawn(len(clips), pairs, seed):
        cuts = []
        for clip in (clips[i], clips[j]):
            first, last = (rng.uniform(0, TRIM, 2) * len(clip.pose)).astype(int)
            cuts.append((int(first), len(clip.pose) - int(last)))
        (a0, a1), (b0, b1) = cuts
        true = np.full(b1 - b0, np.nan)
        for name, at in clips[i].events.items():
            there = clips[j].events.get(name, -1)
            if a0 <= at < a1 and b0 <= there < b1:
                true[there - b0] = at - a0
        if not np.isnan(true).all():
            yield Pair(clips[i].pose.cut(a0, a1), clips[j].pose.cut(b0, b1), true)


class Offline:
    """Where `align` places each frame of B: by the joints' movement, and with the base model."""

    def __init__(self) -> None:
        embedder = light_embedder(StoredProject(Path(), {}), BASE_RUN, "cpu")
        network = Embedding(lambda clip: embedder([clip.seen()])[0], embedder.spread)
        self.ways = movement_features(), network_features(network, AlignConfig(), kind="base")

    def __call__(self, pair: Pair) -> list[FloatArray]:
        compared = [
            [features(PosedClip(pose)) for pose in (pair.a, pair.b)] for features in self.ways
        ]
        return [smooth_match(align_features("dtw", b, a, DIRECT), len(b)) for a, b in compared]


def measured(pairs: Iterator[Pair], offline: Offline) -> FloatArray:
    """(E, 5) of every frame whose place is known: error in % of A live, by joints and with the base
    model; the confidence; CPU milliseconds of a frame of the pair."""
    rows = []
    for pair in pairs:
        known = np.flatnonzero(~np.isnan(pair.true))
        last = int(known[-1]) + 1
        begun = time.process_time()
        follower = LiveFilter(LiveReference(pair.a), pair.b.skeleton)
        found = [follower.step(t, xy) for t, xy in zip(pair.b.time[:last], pair.b.xy, strict=False)]
        spent = 1000 * (time.process_time() - begun) / last
        place = np.interp([one.time_a for one in found], pair.a.time, np.arange(len(pair.a)))
        places = [place, *offline(pair)]
        errors = [100 * np.abs(p[known] - pair.true[known]) / len(pair.a) for p in places]
        confidence = np.array([found[n].confidence for n in known])
        rows.append(np.stack([*errors, confidence, np.full(len(known), spent)], axis=1))
    return np.concatenate(rows)


def calibration_error(stated: FloatArray, right: FloatArray) -> float:
    """Mean distance of stated confidence from the share that is right, over BINS equal bins."""
    which = np.minimum((stated * BINS).astype(int), BINS - 1)
    shares = [(which == n) for n in range(BINS) if (which == n).any()]
    return float(sum(s.mean() * abs(stated[s].mean() - right[s].mean()) for s in shares))


def row(name: str, values: FloatArray) -> str:
    error, joints, base, stated, spent = values.T
    right = error <= 100 * live_filter.NEAR
    cells = [
        f"{np.median(error):.1f} / {error.mean():.1f}",
        *(f"{np.nanmedian(one):.1f} / {np.nanmean(one):.1f}" for one in (joints, base)),
        f"{np.median(error) / np.nanmedian(joints):.2f}, {error.mean() / np.nanmean(joints):.2f}",
        *(f"{right.mean():.2f}", f"{stated.mean():.2f}"),
        *(f"{calibration_error(stated, right):.3f}", f"{len(error)}", f"{np.median(spent):.1f}"),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def fit(sets: list[FloatArray]) -> None:
    """Print the two numbers of `live_filter.calibrated`; every set counts alike."""
    from sklearn.linear_model import LogisticRegression

    stated = np.concatenate([v[:, 3] for v in sets])
    logit = np.log(stated / (1 - stated))
    odds = (logit - live_filter.INTERCEPT) / live_filter.SLOPE  # those of the mass
    right = np.concatenate([v[:, 0] for v in sets]) <= 100 * live_filter.NEAR
    weight = np.concatenate([np.full(len(v), 1 / len(v)) for v in sets])
    model = LogisticRegression(C=1e6).fit(odds[:, None], right, weight * len(odds))
    print(f"calibration: {model.intercept_[0]:.2f} + {model.coef_[0, 0]:.2f} log odds")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("phases", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--times", type=int, default=1, help="as many pairs")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    offline, seed, sets = Offline(), SEEDS[given.split], []
    print("| clips | live, % of A | joints offline | with base model | live to joints offline | "
          "within 5 % | stated | calibration error | frames | ms |")  # fmt: skip
    print("|---" * 10 + "|")
    kinds = (False, RENDERED, "rendered"), (True, WITH_ERRORS, "rendered, errors of networks")
    for errors, pairs, name in kinds:
        sets.append(measured(rendered(seed, given.times * pairs, errors=errors), offline))
        print(row(name, sets[-1]), flush=True)
    for action, pairs in PAIRS.items():
        project = penn_project(given.penn, action, given.work / action, given.phases)
        cut = labelled(project, given.split, given.times * pairs, seed)
        sets.append(measured(cut, offline))
        print(row(action, sets[-1]), flush=True)
    if given.fit:
        fit(sets)


if __name__ == "__main__":
    main()
