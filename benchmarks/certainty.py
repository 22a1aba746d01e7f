"""Fit and judge a candidate for a model of certainty: the last table of docs/results/confidence.md,
and the numbers of certainty_model.py beside this file.

    python benchmarks/certainty.py DATA --films FILMS --work DIR [--pairs 80] [--write]

DATA: a folder with human_events, gait and penn_action. FILMS: exercises by motion capture, filmed
from several sides: a folder for each side (0, 45, 90) with wide-csv files of penn13, events.csv and
clips.csv (clip, movement, person). Two clips alone are aligned by the base model. The model is
fitted to all sets but one family, and judged on that family: how many matches are sure, how many of
them are wrong, how often intervals hold, and how wide they are, in motion and at rests apart.
--write puts the model that is fitted to all sets into the module. Borders of repetitions, which lie
in a rest and are set by whoever sets them, are judged but not fitted.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import certainty_model
import numpy as np
from certainty_model import EVIDENCE, Evidence, Linear, MatchFacts, collect_evidence
from people import ACTIONS, SETS, make_folds, page_table, penn_project, whole_pairs
from sklearn.linear_model import LogisticRegression, QuantileRegressor

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.clip_features import Embedding, PosedClip, network_features
from la2ds_cli.alignment.confidence import DOUBTFUL, NOMINAL, interval, sides_of, tolerance_of
from la2ds_cli.alignment.consensus import match_clips
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.config import load_config
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.network.load_network import light_base

SIDES = ((0, 0), (0, 45), (0, 90), (90, 90))  # degrees of the cameras of A and of B
RATE = 30.0
NOT_FITTED = ("squat", "push-up", "pull-up")
WRONG = 0.05  # of the sure matches, at most
LEAST_SURE = 0.87  # probability from which a match would be sure
EVERY = 5  # frames of rendered performers
Moments = list[tuple[int, float, str]]
"""Frame of A, the frame of B that shows the same, name of the event."""


@dataclass(frozen=True)
class Pair:
    """Two clips of a set, and where B shows the events of A. performer: of B."""

    name: str
    performer: str
    a: PoseSequence
    b: PoseSequence
    moments: Moments


class Rows(NamedTuple):
    """One row for each event of each pair. side: of the interval by distances alone, towards the
    truth. All lengths in tolerances; length: of B."""

    name: np.ndarray
    performer: np.ndarray
    event: np.ndarray
    error: FloatArray
    side: FloatArray
    both_sides: FloatArray
    length: FloatArray
    rest: np.ndarray
    doubted: np.ndarray
    evidence: FloatArray


# --- pairs ---------------------------------------------------------------------------------------


def pairs_of_people(data: Path, work: Path, count: int) -> Iterator[Pair]:
    config = load_config(overrides=[f"evaluate.pairs={count}", "evaluate.trim_draws=1"])
    for data_set in SETS.values():
        for fold in make_folds(data_set, data / "human_events", work):
            for a, b in whole_pairs(fold.project, config, fold.kind):
                title = data_set.title(fold.kind(a.id, b.id))
                yield Pair(title, fold.person(b.id), a.pose, b.pose, moments(a, b))
    for action in ACTIONS:
        penn, phases = data / "penn_action", data / "penn_action" / "phases_kinematic.csv"
        project = penn_project(penn, action, work / action, phases)
        for a, b in whole_pairs(project, config, lambda a, b: "all"):
            yield Pair(f"Penn, {action}", b.id, a.pose, b.pose, moments(a, b))


def moments(a: Any, b: Any) -> Moments:
    shared = sorted(a.events.keys() & b.events.keys())
    return [(int(a.events[event]), float(b.events[event]), event) for event in shared]


def rendered_pairs(count: int, clips: int = 40, seed: int = 100) -> Iterator[Pair]:
    performers = [performed(n, clips, seed, 1.5) for n in range(clips)]
    random = np.random.default_rng(seed)
    for _ in range(count):
        i, j = random.choice(clips, 2, replace=False)
        (a, phase_a), (b, phase_b) = performers[i], performers[j]
        true = np.interp(phase_a, phase_b, np.arange(len(phase_b)), np.nan, np.nan)
        rows = [n for n in range(0, len(true), EVERY) if np.isfinite(true[n])]
        yield Pair("rendered", str(j), a, b, [(n, float(true[n]), "phase") for n in rows])


def filmed_pairs(films: Path, count: int) -> Iterator[Pair]:
    """Pairs of the same exercise by different people, from two sides."""
    events: dict[str, dict[str, float]] = defaultdict(dict)
    for row in csv.DictReader((films / "events.csv").read_text("utf-8").splitlines()):
        events[row["clip"]][row["event"]] = float(row["seconds"]) * RATE
    by_movement: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader((films / "clips.csv").read_text("utf-8").splitlines()):
        if row["clip"] in events:
            by_movement[row["movement"]].append(row)
    for side_a, side_b in SIDES:
        random = np.random.default_rng([side_a, side_b])
        for movement, clips in sorted(by_movement.items()):
            for _ in range(count):
                one, other = random.choice(len(clips), 2, replace=False)
                if clips[one]["person"] == clips[other]["person"]:
                    continue
                a, b = clips[one]["clip"], clips[other]["clip"]
                pose_a, pose_b = (
                    film(films / str(side) / f"{clip}.csv")
                    for side, clip in ((side_a, a), (side_b, b))
                )
                shown = [
                    (min(round(events[a][event]), len(pose_a) - 1), events[b][event], event)
                    for event in sorted(events[a].keys() & events[b].keys())
                ]
                performer = f"{clips[other]['person']} {movement}"
                yield Pair(f"exercises, {side_a} and {side_b}°", performer, pose_a, pose_b, shown)


def film(path: Path) -> PoseSequence:
    joints = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1:].reshape(-1, 13, 3)
    length = len(joints)
    return PoseSequence(
        xy=joints[..., :2],
        score=joints[..., 2],
        box=np.full((length, 4), np.nan),
        frame=np.arange(length),
        time=np.arange(length) / RATE,
        fps=RATE,
        size=(1280, 720),
        skeleton="penn13",
    )


# --- what is known about their matches -----------------------------------------------------------


def collect(pairs: Iterator[Pair]) -> Rows:
    """The evidence about the match of each event that `align` finds."""
    settings = replace(load_config().align, reference_clips=0)
    base = light_base()
    network = Embedding(lambda clip: base([clip.seen()])[0], base.spread)
    features = network_features(network, settings, kind="base")
    rows: list[tuple[Any, ...]] = []
    for pair in pairs:
        found = align(pair.a, pair.b, (), features, settings)
        clips = PosedClip(pair.a), PosedClip(pair.b, found.view, pair.a)
        moved = features.movement(clips[0]), features.movement(clips[1])
        axis, same = pair.b.axis, found.same_movement
        sides = sides_of(found.position, *interval(*found.compared, found.position, axis), axis)
        by_movement = match_clips(*moved, settings, axes=(pair.a.axis, axis)).position
        probability = None if same is None else same.probability
        facts = MatchFacts(found.position, sides, tolerance_of(axis), by_movement, probability)
        evidence = collect_evidence(*found.compared, (pair.a, pair.b), facts)
        before, after = (side / facts.tolerance for side in sides)
        for n, true, event in pair.moments:
            if np.isnan(found.position[n]):
                continue
            error = float(axis.seconds_at(true) - axis.seconds_at(found.position[n]))
            side = before[n] if error < 0 else after[n]
            doubted = found.confidence[n] <= np.float32(DOUBTFUL) < lowered(evidence)[n]
            rows.append(
                (
                    *(pair.name, pair.performer, event, error / facts.tolerance, side),
                    *(before[n] + after[n], axis.duration / facts.tolerance, evidence.rest[n]),
                    *(doubted, evidence.values[n]),
                )
            )
    return Rows(*(np.array(column) for column in zip(*rows, strict=True)))


def lowered(evidence: Evidence) -> FloatArray:
    """(N,) the probability of a match that nothing else makes doubtful, less rounding."""
    return evidence.probability - 1e-4


# --- the model -----------------------------------------------------------------------------------


def family(name: str) -> str:
    """Sets that are left out together."""
    return (
        "repetitions"
        if name in NOT_FITTED
        else re.split(r",| \d", name)[0]
        if not (name.startswith("Penn"))
        else name
    )


def weights_of(rows: Rows, chosen: np.ndarray) -> FloatArray:
    """Every family weighs alike, and in it every set."""
    weight = np.zeros(len(rows.error))
    families = np.array([family(name) for name in rows.name])
    for each in np.unique(families[chosen]):
        names = np.unique(rows.name[chosen & (families == each)])
        for name in names:
            here = chosen & (rows.name == name)
            weight[here] = 1 / here.sum() / len(names)
    return weight[chosen] * chosen.sum() / weight[chosen].sum()


def fit(rows: Rows, chosen: np.ndarray) -> tuple[Linear, Linear]:
    """The log odds of being right, and the log factor of the interval, of the chosen rows."""
    value, weight = rows.evidence[chosen], weights_of(rows, chosen)
    mean, spread = value.mean(axis=0), value.std(axis=0) + 1e-9
    scaled = (value - mean) / spread
    right = np.abs(rows.error[chosen]) <= 1
    odds = LogisticRegression(C=1.0, max_iter=5000).fit(scaled, right, sample_weight=weight)
    beyond = np.log(np.abs(rows.error[chosen]) / rows.side[chosen] + 0.01)
    width = QuantileRegressor(quantile=NOMINAL, alpha=1e-3, solver="highs")
    width.fit(scaled, beyond, sample_weight=weight)
    return tuple(
        Linear(
            round(float(constant - (weights / spread) @ mean), 4),
            tuple(round(float(each), 4) for each in weights / spread),
        )
        for constant, weights in (
            (odds.intercept_[0], odds.coef_[0]),
            (width.intercept_, width.coef_),
        )
    )  # pyright: ignore[reportReturnType]


def predict(rows: Rows, fitted: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Probability and factor of each row, by the model of all families but its own."""
    probability, factor = np.zeros(len(rows.error)), np.zeros(len(rows.error))
    families = np.array([family(name) for name in rows.name])
    for each in np.unique(families):
        for rest in (False, True):
            tested = (families == each) & (rows.rest == rest)
            if not tested.any():
                continue
            odds, width = fit(rows, fitted & (families != each) & (rows.rest == rest))
            probability[tested] = 1 / (1 + np.exp(-odds(rows.evidence[tested])))
            low = 1.0 if rest else certainty_model.NARROWEST
            factor[tested] = np.clip(
                np.exp(width(rows.evidence[tested])), low, certainty_model.WIDEST
            )
    return probability, factor


