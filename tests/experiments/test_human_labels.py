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
from tests.movement import sequence
from tests.shared_data import PEOPLE, needs_people
from tests.small_runs import TINY

ROOT = Path(__file__).parents[2]
NAMES = ("people", "human_labels", "methods")


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


def test_a_model_is_trained_once_for_each_seed_and_half(
    people: Any, labels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "BASELINES", ["raw_pose_best", "time_only"])
    folds = folds_of(people, tmp_path)
    # Networks of two steps would weigh next to nothing beside the movement.
    settings = (*TINY, "align.reference_clips=0")

    def shown(*seeds: str) -> Any:
        return labels.figures(folds, ["default"], seeds, settings, 8)["ski jump"]

    both = shown("0", "1")
    assert both["raw_pose_best"][0] == 0  # jumps are copies of each other
    assert both["time_only"][0] > 2
    for fold in folds:
        assert len(list((fold.project.root / "checkpoints").iterdir())) == 2
    monkeypatch.setattr(labels, "transfer_events", lambda *_: pytest.fail("measured again"))
    alone = [shown(seed)["model, default"] for seed in ("0", "1")]
    assert both["model, default"] == pytest.approx(np.mean(alone, axis=0))
    assert "| raw_pose_best | 0.00 / " in labels.table({"ski jump": both})


def test_folds_are_pooled_by_kind_and_each_figure_takes_its_best_variant(labels: Any) -> None:
    events = [["x", 0, "a", "b", "top"], ["x", 1, "a", "b", "top"], ["y", 0, "b", "a", "top"]]
    other = [["x", 0, "c", "d", "top"], ["x", 0, "c", "d", "end"]]
    steady, mostly = ([3.0, 3.0, 9.0], [3.0, 3.0]), ([1.0, 1.0, 0.0], [1.0, 40.0])
    folds = [
        {"events": of, "percent": {"raw": [steady[n], mostly[n]]}}
        for n, of in enumerate((events, other))
    ]
    assert labels.figure(folds, "raw", "x") == (1.0, 3.0)
    assert labels.figure(folds, "raw", "y") == (0.0, 0.0)


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
