"""The scripts that judge by labels of people: halves of people, kinds of pairs, statistics."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.experiments.benchmark import method_rows
from tests.datasets.squatters import squat, write_arrays
from tests.movement import sequence
from tests.shared_data import PEOPLE, needs_people
from tests.small_runs import TINY

ROOT = Path(__file__).parents[2]
NAMES = ("people", "films", "human_labels", "methods")


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, Any]]:
    """The files of benchmarks/ as modules."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def people(scripts: dict[str, Any]) -> Any:
    return scripts["people"]


@pytest.fixture(scope="module")
def labels(scripts: dict[str, Any]) -> Any:
    return scripts["human_labels"]


USUAL = {"source_video": "x", "usual_border": "1"}
REAL, SLOW = {"youtube_id": "x", "slow": "0"}, {"youtube_id": "x", "slow": "1"}


@pytest.mark.parametrize(
    ("pair", "a", "b", "kind"),
    [
        ("golf_pair", REAL, SLOW, ""),
        ("golf_pair", SLOW, {**SLOW, "youtube_id": "y"}, "slow motion"),
        ("golf_pair", REAL, {**REAL, "youtube_id": "y"}, "real speed"),
        ("golf_pair", REAL, {**SLOW, "youtube_id": "y"}, "real speed with slow motion"),
        ("repetition_pair", USUAL, USUAL, ""),
        ("repetition_pair", USUAL, {**USUAL, "source_video": "y"}, "all"),
        ("repetition_pair", USUAL, {"source_video": "y", "usual_border": "0"}, ""),
    ],
)
def test_pairs_are_of_two_videos_and_of_one_kind(
    people: Any, pair: str, a: dict[str, str], b: dict[str, str], kind: str
) -> None:
    assert getattr(people, pair)(a, b) == getattr(people, pair)(b, a) == kind


def made_set(people: Any, root: Path, count: int) -> Any:
    """Jumps of which each is held in its first pose for another time; two for each person."""
    folder = root / "skijump"
    (folder / "clips").mkdir(parents=True)
    pairs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    joints = ["head", *(f"{s}_{j}" for j in pairs for s in ("left", "right"))]
    order = [get_skeleton("penn13").index(name) for name in joints]
    clips, phases = ["video,athlete"], ["video,start,end,phase"]
    for n in range(2 * count):
        held = 3 * n
        pose = sequence(np.concatenate([np.zeros(held), np.linspace(0, 1, 60)]))
        lines = [",".join(["frame", *(f"{name}_{axis}" for name in joints for axis in "xy")])]
        lines += [
            ",".join([str(t), *(f"{v:.3f}" for v in pose.xy[t, order].ravel())])
            for t in range(len(pose))
        ]
        (folder / "clips" / f"jump{n}.csv").write_text("\n".join(lines) + "\n", "utf-8")
        clips.append(f"jump{n},athlete{n // 2}")
        if n:
            phases.append(f"jump{n},0,{held + 20},in_run")
            phases.append(f"jump{n},{held + 20},{held + 40},flight")
        phases.append(f"jump{n},{held + 40},{held + 60},landed")
    (folder / "clips.csv").write_text("\n".join(clips) + "\n", "utf-8")
    (folder / "phases.csv").write_text("\n".join(phases) + "\n", "utf-8")
    return people.SETS["skijump"]


def folds_of(people: Any, folder: Path, count: int = 4) -> list[Any]:
    data = made_set(people, folder / "data", count)
    return people.make_folds(data, folder / "data", folder / "work")


@pytest.mark.parametrize("count", [2, 9, 20])
def test_no_person_is_in_both_halves_and_all_are_in_one(people: Any, count: int) -> None:
    names = [f"person{n}" for n in range(count)]
    first, second = people.halves(names + names, 3)
    assert not set(first) & set(second)
    assert sorted(first + second) == sorted(names)
    assert 0 <= len(first) - len(second) <= 1
    assert (first, second) == people.halves(reversed(names), 3)
    assert count == 2 or any(people.halves(names, seed)[0] != first for seed in range(5))