def lowest_threshold(rows: Rows, probability: FloatArray, fitted: np.ndarray) -> float:
    """The lowest probability from which at most WRONG of the sure matches are wrong, with 95 %
    confidence over performers: performers are drawn again 1,000 times, and 95 % of the draws keep
    the limit. Every family counts alike."""
    families = np.array([family(name) for name in rows.name])
    random = np.random.default_rng(0)
    for threshold in np.arange(0.5, 0.99, 0.01):
        by_people = fitted & ~np.char.startswith(rows.name, "Penn")  # these are by a rule
        sure = by_people & ~rows.rest & ~rows.doubted & (probability >= threshold)
        draws = []
        for each in np.unique(families[sure]):
            here = sure & (families == each)
            people = np.unique(rows.performer[here])
            wrong = np.array(
                [(np.abs(rows.error[here & (rows.performer == p)]) > 1).sum() for p in people]
            )
            count = np.array([(here & (rows.performer == p)).sum() for p in people])
            times = random.multinomial(len(people), np.full(len(people), 1 / len(people)), 1000)
            draws.append((times @ wrong) / np.maximum(times @ count, 1))
        if np.percentile(np.mean(draws, axis=0), 95) <= WRONG:
            return round(float(threshold), 2)
    return 0.99


def table(rows: Rows, probability: FloatArray, factor: FloatArray) -> str:
    """A row for each set, in motion and at rests apart."""
    lines = []
    for name in dict.fromkeys(rows.name.tolist()):
        for rest, title in ((False, name), (True, f"{name}: rests")):
            here = (rows.name == name) & (rows.rest == rest)
            if here.sum() < 20:
                continue
            right = np.abs(rows.error[here]) <= 1
            sure = (probability[here] >= LEAST_SURE) & ~rows.doubted[here] & (not rest)
            sure &= rows.both_sides[here] * factor[here] <= 2  # tolerances, as sure promises
            before = 100 * rows.both_sides[here] / rows.length[here]
            held = [np.abs(rows.error[here]) <= rows.side[here] * by for by in (1, factor[here])]
            figures = [
                *(f"{here.sum()}", f"{100 * right.mean():.0f}", f"{100 * sure.mean():.0f}"),
                f"{100 * (~right[sure]).mean():.1f}" if sure.any() else "–",
                *(f"{100 * each.mean():.0f}" for each in held),
                *(f"{np.median(before * by):.1f}" for by in (1, factor[here])),
            ]
            lines.append([title, *figures])
    headings = ["set", "events", "right", "sure", "wrong of sure"]
    return page_table([*headings, "held before", "held", "width before", "width"], lines)


