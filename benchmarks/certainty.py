"""Fit and judge the model of certainty: the tables of docs/results/confidence.md, and the numbers
of la2ds_cli/alignment/certainty_model.py.

    python benchmarks/certainty.py DATA --films FILMS --work DIR [--pairs 80] [--write]

DATA: a folder with human_events, gait and penn_action. FILMS: exercises by motion capture, filmed
from several sides: a folder for each side (0, 45, 90) with wide-csv files of penn13, events.csv and
clips.csv (clip, movement, person). Two clips alone are aligned by the base model. The model is
fitted to all sets but one family, and judged on that family, also on clips of it whose first or
last third was replaced by another movement (spliced.py), and on noise: how many matches are sure,
how many of them are wrong, how often intervals hold, and how wide they are, in motion and at rests
apart.
--write puts the model that is fitted to all sets into the module. Borders of repetitions, which lie
in a rest and are set by whoever sets them, are judged but not fitted.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from films import film, read_clips, read_events
from people import ACTIONS, SETS, make_folds, page_table, penn_project, whole_pairs
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from spliced import (
    SHARE,
    every,
    kind_of,
    looks_alike,
    moments_of_spliced,
    noise_like,
    splice,
)

from la2ds_cli.alignment import certainty_model, confidence, different_ends, unlike_poses
from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.certainty_model import BETTER, Linear, MatchEvidence
from la2ds_cli.alignment.clip_features import Embedding, network_features
from la2ds_cli.alignment.confidence import NOMINAL, UNSURE_AT_MOST
from la2ds_cli.alignment.different_ends import ANOTHER_END, describe_ends
from la2ds_cli.alignment.unlike_poses import UNLIKE, compute_unlikeness
from la2ds_cli.core.arrays import FloatArray
from la2ds_cli.core.config import load_config
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.features.camera_views import seen as seen_in_view
from la2ds_cli.network.load_network import light_base

SIDES = ((0, 0), (0, 45), (0, 90), (90, 90))  # degrees of the cameras of A and of B
NOT_FITTED = ("squat", "push-up", "pull-up")
WRONG = 0.03  # of the sure matches, at most; sets to come may be harder than those that were seen
EVERY = 5  # frames of rendered performers
Moments = list[tuple[int, float, str]]
"""Frame of A, the frame of B that shows the same, name of the event."""


@dataclass(frozen=True)
class Pair:
    """Two clips of a set, and where B shows the events of A; NaN = nowhere. performer: of B."""

    name: str
    performer: str
    a: PoseSequence
    b: PoseSequence
    moments: Moments
    a_by_camera_of_b: PoseSequence | None = None


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
    ends: FloatArray
    unlike: FloatArray


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


def pairs_with_other_ends(pairs: Sequence[Pair], films: Path, seed: int = 5) -> Iterator[Pair]:
    """Yield pairs whose B begins or ends otherwise: exercises with another exercise of the same
    person, other sets with a clip of another set."""
    random = np.random.default_rng(seed)
    by_clip = {row["clip"]: row for row in read_clips(films)}
    whole = [pair for pair in pairs if not pair.name.startswith(("Penn", "rendered"))]
    for pair in whole:
        at_start, share = bool(random.random() < 0.5), float(random.uniform(*SHARE))
        own_kind = family(pair.name)
        like = None
        if own_kind == "exercises":
            side = pair.name.split()[-1].removesuffix("°")
            person, _, movement = pair.performer.partition(" ")
            others = [
                clip
                for clip, row in by_clip.items()
                if row["person"] == person and kind_of(row["movement"]) != kind_of(movement)
            ]
            other = film(films / side / f"{random.choice(others)}.csv")
            like = film(films / side / f"{pair.a.clip}.csv")
        else:
            choice = [each.b for each in whole if family(each.name) not in (own_kind, "exercises")]
            other = choice[random.integers(len(choice))]
        seen = [np.isfinite(clip.xy).all(axis=2).any() for clip in (pair.b, other)]
        if len(pair.moments) < 2 or not all(seen) or other.skeleton != pair.b.skeleton:
            continue
        b, cut = splice(pair.b, other, share, at_start)
        lengths = len(pair.a), len(b)
        shown = moments_of_spliced(pair.moments, lengths, cut, at_start)
        yield Pair(f"{own_kind}: another end", pair.performer, pair.a, b, shown, like)


def pairs_with_noise(pairs: Sequence[Pair]) -> Iterator[Pair]:
    for n, pair in enumerate(pairs[::6]):
        if np.isfinite(pair.b.xy).any() and np.isfinite(pair.a.xy).any():
            b = noise_like(pair.b, n)
            yield Pair("noise", str(n), pair.a, b, list(every(pair.a, 8)))


def filmed_pairs(films: Path, count: int) -> Iterator[Pair]:
    """Pairs of the same exercise by different people, from two sides."""
    events = read_events(films)
    by_movement: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_clips(films):
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


# --- what is known about their matches -----------------------------------------------------------


def collect(pairs: Iterator[Pair]) -> Rows:
    """The evidence about the match of each event, as `align` collects it."""
    settings = replace(load_config().align, reference_clips=0)
    base = light_base()
    network = Embedding(lambda clip: base([clip.seen()])[0], base.spread)
    features = network_features(network, settings, kind="base")
    seen: list[tuple[Any, Any]] = []
    original = confidence.collect_evidence

    def recorded(a: Any, b: Any, poses: Any, facts: Any) -> Any:
        evidence = original(a, b, poses, facts)
        seen.append((facts, evidence))
        return evidence

    confidence.collect_evidence = recorded
    confidence.ANOTHER_END, unlike_poses.UNLIKE = 2.0, np.inf  # judged in `table`
    rows: list[tuple[Any, ...]] = []
    try:
        for pair in pairs:
            seen.clear()
            found = align(pair.a, pair.b, (), features, settings)
            ((facts, evidence),) = seen
            axis, tolerance = pair.b.axis, facts.tolerance
            before, after = (side / tolerance for side in facts.sides)
            ends = describe_ends(*found.compared, found.position)
            compared = pair.a, seen_in_view(pair.b, found.view, pair.a)
            unlike = compute_unlikeness(compared, found.position)
            for n, true, event in pair.moments:
                if np.isnan(found.position[n]) or cannot_be_judged(pair, n, true, found.position):
                    continue
                error = float(axis.seconds_at(true) - axis.seconds_at(found.position[n]))
                error = np.inf if np.isnan(true) else error
                side = before[n] if error < 0 else after[n]
                rows.append(
                    (
                        *(pair.name, pair.performer, event, error / tolerance, side),
                        *(before[n] + after[n], axis.duration / tolerance, evidence.rest[n]),
                        *(found.confidence[n] < lowered(evidence)[n], evidence.values[n]),
                        *(np.nan_to_num(ends[n]), unlike[n]),
                    )
                )
    finally:
        confidence.collect_evidence = original
        confidence.ANOTHER_END, unlike_poses.UNLIKE = ANOTHER_END, UNLIKE
    return Rows(*(np.array(column) for column in zip(*rows, strict=True)))


def cannot_be_judged(pair: Pair, n: int, true: float, position: FloatArray) -> bool:
    """Whether the match of a frame without a counterpart shows the same pose nevertheless."""
    if not np.isnan(true) or pair.a_by_camera_of_b is None:
        return False
    matched = int(np.clip(round(position[n]), 0, len(pair.b) - 1))
    return looks_alike(pair.a_by_camera_of_b, pair.b, [(n, matched)])[0]


def lowered(evidence: MatchEvidence) -> FloatArray:
    """(N,) the confidence of a match that nothing else makes doubtful, less rounding."""
    capped = np.where(evidence.rest, UNSURE_AT_MOST, 1.0)
    return np.minimum(evidence.probability, capped) - 1e-4


# --- the model -----------------------------------------------------------------------------------


def family(name: str) -> str:
    """Sets that are left out together."""
    if name.startswith("Penn"):
        return name
    own = re.split(r"[,:]", name)[0]
    return "repetitions" if own in NOT_FITTED else own


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
    odds = fit_odds(scaled, right, weight)
    shown = np.isfinite(rows.error[chosen])
    beyond = np.log(np.abs(rows.error[chosen][shown]) / rows.side[chosen][shown] + 0.01)
    width = QuantileRegressor(quantile=NOMINAL, alpha=1e-3, solver="highs")
    width.fit(scaled[shown], beyond, sample_weight=weight[shown])
    return (
        unscaled(odds[0], odds[1:], mean, spread),
        unscaled(width.intercept_, width.coef_, mean, spread),
    )


def fit_odds(value: FloatArray, right: np.ndarray, weight: FloatArray) -> FloatArray:
    """The constant and the weights of a logistic regression, which have the signs of BETTER."""
    columns = np.column_stack([np.ones(len(value)), value])

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        logit, ridge = columns @ weights, np.r_[0.0, weights[1:]]
        error = 1 / (1 + np.exp(-logit)) - right
        total = (weight * (np.logaddexp(0, logit) - right * logit)).sum() + (ridge**2).sum() / 2
        return float(total), columns.T @ (weight * error) + ridge

    signs = [(0, None) if sign > 0 else (None, 0) for sign in BETTER.values()]
    start = np.zeros(columns.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None), *signs]).x


def unscaled(constant: float, weights: FloatArray, mean: FloatArray, spread: FloatArray) -> Linear:
    """The model of values as they are, from that of values in units of their spread."""
    weights = weights / spread
    return Linear(
        round(float(constant - weights @ mean), 4), tuple(round(float(each), 4) for each in weights)
    )


def fit_ends(rows: Rows, chosen: np.ndarray) -> Linear:
    """The log odds of an end that only one clip has. Untouched rows, and rows beyond a cut, weigh
    alike."""
    spliced = np.char.endswith(rows.name, "another end")
    beyond = spliced & np.isinf(rows.error)
    used = chosen & (beyond | ~spliced) & (rows.name != "noise")
    weight = np.zeros(len(used))
    weight[used & beyond] = weights_of(rows, used & beyond) / (used & beyond).sum()
    weight[used & ~beyond] = weights_of(rows, used & ~beyond) / (used & ~beyond).sum()
    value = rows.ends[used]
    mean, spread = value.mean(axis=0), value.std(axis=0) + 1e-9
    odds = LogisticRegression(max_iter=5000)
    odds.fit((value - mean) / spread, beyond[used], sample_weight=weight[used] * used.sum())
    constant = float(np.ravel(odds.intercept_)[0])
    return unscaled(constant, odds.coef_[0], mean, spread)


def predict(rows: Rows, fitted: np.ndarray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probability, factor, and probability of another end of each row, by the models of all
    families but its own."""
    probability, factor = np.zeros(len(rows.error)), np.zeros(len(rows.error))
    another_end = np.zeros(len(rows.error))
    families = np.array([family(name) for name in rows.name])
    for each in np.unique(families):
        own = families == each
        another_end[own] = fit_ends(rows, ~own).probability(rows.ends[own])
        for rest in (False, True):
            tested = (families == each) & (rows.rest == rest)
            if not tested.any():
                continue
            odds, width = fit(rows, fitted & (families != each) & (rows.rest == rest))
            probability[tested] = odds.probability(rows.evidence[tested])
            low = 1.0 if rest else certainty_model.NARROWEST
            factor[tested] = np.clip(
                np.exp(width(rows.evidence[tested])), low, certainty_model.WIDEST
            )
    return probability, factor, another_end