def test_each_fold_tests_the_people_that_the_other_trains_on(people: Any, tmp_path: Path) -> None:
    found = []
    for fold in folds_of(people, tmp_path, 6):
        split: dict[str, set[str]] = {"train": set(), "test": set()}
        for video in fold.project.videos():
            split[video.split].add(video.group)
        assert not split["train"] & split["test"]
        assert len(split["train"]) == len(split["test"]) == 3
        found.append(split)
    assert found[0]["test"] == found[1]["train"]


def test_a_label_that_is_the_first_of_its_clip_is_an_event(people: Any, tmp_path: Path) -> None:
    fold = folds_of(people, tmp_path)[0]
    poses = {video.id: fold.project.read_pose(video.id)[0] for video in fold.project.videos()}
    clips, source, _ = choose_events(poses, fold.project.phases())
    events = {fold.info[clip.id]["video"]: dict(clip.events) for clip in clips}
    assert source == "phases"
    assert events["jump0"] == {"landed": 40}
    assert events["jump2"] == {"flight": 26, "landed": 46}


def test_pairs_of_each_kind_are_drawn_by_themselves(people: Any, tmp_path: Path) -> None:
    fold = folds_of(people, tmp_path)[0]

    def kind(a: str, b: str) -> str:
        if fold.person(a) == fold.person(b):
            return ""
        first, second = (int(fold.info[clip]["video"][4:]) for clip in (a, b))
        return "near" if (first - second) % 2 == 0 else "far"

    config = fold.project.config(overrides=["evaluate.pairs=2", "evaluate.trim_draws=1"])
    pairs = people.drawn_pairs(fold.project, config, kind)
    kinds = [kind(pairs.clips[a].id, pairs.clips[b].id) for a, b in pairs.draws[0].pair]
    assert (kinds.count("near"), kinds.count("far"), len(kinds)) == (2, 2, 4)
    whole = people.whole_pairs(fold.project, config, kind)
    assert sorted(kind(a.id, b.id) for a, b in whole) == sorted(kinds)


WHOLE = ("evaluate.max_trim=0", "evaluate.trim_draws=1")


def in_motion(rows: Any) -> Any:
    (row,) = [row for row in rows if not row.at_rest]
    return row