def write_model(rows: Rows, fitted: np.ndarray) -> None:
    """Put the model of all sets into the module."""
    path = Path(certainty_model.__file__)
    text = path.read_text("utf-8")
    for rest, place in ((False, "IN_MOTION"), (True, "AT_REST")):
        for kind, linear in zip(
            ("RIGHT", "WIDTH"), fit(rows, fitted & (rows.rest == rest)), strict=True
        ):
            new = f"{kind}_{place} = Linear({linear.constant}, {linear.weights})"
            text = re.sub(rf"{kind}_{place} = Linear\([^()]*\([^()]*\)[^()]*\)", new, text)
    path.write_text(text, "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=80)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args(arguments)

    def pairs() -> Iterator[Pair]:
        yield from pairs_of_people(given.data, given.work, given.pairs)
        yield from rendered_pairs(given.pairs)
        yield from filmed_pairs(given.films, given.pairs // 2)

    kept = given.work / "certainty.npz"  # to be removed when evidence or matches change
    if not kept.exists():
        np.savez(kept, **collect(pairs())._asdict())
    with np.load(kept, allow_pickle=False) as stored:
        rows = Rows(*(stored[name] for name in Rows._fields))
    fitted = ~np.isin(rows.name, NOT_FITTED)
    probability, factor = predict(rows, fitted)
    print(table(rows, probability, factor))
    print("lowest threshold:", lowest_threshold(rows, probability, fitted))
    print(EVIDENCE)
    if given.write:
        write_model(rows, fitted)


if __name__ == "__main__":
    main()