def lowest_threshold(
    rows: Rows, probability: FloatArray, another_end: FloatArray, fitted: np.ndarray
) -> float:
    """The lowest probability from which at most WRONG of the sure matches are wrong, with 95 %
    confidence over performers: performers are drawn again 1,000 times, and 95 % of the draws keep
    the limit. Every family counts alike."""
    families = np.array([family(name) for name in rows.name])
    random = np.random.default_rng(0)
    for threshold in np.arange(0.5, 0.99, 0.01):
        by_people = fitted & ~np.char.startswith(rows.name, "Penn")  # these are by a rule
        sure = by_people & ~rows.rest & ~rows.doubted & (probability >= threshold)
        sure &= (another_end < ANOTHER_END) & (rows.unlike < UNLIKE) & (rows.name != "noise")
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


def table(
    rows: Rows,
    probability: FloatArray,
    factor: FloatArray,
    another_end: FloatArray,
    threshold: float,
) -> str:
    """A row for each set, in motion and at rests apart."""
    lines = []
    for name in dict.fromkeys(rows.name.tolist()):
        for rest, title in ((False, name), (True, f"{name}: rests")):
            here = (rows.name == name) & (rows.rest == rest)
            if here.sum() < 20:
                continue
            right = np.abs(rows.error[here]) <= 1
            sure = (probability[here] >= threshold) & ~rows.doubted[here] & (not rest)
            sure &= (another_end[here] < ANOTHER_END) & (rows.unlike[here] < UNLIKE)
            before = 100 * rows.both_sides[here] / rows.length[here]
            within = np.where(sure, 1.0, np.inf)  # tolerances
            sides = [rows.side[here], np.minimum(rows.side[here] * factor[here], within)]
            held = [np.abs(rows.error[here]) <= side for side in sides]
            both = np.minimum(rows.both_sides[here] * factor[here], 2 * within)
            after = 100 * both / rows.length[here]
            figures = [
                *(f"{here.sum()}", f"{100 * right.mean():.0f}", f"{100 * sure.mean():.0f}"),
                f"{100 * (~right[sure]).mean():.1f}" if sure.any() else "–",
                *(f"{100 * each.mean():.0f}" for each in held),
                *(f"{np.median(width):.1f}" for width in (before, after)),
            ]
            lines.append([title, *figures])
    headings = ["set", "events", "right", "sure", "wrong of sure"]
    return page_table([*headings, "held before", "held", "width before", "width"], lines)