def test_a_model_is_trained_once_for_each_seed_and_half(
    people: Any, labels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = folds_of(people, tmp_path)
    # Networks of two steps would weigh next to nothing beside the movement.
    settings = (*TINY, "align.reference_clips=0")

    def shown(*seeds: str) -> Any:
        return in_motion(labels.measured_rows(folds, 8, (), ["default"], seeds, settings))

    both = shown("0", "1")
    for fold in folds:
        assert len(list((fold.project.root / "checkpoints").iterdir())) == 2
    monkeypatch.setattr(labels, "transfer_events", lambda *_: pytest.fail("measured again"))
    alone = [shown(seed).figures["model, default"] for seed in ("0", "1")]
    assert both.figures["model, default"] == pytest.approx(np.mean(alone, axis=0))


def test_copies_of_one_jump_have_no_error_and_nothing_is_trained(
    people: Any, labels: Any, tmp_path: Path
) -> None:
    """Each is held in its first pose for another time, which only a clock takes for movement."""
    folds = folds_of(people, tmp_path)
    row = in_motion(labels.measured_rows(folds, 8, (2,)))
    assert (row.title, row.label) == ("ski jump", "ski jump")
    columns = ["two clips alone", "through 2 reference clips", "raw poses, best variant"]
    assert [*row.figures] == [*columns, "time only"]
    assert row.figures["raw poses, best variant"][0] == 0
    # A network also sees the frames around, which are those of the first pose.
    assert all(row.figures[column][0] < 2 for column in columns)
    assert row.figures["time only"][0] > 5
    assert not any((fold.project.root / "checkpoints").exists() for fold in folds)


def test_errors_are_pooled_over_folds_by_kind_and_apart_at_rests(labels: Any) -> None:
    one = [["x", 0, "a", "b", "top", False], ["x", 1, "a", "b", "top", False]]
    one += [["y", 0, "b", "a", "top", False], ["x", 0, "a", "b", "end", True]]
    other = [["x", 0, "c", "d", "top", False], ["x", 0, "c", "d", "end", True]]
    steady, mostly = ([3.0, 3.0, 9.0, 5.0], [3.0, 7.0]), ([1.0, 1.0, 0.0, 0.0], [40.0, 8.0])
    folds = [
        {"events": of, "percent": {"raw": [steady[n], mostly[n]]}}
        for n, of in enumerate((one, other))
    ]

    def found(kind: str, at_rest: bool) -> Any:
        return labels.best(labels.errors_of(folds, "raw", kind, at_rest=at_rest))

    assert found("x", False) == (1.0, 3.0)  # the best median, and the best mean
    assert found("x", True) == (4.0, 4.0)
    assert found("y", False) == (0.0, 0.0)
    assert np.isnan(found("y", True)).all()


def test_the_table_shows_motion_first_and_the_readme_leaves_borders_of_repetitions_out(
    labels: Any,
) -> None:
    figures = {"two clips alone": (0.123, 4.567), "time only": (5.0, 6.0)}
    rows = [labels.Row("golf", rest, 7, figures) for rest in (True, False)]
    rows.append(labels.Row("pull-up", False, 8, figures))
    headings, cells = labels.table(rows)
    assert headings == ["median (mean), % of B", "events", "two clips alone", "time only"]
    assert [line[0] for line in cells] == ["golf", "pull-up", "golf: rests"]
    assert cells[0] == ["golf", "7", "0.12 (4.57)", "5.00 (6.00)"]
    rows += [labels.Row("walk", True, count, figures) for count in (299, 300)]
    shown = [(row.label, row.events) for row in labels.in_readme(rows)]
    assert shown == [("golf", 7), ("walk: rests", 300)]


FILMS = {  # performance -> frames of its films
    "m01_s01": 40,
    "m01_s02": 50,
    "m01_s03": 60,
    "m02_s01": 45,  # with the right side of the body
    "m02_s02": 55,  # with the left
}


def made_films(folder: Path, repetitions: int = 2) -> Path:
    """Films of a movement there and back; from the side everything is half as wide."""
    clips, events = ["clip,movement,person"], ["clip,event,seconds"]
    for performance, length in FILMS.items():
        for number in range(1, repetitions + 1):
            clip = f"{performance}_e{number:02d}"
            clips.append(f"{clip},squat,{performance[-3:]}")
            for name, share in (("half_out", 0.25), ("turn", 0.5), ("half_back", 0.75)):
                events.append(f"{clip},{name},{share * length / 30:.4f}")
            pose = sequence(np.linspace(0, 1, length))
            names = [f"{n}_{c}" for n in get_skeleton("penn13").joints for c in ("x", "y", "score")]
            for side, width in (("0", 1.0), ("45", 0.5)):
                xy = pose.xy * [width, 1]
                lines = [",".join(["frame", *names])]
                lines += [
                    ",".join([str(n), *(f"{x:.3f},{y:.3f},1" for x, y in frame)])
                    for n, frame in enumerate(xy)
                ]
                place = folder / side / f"{clip}.csv"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "clips.csv").write_text("\n".join(clips) + "\n", "utf-8")
    (folder / "events.csv").write_text("\n".join(events) + "\n", "utf-8")
    return folder


