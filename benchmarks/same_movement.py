"""How often is it told rightly whether two clips show the same movement?

    python benchmarks/same_movement.py PENN HUMAN_EVENTS --work DIR [--gait GAIT]
        [--footage PROJECT] [--pairs 70] [--seed 0]

PENN: a folder with labels/*.mat. HUMAN_EVENTS: see human_labels.py. GAIT: a folder of
walks, with clips.csv and a folder of each view. PROJECT: of videos whose poses were extracted, in
one folder for each movement; every other one is judged. No pair shows one person twice.

Pairs of one movement and pairs of two, as many of each movement, from the training clips and one
half of the people, and from the test clips and the other half. Fits the weights of
la2ds_cli/alignment/same_movement.py on the former, and prints them; then how often the weights that
the package has refuse or doubt pairs of the latter that show the same, and let pass those that do
not; and the errors of weights that were fitted without the movement that is judged.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from people import SETS, make_folds, penn_project
from repetitions_people import half_of
from sklearn.linear_model import LogisticRegression

from la2ds_cli.alignment.clip_features import PosedClip, movement_features
from la2ds_cli.alignment.nearest_view import choose_view
from la2ds_cli.alignment.same_movement import (
    DOUBTED,
    INTERCEPT,
    REFUSED,
    WEIGHTS,
    Evidence,
    compare_descriptions,
    describe,
)
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.features.camera_views import seen
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.wide_csv import read_clips

ACTIONS = ("baseball_swing", "bench_press", "bowl", "golf_swing", "jumping_jacks")
ACTIONS += ("pullup", "squat", "tennis_forehand")
# Names of people's clips and of footage, in words of Penn Action.
ALIKE = {"golf": "golf_swing", "pull_up": "pullup", "walk": "walking"}
CLIPS = 30  # of an action and part, at most


def shown(a: PoseSequence, b: PoseSequence) -> PoseSequence:
    """Clip B in the view that is nearest to clip A."""
    return seen(b, choose_view(PosedClip(a), b, movement_features()).view, a)


@dataclass(frozen=True)
class Clip:
    movement: str
    source: str
    judged: bool
    person: str
    pose: PoseSequence


@dataclass(frozen=True)
class Pair:
    a: Clip
    b: Clip
    evidence: Evidence

    @property
    def same(self) -> bool:
        return self.a.movement == self.b.movement


def penn_clips(penn: Path, action: str, work: Path) -> list[Clip]:
    project, clips = penn_project(penn, action, work / "same" / action), []
    for split in ("train", "test"):
        ids = sorted(video.id for video in project.videos() if video.split == split)
        chosen = np.unique(np.linspace(0, len(ids) - 1, CLIPS).astype(int))
        for n in chosen:
            pose = body_joints(project.read_pose(ids[n])[0])
            clips.append(Clip(action, "penn", split == "test", ids[n], pose))
    return clips


def people_clips(data: Path, name: str, work: Path) -> list[Clip]:
    clips = []
    for number, fold in enumerate(make_folds(SETS[name], data, work / "people")):
        ids = sorted(video.id for video in fold.project.videos() if video.split == "test")
        for video in ids:
            pose = body_joints(fold.project.read_pose(video)[0])
            person = fold.person(video)
            clips.append(Clip(ALIKE.get(name, name), "people", number == 1, person, pose))
    return clips


def walks(gait: Path) -> list[Clip]:
    """Walks from all views, divided by the hash of the person."""
    options = ImportOptions(fps=30.0, size=(1280, 720), skeleton="penn13")
    with (gait / "clips.csv").open(newline="") as table:
        people = {row["video"]: row["person"] for row in csv.DictReader(table)}
    clips = []
    for path in sorted(gait.glob("*/*.csv")):
        if path.stem in people:
            pose = to_sequence(read_clips(path, options)[0], options, None)
            person = people[path.stem]
            clips.append(Clip("walking", "gait", half_of(person) == 1, person, pose))
    return clips


def footage(project: StoredProject) -> list[Clip]:
    clips = []
    for number, video in enumerate(sorted(project.posed_videos(), key=lambda video: video.id)):
        folder = Path(video.path).parent.name
        pose = body_joints(project.read_pose(video.id)[0])
        movement = ALIKE.get(folder, folder)
        clips.append(Clip(movement, "footage", number % 2 == 1, video.id, pose))
    return clips


def drawn_pairs(clips: list[Clip], each: int, rng: np.random.Generator) -> list[Pair]:
    """`each` pairs of every movement and source with itself, and as many with all others."""
    groups: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.movement, clip.source].append(clip)
    pairs = []
    for (movement, source), own in sorted(groups.items()):
        others = [key for key in sorted(groups) if key[0] != movement]
        for n in range(each):
            a = own[int(rng.integers(len(own)))]
            mates = [clip for clip in own if clip.person != a.person]
            other = groups[others[n % len(others)]]
            drawn = [mates[int(rng.integers(len(mates)))]] if mates else []
            drawn += [other[int(rng.integers(len(other)))]]
            for first, second in [(a, b) for b in drawn]:
                seen_b = shown(first.pose, second.pose)
                found = compare_descriptions(describe(first.pose), describe(seen_b))
                if found is not None:
                    pairs.append(Pair(first, second, found.evidence))
        print(f"  {movement} ({source}), {len(own)} clips", flush=True)
    return pairs


def numbers(pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p.evidence for p in pairs]), np.array([p.same for p in pairs])


def fitted(pairs: list[Pair]) -> tuple[np.ndarray, float]:
    model = LogisticRegression(C=1.0, max_iter=1000, class_weight="balanced").fit(*numbers(pairs))
    return model.coef_[0], float(model.intercept_[0])


def probability(pairs: list[Pair], weights: np.ndarray, intercept: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(numbers(pairs)[0] @ weights + intercept)))


def row(name: str, pairs: list[Pair], probable: np.ndarray) -> str:
    """Shares of the pairs of one movement that are refused and doubted, and of those of two."""
    _, same = numbers(pairs)
    cells = []
    for which in (same, ~same):
        shares = [np.mean(probable[which] < limit) if which.any() else np.nan
                  for limit in (REFUSED, DOUBTED)]  # fmt: skip
        cells += [f"{which.sum()}", *(f"{100 * share:.1f}" for share in shares)]
    return f"| {name} | {' | '.join(cells)} |"


def without(pairs: list[Pair], movement: str) -> tuple[list[Pair], list[Pair]]:
    """Pairs that do not show the movement, and pairs that do."""
    shown = [movement in (p.a.movement, p.b.movement) for p in pairs]
    rest = [p for p, n in zip(pairs, shown, strict=True) if not n]
    return rest, [p for p, n in zip(pairs, shown, strict=True) if n]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("people", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gait", type=Path)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--pairs", type=int, default=70)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    clips = [clip for action in ACTIONS for clip in penn_clips(given.penn, action, given.work)]
    clips += [clip for name in SETS for clip in people_clips(given.people, name, given.work)]
    clips += walks(given.gait) if given.gait else []
    clips += footage(StoredProject.open(given.footage)) if given.footage else []
    fitting, judged = (
        drawn_pairs([clip for clip in clips if clip.judged == part], given.pairs, rng)
        for part in (False, True)
    )
    weights, intercept = fitted(fitting)
    names = Evidence._fields
    shown = ", ".join(f"{name}={w:.2f}" for name, w in zip(names, weights, strict=True))
    print(f"fitted on {len(fitting)} pairs: {shown}; intercept {intercept:.2f}")
    own = np.array(WEIGHTS)
    held_out = probability(judged, own, INTERCEPT)
    _, same = numbers(judged)
    for limit in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6):
        below = held_out < limit
        print(f"below {limit}: {np.mean(below[same]):.3f} of the same, {np.mean(below[~same]):.3f} "
              "of the others")  # fmt: skip
    print("| pairs | same | refused, % | doubted, % | different | refused, % | doubted, % |")
    print("|---|---|---|---|---|---|---|")
    for source in sorted({clip.source for clip in clips}):
        part = [p for p in judged if p.a.source == p.b.source == source]
        print(row(f"{source}, held out", part, probability(part, own, INTERCEPT)))
    print(row("all, held out", judged, held_out))
    for movement in sorted({clip.movement for clip in clips}):
        rest, shown_pairs = without(fitting + judged, movement)
        print(row(f"without {movement}", shown_pairs, probability(shown_pairs, *fitted(rest))))


if __name__ == "__main__":
    main()
