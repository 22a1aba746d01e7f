"""The script that judges by labels of people: its data sets, pairs and tables."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.events import choose_events
from tests.movement import sequence
from tests.small_runs import TINY

ROOT = Path(__file__).parents[2]
DATA = (
    Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared"))
    / "data"
    / "human_events"
)
SHARED = pytest.mark.skipif(not DATA.exists(), reason="the shared human events are absent")


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """benchmarks/human_labels.py as a module."""
    folder = ROOT / "benchmarks"
    spec = importlib.util.spec_from_file_location("human_labels", folder / "human_labels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    sys.modules["human_labels"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        del sys.modules["human_labels"]


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "clips.csv").read_text("utf-8").splitlines()))


def test_golf_pairs_are_of_two_videos_and_know_slow_motion(script: ModuleType) -> None:
    real, slow = {"youtube_id": "x", "slow": "0"}, {"youtube_id": "x", "slow": "1"}
    other = {"youtube_id": "y", "slow": "1"}
    assert script.golf_pair(real, slow) == ""
    assert script.golf_pair(slow, slow) == ""
    assert script.golf_pair(slow, other) == "slow motion"
    assert script.golf_pair(real, {**other, "slow": "0"}) == "real speed"
    assert script.golf_pair(real, other) == script.golf_pair(other, real) == script.GOLF_MIXED


def test_repetition_pairs_are_of_two_videos_and_usual_borders(script: ModuleType) -> None:
    usual = {"source_video": "x", "usual_border": "1"}
    assert script.repetition_pair(usual, usual) == ""
    assert script.repetition_pair(usual, {**usual, "source_video": "y"}) == "all"
    unusual = {"source_video": "y", "usual_border": "0"}
    assert script.repetition_pair(usual, unusual) == script.repetition_pair(unusual, usual) == ""


def made_set(script: ModuleType, root: Path, people: int = 6) -> Any:
    """Jumps of which each is held in its first pose for another time; two for each person."""
    folder = root / "skijump"
    (folder / "clips").mkdir(parents=True)
    joints = ["head", *(f"{s}_{j}" for j in JOINTS for s in ("left", "right"))]
    clips, phases = ["video,athlete"], ["video,start,end,phase"]
    for n in range(2 * people):
        held = 3 * n
        pose = sequence(np.concatenate([np.zeros(held), np.linspace(0, 1, 60)]))
        order = [SKELETON.index(name) for name in joints]
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
    return script.SETS["skijump"]


JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def skeleton_joints() -> list[str]:
    from la2ds_cli.core.skeleton import get_skeleton

    return list(get_skeleton("penn13").joints)


SKELETON = skeleton_joints()


def test_each_fold_tests_the_people_that_the_other_trains_on(
    script: ModuleType, tmp_path: Path
) -> None:
    data = made_set(script, tmp_path / "data")
    folds = script.make_folds(data, tmp_path / "data", tmp_path / "work", 0)
    split = []
    for fold in folds:
        people: dict[str, set[str]] = {"train": set(), "test": set()}
        for video in fold.project.videos():
            people[video.split].add(video.group)
        assert not people["train"] & people["test"]
        assert len(people["train"]) == len(people["test"]) == 3
        split.append(people)
    assert split[0]["test"] == split[1]["train"]


def test_a_label_that_is_the_first_of_its_clip_is_an_event(
    script: ModuleType, tmp_path: Path
) -> None:
    data = made_set(script, tmp_path / "data")
    fold = script.make_folds(data, tmp_path / "data", tmp_path / "work", 0)[0]
    poses = {video.id: fold.project.read_pose(video.id)[0] for video in fold.project.videos()}
    clips, source, _ = choose_events(poses, fold.project.phases())
    events = {fold.info[clip.id]["video"]: dict(clip.events) for clip in clips}
    assert source == "phases"
    assert events["jump0"] == {"landed": 40}
    assert events["jump2"] == {"flight": 26, "landed": 46}


def test_copies_give_no_error_by_raw_poses_and_some_by_the_clock(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "FEATURE_NAMES", ("raw_pose", "raw_pose_best", "time_only"))
    data = made_set(script, tmp_path / "data", people=4)
    folds = script.make_folds(data, tmp_path / "data", tmp_path / "work", 0)
    plan = script.Plan((), (), (0,), 0, 8, Progress())
    rows = script.measure(folds, plan)
    shown = script.figures(folds, rows, "all")
    by_label = {figure.label: figure for figure in shown}
    assert by_label["best raw pose"].median.value == 0
    assert by_label["clock"].median.value > 2
    low, high = by_label["clock"].median.interval
    assert low <= by_label["clock"].median.value <= high
    assert by_label["clock"].pairs <= 2 * 3 * 8  # folds, draws, pairs of each
    covered = script.coverages(folds, rows, "all")
    assert [(c.label, c.held.value) for c in covered] == [("poses alone", 100)]
    text = script.tables({"ski jump": shown}, {"ski jump": covered}, plan)
    assert "| raw pose | **0.00 " in text
    assert "| ski jump | poses alone | 100.0 " in text


def test_a_model_is_trained_once_for_each_seed_and_half(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "FEATURE_NAMES", ("raw_pose_best", "time_only"))
    data = made_set(script, tmp_path / "data", people=4)
    folds = script.make_folds(data, tmp_path / "data", tmp_path / "work", 0)
    # Networks of two steps would weigh next to nothing beside the movement.
    settings = (*TINY, "align.reference_clips=0", "align.weights=equal")
    plan = script.Plan(("default",), settings, (0, 1), 0, 300, Progress())
    shown = script.figures(folds, script.measure(folds, plan), "all")
    best, clock, model = shown
    assert model.label.startswith("model, default, model.width=16")
    assert "threads" not in model.label  # it only makes a run faster
    assert len(model.by_seed) == 2
    assert model.by_seed[0] != model.by_seed[1]
    assert model.median.value == np.mean([median for median, _ in model.by_seed])
    assert (best.events, clock.events) == (model.events, model.events)
    for fold in folds:
        assert len(list((fold.project.root / "checkpoints").iterdir())) == 2

    def refused(*args: object) -> None:
        raise AssertionError("it was measured before")

    across_people = importlib.import_module("across_people")
    monkeypatch.setattr(across_people, "_transfers", refused)
    monkeypatch.setattr(across_people, "_coverage", refused)
    again = script.make_folds(data, tmp_path / "data", tmp_path / "work", 0)
    assert script.figures(again, script.measure(again, plan), "all")[2].by_seed == model.by_seed


@SHARED
def test_the_shared_sets_have_folds_without_a_person_in_both(
    script: ModuleType, tmp_path: Path
) -> None:
    for data in script.SETS.values():
        folder = DATA / data.folder
        people = {row[data.person] for row in rows(folder)}
        first, second = script.halves(people, 0)
        assert not set(first) & set(second)


@SHARED
def test_the_squats_are_imported_with_one_event_each(script: ModuleType, tmp_path: Path) -> None:
    folds = script.make_folds(script.SETS["squat"], DATA, tmp_path, 0)
    for fold in folds:
        project: Project = fold.project
        phases = project.phases()
        assert len(phases) == len(project.videos()) == 25
        assert all(len(each) == 2 for each in phases.values())
        pairs = [(a, b) for a in fold.info for b in fold.info if fold.kind(a, b)]
        assert all(fold.person(a) != fold.person(b) for a, b in pairs)


@SHARED
def test_golf_has_no_pair_of_one_source_video(script: ModuleType) -> None:
    clips = rows(DATA / "golf")
    pairs = [(a, b, script.golf_pair(a, b)) for a in clips for b in clips]
    assert all(a["youtube_id"] != b["youtube_id"] for a, b, kind in pairs if kind)
    assert {kind for *_, kind in pairs} - {""} == set(script.SETS["golf"].kinds)