def test_a_film_is_narrow_from_the_side_and_its_moments_are_those_of_the_movement(
    scripts: dict[str, Any], tmp_path: Path
) -> None:
    films = scripts["films"]
    rests = squat(2.0)
    rests[:] = rests[:1]  # does not go out and come back
    recordings = {"m01_s01_e01": squat(2.0), "m01_s02_e01_inc": squat(2.0), "m01_s03_e01": rests}
    films.make_films(write_arrays(tmp_path / "joints", recordings), tmp_path / "out", (0, 90))
    assert [row["clip"] for row in films.read_clips(tmp_path / "out")] == ["m01_s01_e01"]
    events = films.read_events(tmp_path / "out")["m01_s01_e01"]
    shares = [events[name] / 30 / 2.0 for name in films.EVENTS]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.02)
    front, side = (films.film(tmp_path / "out" / n / "m01_s01_e01.csv") for n in ("0", "90"))
    assert len(front) == len(side) == 60
    left, right = (get_skeleton("penn13").index(f"{s}_shoulder") for s in ("left", "right"))
    wide, narrow = (
        np.abs(clip.xy[:, left, 0] - clip.xy[:, right, 0]).mean() for clip in (front, side)
    )
    assert narrow < wide / 3
    hip = get_skeleton("penn13").index("left_hip")
    lowest = int(front.xy[:, hip, 1].argmax())
    assert lowest == pytest.approx(events["turn"], abs=4)


def test_films_become_a_set_for_each_exercise_with_a_from_one_side_and_b_from_the_other(
    scripts: dict[str, Any], tmp_path: Path
) -> None:
    people, films = scripts["people"], made_films(tmp_path / "films", repetitions=6)
    squats, steps = scripts["films"].exercise_sets(films, tmp_path / "sets")
    assert squats.title("0 and 45°") == steps.title("0 and 45°") == "exercises, 0 and 45°"
    for fold in people.make_folds(squats, tmp_path, tmp_path / "work"):
        assert len(fold.info) == 3 * 2 * scripts["films"].REPETITIONS
        pairs = [(a, b) for a in fold.info for b in fold.info if fold.kind(a, b)]
        assert pairs
        for a, b in pairs:
            assert (fold.info[a]["side"], fold.info[b]["side"]) == ("0", "45")
            assert fold.person(a) != fold.person(b)
        poses = {video.id: fold.project.read_pose(video.id)[0] for video in fold.project.videos()}
        clips, source, _ = choose_events(poses, fold.project.phases())
        assert source == "phases"
        assert len(clips) == len(poses)
        for clip in clips:
            shares = [clip.events[name] / len(clip.pose) for name in scripts["films"].EVENTS]
            assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.5 / 40)
    (fold, _) = people.make_folds(steps, tmp_path, tmp_path / "work")
    assert not any(fold.kind(a, b) for a in fold.info for b in fold.info)  # left and right


def test_the_readme_has_the_figures_of_the_page() -> None:
    """Rows of README.md below the heading of accuracy are those of the results."""
    text = (ROOT / "docs" / "results" / "human-labels-accuracy.csv").read_text("utf-8")
    header, *rows = csv.reader(text.splitlines())
    figures = {row[0]: row[2:] for row in rows}
    table = (ROOT / "README.md").read_text("utf-8").partition("## How good it is")[2]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    shown = {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}
    assert any(label.endswith(": rests") for label in shown)
    for label, cells in shown.items():
        if label in figures:
            assert cells == figures[label]
    assert len(set(shown) & set(figures)) == len(lines) - 2
    assert [cell.strip() for cell in lines[0][1:]] == header[2:]


@needs_people
def test_the_shared_sets_have_halves_and_their_kinds(people: Any) -> None:
    for data in people.SETS.values():
        text = (PEOPLE / data.folder / "clips.csv").read_text("utf-8")
        clips = list(csv.DictReader(text.splitlines()))
        first, second = people.halves({row[data.person] for row in clips}, 0)
        assert not set(first) & set(second)
        assert {data.pair(a, b) for a in clips for b in clips} - {""} == set(data.kinds)


def test_the_rates_on_file_are_of_all_methods_of_the_page(scripts: dict[str, Any]) -> None:
    methods = scripts["methods"].METHODS
    chosen = json.loads(scripts["methods"].RATES.read_text("utf-8"))
    assert [row.name for row in method_rows(methods)] == list(chosen) == list(methods)
    for row in chosen.values():
        assert row["rate"] == min(row["errors"], key=lambda one: one[1])[0]