def write_model(rows: Rows, fitted: np.ndarray, threshold: float) -> None:
    """Put the models of all sets into the modules; what is as probable as the threshold becomes as
    probable as what is called sure."""
    shift = np.log(NOMINAL / (1 - NOMINAL)) - np.log(threshold / (1 - threshold))
    path = Path(certainty_model.__file__)
    text = path.read_text("utf-8")
    for rest, place in ((False, "IN_MOTION"), (True, "AT_REST")):
        for kind, linear in zip(
            ("RIGHT", "WIDTH"), fit(rows, fitted & (rows.rest == rest)), strict=True
        ):
            constant = round(linear.constant + (shift if kind == "RIGHT" else 0.0), 4)
            new = f"{kind}_{place} = Linear({constant}, {linear.weights})"
            text = re.sub(rf"{kind}_{place} = Linear\([^()]*\([^()]*\)[^()]*\)", new, text)
    path.write_text(text, "utf-8")
    path, ends = Path(different_ends.__file__), fit_ends(rows, np.ones(len(fitted), bool))
    new = f"DIFFERENT_END = Linear({ends.constant}, {ends.weights})"
    text = path.read_text("utf-8")
    text = re.sub(r"DIFFERENT_END = Linear\([^()]*\([^()]*\)[^()]*\)", new, text)
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
        people = list(pairs_of_people(given.data, given.work, given.pairs))
        filmed = list(filmed_pairs(given.films, given.pairs // 2))
        yield from (*people, *rendered_pairs(given.pairs), *filmed)
        yield from pairs_with_other_ends([*people, *filmed], given.films)
        yield from pairs_with_noise(people)

    kept = given.work / "certainty.npz"  # to be removed when evidence or matches change
    if not kept.exists():
        np.savez(kept, **collect(pairs())._asdict())
    with np.load(kept, allow_pickle=False) as stored:
        rows = Rows(*(stored[name] for name in Rows._fields))
    fitted = np.array([family(name) != "repetitions" for name in rows.name])
    probability, factor, another_end = predict(rows, fitted)
    threshold = lowest_threshold(rows, probability, another_end, fitted)
    print(table(rows, probability, factor, another_end, threshold))
    print("threshold:", threshold)
    if given.write:
        write_model(rows, fitted, threshold)


if __name__ == "__main__":
    main()
